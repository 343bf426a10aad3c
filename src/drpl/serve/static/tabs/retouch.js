/** Retouch tab: a brush that copies pixels from a chosen frame. */

/** @import { Point, Stroke } from "../model/types.js" */
/** @import { Tool } from "../viewer/gestures.js" */
/** @import { Layer } from "../viewer/tiles.js" */
/** @import { Result, Tab } from "./types.js" */

import { createStore } from "../model/store.js";
import { centred, historyOf, isFarEnough, reach, readEdits, redo, undo, withStroke } from "../model/strokes.js";
import { counted } from "../model/words.js";
import { button, el, say, toast, together } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { Preview, drawRing } from "../viewer/brush.js";
import { clamp, overlap } from "../viewer/geometry.js";
import { css, frameAt } from "../viewer/palette.js";
import { legend } from "./legend.js";
import { createSync } from "./sync.js";

/**
 * @param {Result} result
 * @returns {Tab & {tool: Tool, hover: (at: ?Point) => void}}
 */
export function retouchTab(result) {
  const { look, viewer, frames, colours, layers } = result;
  const { width, height } = viewer.size;
  const most = Math.max(64, Math.round(Math.min(width, height) / 4));
  const brush = createStore({ radius: Math.max(6, Math.round(most / 6)), softness: 0.5 });
  const preview = new Preview();
  const sync = createSync(result);
  /** @type {?Stroke} */
  let stroke = null;
  /** @type {?Point} */
  let pointer = null;
  /** @type {Map<number, Layer>} */
  const sources = new Map();
  const isOpen = () => look.get().tab === "retouch";

  viewer.show({
    above(context) {
      for (const one of [...sync.pending, ...(stroke ? [stroke] : [])]) {
        const source = sources.get(one.frame);
        if (source) preview.draw(context, viewer, one, source);
      }
      if (!pointer || !isOpen()) return;
      drawRing(context, viewer, pointer, brush.get(), css(colours[look.get().source]));
    },
  });

  /** @type {Tool} */
  const tool = {
    down(at, { altKey }) {
      if (altKey) {
        pick(at);
        return;
      }
      stroke = { frame: look.get().source, ...brush.get(), points: [centred(at)] };
      viewer.draw();
    },
    move(at) {
      const point = centred(at);
      if (!stroke || !isFarEnough(stroke.points, point, stroke.radius)) return;
      stroke.points.push(point);
      viewer.draw();
    },
    up() {
      if (!stroke) return;
      const finished = stroke;
      stroke = null;
      const isVisible = overlap(reach(finished), { left: 0, top: 0, width, height });
      if (isVisible) sync.set(withStroke(look.get().history, finished), finished);
      else viewer.draw();
    },
    cancel() {
      stroke = null;
      viewer.draw();
    },
  };

  /**
   * Chooses the frame that the picture shows at a point.
   *
   * @param {?Point} at
   */
  async function pick(at) {
    const index = await layers.get("index");
    const frame = index && at && viewer.value(index, at, frameAt);
    if (frame !== null && frames[frame]?.left === false) choose(frame);
  }

  /** @param {number} place */
  function choose(place) {
    look.set({ source: place });
    say(`The brush paints from frame ${place + 1}, ${frames[place].name}.`);
  }

  /** @param {number} by */
  function step(by) {
    const usable = frames.filter(frame => !frame.left).map(({ place }) => place);
    const at = usable.indexOf(look.get().source);
    choose(usable[clamp(at + by, 0, usable.length - 1)]);
  }

  /** @param {number} factor */
  const resize = factor => {
    const radius = Math.round(brush.get().radius * factor) + (factor > 1 ? 1 : -1);
    brush.set({ radius: clamp(radius, 1, most) });
  };
  /** @param {number} by */
  const soften = by => {
    const softness = Math.round((brush.get().softness + by) * 10) / 10;
    brush.set({ softness: clamp(softness, 0, 1) });
  };
  const goBack = () => sync.set(undo(look.get().history));
  const goOn = () => sync.set(redo(look.get().history));

  /** Paints a dab in the middle of the canvas, for keyboard users. */
  function dab() {
    tool.down(viewer.middle(), { altKey: false });
    tool.up();
  }

  /** @type {Record<string, () => void>} */
  const keys = {
    "[": () => resize(1 / 1.2),
    "]": () => resize(1.2),
    "{": () => soften(-0.1),
    "}": () => soften(0.1),
    ",": () => step(-1),
    ".": () => step(1),
    p: () => pick(pointer),
  };

  /**
   * @param {KeyboardEvent} event
   * @returns {boolean}
   */
  function key(event) {
    const letter = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    const isDown = event.type === "keydown";
    if (letter === "f" && !command) {
      look.set({ peek: isDown ? look.get().source : null });
      return true;
    }
    let act = null;
    if (isDown && command) {
      if (letter === "z") act = event.shiftKey ? goOn : goBack;
      else if (letter === "y") act = goOn;
    } else if (isDown && !event.altKey) {
      if (event.key !== "Enter") act = keys[event.key];
      else if (document.activeElement === viewer.canvas) act = dab;
    }
    act?.();
    return Boolean(act);
  }

  const size = el("input", { id: "brush-size", type: "range", min: 0, max: 1, step: 0.01 });
  size.addEventListener("input", () => {
    brush.set({ radius: Math.round(most ** Number(size.value)) });
  });
  const soft = el("input", { id: "brush-soft", type: "range", min: 0, max: 1, step: 0.1 });
  soft.addEventListener("input", () => brush.set({ softness: Number(soft.value) }));
  const sizeWords = el("output", { for: "brush-size" });
  const softWords = el("output", { for: "brush-soft" });
  const list = legend(result, { label: "Frame that the brush paints from", chosen: state => state.source, choose });
  const back = button(goBack, { title: "Undo (Ctrl Z)" }, icon("undo"), "Undo");
  const on = button(goOn, { title: "Redo (Ctrl Shift Z)" }, icon("redo"), "Redo");
  const status = el("p", { class: "help", role: "status" });
  const accept = ".json,application/json";
  const file = el("input", { type: "file", accept, hidden: true, on: { change: load } });

  async function load() {
    try {
      const text = await file.files?.[0]?.text();
      if (text !== undefined) sync.set(historyOf(readEdits(text, viewer.size)));
    } catch (error) {
      toast(error);
    }
    file.value = "";
  }

  const stops = [
    list.stop,
    sync.stop,
    brush.watch(
      now => now,
      ({ radius, softness }) => {
        size.value = String(Math.log(radius) / Math.log(most));
        size.setAttribute("aria-valuetext", `${2 * radius} pixels wide`);
        soft.value = String(softness);
        sizeWords.textContent = `${2 * radius} px`;
        softWords.textContent = `${Math.round(100 * softness)} %`;
        viewer.draw();
      },
    ),
    look.watch(
      now => now.history,
      ({ done, undone }) => {
        back.disabled = !done.length;
        on.disabled = !undone.length;
      },
    ),
    look.watch(
      now => (now.tab === "retouch" ? now.source : null),
      async source => {
        if (source === null) return;
        const layer = await layers.get(`frame-${source}`);
        if (layer) sources.set(source, layer);
        viewer.draw();
      },
    ),
    sync.store.watch(
      now => now,
      ({ busy }) => {
        const { length } = look.get().history.done;
        if (busy) status.textContent = "Retouching…";
        else if (length) status.textContent = `${counted(length, "stroke")}, kept with the job.`;
        else status.textContent = "Paint where another frame is better.";
      },
    ),
  ];

  return {
    node: el(
      "div",
      { class: "retouch" },
      el("div", { class: "row" }, back, on),
      status,
      brushOption("Size", ["[", "]"], size, sizeWords),
      brushOption("Softness", ["{", "}"], soft, softWords),
      el("h3", {}, "Paint from"),
      el(
        "p",
        { class: "help" },
        el("kbd", {}, "P"),
        " or Alt and a click picks the frame under the pointer, ",
        el("kbd", {}, "F"),
        " shows the chosen frame.",
      ),
      list.node,
      el("h3", {}, "Edit list"),
      el(
        "div",
        { class: "row" },
        el(
          "a",
          { class: "button", href: result.api.download(result.job.id, "edits.json"), download: "edits.json" },
          icon("down"),
          "Save",
        ),
        button(() => file.click(), {}, icon("up"), "Load"),
        file,
      ),
      el(
        "p",
        { class: "help" },
        "A small file; ",
        el("code", {}, "drpl fuse --edits"),
        " applies it to the original frames.",
      ),
    ),
    tool,
    key,
    hover(at) {
      pointer = at;
      if (isOpen()) viewer.draw();
    },
    shown(isShown) {
      viewer.canvas.classList.toggle("brushing", isShown);
      if (!isShown) pointer = null;
      viewer.draw();
    },
    stop: together(stops),
  };
}

/**
 * Creates a slider of the brush with its label and value.
 *
 * @param {string} words
 * @param {[string, string]} keys
 * @param {HTMLInputElement} input
 * @param {HTMLOutputElement} output
 */
function brushOption(words, [less, more], input, output) {
  const keys = [el("kbd", {}, less), " ", el("kbd", {}, more)];
  return el(
    "div",
    { class: "option" },
    el("label", { for: input.id }, `${words} `, ...keys),
    el("div", { class: "ranged" }, input, output),
  );
}
