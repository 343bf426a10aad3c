/** Reordering of a list by mouse, pen or finger. */

import { closest, listenTo, together } from "./dom.js";

const NEAR = 6;
const EDGE = 60;

/**
 * @param {HTMLElement} list
 * @param {object} settings
 * @param {string} settings.item selector of the items
 * @param {string} settings.handle selector of the part that a mouse can drag
 * @param {string} settings.sure selector of the part that a finger can drag: others scroll the page
 * @param {(node: HTMLElement, to: number) => void} settings.move moves an item during the drag
 * @param {(node: HTMLElement) => void} settings.done called after the drag
 * @returns {() => void} a function that removes the listeners
 */
export function dragToMove(list, { item, handle, sure, move, done }) {
  /** @type {?{node: HTMLElement, id: number, x: number, y: number, moving: boolean}} */
  let held = null;

  /** @param {PointerEvent} event */
  function pointerdown(event) {
    const at = closest(event, event.pointerType === "mouse" ? handle : sure);
    const node = at?.closest(item);
    if (!(node instanceof HTMLElement) || event.button !== 0) return;
    held = { node, id: event.pointerId, x: event.clientX, y: event.clientY, moving: false };
  }

  /** @param {PointerEvent} event */
  function pointermove(event) {
    if (!held || event.pointerId !== held.id) return;
    if (!held.moving) {
      if (Math.hypot(event.clientX - held.x, event.clientY - held.y) < NEAR) return;
      held.moving = true;
      held.node.classList.add("dragged");
      list.classList.add("moving");
    }
    event.preventDefault();
    const over = document.elementFromPoint(event.clientX, event.clientY)?.closest(item);
    if (over && over !== held.node && over.parentNode === list) {
      const before = [...list.children].map(node => ({ node, from: node.getBoundingClientRect() }));
      move(held.node, [...list.children].indexOf(over));
      glide(before, held.node);
      held.node.classList.add("dragged");
    }
    if (event.clientY < EDGE) window.scrollBy(0, -12);
    else if (event.clientY > window.innerHeight - EDGE) window.scrollBy(0, 12);
  }

  /** @param {PointerEvent} event */
  function pointerup(event) {
    if (!held || event.pointerId !== held.id) return;
    const { node, moving } = held;
    held = null;
    node.classList.remove("dragged");
    list.classList.remove("moving");
    if (!moving) return;
    // the end of a drag is not a click
    const stop = listenTo(window, { click: swallow }, { capture: true, once: true });
    setTimeout(stop, 0);
    done(node);
  }

  return together([
    listenTo(list, { pointerdown }),
    listenTo(window, { pointermove, pointerup, pointercancel: pointerup }),
  ]);
}

/** @param {Event} event */
function swallow(event) {
  event.preventDefault();
  event.stopPropagation();
}

/**
 * Animates the other items to their new positions.
 *
 * @param {{node: Element, from: DOMRect}[]} before
 * @param {Element} held
 */
function glide(before, held) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const { node, from } of before) {
    const to = node.getBoundingClientRect();
    const [x, y] = [from.left - to.left, from.top - to.top];
    if (node === held || (!x && !y)) continue;
    node.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], {
      duration: 140,
      easing: "ease-out",
    });
  }
}
