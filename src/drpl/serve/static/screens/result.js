/** Result screen: the picture, and tabs with tools beside it. */

/** @import { Store } from "../model/store.js" */
/** @import { Job, LayerInfo, Point, Report, Stroke } from "../model/types.js" */
/** @import { Look, Result, ResultFrame } from "../tabs/types.js" */
/** @import { SideTab } from "./side.js" */
/** @import { Page } from "./types.js" */

import { historyOf } from "../model/strokes.js";
import { createStore } from "../model/store.js";
import { counted, percent } from "../model/words.js";
import { showCompare } from "../tabs/compare.js";
import { lookTab, nextMap } from "../tabs/look.js";
import { reliefTab } from "../tabs/relief.js";
import { reportTab } from "../tabs/report.js";
import { retouchTab } from "../tabs/retouch.js";
import { saveTab } from "../tabs/save.js";
import { el, fill, hasModifier, listenTo, together, typing } from "../ui/dom.js";
import { listen, zoomKey } from "../viewer/gestures.js";
import { createLayers } from "../viewer/layers.js";
import { frameAt, frameColours } from "../viewer/palette.js";
import { Viewer } from "../viewer/viewer.js";
import { sidePanel } from "./side.js";
import { toolbar } from "./toolbar.js";

/**
 * @param {HTMLElement} root
 * @param {Page} page
 * @param {Job} job
 * @returns {() => void} a function that stops the screen
 */
export function showResult(root, page, job) {
  const { api } = page;
  let stop = () => {};
  let left = false;

  async function open() {
    const [report, strokes] = await Promise.all([
      api.report(job.id),
      api.edits(job.id).then(
        edits => edits.strokes ?? [],
        () => [],
      ),
    ]);
    const size = await api.layer(job.id, "fused");
    if (!left) stop = build(root, page, job, report, strokes, size);
  }

  fill(root, el("p", { class: "lone", role: "status" }, "Opening the result…"));
  open().catch(({ message }) => {
    if (left) return;
    fill(root, el("section", { class: "lone", role: "alert" }, el("h1", {}, message)));
  });
  return () => {
    left = true;
    stop();
  };
}

/**
 * Builds the screen from the loaded data.
 *
 * @param {HTMLElement} root
 * @param {Page} page
 * @param {Job} job
 * @param {Report} report
 * @param {Stroke[]} strokes
 * @param {LayerInfo} size
 * @returns {() => void} a function that stops the screen
 */
function build(root, page, job, report, strokes, size) {
  const { api, meta } = page;
  const frames = report.frames.map(({ name }, place) => ({ place, name, left: report.rejected.includes(place) }));
  const order = new Set([...report.focus_order, ...frames.map(({ place }) => place)]);
  const colours = frameColours([...order]);
  const note = el("p", { class: "stage-note", role: "status", hidden: true });
  const layers = createLayers(api, job.id, colours, words => {
    note.textContent = words;
    note.hidden = !words;
  });
  const viewer = new Viewer(size, api.ask, layer => `/jobs/${job.id}/layers/${layer}`);
  const look = createStore(
    /** @type {Look} */ ({
      tab: "look",
      report,
      map: "none",
      opacity: 0.7,
      other: null,
      beside: null,
      split: 0.5,
      hovered: null,
      picked: null,
      source: mostUsed(report),
      history: historyOf(strokes),
      retouched: strokes.length > 0,
      peek: null,
    }),
  );
  const stage = el("div", { class: "stage" }, viewer.canvas, note);
  /** @type {Result} */
  const result = { job, api, meta, frames, colours, layers, viewer, stage, look };

  const status = el("p", { class: "stage-status" });
  const bar = toolbar(page, job, viewer, look);
  const retouch = retouchTab(result);
  /** @type {SideTab[]} */
  const tabs = [
    { name: "look", words: "View", sign: "eye", ...lookTab(result) },
    { name: "retouch", words: "Retouch", sign: "brush", ...retouch },
    { name: "relief", words: "3D", sign: "cube", ...reliefTab(result) },
    { name: "report", words: "Report", sign: "report", ...reportTab(result) },
    { name: "save", words: "Save", sign: "down", ...saveTab(result) },
  ];
  const side = sidePanel(tabs, look);
  const picture = { class: "result-stage", "aria-label": "Picture" };
  fill(root, el("div", { class: "result" }, el("section", picture, bar.node, stage, status), side.node));

  /** @type {?Point} */
  let pointer = null;
  const showStatus = () => updateStatus(result, status, pointer);

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (typing() || document.querySelector("dialog[open]")) return;
    const own = tabs.find(tab => tab.name === look.get().tab)?.key;
    if (own?.(event) || plainKey(event)) event.preventDefault();
  }

  /**
   * Handles the keys that work in all tabs.
   *
   * @param {KeyboardEvent} event
   */
  function plainKey(event) {
    if (event.type !== "keydown" || hasModifier(event)) return false;
    const { tab, map, other } = look.get();
    if (event.key === "b") look.set({ tab: tab === "retouch" ? "look" : "retouch" });
    else if (event.key === "m") look.set({ map: nextMap(map) });
    else if (event.key === "c") look.set({ other: other ? null : `frame-${report.reference}` });
    else return tab !== "relief" && zoomKey(viewer, event);
    return true;
  }

  return together([
    listenTo(window, { keydown: onKey, keyup: onKey }),
    bar.stop,
    side.stop,
    ...tabs.map(tab => tab.stop),
    showCompare(result),
    followLook(result),
    listen(viewer, {
      tool: () => (look.get().tab === "retouch" ? retouch.tool : null),
      hover(at) {
        pointer = at;
        retouch.hover(look.get().tab === "retouch" ? at : null);
        showStatus();
      },
    }),
    look.watch(state => state.report, showStatus),
    layers.stop,
    () => viewer.stop(),
  ]);
}

/**
 * Returns the frame with the largest share of the all-in-focus image.
 *
 * @param {Report} report
 */
function mostUsed({ frames }) {
  const shares = frames.map(frame => frame.coverage);
  return shares.indexOf(Math.max(...shares));
}

/**
 * Shows in the viewer what the state asks for, once the layers are loaded.
 *
 * @param {Result} result
 */
function followLook({ look, layers, viewer }) {
  /**
   * Calls `show` with the layer that a state names, unless the state has changed meanwhile.
   *
   * @param {(state: Look) => ?string} select
   * @param {(layer: ?Awaited<ReturnType<typeof layers.get>>, name: ?string) => void} show
   */
  const follow = (select, show) =>
    look.watch(select, async name => {
      const layer = name && (await layers.get(name));
      if (select(look.get()) === name) show(layer || null, name);
    });
  return together([
    follow(
      ({ peek, retouched }) => {
        if (peek !== null) return `frame-${peek}`;
        return retouched ? "retouched" : "fused";
      },
      base => base && viewer.show({ base }),
    ),
    follow(
      state => state.other,
      (other, name) => {
        viewer.show({ other });
        look.set({ beside: other && name });
      },
    ),
    follow(
      state => (state.map === "none" ? null : state.map),
      map => viewer.show({ map }),
    ),
    look.watch(
      state => state.opacity,
      opacity => viewer.show({ opacity }),
    ),
    look.watch(
      state => state.split,
      split => viewer.show({ split }),
    ),
    look.watch(
      state => state.picked,
      async picked => {
        const index = await layers.get("index");
        if (index) layers.pick(index, picked);
        viewer.draw();
      },
    ),
    look.watch(
      state => (state.tab === "retouch" ? state.source : null),
      async source => {
        const names = source === null ? ["index"] : ["index", `frame-${source}`];
        const ready = await Promise.all(names.map(layers.get));
        viewer.show({ ready: ready.filter(layer => layer !== null) });
      },
    ),
  ]);
}

/**
 * Shows the pointer's position and the frame that its pixel is taken from.
 *
 * @param {Result} result
 * @param {HTMLElement} status
 * @param {?Point} at
 */
async function updateStatus({ look, layers, viewer, frames }, status, at) {
  const { width, height } = viewer.size;
  if (!at || !viewer.contains(at)) {
    status.textContent = `${width} × ${height} · ${counted(frames.length, "frame")}`;
    setHovered(look, null);
    return;
  }
  const index = await layers.get("index");
  const place = index && viewer.value(index, at, frameAt);
  const position = `${Math.floor(at.x)}, ${Math.floor(at.y)}`;
  const frame = place === null ? null : frames[place];
  status.textContent = frame ? `${position} · ${frameWords(frame, look.get().report)}` : position;
  setHovered(look, place);
}

/**
 * @param {ResultFrame} frame
 * @param {Report} report
 */
function frameWords({ place, name }, { frames }) {
  return `from frame ${place + 1}, ${name} (${percent(frames[place].coverage)} of the picture)`;
}

/**
 * @param {Store<Look>} look
 * @param {?number} hovered
 */
function setHovered(look, hovered) {
  if (hovered !== look.get().hovered) look.set({ hovered });
}
