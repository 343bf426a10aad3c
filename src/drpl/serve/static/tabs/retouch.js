/** Retouching: a brush that takes pixels of a chosen frame; strokes are kept with the job. */

import { LostError, pause } from "../model/api.js";
import { Preview, drawRing } from "../viewer/brush.js";
import { el, say, toast } from "../ui/dom.js";
import { clamp } from "../viewer/geometry.js";
import { icon } from "../ui/icons.js";
import { legend } from "./legend.js";
import { css, frameAt } from "../viewer/palette.js";
import {
  centred,
  historyOf,
  readEdits,
  reach,
  redo,
  tells,
  undo,
  withStroke,
} from "../model/strokes.js";
import { createStore } from "../model/store.js";
import { counted } from "../model/words.js";

const LEAST = 1;
const ALL = ["retouched", "index", "confidence", "depth"];

/** @param {import("../screens/result.js").Result} result */
export function retouchTab(result) {
  const { look, viewer, frames, colours, layers } = result;
  const most = Math.max(64, Math.round(Math.min(viewer.size.width, viewer.size.height) / 4));
  const brush = createStore({ radius: Math.max(6, Math.round(most / 6)), softness: 0.5 });
  const preview = new Preview();
  const sync = createSync(result);
  let stroke = null; // under way
  let pointer = null;
  const sources = new Map();

  /** Strokes that are not in the picture yet, and the ring of the brush. */
  viewer.show({
    above(context) {
      const { radius, softness } = brush.get();
      for (const one of [...sync.pending, ...(stroke ? [stroke] : [])]) {
        if (sources.has(one.frame)) preview.draw(context, viewer, one, sources.get(one.frame));
      }
      if (pointer && look.get().tab === "retouch")
        drawRing(context, viewer, pointer, { radius, softness }, css(colours[look.get().source]));
    },
  });

  const tool = {
    down(at, event) {
      if (event.altKey) {
        take(at);
        return;
      }
      const { radius, softness } = brush.get();
      stroke = { frame: look.get().source, radius, softness, points: [centred(at)] };
      viewer.draw();
    },
    move(at) {
      if (!stroke || !tells(stroke.points, centred(at), stroke.radius)) return;
      stroke.points.push(centred(at));
      viewer.draw();
    },
    up() {
      if (!stroke) return;
      const whole = stroke;
      stroke = null;
      const { left, top, width, height } = reach(whole);
      const seen =
        left < viewer.size.width &&
        top < viewer.size.height &&
        left + width > 0 &&
        top + height > 0;
      if (seen) sync.set(withStroke(look.get().history, whole), whole);
      else viewer.draw();
    },
    cancel() {
      stroke = null;
      viewer.draw();
    },
  };

  /** The frame that the picture has at a point becomes the source. */
  async function take(at) {
    const index = await layers.get("index");
    const frame = index && at ? viewer.value(index, at.x, at.y, frameAt) : null;
    if (frame !== null && frames[frame] && !frames[frame].left) choose(frame);
  }

  function choose(place) {
    look.set({ source: place });
    say(`The brush takes frame ${place + 1}, ${frames[place].name}.`);
  }

  function step(by) {
    const usable = frames.filter((frame) => !frame.left).map(({ place }) => place);
    const at = usable.indexOf(look.get().source);
    choose(usable[clamp(at + by, 0, usable.length - 1)]);
  }

  const resize = (factor) =>
    brush.set({
      radius: clamp(Math.round(brush.get().radius * factor) + (factor > 1 ? 1 : -1), LEAST, most),
    });
  const soften = (by) =>
    brush.set({ softness: clamp(Math.round((brush.get().softness + by) * 10) / 10, 0, 1) });
  const goBack = () => sync.set(undo(look.get().history));
  const goOn = () => sync.set(redo(look.get().history));

  /** A dab in the middle of what is seen, for those who have no pointer. */
  function dab() {
    const at = viewer.at(viewer.canvas.clientWidth / 2, viewer.canvas.clientHeight / 2);
    tool.down(at, { altKey: false });
    tool.up();
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it was one of these keys */
  function key(event) {
    const letter = event.key.toLowerCase();
    if (letter === "f" && !event.ctrlKey && !event.metaKey) {
      look.set({ peek: event.type === "keydown" ? look.get().source : null });
      return true;
    }
    if (event.type !== "keydown") return false;
    if ((event.ctrlKey || event.metaKey) && letter === "z")
      return (event.shiftKey ? goOn() : goBack()) ?? true;
    if ((event.ctrlKey || event.metaKey) && letter === "y") return goOn() ?? true;
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const acts = {
      "[": () => resize(1 / 1.2),
      "]": () => resize(1.2),
      "{": () => soften(-0.1),
      "}": () => soften(0.1),
      ",": () => step(-1),
      ".": () => step(1),
      p: () => take(pointer),
      Enter: () => document.activeElement === viewer.canvas && dab(),
    };
    if (event.key === "Enter" && document.activeElement !== viewer.canvas) return false;
    acts[event.key]?.();
    return event.key in acts;
  }

  const range = (id, about) => el("input", { id, type: "range", ...about });
  const size = range("brush-size", {
    min: 0,
    max: 1,
    step: 0.01,
    on: {
      input: () => brush.set({ radius: Math.round(LEAST * (most / LEAST) ** Number(size.value)) }),
    },
  });
  const soft = range("brush-soft", {
    min: 0,
    max: 1,
    step: 0.1,
    on: { input: () => brush.set({ softness: Number(soft.value) }) },
  });
  const [sized, softened] = [
    el("output", { for: "brush-size" }),
    el("output", { for: "brush-soft" }),
  ];
  const list = legend(result, {
    label: "Frame that the brush takes",
    chosen: (state) => state.source,
    choose,
  });
  const back = el(
    "button",
    { type: "button", title: "Undo (Ctrl Z)", on: { click: goBack } },
    icon("undo"),
    "Undo",
  );
  const on = el(
    "button",
    { type: "button", title: "Redo (Ctrl Shift Z)", on: { click: goOn } },
    icon("redo"),
    "Redo",
  );
  const state = el("p", { class: "help", role: "status" });
  const file = el("input", {
    type: "file",
    accept: ".json,application/json",
    hidden: true,
    on: { change: load },
  });

  async function load() {
    try {
      const strokes = readEdits(await file.files[0].text(), viewer.size);
      sync.set(historyOf(strokes));
    } catch (error) {
      toast(error.message);
    }
    file.value = "";
  }

  const stops = [
    list.stop,
    brush.watch(
      (now) => now,
      ({ radius, softness }) => {
        size.value = String(Math.log(radius / LEAST) / Math.log(most / LEAST));
        size.setAttribute("aria-valuetext", `${2 * radius} pixels wide`);
        soft.value = String(softness);
        sized.textContent = `${2 * radius} px`;
        softened.textContent = `${Math.round(100 * softness)} %`;
        viewer.draw();
      },
    ),
    look.watch(
      (now) => now.history,
      ({ done, undone }) => {
        back.disabled = !done.length;
        on.disabled = !undone.length;
      },
    ),
    look.watch(
      (now) => (now.tab === "retouch" ? now.source : null),
      async (source) => {
        if (source === null) return;
        const layer = await layers.get(`frame-${source}`);
        if (layer) sources.set(source, layer);
        viewer.draw();
      },
    ),
    sync.store.watch(
      (now) => now,
      ({ busy }) => {
        const { length } = look.get().history.done;
        state.textContent = busy
          ? "Retouching…"
          : length
            ? `${counted(length, "stroke")}, kept with the job.`
            : "Paint where another frame is better.";
      },
    ),
  ];

  return {
    node: el(
      "div",
      { class: "retouch" },
      el("div", { class: "row" }, back, on),
      state,
      el(
        "div",
        { class: "option" },
        el("label", { for: "brush-size" }, "Size ", el("kbd", {}, "["), " ", el("kbd", {}, "]")),
        el("div", { class: "ranged" }, size, sized),
      ),
      el(
        "div",
        { class: "option" },
        el(
          "label",
          { for: "brush-soft" },
          "Softness ",
          el("kbd", {}, "{"),
          " ",
          el("kbd", {}, "}"),
        ),
        el("div", { class: "ranged" }, soft, softened),
      ),
      el("h3", {}, "Paint from"),
      el(
        "p",
        { class: "help" },
        el("kbd", {}, "P"),
        " or Alt and click takes the frame under the pointer, ",
        el("kbd", {}, "F"),
        " shows the chosen one.",
      ),
      list.node,
      el("h3", {}, "Edit list"),
      el(
        "div",
        { class: "row" },
        el(
          "a",
          {
            class: "button",
            href: result.api.download(result.job.id, "edits.json"),
            download: "edits.json",
          },
          icon("down"),
          "Save",
        ),
        el("button", { type: "button", on: { click: () => file.click() } }, icon("up"), "Load"),
        file,
      ),
      el(
        "p",
        { class: "help" },
        "A small file; ",
        el("code", {}, "drpl fuse --edits"),
        " replays it from the originals.",
      ),
    ),
    tool,
    key,
    hover(at) {
      pointer = at;
      if (look.get().tab === "retouch") viewer.draw();
    },
    shown(now) {
      viewer.canvas.classList.toggle("brushing", now);
      if (!now) pointer = null;
      viewer.draw();
    },
    stop() {
      sync.stop();
      stops.forEach((stop) => stop());
    },
  };
}

/**
 * Brings the edit list to the service, one at a time, the last one always; shows the exact result.
 *
 * @param {import("../screens/result.js").Result} result
 */
function createSync({ api, job, look, layers, viewer }) {
  const store = createStore({ busy: false });
  /** @type {Set<import("../model/types.js").Stroke>} drawn by the page until the service has drawn them */
  const pending = new Set();
  let agreed = look.get().history;
  let stopped = false;

  function set(history, fresh = null) {
    if (history === look.get().history || history.done === look.get().history.done) return;
    if (fresh) pending.add(fresh);
    for (const one of pending) if (!history.done.includes(one)) pending.delete(one);
    look.set({ history });
    store.set({ busy: store.get().busy });
    viewer.draw();
    if (!store.get().busy) run();
  }

  async function run() {
    store.set({ busy: true });
    // also when the page goes on to something else: no stroke is lost
    while (look.get().history !== agreed) {
      const history = look.get().history;
      try {
        const edits = {
          edits: 1,
          size: [viewer.size.width, viewer.size.height],
          strokes: history.done,
        };
        const { changed } = await api.putEdits(job.id, edits);
        agreed = history;
        if (!stopped) await renew(history, changed);
        for (const one of history.done) pending.delete(one);
      } catch (error) {
        if (error instanceof LostError) {
          await pause(2000);
          continue;
        }
        toast(error.message);
        pending.clear();
        look.set({ history: agreed });
      }
      viewer.draw();
    }
    store.set({ busy: false });
  }

  /** Shows what the service made, without a flicker. */
  async function renew({ done }, [left, top, width, height]) {
    const name = done.length ? "retouched" : "fused";
    const base = await layers.get(name);
    const touched = await layers.present(ALL);
    const { scene } = viewer;
    if (base && scene.base !== base) viewer.show({ ready: [...scene.ready, base] });
    await viewer.renew(touched, { left, top, width, height });
    look.set({ retouched: done.length > 0 });
    look.set({ report: await api.report(job.id) });
  }

  const leaving = (event) => store.get().busy && event.preventDefault();
  window.addEventListener("beforeunload", leaving);
  return {
    store,
    pending,
    set,
    stop() {
      stopped = true;
      window.removeEventListener("beforeunload", leaving);
    },
  };
}
