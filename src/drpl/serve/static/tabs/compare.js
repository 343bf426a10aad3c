/** Divider between the result and the layer it is compared with. */

/** @import { Result, ResultFrame } from "./types.js" */

import { el, listenTo, together } from "../ui/dom.js";
import { clamp } from "../viewer/geometry.js";

/**
 * Returns the title of a layer.
 *
 * @param {string} layer
 * @param {Pick<ResultFrame, "name">[]} frames
 */
export function layerTitle(layer, frames) {
  if (layer === "fused") return "Before retouching";
  const place = Number(layer.replace("frame-", ""));
  return `${place + 1} · ${frames[place].name}`;
}

/**
 * @param {Result} result
 * @returns {() => void} a function that removes the listeners
 */
export function showCompare({ look, stage, frames, viewer }) {
  const left = el("span", { class: "tag tag-left" }, "Result");
  const right = el("span", { class: "tag tag-right" });
  const handle = el(
    "div",
    {
      class: "divider",
      role: "slider",
      tabIndex: 0,
      "aria-label": "Divider between result and frame",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-orientation": "horizontal",
    },
    el("span", { class: "divider-grip" }),
  );
  stage.append(handle, left, right);
  let held = false;

  /** @param {number} split */
  const put = split => look.set({ split: clamp(split, 0, 1) });
  const release = () => {
    held = false;
  };
  const stops = [
    listenTo(handle, {
      pointerdown(event) {
        held = true;
        handle.setPointerCapture(event.pointerId);
        event.preventDefault();
        handle.focus();
      },
      pointermove(event) {
        if (!held) return;
        const box = viewer.canvas.getBoundingClientRect();
        put((event.clientX - box.left) / box.width);
      },
      pointerup: release,
      pointercancel: release,
      keydown(event) {
        const step = event.shiftKey ? 0.1 : 0.02;
        const { split } = look.get();
        /** @type {Record<string, number>} */
        const places = {
          ArrowLeft: split - step,
          ArrowDown: split - step,
          ArrowRight: split + step,
          ArrowUp: split + step,
          Home: 0,
          End: 1,
        };
        if (!(event.key in places)) return;
        event.preventDefault();
        event.stopPropagation();
        put(places[event.key]);
      },
    }),
    look.watch(
      state => (state.tab === "relief" ? null : state.beside),
      beside => {
        for (const node of [handle, left, right]) node.hidden = !beside;
        if (beside) right.textContent = layerTitle(beside, frames);
      },
    ),
    look.watch(
      state => state.split,
      split => {
        const percentage = Math.round(split * 100);
        handle.style.left = `${split * 100}%`;
        handle.setAttribute("aria-valuenow", String(percentage));
        handle.setAttribute("aria-valuetext", `${percentage} % result`);
        left.classList.toggle("gone", split < 0.12);
        right.classList.toggle("gone", split > 0.88);
      },
    ),
  ];
  return together(stops);
}
