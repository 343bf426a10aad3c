/** The tab of looking: compare with a frame, and maps over the picture. */

import { named } from "./compare.js";
import { el, fill } from "../ui/dom.js";
import { legend, strip } from "./legend.js";
import { DEPTHS, HEAT } from "../viewer/palette.js";

/** The maps with their names and what they tell. */
export const MAPS = [
  ["none", "None", ""],
  ["index", "Frames", "Each colour is a frame: which frame is this pixel from?"],
  ["confidence", "Confidence", "Coloured where another frame would have served as well."],
  ["depth", "Depth", "From the frame that is first in focus to the last."],
];

/** @param {import("../screens/result.js").Result} result */
export function lookTab(result) {
  const { look, frames } = result;
  const compare = el("select", {
    id: "compare",
    on: {
      change: () =>
        look.set({
          other: compare.value || null,
          split: look.get().other ? look.get().split : 0.5,
        }),
    },
  });
  const maps = el(
    "div",
    { class: "segments", role: "radiogroup", "aria-labelledby": "maps-head" },
    ...MAPS.map(([map, words]) => {
      const input = el("input", {
        type: "radio",
        name: "map",
        value: map,
        class: "unseen",
        on: { change: () => look.set({ map }) },
      });
      return el("label", {}, input, el("span", {}, words));
    }),
  );
  const opacity = el("input", {
    id: "opacity",
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    on: { input: () => look.set({ opacity: Number(opacity.value) }) },
  });
  const strength = el(
    "div",
    { class: "option" },
    el("label", { for: "opacity" }, "Opacity"),
    opacity,
  );
  const about = el("p", { class: "help" });
  const how = el("p", { class: "help" });
  const list = legend(result, {
    label: "Frames in the map",
    chosen: (state) => state.picked,
    choose: (place) => {
      look.set({ picked: pinned === place ? null : place });
      pinned = pinned === place ? null : place;
    },
    point: (place) => look.set({ picked: place ?? pinned }),
    leaveOut: true,
  });
  let pinned = null;
  const keys = {
    index: el(
      "div",
      {},
      list.node,
      el("p", { class: "help" }, "Point at a frame to see its part alone; click to keep it so."),
    ),
    confidence: strip(HEAT, "another served as well", "clear"),
    depth: strip(DEPTHS, "first in focus", "last"),
  };

  const stops = [
    list.stop,
    look.watch(
      (state) => state.history.done.length > 0,
      (retouched) => {
        const { other } = look.get();
        fill(
          compare,
          el("option", { value: "" }, "Nothing"),
          retouched ? el("option", { value: "fused" }, named("fused", frames)) : null,
          ...frames
            .filter((frame) => !frame.left)
            .map(({ place }) =>
              el("option", { value: `frame-${place}` }, named(`frame-${place}`, frames)),
            ),
        );
        if (other === "fused" && !retouched) look.set({ other: null });
        compare.value = look.get().other ?? "";
      },
    ),
    look.watch(
      (state) => state.other,
      (other) => {
        compare.value = other ?? "";
        how.textContent = other
          ? "Drag the divider over the picture, or move it with the arrow keys."
          : "The result on the left, a frame on the right of a divider.";
      },
    ),
    look.watch(
      (state) => state.opacity,
      (value) => {
        opacity.value = String(value);
      },
    ),
    look.watch(
      (state) => state.map,
      (map) => {
        maps.querySelector(`[value="${map}"]`).checked = true;
        about.textContent = MAPS.find(([name]) => name === map)[2];
        strength.hidden = map === "none";
        for (const [name, node] of Object.entries(keys)) node.hidden = name !== map;
      },
    ),
  ];
  return {
    node: el(
      "div",
      {},
      el("div", { class: "option" }, el("label", { for: "compare" }, "Compare with"), compare, how),
      el(
        "div",
        { class: "option" },
        el("span", { class: "label", id: "maps-head" }, "Map over the picture"),
        maps,
        about,
      ),
      strength,
      ...Object.values(keys),
    ),
    stop: () => stops.forEach((stop) => stop()),
  };
}
