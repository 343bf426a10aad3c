/** The screen before the work: frames on the left, options and Run on the right. */

import { acceptDrops, chosen } from "../ui/drop.js";
import { changed, obstacle, odd, sorted, startBody } from "../model/draft.js";
import { el, fill, say, toast } from "../ui/dom.js";
import { frameList } from "./frames.js";
import { icon } from "../ui/icons.js";
import { optionForm } from "./options.js";
import { counted, depth, sized } from "../model/words.js";

/**
 * @param {HTMLElement} root
 * @param {import("../main.js").Page} page
 * @param {import("../model/types.js").Job} job
 * @returns {() => void} stops
 */
export function showSetup(root, page, job) {
  const { api, meta } = page;
  const { draft, uploads, forget } = page.drafts.of(job);
  const list = frameList({
    draft,
    thumbnail: (frame) => api.thumbnail(job.id, frame.n),
    remove: guarded(uploads.remove),
  });
  const form = optionForm({ meta, draft });
  const take = (found) => uploads.add(found.map(({ file }) => file));
  const stopDrops = acceptDrops(take);

  const files = el("input", { type: "file", multiple: true, hidden: true, on: { change: pick } });
  function pick() {
    take(chosen(files.files));
    files.value = "";
  }
  const total = el("p", { class: "frames-total" });
  const trouble = el("div", { class: "refusals", role: "status" });
  const oddOnes = el("div", { class: "notice warn", hidden: true });
  const why = el("p", { class: "help", id: "run-why" });
  const run = el(
    "button",
    { type: "button", class: "main wide", "aria-describedby": "run-why", on: { click: start } },
    "Run",
  );
  const past = aboutPast(job, () => page.show(job));

  const tool = (name, words, act) =>
    el("button", { type: "button", class: "plain", on: { click: act } }, icon(name), words);
  fill(
    root,
    el(
      "div",
      { class: "setup" },
      el(
        "section",
        { class: "setup-frames", "aria-labelledby": "frames-head" },
        past,
        el(
          "div",
          { class: "section-head" },
          el("h1", { id: "frames-head" }, "Frames"),
          total,
          el(
            "div",
            { class: "row" },
            tool("add", "Add", () => files.click()),
            tool("list", "By name", () => draft.set(sorted(draft.get(), "name"))),
            tool("reverse", "Reverse", () => draft.set(sorted(draft.get(), "reverse"))),
          ),
        ),
        trouble,
        oddOnes,
        list.node,
        files,
        el(
          "p",
          { class: "help keys" },
          el("kbd", {}, "Alt"),
          " with arrows moves a frame, ",
          el("kbd", {}, "Space"),
          " leaves it out, ",
          el("kbd", {}, "R"),
          " makes it the reference, ",
          el("kbd", {}, "Delete"),
          " removes it.",
        ),
      ),
      el(
        "section",
        { class: "setup-options panel", "aria-labelledby": "options-head" },
        el("h2", { id: "options-head" }, "Options"),
        form.node,
        el("div", { class: "run" }, run, why),
      ),
    ),
  );

  async function start() {
    if (!form.node.reportValidity()) return;
    const reason = obstacle(draft.get());
    if (reason) {
      toast(reason);
      return;
    }
    if (
      job.retouched &&
      !window.confirm("Running it again replaces the result, and removes your retouching. Go on?")
    )
      return;
    run.disabled = true;
    try {
      await page.show(await api.start(job.id, startBody(draft.get())));
      forget();
    } catch (error) {
      toast(error.message);
      run.disabled = false;
    }
  }

  const stopWatch = draft.watch(
    (state) => state,
    (state) => {
      total.textContent = totals(state, meta);
      const differing = odd(state);
      oddOnes.hidden = !differing.length;
      fill(
        oddOnes,
        `${counted(differing.length, "frame")} ${differing.length === 1 ? "differs" : "differ"} from the others in size or depth. `,
        el(
          "button",
          { type: "button", on: { click: () => leaveOut(draft, differing) } },
          "Leave out",
        ),
      );
      const reason = obstacle(state);
      why.textContent = reason;
      run.setAttribute("aria-disabled", String(Boolean(reason)));
      run.classList.toggle("off", Boolean(reason));
    },
  );
  const stopRefused = draft.watch(
    (state) => state.refused,
    (entries) => {
      fill(trouble, ...entries.map((entry) => refusal(entry, draft, uploads)));
    },
  );
  say(`${counted(draft.get().items.length, "frame")}.`);
  const leaving = (event) => uploads.busy() && event.preventDefault();
  window.addEventListener("beforeunload", leaving);
  return () => {
    window.removeEventListener("beforeunload", leaving);
    stopDrops();
    stopWatch();
    stopRefused();
    list.stop();
    form.stop();
  };
}

/** What became of the job when it was run before. */
function aboutPast(job, back) {
  if (job.state === "done") {
    return el(
      "div",
      { class: "notice" },
      el("span", {}, "This stack is fused. Running it again replaces the result."),
      el("button", { type: "button", on: { click: back } }, icon("back"), "Back to the result"),
    );
  }
  if (job.state === "failed")
    return el(
      "div",
      { class: "notice bad", role: "alert" },
      el("span", {}, el("strong", {}, "It did not work. "), job.error ?? ""),
    );
  if (job.state === "cancelled")
    return el(
      "div",
      { class: "notice", role: "alert" },
      el(
        "span",
        {},
        el("strong", {}, "Cancelled. "),
        "The frames are still here: change what you like, and run it again.",
      ),
    );
  return null;
}

/** An act whose failure is shown. */
function guarded(act) {
  return (...given) => Promise.resolve(act(...given)).catch((error) => toast(error.message));
}

/** How many frames, of what kind, of how much at most. */
function totals({ items }, { limits }) {
  if (!items.length) return "Drop pictures here, or add them.";
  const used = items.filter((item) => item.used);
  const bytes = items.reduce((sum, item) => sum + item.size, 0);
  const first = used.find((item) => item.frame)?.frame;
  return [
    used.length === items.length
      ? counted(items.length, "frame")
      : `${used.length} of ${counted(items.length, "frame")}`,
    first ? `${first.width} × ${first.height}, ${depth(first.dtype)}` : "",
    limits.bytes ? `${sized(bytes)} of at most ${sized(limits.bytes)}` : sized(bytes),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** @param {string[]} keys */
function leaveOut(draft, keys) {
  for (const key of keys) draft.set(changed(draft.get(), key, { used: false }));
}

/** A file that was refused, and why. */
function refusal(entry, draft, uploads) {
  const close = () =>
    draft.set({ refused: draft.get().refused.filter(({ key }) => key !== entry.key) });
  const reason = entry.reason.includes(entry.name)
    ? entry.reason
    : `${entry.name}: ${entry.reason}`;
  return el(
    "div",
    { class: "notice bad" },
    el("span", {}, reason),
    entry.again
      ? el("button", { type: "button", on: { click: () => uploads.again(entry.key) } }, "Try again")
      : null,
    el(
      "button",
      {
        type: "button",
        class: "plain small",
        "aria-label": `Close the message on ${entry.name}`,
        on: { click: close },
      },
      icon("close"),
    ),
  );
}
