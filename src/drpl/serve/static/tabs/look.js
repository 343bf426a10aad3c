/** View tab: comparison with a frame, and maps over the picture. */

/** @import { MapName, Result, Tab } from "./types.js" */

import { el, fill, together } from "../ui/dom.js";
import { DEPTHS, HEAT } from "../viewer/palette.js";
import { layerTitle } from "./compare.js";
import { legend, strip } from "./legend.js";

/** @type {[map: MapName, label: string, help: string][]} */
const MAPS = [
  ["none", "None", ""],
  ["index", "Frames", "The colour of a pixel shows the frame it is taken from."],
  ["confidence", "Confidence", "Coloured where another frame would have served as well."],
  ["depth", "Depth", "Order of focus, from the first frame in focus to the last."],
];

/**
 * Returns the map after a given one, in a cycle.
 *
 * @param {MapName} map
 */
export function nextMap(map) {
  const at = MAPS.findIndex(([name]) => name === map);
  return MAPS[(at + 1) % MAPS.length][0];
}

/**
 * @param {Result} result
 * @returns {Tab}
 */
export function lookTab(result) {
  const { look, frames } = result;
  const compare = el("select", { id: "compare" });
  compare.addEventListener("change", () => {
    const { other, split } = look.get();
    look.set({ other: compare.value || null, split: other ? split : 0.5 });
  });
  const inputs = MAPS.map(([map]) =>
    el("input", { type: "radio", name: "map", value: map, class: "unseen", on: { change: () => look.set({ map }) } }),
  );
  const maps = el(
    "div",
    { class: "segments", role: "radiogroup", "aria-labelledby": "maps-head" },
    ...MAPS.map(([, words], at) => el("label", {}, inputs[at], el("span", {}, words))),
  );
  const opacity = el("input", { id: "opacity", type: "range", min: 0, max: 1, step: 0.05 });
  opacity.addEventListener("input", () => look.set({ opacity: Number(opacity.value) }));
  const strength = el("div", { class: "option" }, el("label", { for: "opacity" }, "Opacity"), opacity);
  const mapHelp = el("p", { class: "help" });
  const compareHelp = el("p", { class: "help" });
  /** @type {?number} */
  let pinned = null;
  const list = legend(result, {
    label: "Frames in the map",
    chosen: state => state.picked,
    choose: place => {
      pinned = pinned === place ? null : place;
      look.set({ picked: pinned });
    },
    point: place => look.set({ picked: place ?? pinned }),
  });
  const listHelp = "Point at a frame to highlight its part of the map; click to keep it.";
  /** @type {[map: MapName, node: HTMLElement][]} */
  const keys = [
    ["index", el("div", {}, list.node, el("p", { class: "help" }, listHelp))],
    ["confidence", strip(HEAT, "ambiguous", "clear")],
    ["depth", strip(DEPTHS, "first in focus", "last")],
  ];

  /** @param {string} layer */
  const layerOption = layer => el("option", { value: layer }, layerTitle(layer, frames));
  const stops = [
    list.stop,
    look.watch(
      state => state.history.done.length > 0,
      retouched => {
        fill(
          compare,
          el("option", { value: "" }, "Nothing"),
          retouched && layerOption("fused"),
          ...frames.filter(frame => !frame.left).map(({ place }) => layerOption(`frame-${place}`)),
        );
        if (look.get().other === "fused" && !retouched) look.set({ other: null });
        compare.value = look.get().other ?? "";
      },
    ),
    look.watch(
      state => state.other,
      other => {
        compare.value = other ?? "";
        compareHelp.textContent = other
          ? "Drag the divider over the picture, or move it with the arrow keys."
          : "Shows the result on the left of a divider and a frame on the right.";
      },
    ),
    look.watch(
      state => state.opacity,
      value => {
        opacity.value = String(value);
      },
    ),
    look.watch(
      state => state.map,
      map => {
        MAPS.forEach(([name, , words], at) => {
          inputs[at].checked = name === map;
          if (name === map) mapHelp.textContent = words;
        });
        strength.hidden = map === "none";
        for (const [name, node] of keys) node.hidden = name !== map;
      },
    ),
  ];
  return {
    node: el(
      "div",
      {},
      el("div", { class: "option" }, el("label", { for: "compare" }, "Compare with"), compare, compareHelp),
      el(
        "div",
        { class: "option" },
        el("span", { class: "label", id: "maps-head" }, "Map over the picture"),
        maps,
        mapHelp,
      ),
      strength,
      ...keys.map(([, node]) => node),
    ),
    stop: together(stops),
  };
}
