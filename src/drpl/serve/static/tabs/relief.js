/** The tab of the 3D view: a relief to be turned, in the place of the picture. */

import { el, toast } from "../ui/dom.js";
import { levelSize } from "../viewer/geometry.js";
import { strip } from "./legend.js";
import { stretched } from "../viewer/mesh.js";
import { DEPTHS } from "../viewer/palette.js";
import { Relief } from "../viewer/relief.js";

const MESH = 512;
const PICTURE = 2048;

/**
 * A whole level of a layer as one picture.
 *
 * @param {ReturnType<import("../model/api.js").createApi>} api
 * @param {string} id
 * @param {import("../viewer/tiles.js").Layer} layer
 * @param {number} most pixels of the longer side
 * @returns {Promise<HTMLCanvasElement>}
 */
async function wholeLevel(api, id, { name, info, values, version }, most) {
  let level = info.levels - 1;
  while (level > 0 && Math.max(...Object.values(levelSize(info, level))) > most) level -= 1;
  const size = levelSize(info, level);
  const canvas = /** @type {HTMLCanvasElement} */ (el("canvas", size));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const places = [];
  for (let top = 0; top < size.height; top += info.tile)
    for (let left = 0; left < size.width; left += info.tile) places.push([left, top]);
  await Promise.all(
    places.map(async ([left, top]) => {
      const answer = await api.ask(
        `/jobs/${id}/layers/${name}/${level}/${left / info.tile}_${top / info.tile}?v=${version}`,
      );
      const bitmap = await createImageBitmap(
        await answer.blob(),
        values ? { colorSpaceConversion: "none" } : {},
      );
      context.drawImage(bitmap, left, top);
      bitmap.close();
    }),
  );
  return canvas;
}

/** @param {HTMLCanvasElement} canvas grey @returns {Float32Array} in [0, 1] */
function greys(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Float32Array.from({ length: data.length / 4 }, (_, at) => data[4 * at] / 255);
}

/** @param {import("../screens/result.js").Result} result */
export function reliefTab({ api, job, look, layers, stage }) {
  const canvas = /** @type {HTMLCanvasElement} */ (
    el("canvas", {
      class: "canvas relief",
      hidden: true,
      tabIndex: 0,
      role: "application",
      "aria-label": "Relief. Arrows turn it, plus and minus zoom, 0 turns it back.",
    })
  );
  const trouble = el("p", { class: "notice", role: "status", hidden: true });
  stage.append(canvas);
  let relief = null;
  let ground = null;
  let smooth = 3;

  const sizes = new ResizeObserver(() => relief?.draw());
  sizes.observe(canvas);

  /** Fetches depth and picture anew: they may have been retouched since. */
  async function load() {
    try {
      relief ??= new Relief(canvas);
      const names = ["depth", look.get().retouched ? "retouched" : "fused"];
      const [depth, picture] = await Promise.all(names.map((name) => layers.get(name)));
      if (!depth || !picture) return;
      const [deep, seen] = await Promise.all([
        wholeLevel(api, job.id, depth, MESH),
        wholeLevel(api, job.id, picture, PICTURE),
      ]);
      ground = { heights: stretched(greys(deep)), width: deep.width, height: deep.height };
      relief.setPicture(seen, new ImageData(new Uint8ClampedArray(DEPTHS), 256, 1));
      raise();
      canvas.dataset.ready = "true";
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
      if (relief) toast(error.message);
    }
  }

  const raise = () =>
    ground && relief?.setHeights(ground.heights, ground.width, ground.height, smooth);

  let held = null;
  const acts = {
    pointerdown(event) {
      canvas.setPointerCapture(event.pointerId);
      held = { x: event.clientX, y: event.clientY };
    },
    pointermove(event) {
      if (!held) return;
      relief?.turn((event.clientX - held.x) / 160, (event.clientY - held.y) / 160);
      held = { x: event.clientX, y: event.clientY };
    },
    pointerup: () => {
      held = null;
    },
    pointercancel: () => {
      held = null;
    },
    wheel(event) {
      event.preventDefault();
      relief?.turn(0, 0, Math.exp(-event.deltaY * 0.0015));
    },
    keydown(event) {
      const turns = {
        ArrowLeft: [-0.1, 0],
        ArrowRight: [0.1, 0],
        ArrowUp: [0, -0.1],
        ArrowDown: [0, 0.1],
      }[event.key];
      if (!turns) return;
      event.preventDefault();
      relief?.turn(...turns);
    },
  };
  for (const [name, act] of Object.entries(acts)) canvas.addEventListener(name, act);

  const range = (id, words, about, react) => {
    const input = el("input", {
      id,
      type: "range",
      ...about,
      on: { input: () => react(Number(input.value)) },
    });
    return el("div", { class: "option" }, el("label", { for: id }, words), input);
  };
  const box = (id, words, react) => {
    const input = el("input", {
      id,
      type: "checkbox",
      role: "switch",
      on: { change: () => react(input.checked) },
    });
    return el("div", { class: "option switch" }, input, el("label", { for: id }, words));
  };
  const colours = strip(DEPTHS, "first in focus", "last");
  colours.hidden = true;
  return {
    node: el(
      "div",
      {},
      trouble,
      el(
        "p",
        { class: "help" },
        "Drag to turn, wheel to zoom. Heights are the order of focus, smoothed.",
      ),
      range("tall", "Height", { min: 0.05, max: 1.2, step: 0.05, value: 0.3 }, (tall) =>
        relief?.set({ tall }),
      ),
      range("smooth", "Smoothing", { min: 0, max: 12, step: 1, value: smooth }, (value) => {
        smooth = value;
        raise();
      }),
      range("shade", "Light and shade", { min: 0, max: 1, step: 0.05, value: 0.45 }, (shade) =>
        relief?.set({ shade }),
      ),
      box("flip", "Upside down", (flipped) => relief?.set({ flipped })),
      box("depth-colours", "Colours of depth", (coloured) => {
        relief?.set({ coloured });
        colours.hidden = !coloured;
      }),
      colours,
      el("button", { type: "button", on: { click: () => relief?.home() } }, "Turn back"),
    ),
    key(event) {
      if (event.type !== "keydown" || event.ctrlKey || event.metaKey || event.altKey || !relief)
        return false;
      const keys = {
        "+": () => relief.turn(0, 0, 1.15),
        "=": () => relief.turn(0, 0, 1.15),
        "-": () => relief.turn(0, 0, 1 / 1.15),
        0: () => relief.home(),
      };
      keys[event.key]?.();
      return event.key in keys;
    },
    shown(on) {
      canvas.hidden = !on;
      if (on) load();
    },
    stop() {
      sizes.disconnect();
      relief?.stop();
    },
  };
}
