/** Moving the items of a list with mouse, pen or finger. */

const NEAR = 6;

/**
 * @param {HTMLElement} list
 * @param {object} about
 * @param {string} about.item selector of what moves
 * @param {string} about.handle selector of where a mouse may take hold
 * @param {string} about.sure selector of where a finger may: elsewhere it scrolls the page
 * @param {(node: HTMLElement, to: number) => void} about.move puts it at a place; called while dragging
 * @param {(node: HTMLElement) => void} about.done
 * @returns {() => void} stops
 */
export function dragToMove(list, { item, handle, sure, move, done }) {
  let held = null;

  function down(event) {
    const at = event.target.closest(event.pointerType === "mouse" ? handle : sure);
    const node = at?.closest(item);
    if (!node || event.button !== 0) return;
    held = { node, id: event.pointerId, x: event.clientX, y: event.clientY, moving: false };
  }

  function drag(event) {
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
      const before = [...list.children].map((node) => [node, node.getBoundingClientRect()]);
      move(held.node, [...list.children].indexOf(over));
      glide(before, held.node);
      held.node.classList.add("dragged");
    }
    const edge = 60;
    if (event.clientY < edge) window.scrollBy(0, -12);
    else if (event.clientY > window.innerHeight - edge) window.scrollBy(0, 12);
  }

  function up(event) {
    if (!held || event.pointerId !== held.id) return;
    const { node, moving } = held;
    held = null;
    node.classList.remove("dragged");
    list.classList.remove("moving");
    if (!moving) return;
    // what was dragged was not clicked
    window.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 0);
    done(node);
  }

  const acts = { pointermove: drag, pointerup: up, pointercancel: up };
  list.addEventListener("pointerdown", down);
  for (const [name, act] of Object.entries(acts)) window.addEventListener(name, act);
  return () => {
    list.removeEventListener("pointerdown", down);
    for (const [name, act] of Object.entries(acts)) window.removeEventListener(name, act);
  };
}

/** @param {Event} event */
function swallow(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** The others glide to their new places. */
function glide(before, held) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const [node, from] of before) {
    const to = node.getBoundingClientRect();
    const [x, y] = [from.left - to.left, from.top - to.top];
    if (node === held || (!x && !y)) continue;
    node.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], {
      duration: 140,
      easing: "ease-out",
    });
  }
}
