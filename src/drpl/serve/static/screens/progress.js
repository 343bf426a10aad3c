/** The screen while the work goes on: stage, frame, time left, Cancel. */

import { el, fill, say, toast } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { STEPS, counted, framed, lasting, staged } from "../model/words.js";

/**
 * Share of the whole work that is done, in [0, 1]: registering is about a third of it.
 *
 * @param {?import("../model/types.js").Progress} progress
 */
export function share(progress) {
  const spans = {
    read: [0, 0.05],
    look: [0, 0.35],
    fuse: [0.35, 0.95],
    write: [0.95, 1],
    layers: [0.97, 1],
  };
  const [from, to] = spans[progress?.stage] ?? [0, 0];
  return from + (to - from) * (progress?.of ? Math.min(1, progress.done / progress.of) : 0);
}

/**
 * @param {HTMLElement} root
 * @param {import("../main.js").Page} page
 * @param {import("../model/types.js").Job} job
 * @returns {() => void} stops
 */
export function showProgress(root, page, job) {
  const title = document.title;
  const head = el("h1", { id: "progress-head" });
  const detail = el("p", { class: "progress-detail" });
  const bar = el("progress", { max: 1, value: 0, "aria-labelledby": "progress-head" });
  const number = el("span", { class: "progress-number", "aria-hidden": "true" });
  const left = el("span", {});
  const steps = STEPS.map(([stage, words]) => [stage, el("li", {}, words)]);
  const cancel = el("button", { type: "button", on: { click: stop } }, icon("stop"), "Cancel");
  const names = new Map(job.frames.map((frame) => [frame.n, frame.name]));
  const strip = job.order.map((n) =>
    el("img", {
      src: page.api.thumbnail(job.id, n),
      alt: "",
      title: names.get(n) ?? "",
      loading: "lazy",
    }),
  );

  fill(
    root,
    el(
      "section",
      { class: "working", "aria-labelledby": "progress-head" },
      el("ol", { class: "steps" }, ...steps.map(([, node]) => node)),
      head,
      detail,
      bar,
      el("div", { class: "row spread" }, number, left),
      el(
        "div",
        { class: strip.length > 24 ? "strip many" : "strip", "aria-hidden": "true" },
        ...strip,
      ),
      el("div", { class: "row centre" }, cancel),
      el(
        "p",
        { class: "help centre" },
        "You may close this page: the work goes on, and is found again under its address.",
      ),
    ),
  );

  async function stop() {
    cancel.disabled = true;
    try {
      await page.api.cancel(job.id);
      cancel.replaceChildren("Stopping…");
    } catch (error) {
      toast(error.message);
      cancel.disabled = false;
    }
  }

  let spoken = "";
  function update(now) {
    const waiting = now.state === "queued";
    const progress = waiting ? null : now.progress;
    head.textContent = waiting ? "Waiting for its turn" : staged(progress?.stage ?? "");
    detail.textContent = waiting ? queued(now.place) : progress ? framed(progress) : "";
    left.textContent = lasting(progress?.eta_s);
    const done = share(progress);
    if (waiting || !progress) bar.removeAttribute("value");
    else bar.value = done;
    number.textContent = progress ? `${Math.round(done * 100)} %` : "";
    document.title = progress ? `${Math.round(done * 100)} % · ${job.name}` : title;
    const at = STEPS.findIndex(([stage]) => stage === progress?.stage);
    steps.forEach(([, node], place) => {
      node.className = place < at ? "past-step" : place === at ? "this-step" : "";
      if (place === at) node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    });
    const whole = progress?.of === strip.length ? progress.done : at > 0 ? strip.length : 0;
    strip.forEach((image, place) => {
      image.className = place < whole ? "seen" : place === whole && progress ? "current" : "";
    });
    // screen readers hear stages and quarters, not every step
    const words = `${head.textContent} ${progress ? `${Math.floor(done * 4) * 25} %` : ""}`;
    if (words !== spoken) say(words);
    spoken = words;
  }

  update(job);
  const unfollow = page.api.follow(job.id, (now) => {
    if (now?.state === "queued" || now?.state === "running") update(now);
    else page.show(now);
  });
  return () => {
    document.title = title;
    unfollow();
  };
}

/** @param {?number} place in the queue, 1 is the next */
function queued(place) {
  if (!place || place === 1) return "It is the next.";
  return `${counted(place - 1, "stack")} before it.`;
}
