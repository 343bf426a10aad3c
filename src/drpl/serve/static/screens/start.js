/** Start screen: drop a focal stack, or open an earlier job. */

/** @import { Job, Meta } from "../model/types.js" */
/** @import { FoundFile } from "../ui/drop.js" */
/** @import { Page } from "./types.js" */

import { isActive } from "../model/api.js";
import { counted, dated, kinds, sized, stackName, stated } from "../model/words.js";
import { button, el, fill, toast } from "../ui/dom.js";
import { acceptDrops, fileInput } from "../ui/drop.js";
import { icon, svg } from "../ui/icons.js";

const SHOWN = 6;

/**
 * @param {HTMLElement} root
 * @param {Page} page
 * @returns {() => void} a function that stops the screen
 */
export function showStart(root, page) {
  const { meta } = page;
  const [files, folder] = [fileInput(take), fileInput(take)];
  folder.webkitdirectory = true;
  const earlier = earlierJobs(page);

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
        el("p", { class: "lead" }, "Drop the frames of a focal stack here: files or a folder."),
        el(
          "div",
          { class: "row centre" },
          button(() => files.click(), { class: "main" }, icon("picture"), "Choose files"),
          button(() => folder.click(), {}, icon("folder"), "Choose a folder"),
          meta.demo && button(() => open({ demo: true }), {}, icon("eye"), "Try the built-in scene"),
        ),
        files,
        folder,
        el("p", { class: "help" }, limits(meta)),
      ),
      earlier.node,
      meta.stacks.length > 0 && serverStacks(meta, stack => open({ stack })),
    ),
  );

  /** @param {FoundFile[]} found */
  async function take(found) {
    if (!found.length) return;
    try {
      const job = await page.api.create({ name: stackName(found[0].path) });
      page.drafts.of(job).uploads.add(found.map(({ file }) => file));
      await page.show(job);
    } catch (error) {
      toast(error);
    }
  }

  /** @param {{demo?: true, stack?: string}} source */
  async function open(source) {
    try {
      await page.show(await page.api.create(source));
    } catch (error) {
      toast(error);
    }
  }

  const stopDrops = acceptDrops(take);
  return () => {
    earlier.stop();
    stopDrops();
  };
}

/**
 * Describes the accepted files.
 *
 * @param {Meta} meta
 */
function limits({ formats, limits: { frames, bytes, pixels } }) {
  const most = [
    frames ? counted(frames, "frame") : "",
    bytes ? sized(bytes) : "",
    pixels ? `${Math.round(pixels / 1e6)} megapixels a frame` : "",
  ].filter(Boolean);
  const limit = most.length ? ` At most ${most.join(", ")}.` : "";
  return `${kinds(formats)}.${limit} Your files stay on this service.`;
}

/**
 * Lists the stacks in the service's folder.
 *
 * @param {Meta} meta
 * @param {(id: string) => void} open
 */
function serverStacks({ stacks }, open) {
  const rows = stacks.map(({ id, name, frames }) =>
    button(
      () => open(id),
      { class: "job" },
      icon("folder"),
      el("span", { class: "job-name" }, name),
      el("span", { class: "job-about" }, counted(frames, "frame")),
    ),
  );
  return el(
    "section",
    { class: "past", "aria-labelledby": "stacks-head" },
    el("h2", { id: "stacks-head" }, "Stacks in the folder"),
    el("ul", { class: "jobs stacks" }, ...rows.map(row => el("li", {}, row))),
  );
}

/**
 * Lists the earlier jobs and keeps the list up to date.
 *
 * @param {Page} page
 */
function earlierJobs({ api, drafts }) {
  const node = el("section", { class: "past", "aria-labelledby": "past-head", hidden: true });
  let whole = false;
  let key = "";

  async function refresh() {
    try {
      show(await api.jobs());
    } catch {
      // the banner reports a lost service, and the next refresh tries again
    }
  }

  /** @param {Job} job */
  async function remove(job) {
    const question = `${job.name} is being processed. Stop and remove it?`;
    if (isActive(job) && !window.confirm(question)) return;
    try {
      await api.remove(job.id);
      drafts.forget(job.id);
    } catch (error) {
      toast(error);
    }
    refresh();
  }

  /** @param {Job[]} all */
  function show(all) {
    const jobs = whole ? all : all.slice(0, SHOWN);
    const now = JSON.stringify([
      all.length,
      ...jobs.map(({ id, state, place, progress, retouched }) => [id, state, place, progress, retouched]),
    ]);
    if (now === key) return;
    key = now;
    node.hidden = !all.length;
    const more = () => {
      whole = true;
      show(all);
    };
    const focused = document.activeElement?.closest(".past [data-id]")?.getAttribute("data-id");
    fill(
      node,
      el("h2", { id: "past-head" }, "Earlier"),
      el("ul", { class: "jobs" }, ...jobs.map(row)),
      jobs.length < all.length && button(more, { class: "plain" }, `Show all ${all.length}`),
    );
    const link = focused && node.querySelector(`[data-id="${CSS.escape(focused)}"] a`);
    if (link instanceof HTMLElement) link.focus();
  }

  /** @param {Job} job */
  function row(job) {
    const { id, name, state, first_frame: first } = job;
    const thumbnail =
      first === null ? icon("picture") : el("img", { src: api.thumbnail(id, first), alt: "", loading: "lazy" });
    const facts = [counted(job.count, "frame"), dated(job.created), job.retouched ? "retouched" : ""];
    return el(
      "li",
      { "data-id": id },
      el(
        "a",
        { class: "job", href: `#${id}` },
        thumbnail,
        el("span", { class: "job-name" }, name),
        el("span", { class: "job-about" }, facts.filter(Boolean).join(" · ")),
        el("span", { class: `state ${state}` }, stated(state)),
      ),
      button(
        () => remove(job),
        { class: "plain small", "aria-label": `Remove ${name}`, title: "Remove" },
        icon("remove"),
      ),
    );
  }

  refresh();
  const clock = setInterval(refresh, 4000);
  return { node, stop: () => clearInterval(clock) };
}

/** Draws three planes of focus, one above the other. */
function drawing() {
  const planes = [62, 46, 30].map((y, place) =>
    svg("path", { d: `M20 ${y} 80 ${y - 22} 140 ${y} 80 ${y + 22}Z`, class: `plane plane-${place}` }),
  );
  const settings = { viewBox: "0 0 160 96", class: "drawing", "aria-hidden": "true" };
  return svg("svg", settings, ...planes);
}
