/** The first screen: drop a stack, or go back to an earlier job. */

import { acceptDrops, chosen } from "../ui/drop.js";
import { el, fill, toast } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { counted, dated, kinds, sized, stackName, stated } from "../model/words.js";

/**
 * @param {HTMLElement} root
 * @param {import("../main.js").Page} page
 * @returns {() => void} stops
 */
export function showStart(root, page) {
  const { meta } = page;
  const field = (folder) => {
    const input = el("input", {
      type: "file",
      multiple: true,
      hidden: true,
      on: { change: () => take(chosen(input.files)) },
    });
    if (folder) input.webkitdirectory = true;
    return input;
  };
  const [files, folder] = [field(false), field(true)];
  const past = el("section", { class: "past", "aria-labelledby": "past-head", hidden: true });
  const stacks = meta.stacks.length ? serverStacks(page) : null;

  fill(
    root,
    el(
      "div",
      { class: "start" },
      el(
        "section",
        { class: "drop", "aria-labelledby": "drop-head" },
        drawing(),
        el("h1", { id: "drop-head" }, "One picture, sharp everywhere"),
        el(
          "p",
          { class: "lead" },
          "Drop the frames of a focus stack here: files, or their folder.",
        ),
        el(
          "div",
          { class: "row centre" },
          el(
            "button",
            { type: "button", class: "main", on: { click: () => files.click() } },
            icon("picture"),
            "Choose files",
          ),
          el(
            "button",
            { type: "button", on: { click: () => folder.click() } },
            icon("folder"),
            "Choose a folder",
          ),
          meta.demo
            ? el(
                "button",
                { type: "button", on: { click: () => open({ demo: true }) } },
                icon("eye"),
                "Try the built-in scene",
              )
            : null,
        ),
        files,
        folder,
        el("p", { class: "help" }, limits(meta)),
      ),
      past,
      stacks,
    ),
  );

  /** A job of its own for what was dropped. */
  async function take(found) {
    if (!found.length) return;
    try {
      const job = await page.api.create({ name: stackName(found[0].path) });
      page.drafts.of(job).uploads.add(found.map(({ file }) => file));
      await page.show(job);
    } catch (error) {
      toast(error.message);
    }
  }

  async function open(about) {
    try {
      await page.show(await page.api.create(about));
    } catch (error) {
      toast(error.message);
    }
  }

  const refresh = async () => {
    try {
      fillPast(past, await page.api.jobs(), page, refresh);
    } catch {
      // a lost service is told by the banner, and the next turn asks again
    }
  };
  refresh();
  const clock = setInterval(refresh, 4000);
  const stopDrops = acceptDrops(take);
  return () => {
    clearInterval(clock);
    stopDrops();
  };
}

/** What may be dropped. */
function limits({ formats, limits: { frames, bytes, pixels } }) {
  const most = [
    frames ? counted(frames, "frame") : "",
    bytes ? sized(bytes) : "",
    pixels ? `${Math.round(pixels / 1e6)} megapixels a frame` : "",
  ].filter(Boolean);
  return `${kinds(formats)}.${most.length ? ` At most ${most.join(", ")}.` : ""} Nothing leaves this service.`;
}

/** Stacks that lie beside the service. */
function serverStacks({ meta, api, show }) {
  const open = async (stack) => {
    try {
      await show(await api.create({ stack: stack.id }));
    } catch (error) {
      toast(error.message);
    }
  };
  return el(
    "section",
    { class: "past", "aria-labelledby": "stacks-head" },
    el("h2", { id: "stacks-head" }, "Stacks in the folder"),
    el(
      "ul",
      { class: "jobs stacks" },
      ...meta.stacks.map((stack) =>
        el(
          "li",
          {},
          el(
            "button",
            { type: "button", class: "job", on: { click: () => open(stack) } },
            icon("folder"),
            el("span", { class: "job-name" }, stack.name),
            el("span", { class: "job-about" }, counted(stack.frames, "frame")),
          ),
        ),
      ),
    ),
  );
}

const SHOWN = 6;

/** Earlier jobs, with a way to remove each; the first few, until more are asked for. */
function fillPast(past, all, page, refresh) {
  past.hidden = !all.length;
  const jobs = past.dataset.whole ? all : all.slice(0, SHOWN);
  const focused = document.activeElement?.closest?.(".past [data-id]")?.dataset.id;
  const remove = async (job) => {
    if (
      ["queued", "running"].includes(job.state) &&
      !window.confirm(`${job.name} is at work. Stop and remove it?`)
    )
      return;
    try {
      await page.api.remove(job.id);
      page.drafts.forget(job.id);
    } catch (error) {
      toast(error.message);
    }
    refresh();
  };
  const key = JSON.stringify(
    [all.length, ...jobs].map(({ id, state, place, progress, retouched }) => [
      id,
      state,
      place,
      progress,
      retouched,
    ]),
  );
  if (past.dataset.key === key) return;
  past.dataset.key = key;
  fill(
    past,
    el("h2", { id: "past-head" }, "Earlier"),
    el(
      "ul",
      { class: "jobs" },
      ...jobs.map((job) => {
        const thumb =
          job.first_frame !== null
            ? el("img", {
                src: page.api.thumbnail(job.id, job.first_frame),
                alt: "",
                loading: "lazy",
              })
            : icon("picture");
        const node = el(
          "li",
          {},
          el(
            "a",
            { class: "job", href: `#${job.id}` },
            thumb,
            el("span", { class: "job-name" }, job.name),
            el(
              "span",
              { class: "job-about" },
              [counted(job.count, "frame"), dated(job.created), job.retouched ? "retouched" : ""]
                .filter(Boolean)
                .join(" · "),
            ),
            el("span", { class: `state ${job.state}` }, stated(job.state)),
          ),
          el(
            "button",
            {
              type: "button",
              class: "plain small",
              "aria-label": `Remove ${job.name}`,
              title: "Remove",
              on: { click: () => remove(job) },
            },
            icon("remove"),
          ),
        );
        node.dataset.id = job.id;
        return node;
      }),
    ),
    jobs.length < all.length
      ? el(
          "button",
          { type: "button", class: "plain", on: { click: more } },
          `Show all ${all.length}`,
        )
      : null,
  );
  function more() {
    past.dataset.whole = "true";
    fillPast(past, all, page, refresh);
  }
  if (focused) past.querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus();
}

/** Three planes of focus, one above the other. */
function drawing() {
  const make = (tag, about) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(about)) node.setAttribute(name, value);
    return node;
  };
  const svg = make("svg", { viewBox: "0 0 160 96", class: "drawing", "aria-hidden": "true" });
  for (const [place, y] of [62, 46, 30].entries()) {
    svg.append(
      make("path", {
        d: `M20 ${y} 80 ${y - 22} 140 ${y} 80 ${y + 22}Z`,
        class: `plane plane-${place}`,
      }),
    );
  }
  return svg;
}
