/** The screen of a result: the picture, and beside it what can be seen of it and done to it. */

import { showCompare } from "../tabs/compare.js";
import { el, fill, neighbour, toast, typing } from "../ui/dom.js";
import { listen, zoomKey } from "../viewer/gestures.js";
import { icon } from "../ui/icons.js";
import { createLayers } from "../viewer/layers.js";
import { MAPS, lookTab } from "../tabs/look.js";
import { frameAt, frameColours } from "../viewer/palette.js";
import { reliefTab } from "../tabs/relief.js";
import { reportTab } from "../tabs/report.js";
import { retouchTab } from "../tabs/retouch.js";
import { saveTab } from "../tabs/save.js";
import { createStore } from "../model/store.js";
import { historyOf } from "../model/strokes.js";
import { Viewer } from "../viewer/viewer.js";
import { counted, percent } from "../model/words.js";

/**
 * What the tabs of a result share.
 *
 * @typedef {object} Result
 * @property {import("../model/types.js").Job} job
 * @property {ReturnType<import("../model/api.js").createApi>} api
 * @property {import("../model/types.js").Meta} meta
 * @property {{place: number, name: string, left: boolean}[]} frames
 * @property {import("../viewer/palette.js").Rgb[]} colours
 * @property {ReturnType<typeof createLayers>} layers
 * @property {Viewer} viewer
 * @property {HTMLElement} stage
 * @property {ReturnType<typeof createStore<Look>>} look
 *
 * @typedef {object} Look
 * @property {string} tab
 * @property {*} report
 * @property {"none"|"index"|"confidence"|"depth"} map
 * @property {number} opacity
 * @property {?string} other layer to compare with
 * @property {?string} beside the same, once it can be seen
 * @property {number} split
 * @property {?number} hovered frame under the pointer
 * @property {?number} picked frame that stands out of the map
 * @property {number} source frame that the brush paints from
 * @property {import("../model/strokes.js").History} history
 * @property {boolean} retouched whether the layer `retouched` is what is seen
 * @property {?number} peek frame that is seen instead of the result, while a key is held
 */

const TABS = [
  ["look", "View", "eye", lookTab],
  ["retouch", "Retouch", "brush", retouchTab],
  ["relief", "3D", "cube", reliefTab],
  ["report", "Report", "report", reportTab],
  ["save", "Save", "down", saveTab],
];

/**
 * @param {HTMLElement} root
 * @param {import("../main.js").Page} page
 * @param {import("../model/types.js").Job} job
 * @returns {() => void} stops
 */
export function showResult(root, page, job) {
  let stop = () => {};
  let left = false;
  fill(root, el("p", { class: "lone", role: "status" }, "Opening the result…"));
  open().catch((error) => {
    if (!left)
      fill(root, el("section", { class: "lone", role: "alert" }, el("h1", {}, error.message)));
  });

  async function open() {
    const [report, edits] = await Promise.all([
      page.api.report(job.id),
      page.api.edits(job.id).catch(() => ({ strokes: [] })),
    ]);
    const first = await page.api.layer(job.id, "fused");
    if (!left) stop = build(root, page, job, report, edits.strokes ?? [], first);
  }
  return () => {
    left = true;
    stop();
  };
}

/** @returns {() => void} stops */
function build(root, page, job, report, strokes, size) {
  const { api, meta } = page;
  const frames = report.frames.map((frame, place) => ({
    place,
    name: frame.name,
    left: report.rejected.includes(place),
  }));
  const order = [...new Set([...report.focus_order, ...frames.map(({ place }) => place)])];
  const colours = frameColours(order);
  const note = el("p", { class: "stage-note", role: "status", hidden: true });
  const layers = createLayers(api, job.id, colours, (words) => {
    note.textContent = words;
    note.hidden = !words;
  });
  const viewer = new Viewer(size, api.ask, (layer) => `/jobs/${job.id}/layers/${layer}`);
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
      source: most(report),
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
  const tabs = TABS.map(([name, words, sign, make]) => ({ name, words, sign, ...make(result) }));
  const side = sidePanel(tabs, look);
  fill(
    root,
    el(
      "div",
      { class: "result" },
      el("section", { class: "result-stage", "aria-label": "Picture" }, bar.node, stage, status),
      side.node,
    ),
  );

  /** @type {?{x: number, y: number}} */
  let pointer = null;
  const tell = () => hover(result, status, pointer, tabs[1]);
  const stops = [
    bar.stop,
    side.stop,
    ...tabs.map((tab) => tab.stop),
    showCompare(result),
    followLook(result),
  ];
  stops.push(
    listen(viewer, {
      tool: () => (look.get().tab === "retouch" ? tabs[1].tool : null),
      hover: (at) => {
        pointer = at;
        tell();
      },
    }),
  );
  stops.push(look.watch((state) => state.report, tell));
  const onKey = (event) => {
    if (typing() || document.querySelector("dialog[open]")) return;
    const own = tabs.find((tab) => tab.name === look.get().tab)?.key;
    if (own?.(event) || plainKey(event)) event.preventDefault();
  };
  function plainKey(event) {
    if (event.type !== "keydown" || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "b")
      return look.set({ tab: look.get().tab === "retouch" ? "look" : "retouch" }) ?? true;
    if (event.key === "m")
      return (
        look.set({
          map: next(
            MAPS.map(([map]) => map),
            look.get().map,
          ),
        }) ?? true
      );
    if (event.key === "c")
      return look.set({ other: look.get().other ? null : `frame-${report.reference}` }) ?? true;
    return look.get().tab !== "relief" && zoomKey(viewer, event);
  }
  window.addEventListener("keydown", onKey);
  window.addEventListener("keyup", onKey);
  return () => {
    window.removeEventListener("keydown", onKey);
    window.removeEventListener("keyup", onKey);
    for (const act of stops) act();
    layers.stop();
    viewer.stop();
  };
}

/** The frame that most of the result is from. */
function most({ frames }) {
  return frames.reduce(
    (best, frame, place) => (frame.coverage > frames[best].coverage ? place : best),
    0,
  );
}

/** The one after, around the end. */
const next = (list, one) => list[(list.indexOf(one) + 1) % list.length];

/** Brings to the viewer what the look asks for, as soon as it is there. */
function followLook({ look, layers, viewer }) {
  const put = async (names, patch) => {
    const found = await Promise.all(names.map((name) => (name ? layers.get(name) : null)));
    patch(...found);
  };
  const same = (pick, name) => name === pick(look.get());
  const base = (state) =>
    state.peek !== null ? `frame-${state.peek}` : state.retouched ? "retouched" : "fused";
  const stops = [
    look.watch(base, (name) =>
      put([name], (layer) => {
        if (layer && same(base, name)) viewer.show({ base: layer });
      }),
    ),
    look.watch(
      (state) => state.other,
      (name) =>
        put([name], (layer) => {
          if (!same((state) => state.other, name)) return;
          viewer.show({ other: layer });
          look.set({ beside: layer ? name : null });
        }),
    ),
    look.watch(
      (state) => (state.map === "none" ? null : state.map),
      (name) =>
        put([name], (layer) => {
          if (same((state) => (state.map === "none" ? null : state.map), name))
            viewer.show({ map: layer });
        }),
    ),
    look.watch(
      (state) => state.opacity,
      (opacity) => viewer.show({ opacity }),
    ),
    look.watch(
      (state) => state.split,
      (split) => viewer.show({ split }),
    ),
    look.watch(
      (state) => state.picked,
      (picked) =>
        put(["index"], (index) => {
          layers.pick(index, picked);
          viewer.draw();
        }),
    ),
    look.watch(
      (state) => (state.tab === "retouch" ? state.source : null),
      (source) =>
        put(["index", source === null ? null : `frame-${source}`], (index, frame) => {
          viewer.show({ ready: [index, frame].filter(Boolean) });
        }),
    ),
  ];
  return () => stops.forEach((stop) => stop());
}

/** Tells where the pointer is, and of which frame the pixel there is. */
async function hover(result, status, at, brush) {
  const { look, layers, viewer, frames } = result;
  const about = `${viewer.size.width} × ${viewer.size.height} · ${counted(frames.length, "frame")}`;
  brush.hover(look.get().tab === "retouch" ? at : null);
  const inside =
    at && at.x >= 0 && at.y >= 0 && at.x < viewer.size.width && at.y < viewer.size.height;
  const index = inside ? await layers.get("index") : null;
  const frame = index ? viewer.value(index, at.x, at.y, frameAt) : null;
  status.textContent = inside
    ? [
        `${Math.floor(at.x)}, ${Math.floor(at.y)}`,
        frame !== null && frames[frame]
          ? `from frame ${frame + 1}, ${frames[frame].name} (${percent(look.get().report.frames[frame].coverage)} of the picture)`
          : "",
      ]
        .filter(Boolean)
        .join(" · ")
    : about;
  if (frame !== look.get().hovered) look.set({ hovered: frame });
}

/** Zoom, and the way back to the frames. */
function toolbar(page, job, viewer, look) {
  const zoom = el("output", { class: "zoom", "aria-live": "off" });
  const tool = (words, sign, act, shown = "") =>
    el(
      "button",
      {
        type: "button",
        class: "plain",
        title: words,
        "aria-label": shown ? null : words,
        on: { click: act },
      },
      sign ? icon(sign) : null,
      shown,
    );
  const tell = () => {
    const value = viewer.view.scale * 100;
    zoom.textContent = `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
  };
  viewer.changed.add(tell);
  const again = async () => {
    try {
      await page.show(await page.api.job(job.id), true);
    } catch (error) {
      toast(error.message);
    }
  };
  const zooms = el(
    "div",
    { class: "zooms" },
    tool("Smaller (−)", "minus", () => viewer.zoom(viewer.view.scale / 1.25)),
    zoom,
    tool("Larger (+)", "add", () => viewer.zoom(viewer.view.scale * 1.25)),
    tool("Whole picture (0)", "fit", () => viewer.fit(), "Fit"),
    tool("A pixel for a pixel (1)", null, () => viewer.zoom(1), "100 %"),
  );
  const node = el(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Zoom" },
    el(
      "button",
      { type: "button", class: "plain", on: { click: again } },
      icon("back"),
      el("span", {}, "Frames", el("span", { class: "wide-only" }, " and options")),
    ),
    el("span", { class: "gap" }),
    zooms,
  );
  const unwatch = look.watch(
    (state) => state.tab === "relief",
    (relief) => {
      zooms.hidden = relief;
    },
  );
  return {
    node,
    stop() {
      viewer.changed.delete(tell);
      unwatch();
    },
  };
}

/** The tabs beside the picture. */
function sidePanel(tabs, look) {
  const choose = (name) => look.set({ tab: name, peek: null });
  const heads = tabs.map((tab) =>
    el(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${tab.name}`,
        "aria-controls": `panel-${tab.name}`,
        on: { click: () => choose(tab.name) },
      },
      icon(tab.sign),
      tab.words,
    ),
  );
  const panels = tabs.map((tab) =>
    el(
      "div",
      {
        role: "tabpanel",
        class: "tab-panel",
        id: `panel-${tab.name}`,
        "aria-labelledby": `tab-${tab.name}`,
      },
      tab.node,
    ),
  );
  const list = el(
    "div",
    {
      class: "tabs",
      role: "tablist",
      "aria-label": "What to do",
      on: {
        keydown(event) {
          const to = neighbour(event, heads);
          to?.focus();
          to?.click();
        },
      },
    },
    ...heads,
  );
  const stop = look.watch(
    (state) => state.tab,
    (name) => {
      tabs.forEach((tab, at) => {
        const on = tab.name === name;
        heads[at].setAttribute("aria-selected", String(on));
        heads[at].tabIndex = on ? 0 : -1;
        panels[at].hidden = !on;
        tab.shown?.(on);
      });
    },
  );
  return {
    node: el("aside", { class: "side panel", "aria-label": "Tools" }, list, ...panels),
    stop,
  };
}
