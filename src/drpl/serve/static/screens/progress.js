/** Progress screen: stage, current frame, time left, Cancel. */

/** @import { Job, Progress } from "../model/types.js" */
/** @import { Page } from "./types.js" */

import { isActive } from "../model/api.js";
import { STEPS, counted, framed, lasting, staged } from "../model/words.js";
import { button, el, fill, say, toast } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

/** @type {Record<string, [from: number, to: number]>} */
const SPANS = { read: [0, 0.05], look: [0, 0.35], fuse: [0.35, 0.95], write: [0.95, 1], layers: [0.97, 1] };

/**
 * Estimates the finished share of the whole job, in [0, 1]; registration takes about a third.
 *
 * @param {?Progress} progress
 */
export function share(progress) {
  if (!progress) return 0;
  const [from, to] = SPANS[progress.stage] ?? [0, 0];
  const part = progress.of ? Math.min(1, progress.done / progress.of) : 0;
  return from + (to - from) * part;
}

/**
 * @param {HTMLElement} root
 * @param {Page} page
 * @param {Job} job
 * @returns {() => void} a function that stops the screen
 */
export function showProgress(root, page, job) {
  const title = document.title;
  const head = el("h1", { id: "progress-head" });
  const detail = el("p", { class: "progress-detail" });
  const bar = el("progress", { max: 1, value: 0, "aria-labelledby": "progress-head" });
  const number = el("span", { class: "progress-number", "aria-hidden": "true" });
  const left = el("span", {});
  const steps = STEPS.map(([stage, words]) => ({ stage, node: el("li", {}, words) }));
  const cancel = button(stop, {}, icon("stop"), "Cancel");
  const names = new Map(job.frames.map(frame => [frame.n, frame.name]));
  const strip = job.order.map(n =>
    el("img", { src: page.api.thumbnail(job.id, n), alt: "", title: names.get(n) ?? "", loading: "lazy" }),
  );

  fill(
    root,
    el(
      "section",
      { class: "working", "aria-labelledby": "progress-head" },
      el("ol", { class: "steps" }, ...steps.map(({ node }) => node)),
      head,
      detail,
      bar,
      el("div", { class: "row spread" }, number, left),
      el("div", { class: strip.length > 24 ? "strip many" : "strip", "aria-hidden": "true" }, ...strip),
      el("div", { class: "row centre" }, cancel),
      el(
        "p",
        { class: "help centre" },
        "You may close this page: the job continues, and the page's address opens it again.",
      ),
    ),
  );

  async function stop() {
    cancel.disabled = true;
    try {
      await page.api.cancel(job.id);
      cancel.replaceChildren("Stopping…");
    } catch (error) {
      toast(error);
      cancel.disabled = false;
    }
  }

  let spoken = "";

  /** @param {Job} now */
  function update(now) {
    const waiting = now.state === "queued";
    const progress = waiting ? null : now.progress;
    const done = share(progress);
    const percentage = progress ? `${Math.round(done * 100)} %` : "";
    head.textContent = waiting ? "Waiting for its turn" : staged(progress?.stage ?? "");
    if (waiting) detail.textContent = queued(now.place);
    else detail.textContent = progress ? framed(progress) : "";
    left.textContent = lasting(progress?.eta_s);
    if (progress) bar.value = done;
    else bar.removeAttribute("value");
    number.textContent = percentage;
    document.title = progress ? `${percentage} · ${job.name}` : title;
    const at = STEPS.findIndex(([stage]) => stage === progress?.stage);
    steps.forEach(({ node }, place) => {
      node.className = place < at ? "past-step" : place === at ? "this-step" : "";
      if (place === at) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    });
    const finished = progress?.of === strip.length ? progress.done : at > 0 ? strip.length : 0;
    strip.forEach((image, place) => {
      image.className = place < finished ? "seen" : place === finished && progress ? "current" : "";
    });
    // screen readers hear stages and quarters, not every step
    const words = `${head.textContent} ${progress ? `${Math.floor(done * 4) * 25} %` : ""}`;
    if (words !== spoken) say(words);
    spoken = words;
  }

  update(job);
  const unfollow = page.api.follow(job.id, now => {
    if (now && isActive(now)) update(now);
    else page.show(now);
  });
  return () => {
    document.title = title;
    unfollow();
  };
}

/** @param {?number} place position in the queue; 1 is next */
function queued(place) {
  if (!place || place === 1) return "Next in the queue.";
  return `${counted(place - 1, "stack")} ahead in the queue.`;
}
