/** 3D tab: a relief of the depth map in place of the picture. */

/** @import { Api } from "../model/api.js" */
/** @import { Layer } from "../viewer/tiles.js" */
/** @import { Result, Tab } from "./types.js" */

import { button, context2d, el, hasModifier, listenTo, toast } from "../ui/dom.js";
import { levelSize } from "../viewer/geometry.js";
import { stretched } from "../viewer/mesh.js";
import { DEPTHS } from "../viewer/palette.js";
import { Relief } from "../viewer/relief.js";
import { rampImage, strip } from "./legend.js";

const MESH = 512;
const PICTURE = 2048;
const LABEL = "Relief. Arrows turn it, plus and minus zoom, 0 resets the view.";

/**
 * Draws a whole level of a layer on a canvas.
 *
 * @param {Api} api
 * @param {string} id
 * @param {Layer} layer
 * @param {number} most limit of the longer side, in pixels
 */
async function wholeLevel(api, id, { name, info, paint, version }, most) {
  let level = info.levels - 1;
  while (level > 0 && Math.max(...Object.values(levelSize(info, level))) > most) level -= 1;
  const size = levelSize(info, level);
  const canvas = el("canvas", size);
  const context = context2d(canvas, { willReadFrequently: true });
  const address = `/jobs/${id}/layers/${name}/${level}`;
  /**
   * @param {number} column
   * @param {number} row
   */
  const drawTile = async (column, row) => {
    const answer = await api.ask(`${address}/${column}_${row}?v=${version}`);
    const options = /** @type {ImageBitmapOptions} */ (paint ? { colorSpaceConversion: "none" } : {});
    const bitmap = await createImageBitmap(await answer.blob(), options);
    context.drawImage(bitmap, column * info.tile, row * info.tile);
    bitmap.close();
  };
  const tiles = [];
  for (let row = 0; row * info.tile < size.height; row += 1) {
    for (let column = 0; column * info.tile < size.width; column += 1) {
      tiles.push(drawTile(column, row));
    }
  }
  await Promise.all(tiles);
  return canvas;
}

/**
 * Reads the values of a grey picture, in [0, 1].
 *
 * @param {HTMLCanvasElement} canvas
 */
function greys(canvas) {
  const { data } = context2d(canvas).getImageData(0, 0, canvas.width, canvas.height);
  return Float32Array.from({ length: data.length / 4 }, (_, at) => data[4 * at] / 255);
}

/**
 * @param {Result} result
 * @returns {Tab}
 */
export function reliefTab({ api, job, look, layers, stage }) {
  const canvas = el("canvas", {
    class: "canvas relief",
    hidden: true,
    tabIndex: 0,
    role: "application",
    "aria-label": LABEL,
  });
  const trouble = el("p", { class: "notice", role: "status", hidden: true });
  stage.append(canvas);
  /** @type {?Relief} */
  let relief = null;
  /** @type {?{heights: Float32Array, width: number, height: number}} */
  let ground = null;
  let smooth = 3;

  const sizes = new ResizeObserver(() => relief?.draw());
  sizes.observe(canvas);

  /** Loads depth map and picture again, because they may have been retouched. */
  async function load() {
    try {
      relief ??= new Relief(canvas);
      const names = ["depth", look.get().retouched ? "retouched" : "fused"];
      const [depth, picture] = await Promise.all(names.map(name => layers.get(name)));
      if (!depth || !picture) return;
      const [map, texture] = await Promise.all([
        wholeLevel(api, job.id, depth, MESH),
        wholeLevel(api, job.id, picture, PICTURE),
      ]);
      ground = { heights: stretched(greys(map)), width: map.width, height: map.height };
      relief.setPicture(texture, rampImage(DEPTHS));
      raise();
      canvas.dataset.ready = "true";
    } catch (error) {
      trouble.textContent = /** @type {Error} */ (error).message;
      trouble.hidden = false;
      if (relief) toast(error);
    }
  }

  function raise() {
    if (ground) relief?.setHeights(ground.heights, ground.width, ground.height, smooth);
  }

  /** @type {?{x: number, y: number}} */
  let held = null;
  const release = () => {
    held = null;
  };
  listenTo(canvas, {
    pointerdown(event) {
      canvas.setPointerCapture(event.pointerId);
      held = { x: event.clientX, y: event.clientY };
    },
    pointermove(event) {
      if (!held) return;
      relief?.turn((event.clientX - held.x) / 160, (event.clientY - held.y) / 160);
      held = { x: event.clientX, y: event.clientY };
    },
    pointerup: release,
    pointercancel: release,
    wheel(event) {
      event.preventDefault();
      relief?.turn(0, 0, Math.exp(-event.deltaY * 0.0015));
    },
    keydown(event) {
      /** @type {Record<string, [yaw: number, pitch: number]>} */
      const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
      const turn = turns[event.key];
      if (!turn) return;
      event.preventDefault();
      relief?.turn(...turn);
    },
  });

  const colours = strip(DEPTHS, "first in focus", "last");
  colours.hidden = true;
  return {
    node: el(
      "div",
      {},
      trouble,
      el("p", { class: "help" }, "Drag to turn, use the wheel to zoom. Heights show the smoothed order of focus."),
      range("tall", "Height", { min: 0.05, max: 1.2, step: 0.05, value: 0.3 }, tall => relief?.set({ tall })),
      range("smooth", "Smoothing", { min: 0, max: 12, step: 1, value: smooth }, value => {
        smooth = value;
        raise();
      }),
      range("shade", "Shading", { min: 0, max: 1, step: 0.05, value: 0.45 }, shade => relief?.set({ shade })),
      box("flip", "Upside down", flipped => relief?.set({ flipped })),
      box("depth-colours", "Depth colours", coloured => {
        relief?.set({ coloured });
        colours.hidden = !coloured;
      }),
      colours,
      button(() => relief?.home(), {}, "Reset the view"),
    ),
    key(event) {
      if (event.type !== "keydown" || hasModifier(event) || !relief) return false;
      if (event.key === "+" || event.key === "=") relief.turn(0, 0, 1.15);
      else if (event.key === "-") relief.turn(0, 0, 1 / 1.15);
      else if (event.key === "0") relief.home();
      else return false;
      return true;
    },
    shown(isShown) {
      canvas.hidden = !isShown;
      if (isShown) load();
    },
    stop() {
      sizes.disconnect();
      relief?.stop();
    },
  };
}

/**
 * Creates a slider with its label.
 *
 * @param {string} id
 * @param {string} words
 * @param {{min: number, max: number, step: number, value: number}} limits
 * @param {(value: number) => void} react
 */
function range(id, words, limits, react) {
  const input = el("input", { id, type: "range", ...limits });
  input.addEventListener("input", () => react(Number(input.value)));
  return el("div", { class: "option" }, el("label", { for: id }, words), input);
}

/**
 * Creates a switch with its label.
 *
 * @param {string} id
 * @param {string} words
 * @param {(checked: boolean) => void} react
 */
function box(id, words, react) {
  const input = el("input", { id, type: "checkbox", role: "switch" });
  input.addEventListener("change", () => react(input.checked));
  return el("div", { class: "option switch" }, input, el("label", { for: id }, words));
}
