/** The divider between the result and what it is compared with. */

import { el } from "../ui/dom.js";
import { clamp } from "../viewer/geometry.js";

/**
 * What a layer is called.
 *
 * @param {string} layer
 * @param {{name: string}[]} frames
 */
export function named(layer, frames) {
  if (layer === "fused") return "Before retouching";
  const place = Number(layer.replace("frame-", ""));
  return `${place + 1} · ${frames[place].name}`;
}

/**
 * @param {import("../screens/result.js").Result} result
 * @returns {() => void} stops
 */
export function showCompare({ look, stage, frames, viewer }) {
  const [left, right] = [
    el("span", { class: "tag tag-left" }, "Result"),
    el("span", { class: "tag tag-right" }),
  ];
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
      on: { pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, keydown: key },
    },
    el("span", { class: "divider-grip" }),
  );
  stage.append(handle, left, right);
  let held = false;

  const put = (split) => look.set({ split: clamp(split, 0, 1) });

  function down(event) {
    held = true;
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    handle.focus();
  }

  function move(event) {
    if (!held) return;
    const box = viewer.canvas.getBoundingClientRect();
    put((event.clientX - box.left) / box.width);
  }

  function up() {
    held = false;
  }

  function key(event) {
    const step = event.shiftKey ? 0.1 : 0.02;
    const { split } = look.get();
    const to = {
      ArrowLeft: split - step,
      ArrowDown: split - step,
      ArrowRight: split + step,
      ArrowUp: split + step,
      Home: 0,
      End: 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    put(to);
  }

  const stops = [
    look.watch(
      (state) => (state.tab === "relief" ? null : state.beside),
      (beside) => {
        for (const node of [handle, left, right]) node.hidden = !beside;
        if (beside) right.textContent = named(beside, frames);
      },
    ),
    look.watch(
      (state) => state.split,
      (split) => {
        handle.style.left = `${split * 100}%`;
        const shown = Math.round(split * 100);
        handle.setAttribute("aria-valuenow", String(shown));
        handle.setAttribute("aria-valuetext", `${shown} % result`);
        left.classList.toggle("gone", split < 0.12);
        right.classList.toggle("gone", split > 0.88);
      },
    ),
  ];
  return () => stops.forEach((stop) => stop());
}
