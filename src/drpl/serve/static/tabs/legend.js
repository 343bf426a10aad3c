/** Legends of the maps: the frames with their colours and shares, and colour strips. */

/** @import { Look, Result } from "./types.js" */

import { percent } from "../model/words.js";
import { context2d, el, together } from "../ui/dom.js";
import { css } from "../viewer/palette.js";

/**
 * Creates a list of the frames in which one can be chosen.
 *
 * @param {Result} result
 * @param {object} settings
 * @param {string} settings.label
 * @param {(state: Look) => ?number} settings.chosen selects the chosen frame
 * @param {(place: number) => void} settings.choose
 * @param {((place: ?number) => void)} [settings.point] receives the frame under pointer or focus
 */
export function legend({ frames, colours, look }, { label, chosen, choose, point = () => {} }) {
  const rows = frames.map(({ place, name, left }) => {
    const swatch = el("span", { class: "swatch" });
    const bar = el("span", { class: "share-bar" });
    for (const { style } of [swatch, bar]) style.backgroundColor = css(colours[place]);
    const share = el("span", { class: "legend-share" });
    const row = el(
      "button",
      {
        type: "button",
        class: "legend-row",
        disabled: left,
        title: name,
        on: {
          click: () => choose(place),
          pointerenter: () => point(place),
          pointerleave: () => point(null),
          focus: () => point(place),
          blur: () => point(null),
        },
      },
      swatch,
      el("span", { class: "legend-number" }, String(place + 1)),
      el("span", { class: "legend-name" }, name),
      share,
      el("span", { class: "share" }, bar),
    );
    return { row, bar, share, left, place, name };
  });
  const settings = { class: "legend", role: "group", "aria-label": label };
  const node = el("div", settings, ...rows.map(({ row }) => row));
  const stops = [
    look.watch(
      state => state.report,
      report => {
        const shares = report.frames.map(frame => frame.coverage);
        const most = Math.max(...shares, 1e-9);
        for (const { row, bar, share, left, place, name } of rows) {
          const words = left ? "left out" : percent(shares[place]);
          share.textContent = words;
          bar.style.width = `${(100 * shares[place]) / most}%`;
          row.setAttribute("aria-label", `Frame ${place + 1}, ${name}, ${words}`);
        }
      },
    ),
    look.watch(chosen, place => {
      rows.forEach(({ row }, at) => row.setAttribute("aria-pressed", String(at === place)));
    }),
    look.watch(
      state => state.hovered,
      place => {
        rows.forEach(({ row }, at) => row.classList.toggle("under", at === place));
        const row = place === null ? null : rows[place]?.row;
        if (row && node.offsetParent) reveal(node, row);
      },
    ),
  ];
  return { node, stop: together(stops) };
}

/**
 * Scrolls only the list, so that a row is visible.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement} row
 */
function reveal(list, row) {
  const [outer, inner] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}

/**
 * Creates a strip of colours with labels at its ends.
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
  context2d(canvas).putImageData(rampImage(table), 0, 0);
  const labels = [from, to].map(words => el("span", {}, words));
  const caption = el("figcaption", { class: "row spread" }, ...labels);
  return el("figure", { class: "ramp-box" }, canvas, caption);
}

/**
 * Converts a table of 256 colours to an image of one row.
 *
 * @param {Uint8ClampedArray} table
 */
export const rampImage = table => new ImageData(new Uint8ClampedArray(table), 256, 1);
