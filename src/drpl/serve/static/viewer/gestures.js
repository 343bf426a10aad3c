/** Mouse, pen, touch and keyboard input of the viewer. */

/** @import { Point } from "../model/types.js" */
/** @import { Viewer } from "./viewer.js" */

import { hasModifier, listenTo, together } from "../ui/dom.js";
import { clamp, fitted } from "./geometry.js";

const STEP = 1.25;
const PAN = 80;

/**
 * A tool that uses the main button instead of panning; points are in picture coordinates.
 *
 * @typedef {object} Tool
 * @property {(at: Point, event: {altKey: boolean}) => void} down
 * @property {(at: Point) => void} move
 * @property {() => void} up
 * @property {() => void} cancel
 */

/**
 * @param {Viewer} viewer
 * @param {object} settings
 * @param {() => ?Tool} settings.tool returns the active tool
 * @param {(at: ?Point) => void} settings.hover receives the pointer, or null when it leaves
 * @returns {() => void} a function that removes the listeners
 */
export function listen(viewer, { tool, hover }) {
  const { canvas } = viewer;
  /** @type {Map<number, Point>} */
  const pointers = new Map();
  /** @type {?Tool} */
  let held = null;
  /** @type {?ReturnType<typeof pinch>} */
  let spread = null;
  let space = false;

  /** @param {MouseEvent} event */
  const place = event => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  /** @param {MouseEvent} event */
  const inPicture = event => {
    const { x, y } = place(event);
    return viewer.at(x, y);
  };

  /** @param {PointerEvent} event */
  function pointerdown(event) {
    if (event.button !== 0 && event.button !== 1) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 2) {
      held?.cancel();
      held = null;
      spread = pinch();
    } else if (pointers.size === 1 && event.button === 0 && !space) {
      held = tool();
      held?.down(inPicture(event), event);
    }
    canvas.classList.toggle("grabbing", !held);
    if (event.button === 1) event.preventDefault();
  }

  /** @param {PointerEvent} event */
  function pointermove(event) {
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
      // one event can stand for several points of a fast movement
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) held.move(inPicture(one));
    } else if (pointers.size === 1) {
      viewer.pan(now.x - before.x, now.y - before.y);
    }
  }

  /** Returns the middle and the distance of two fingers. */
  function pinch() {
    const [one, other] = [...pointers.values()];
    return {
      x: (one.x + other.x) / 2,
      y: (one.y + other.y) / 2,
      apart: Math.max(1, Math.hypot(one.x - other.x, one.y - other.y)),
    };
  }

  /** @param {PointerEvent} event */
  function pointerup(event) {
    if (!pointers.delete(event.pointerId)) return;
    spread = null;
    if (event.type === "pointercancel") held?.cancel();
    else held?.up();
    held = null;
    canvas.classList.remove("grabbing");
  }

  /** @param {WheelEvent} event */
  function wheel(event) {
    event.preventDefault();
    const lines = [1, 20, 400][event.deltaMode];
    // a pinch on a touchpad arrives as a wheel with Ctrl, in small steps
    const speed = event.ctrlKey ? 0.01 : 0.002;
    const factor = Math.exp(clamp(-event.deltaY * lines * speed, -0.7, 0.7));
    viewer.zoom(viewer.view.scale * factor, place(event));
  }

  /** @param {MouseEvent} event */
  function dblclick(event) {
    if (tool() && !space) return;
    const whole = fitted(viewer.size, viewer.room()).scale;
    if (viewer.follows || viewer.view.scale <= whole * 1.01) viewer.zoom(1, place(event));
    else viewer.fit();
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key === " ") {
      space = event.type === "keydown";
      canvas.classList.toggle("grab", space);
      event.preventDefault();
      return;
    }
    if (event.type === "keyup" || hasModifier(event)) return;
    const far = event.shiftKey ? PAN / 8 : PAN;
    /** @type {Record<string, [right: number, down: number]>} */
    const moves = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
    const move = moves[event.key];
    if (!move) return;
    viewer.pan(...move);
    hover(viewer.middle());
    event.preventDefault();
  }

  return together([
    listenTo(canvas, {
      pointerdown,
      pointermove,
      pointerup,
      pointercancel: pointerup,
      pointerleave: () => hover(null),
      dblclick,
      keydown: onKey,
      keyup: onKey,
      contextmenu: event => {
        if (held) event.preventDefault();
      },
      blur: () => {
        space = false;
        canvas.classList.remove("grab");
      },
    }),
    listenTo(canvas, { wheel }, { passive: false }),
  ]);
}

/**
 * Handles the zoom keys, wherever the focus is.
 *
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 * @returns {boolean} true if the key was one of them
 */
export function zoomKey(viewer, { key }) {
  if (key === "+" || key === "=") viewer.zoom(viewer.view.scale * STEP);
  else if (key === "-") viewer.zoom(viewer.view.scale / STEP);
  else if (key === "0") viewer.fit();
  else if (key === "1") viewer.zoom(1);
  else return false;
  return true;
}
