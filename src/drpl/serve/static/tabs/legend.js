/** Which frame is this pixel from: the frames with their colours and shares. */

import { el } from "../ui/dom.js";
import { css } from "../viewer/palette.js";
import { percent } from "../model/words.js";

/**
 * A list of the frames; one can be chosen.
 *
 * @param {import("../screens/result.js").Result} result
 * @param {object} about
 * @param {string} about.label
 * @param {(state: import("../screens/result.js").Look) => ?number} about.chosen
 * @param {(place: number) => void} about.choose
 * @param {((place: ?number) => void)} [about.point] the pointer, or the focus, is on a frame
 * @param {boolean} [about.leaveOut] frames that were left out cannot be chosen
 * @returns {{node: HTMLElement, stop: () => void}}
 */
export function legend(
  { frames, colours, look },
  { label, chosen, choose, point = () => {}, leaveOut = true },
) {
  const rows = frames.map((frame) => {
    const swatch = el("span", { class: "swatch" });
    swatch.style.backgroundColor = css(colours[frame.place]);
    const bar = el("span", { class: "share-bar" });
    bar.style.backgroundColor = css(colours[frame.place]);
    const off = leaveOut && frame.left;
    const share = el("span", { class: "legend-share" });
    const node = el(
      "button",
      {
        type: "button",
        class: "legend-row",
        disabled: off,
        title: frame.name,
        on: {
          click: () => choose(frame.place),
          pointerenter: () => point(frame.place),
          pointerleave: () => point(null),
          focus: () => point(frame.place),
          blur: () => point(null),
        },
      },
      swatch,
      el("span", { class: "legend-number" }, String(frame.place + 1)),
      el("span", { class: "legend-name" }, frame.name),
      share,
      el("span", { class: "share" }, bar),
    );
    return { node, bar, share, off, frame };
  });
  const node = el(
    "div",
    { class: "legend", role: "group", "aria-label": label },
    ...rows.map((row) => row.node),
  );
  const stops = [
    look.watch(
      (state) => state.report,
      (report) => {
        const shares = report.frames.map((frame) => frame.coverage);
        const most = Math.max(...shares, 1e-9);
        for (const row of rows) {
          const words = row.off ? "left out" : percent(shares[row.frame.place]);
          row.share.textContent = words;
          row.bar.style.width = `${(100 * shares[row.frame.place]) / most}%`;
          row.node.setAttribute(
            "aria-label",
            `Frame ${row.frame.place + 1}, ${row.frame.name}, ${words}`,
          );
        }
      },
    ),
    look.watch(chosen, (place) =>
      rows.forEach((row, at) => row.node.setAttribute("aria-pressed", String(at === place))),
    ),
    look.watch(
      (state) => state.hovered,
      (place) => {
        rows.forEach((row, at) => row.node.classList.toggle("under", at === place));
        if (place !== null && node.offsetParent) reveal(node, rows[place]?.node);
      },
    ),
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
  const canvas = el("canvas", {
    class: "ramp",
    width: 256,
    height: 1,
    role: "img",
    "aria-label": `Colours from ${from} to ${to}`,
  });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(table), 256, 1), 0, 0);
  return el(
    "figure",
    { class: "ramp-box" },
    canvas,
    el("figcaption", { class: "row spread" }, el("span", {}, from), el("span", {}, to)),
  );
}
