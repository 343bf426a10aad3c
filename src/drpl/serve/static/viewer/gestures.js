/** Hands on the viewer: mouse, pen, fingers, keys. */

import { clamp, fitted } from "./geometry.js";

const STEP = 1.25;
const PAN = 80;

/**
 * A tool that takes the main button from panning, in coordinates of the picture.
 *
 * @typedef {object} Tool
 * @property {(at: {x: number, y: number}, event: PointerEvent) => void} down
 * @property {(at: {x: number, y: number}) => void} move
 * @property {() => void} up
 * @property {() => void} cancel
 */

/**
 * @param {import("./viewer.js").Viewer} viewer
 * @param {object} about
 * @param {() => ?Tool} about.tool
 * @param {(at: ?{x: number, y: number}) => void} about.hover over the picture, or off it
 * @returns {() => void} stops
 */
export function listen(viewer, { tool, hover }) {
  const { canvas } = viewer;
  const pointers = new Map();
  let held = null; // the tool at work
  let spread = null; // two fingers: their distance and middle
  let space = false;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const inPicture = (event) => {
    const { x, y } = place(event);
    return viewer.at(x, y);
  };

  function down(event) {
    if (event.button !== 0 && event.button !== 1) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 2) {
      held?.cancel();
      held = null;
      spread = pinch();
    } else if (pointers.size === 1 && tool() && event.button === 0 && !space) {
      held = tool();
      held.down(inPicture(event), event);
    }
    canvas.classList.toggle("grabbing", !held);
    if (event.button === 1) event.preventDefault();
  }

  function move(event) {
    hover(inPicture(event));
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    pointers.set(event.pointerId, now);
    if (spread && pointers.size >= 2) {
      const next = pinch();
      viewer.pan(next.x - spread.x, next.y - spread.y);
      viewer.zoom((viewer.view.scale * next.apart) / spread.apart, next);
      spread = next;
    } else if (held) {
      // a fast hand makes more points than there are events
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) held.move(inPicture(one));
    } else if (pointers.size === 1) {
      viewer.pan(now.x - before.x, now.y - before.y);
    }
  }

  function pinch() {
    const [one, other] = [...pointers.values()];
    return {
      x: (one.x + other.x) / 2,
      y: (one.y + other.y) / 2,
      apart: Math.max(1, Math.hypot(one.x - other.x, one.y - other.y)),
    };
  }

  function up(event) {
    if (!pointers.delete(event.pointerId)) return;
    spread = null;
    if (event.type === "pointercancel") held?.cancel();
    else held?.up();
    held = null;
    canvas.classList.remove("grabbing");
  }

  function wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1;
    // a pinch on a touchpad comes as a wheel with Ctrl, in small steps
    const speed = event.ctrlKey ? 0.01 : 0.002;
    const factor = Math.exp(clamp(-event.deltaY * lines * speed, -0.7, 0.7));
    viewer.zoom(viewer.view.scale * factor, place(event));
  }

  function twice(event) {
    if (tool() && !space) return;
    const whole = fitted(viewer.size, viewer.room()).scale;
    if (viewer.follows || viewer.view.scale <= whole * 1.01) viewer.zoom(1, place(event));
    else viewer.fit();
  }

  function key(event) {
    if (event.key === " ") {
      space = event.type === "keydown";
      canvas.classList.toggle("grab", space);
      event.preventDefault();
      return;
    }
    if (event.type === "keyup" || event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? PAN / 8 : PAN;
    const moves = {
      ArrowLeft: [far, 0],
      ArrowRight: [-far, 0],
      ArrowUp: [0, far],
      ArrowDown: [0, -far],
    };
    if (!moves[event.key]) return;
    viewer.pan(...moves[event.key]);
    hover(viewer.at(canvas.clientWidth / 2, canvas.clientHeight / 2));
    event.preventDefault();
  }

  const acts = {
    pointerdown: down,
    pointermove: move,
    pointerup: up,
    pointercancel: up,
    dblclick: twice,
    pointerleave: () => hover(null),
    keydown: key,
    keyup: key,
    contextmenu: (event) => held && event.preventDefault(),
    blur: () => {
      space = false;
      canvas.classList.remove("grab");
    },
  };
  for (const [name, act] of Object.entries(acts)) canvas.addEventListener(name, act);
  canvas.addEventListener("wheel", wheel, { passive: false });
  return () => {
    for (const [name, act] of Object.entries(acts)) canvas.removeEventListener(name, act);
    canvas.removeEventListener("wheel", wheel);
  };
}

/**
 * Zoom by keys, wherever the focus is; true if the key was one.
 *
 * @param {import("./viewer.js").Viewer} viewer
 * @param {KeyboardEvent} event
 */
export function zoomKey(viewer, event) {
  const acts = {
    "+": () => viewer.zoom(viewer.view.scale * STEP),
    "=": () => viewer.zoom(viewer.view.scale * STEP),
    "-": () => viewer.zoom(viewer.view.scale / STEP),
    0: () => viewer.fit(),
    1: () => viewer.zoom(1),
  };
  acts[event.key]?.();
  return event.key in acts;
}
