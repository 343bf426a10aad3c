/** Setup screen: the frames on the left, options and Run on the right. */

/** @import { Drafts } from "../model/drafts.js" */
/** @import { Draft, Job, Meta, Refusal } from "../model/types.js" */
/** @import { FoundFile } from "../ui/drop.js" */
/** @import { Page } from "./types.js" */
/** @typedef {ReturnType<Drafts["of"]>} OpenDraft */

import { changed, obstacle, odd, sorted, startBody } from "../model/draft.js";
import { counted, depth, sized } from "../model/words.js";
import { button, el, fill, listenTo, say, toast, together } from "../ui/dom.js";
import { acceptDrops, fileInput } from "../ui/drop.js";
import { icon } from "../ui/icons.js";
import { frameList } from "./frames.js";
import { optionForm } from "./options.js";

/**
 * @param {HTMLElement} root
 * @param {Page} page
 * @param {Job} job
 * @returns {() => void} a function that stops the screen
 */
export function showSetup(root, page, job) {
  const { api, meta } = page;
  const { draft, uploads, forget } = page.drafts.of(job);
  const list = frameList({
    draft,
    thumbnail: frame => api.thumbnail(job.id, frame.n),
    remove: key => uploads.remove(key).catch(toast),
  });
  const form = optionForm({ meta, draft });
  /** @param {FoundFile[]} found */
  const take = found => uploads.add(found.map(({ file }) => file));
  const files = fileInput(take);
  const total = el("p", { class: "frames-total" });
  const refusals = el("div", { class: "refusals", role: "status" });
  const differing = el("div", { class: "notice warn", hidden: true });
  const why = el("p", { class: "help", id: "run-why" });
  const run = button(start, { class: "main wide", "aria-describedby": "run-why" }, "Run");

  /** @param {"name"|"reverse"} how */
  const sort = how => draft.set(sorted(draft.get(), how));
  fill(
    root,
    el(
      "div",
      { class: "setup" },
      el(
        "section",
        { class: "setup-frames", "aria-labelledby": "frames-head" },
        notice(job, () => page.show(job)),
        el(
          "div",
          { class: "section-head" },
          el("h1", { id: "frames-head" }, "Frames"),
          total,
          el(
            "div",
            { class: "row" },
            button(() => files.click(), { class: "plain" }, icon("add"), "Add"),
            button(() => sort("name"), { class: "plain" }, icon("list"), "By name"),
            button(() => sort("reverse"), { class: "plain" }, icon("reverse"), "Reverse"),
          ),
        ),
        refusals,
        differing,
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
    const question = "Running again replaces the result and discards your retouching. Continue?";
    if (job.retouched && !window.confirm(question)) return;
    run.disabled = true;
    try {
      await page.show(await api.start(job.id, startBody(draft.get())));
      forget();
    } catch (error) {
      toast(error);
      run.disabled = false;
    }
  }

  /** @param {Draft} state */
  function update(state) {
    total.textContent = totals(state, meta);
    const keys = odd(state);
    differing.hidden = !keys.length;
    const verb = keys.length === 1 ? "differs" : "differ";
    fill(
      differing,
      `${counted(keys.length, "frame")} ${verb} from the others in size or bit depth. `,
      button(() => leaveOut(keys), {}, "Leave out"),
    );
    const reason = obstacle(state);
    why.textContent = reason;
    run.setAttribute("aria-disabled", String(Boolean(reason)));
    run.classList.toggle("off", Boolean(reason));
  }

  /** @param {string[]} keys */
  function leaveOut(keys) {
    for (const key of keys) draft.set(changed(draft.get(), key, { used: false }));
  }

  /** @param {BeforeUnloadEvent} event */
  const beforeunload = event => {
    if (uploads.busy()) event.preventDefault();
  };
  const stops = [
    listenTo(window, { beforeunload }),
    acceptDrops(take),
    draft.watch(state => state, update),
    draft.watch(
      state => state.refused,
      entries => fill(refusals, ...entries.map(entry => refusal(entry, draft, uploads))),
    ),
    list.stop,
    form.stop,
  ];
  say(`${counted(draft.get().items.length, "frame")}.`);
  return together(stops);
}

/**
 * Describes the outcome of an earlier run.
 *
 * @param {Job} job
 * @param {() => void} back
 */
function notice({ state, error }, back) {
  if (state === "done") {
    return el(
      "div",
      { class: "notice" },
      el("span", {}, "This stack has been fused. Running again replaces the result."),
      button(back, {}, icon("back"), "Back to the result"),
    );
  }
  if (state === "failed") {
    const words = el("span", {}, el("strong", {}, "The run failed. "), error);
    return el("div", { class: "notice bad", role: "alert" }, words);
  }
  if (state === "cancelled") {
    const words = "The frames are still here: change the options if you like and run again.";
    const text = el("span", {}, el("strong", {}, "Cancelled. "), words);
    return el("div", { class: "notice", role: "alert" }, text);
  }
  return null;
}

/**
 * Describes the number, kind and total size of the frames.
 *
 * @param {Draft} draft
 * @param {Meta} meta
 */
function totals({ items }, { limits }) {
  if (!items.length) return "Drop pictures here, or add them.";
  const used = items.filter(item => item.used);
  const bytes = items.reduce((sum, item) => sum + item.size, 0);
  const first = used.find(item => item.frame)?.frame;
  const count = counted(items.length, "frame");
  return [
    used.length === items.length ? count : `${used.length} of ${count}`,
    first ? `${first.width} × ${first.height}, ${depth(first.dtype)}` : "",
    limits.bytes ? `${sized(bytes)} of at most ${sized(limits.bytes)}` : sized(bytes),
  ]
    .filter(Boolean)
    .join(" · ");
}

/**
 * Shows a refused file with the reason.
 *
 * @param {Refusal} entry
 * @param {OpenDraft["draft"]} draft
 * @param {OpenDraft["uploads"]} uploads
 */
function refusal({ key, name, reason, again }, draft, uploads) {
  const close = () => {
    draft.set({ refused: draft.get().refused.filter(entry => entry.key !== key) });
  };
  return el(
    "div",
    { class: "notice bad" },
    el("span", {}, reason.includes(name) ? reason : `${name}: ${reason}`),
    again && button(() => uploads.again(key), {}, "Try again"),
    button(close, { class: "plain small", "aria-label": `Close the message on ${name}` }, icon("close")),
  );
}
