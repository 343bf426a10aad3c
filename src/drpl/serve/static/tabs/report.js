/** The tab of the report: what was done, in words, and frame by frame. */

import { el, fill } from "../ui/dom.js";
import { css } from "../viewer/palette.js";
import { percent } from "../model/words.js";

/** @param {import("../screens/result.js").Result} result */
export function reportTab({ look, frames, colours }) {
  const node = el("div", { class: "report" });
  const stop = look.watch(
    (state) => state.report,
    (report) => fill(node, ...contents(report, frames, colours)),
  );
  return { node, stop };
}

/** @returns {HTMLElement[]} */
function contents(report, frames, colours) {
  const words = report.words ?? [];
  const facts = [
    ["Model", report.model?.id ?? ""],
    [
      "Reference",
      frames[report.reference] ? `${report.reference + 1}, ${frames[report.reference].name}` : "",
    ],
    ["Memory", report.peak_memory_mb ? `${Math.round(report.peak_memory_mb)} MB at most` : ""],
  ].filter(([, value]) => value);
  return [
    el("ul", { class: "words" }, ...words.map((line) => el("li", {}, line))),
    el(
      "dl",
      { class: "facts" },
      ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    ),
    el(
      "div",
      { class: "table-box", tabIndex: 0, role: "region", "aria-label": "Frames" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...["Frame", "Share", "Off by", "Light"].map((name) =>
              el("th", { scope: "col" }, name),
            ),
          ),
        ),
        el(
          "tbody",
          {},
          ...report.frames.map((frame, place) => row(frame, place, frames[place], colours[place])),
        ),
      ),
    ),
    el(
      "p",
      { class: "help" },
      "Off by: what was left of a frame's movement after registering it, in pixels. Light: the factor that matched its brightness.",
    ),
  ];
}

/** One frame. */
function row(frame, place, { left }, colour) {
  const swatch = el("span", { class: "swatch" });
  swatch.style.backgroundColor = css(colour);
  const gain = frame.exposure?.gain?.length
    ? frame.exposure.gain.reduce((sum, value) => sum + value, 0) / frame.exposure.gain.length
    : null;
  return el(
    "tr",
    { class: left ? "left-out" : "" },
    el(
      "th",
      { scope: "row", title: frame.name },
      swatch,
      ` ${place + 1} `,
      el("span", { class: "cell-name" }, frame.name),
    ),
    el("td", {}, left ? "left out" : percent(frame.coverage)),
    el(
      "td",
      {},
      frame.residual_px === null || frame.residual_px === undefined
        ? "–"
        : frame.residual_px.toFixed(2),
    ),
    el("td", {}, gain === null ? "–" : `× ${gain.toFixed(2)}`),
  );
}
