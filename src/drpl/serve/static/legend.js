/** Which frame is this pixel from: the frames with their colours and shares. */

import { el } from "./dom.js";
import { css } from "./palette.js";
import { percent } from "./words.js";

/**
 * A list of the frames; one can be chosen.
 *
 * @param {import("./result.js").Result} result
 * @param {object} about
 * @param {string} about.label
 * @param {(state: import("./result.js").Look) => ?number} about.chosen
 * @param {(place: number) => void} about.choose
 * @param {((place: ?number) => void)} [about.point] the pointer, or the focus, is on a frame
 * @param {boolean} [about.leaveOut] frames that were left out cannot be chosen
 * @returns {{node: HTMLElement, stop: () => void}}
 */
export function legend({ frames, colours, look }, { label, chosen, choose, point = () => {}, leaveOut = true }) {
  const most = Math.max(...frames.map(({ share }) => share), 1e-9);
  const rows = frames.map((frame) => {
    const swatch = el("span", { class: "swatch" });
    swatch.style.backgroundColor = css(colours[frame.place]);
    const bar = el("span", { class: "share-bar" });
    bar.style.width = `${(100 * frame.share) / most}%`;
    bar.style.backgroundColor = css(colours[frame.place]);
    const off = leaveOut && frame.left;
    return el("button", {
      type: "button", class: "legend-row", disabled: off, title: frame.name,
      "aria-label": `Frame ${frame.place + 1}, ${frame.name}, ${off ? "left out" : percent(frame.share)}`,
      on: { click: () => choose(frame.place), pointerenter: () => point(frame.place), pointerleave: () => point(null), focus: () => point(frame.place), blur: () => point(null) },
    }, swatch, el("span", { class: "legend-number" }, String(frame.place + 1)), el("span", { class: "legend-name" }, frame.name),
    el("span", { class: "legend-share" }, off ? "left out" : percent(frame.share)), el("span", { class: "share" }, bar));
  });
  const node = el("div", { class: "legend", role: "group", "aria-label": label }, ...rows);
  const stops = [
    look.watch(chosen, (place) => rows.forEach((row, at) => row.setAttribute("aria-pressed", String(at === place)))),
    look.watch((state) => state.hovered, (place) => {
      rows.forEach((row, at) => row.classList.toggle("under", at === place));
      if (place !== null && node.offsetParent) reveal(node, rows[place]);
    }),
  ];
  return { node, stop: () => stops.forEach((stop) => stop()) };
}

/** Scrolls a list, and only it, so that a row is seen. */
function reveal(list, row) {
  if (!row) return;
  const [outer, inner] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}

/**
 * A strip of colours with words at its ends.
 *
 * @param {Uint8ClampedArray} table
 * @param {string} from
 * @param {string} to
 */
export function strip(table, from, to) {
  const canvas = el("canvas", { class: "ramp", width: 256, height: 1, role: "img", "aria-label": `Colours from ${from} to ${to}` });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(table), 256, 1), 0, 0);
  return el("figure", { class: "ramp-box" }, canvas, el("figcaption", { class: "row spread" }, el("span", {}, from), el("span", {}, to)));
}
