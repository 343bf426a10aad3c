/** Report tab: summary in sentences, and facts of each frame. */

/** @import { Report, ReportFrame } from "../model/types.js" */
/** @import { Rgb } from "../viewer/palette.js" */
/** @import { Result, ResultFrame, Tab } from "./types.js" */

import { percent } from "../model/words.js";
import { el, fill } from "../ui/dom.js";
import { css } from "../viewer/palette.js";

/**
 * @param {Result} result
 * @returns {Tab}
 */
export function reportTab({ look, frames, colours }) {
  const node = el("div", { class: "report" });
  const stop = look.watch(
    state => state.report,
    report => fill(node, ...contents(report, frames, colours)),
  );
  return { node, stop };
}

/**
 * @param {Report} report
 * @param {ResultFrame[]} frames
 * @param {Rgb[]} colours
 */
function contents(report, frames, colours) {
  const { method, reference, peak_memory_mb: memory, words = [] } = report;
  const facts = [
    ["Method", method?.id ?? ""],
    ["Reference", frames[reference] ? `${reference + 1}, ${frames[reference].name}` : ""],
    ["Memory", memory ? `${Math.round(memory)} MB at most` : ""],
  ].filter(([, value]) => value);
  const heads = ["Frame", "Share", "Residual", "Gain"];
  return [
    el("ul", { class: "words" }, ...words.map(line => el("li", {}, line))),
    el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    el(
      "div",
      { class: "table-box", tabIndex: 0, role: "region", "aria-label": "Frames" },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...heads.map(name => el("th", { scope: "col" }, name)))),
        el("tbody", {}, ...report.frames.map((frame, place) => row(frame, frames[place], colours[place]))),
      ),
    ),
    el(
      "p",
      { class: "help" },
      "Residual: misalignment that remains after registration, in pixels. " +
        "Gain: factor that matches the frame's exposure.",
    ),
  ];
}

/**
 * @param {ReportFrame} frame
 * @param {ResultFrame} about
 * @param {Rgb} colour
 */
function row({ name, coverage, residual_px: residual, exposure }, { place, left }, colour) {
  const swatch = el("span", { class: "swatch" });
  swatch.style.backgroundColor = css(colour);
  const gains = exposure?.gain ?? [];
  const gain = gains.reduce((sum, value) => sum + value, 0) / gains.length;
  return el(
    "tr",
    { class: left ? "left-out" : "" },
    el("th", { scope: "row", title: name }, swatch, ` ${place + 1} `, el("span", { class: "cell-name" }, name)),
    el("td", {}, left ? "left out" : percent(coverage)),
    el("td", {}, residual?.toFixed(2) ?? "–"),
    el("td", {}, gains.length ? `× ${gain.toFixed(2)}` : "–"),
  );
}
