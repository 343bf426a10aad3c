/** List of frames: thumbnails in order, to be moved, left out, referenced or removed. */

/** @import { Store } from "../model/store.js" */
/** @import { Draft, Frame, Item } from "../model/types.js" */

import { changed, moved, odd } from "../model/draft.js";
import { depth, sized } from "../model/words.js";
import { button, closest, el, say, together } from "../ui/dom.js";
import { dragToMove } from "../ui/drag.js";
import { icon } from "../ui/icons.js";

/**
 * @typedef {object} Shown the displayed state of a card
 * @property {Item} item
 * @property {number} at
 * @property {number} count
 * @property {boolean} reference
 * @property {boolean} differs
 */

/**
 * @param {object} settings
 * @param {Store<Draft>} settings.draft
 * @param {(frame: Frame) => string} settings.thumbnail returns the address of a thumbnail
 * @param {(key: string) => Promise<void>} settings.remove
 */
export function frameList({ draft, thumbnail, remove }) {
  const list = el("ol", { class: "frames", "aria-label": "Frames, in their order", on: { keydown } });
  /** @type {Map<string, ReturnType<typeof createCard>>} */
  const cards = new Map();
  /** @type {?string} */
  let current = null;

  const order = () => draft.get().items.map(item => item.key);
  /** @param {string} key */
  const find = key => draft.get().items.find(item => item.key === key);
  /** @param {string} key */
  const nameOf = key => find(key)?.name ?? "";

  /**
   * @param {string} key
   * @param {number} to
   */
  function move(key, to) {
    draft.set(moved(draft.get(), key, to));
    say(`${nameOf(key)} is now frame ${order().indexOf(key) + 1} of ${order().length}.`);
  }

  /** @param {string} key */
  async function drop(key) {
    const at = order().indexOf(key);
    const next = order()[at + 1] ?? order()[at - 1];
    await remove(key);
    if (next && !order().includes(key)) cards.get(next)?.picture.focus();
  }

  /**
   * @param {string} key
   * @param {boolean} used
   */
  function use(key, used) {
    draft.set(changed(draft.get(), key, { used }));
    say(`${nameOf(key)} is ${used ? "used" : "left out"}.`);
  }

  /**
   * Makes a frame the reference, or gives the choice back to the service.
   *
   * @param {string} key
   */
  function refer(key) {
    const off = draft.get().reference === key;
    if (!off) draft.set(changed(draft.get(), key, { used: true }));
    draft.set({ reference: off ? null : key });
    say(off ? "The reference frame is chosen automatically." : `${nameOf(key)} is the reference.`);
  }

  /** @param {KeyboardEvent} event */
  function keydown(event) {
    const key = closest(event, ".frame")?.dataset.key;
    const held = key && cards.get(key);
    if (!held || event.target === held.tick) return;
    const keys = order();
    const at = keys.indexOf(key);
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -perRow(list),
      ArrowDown: perRow(list),
      Home: -at,
      End: keys.length - 1 - at,
    };
    const step = steps[event.key];
    const onPicture = event.target === held.picture;
    if (step !== undefined && event.altKey) {
      move(key, at + step);
      held.picture.focus();
    } else if (step !== undefined && onPicture) {
      cards.get(keys[at + step])?.picture.focus();
    } else if (event.key === "Delete" && onPicture) {
      drop(key);
    } else if (event.key.toLowerCase() === "r" && onPicture && !event.ctrlKey && !event.metaKey) {
      refer(key);
    } else {
      return;
    }
    event.preventDefault();
  }

  /**
   * Keeps only one card in the Tab order: the one last in focus.
   *
   * @param {?string} key
   */
  function setCurrent(key) {
    current = key;
    for (const [other, { tabbable }] of cards) {
      for (const node of tabbable) node.tabIndex = other === key ? 0 : -1;
    }
  }

  /** @param {Item} item */
  function createCard({ key, name }) {
    const place = el("span", {});
    const image = el("img", { alt: "", draggable: false, loading: "lazy", decoding: "async" });
    const bar = el("progress", { max: 1, "aria-label": `Sending ${name}` });
    const toggle = () => use(key, !find(key)?.used);
    const picture = button(toggle, { class: "frame-picture" }, image, bar);
    const tick = el("input", { type: "checkbox", "aria-label": `Use ${name}` });
    tick.addEventListener("change", () => use(key, tick.checked));
    const pin = button(
      () => refer(key),
      {
        class: "plain small",
        title: "Make it the reference frame: the others are registered to it (R)",
        "aria-label": `Reference: ${name}`,
      },
      icon("pin"),
    );
    const away = button(
      () => drop(key),
      { class: "plain small frame-away", title: "Remove (Delete)", "aria-label": `Remove ${name}` },
      icon("close"),
    );
    const title = "Drag to move, or press Alt with the arrow keys";
    const grip = el("span", { class: "frame-grip", title, "aria-hidden": "true" }, icon("grip"), place);
    const note = el("p", { class: "frame-note" });
    const node = el(
      "li",
      { class: "frame", "data-key": key },
      el("div", { class: "frame-stage" }, picture, grip, away),
      el("div", { class: "frame-foot" }, tick, el("span", { class: "frame-name", title: name }, name), pin),
      note,
    );
    node.addEventListener("focusin", () => {
      if (current !== key) setCurrent(key);
    });
    const tabbable = [picture, tick, pin, away];
    const shown = /** @type {?Shown} */ (null);
    return { node, image, bar, place, picture, tick, pin, note, tabbable, shown };
  }

  /** @param {Item} item */
  function cardOf(item) {
    const card = cards.get(item.key) ?? createCard(item);
    cards.set(item.key, card);
    return card;
  }

  /** @param {Draft} state */
  function show(state) {
    const here = document.activeElement;
    const marked = new Set(odd(state));
    const keys = new Set(state.items.map(item => item.key));
    for (const [key, { node }] of cards) {
      if (keys.has(key)) continue;
      node.remove();
      cards.delete(key);
    }
    state.items.forEach((item, at) => {
      const card = cardOf(item);
      if (list.children[at] !== card.node) list.insertBefore(card.node, list.children[at] ?? null);
      update(card, {
        item,
        at,
        count: state.items.length,
        reference: state.reference === item.key,
        differs: marked.has(item.key),
      });
    });
    // an element loses the focus when it is moved
    if (here instanceof HTMLElement && list.contains(here) && document.activeElement !== here) {
      here.focus();
    }
    setCurrent(current && cards.has(current) ? current : (state.items[0]?.key ?? null));
  }

  /**
   * Updates a card if its state has changed.
   *
   * @param {ReturnType<typeof createCard>} card
   * @param {Shown} now
   */
  function update(card, now) {
    const { item, at, count, reference, differs } = now;
    const { frame, name, used } = item;
    const keys = /** @type {(keyof Shown)[]} */ (Object.keys(now));
    const last = card.shown;
    card.shown = now;
    if (last && keys.every(key => last[key] === now[key])) return;
    const classes = ["frame", item.state, used ? "" : "unused", reference ? "reference" : "", differs ? "odd" : ""];
    card.place.textContent = String(at + 1);
    card.node.className = classes.filter(Boolean).join(" ");
    card.tick.checked = used;
    card.pin.setAttribute("aria-pressed", String(reference));
    card.bar.hidden = item.state === "ready";
    card.bar.value = item.size ? item.sent / item.size : 0;
    if (frame && !card.image.src) card.image.src = thumbnail(frame);
    const size = frame ? `${frame.width} × ${frame.height}, ${depth(frame.dtype)}` : "";
    card.picture.title = [name, size, sized(item.size)].filter(Boolean).join("\n");
    const state = `${used ? "" : ", left out"}${reference ? ", reference" : ""}`;
    const words = `Frame ${at + 1} of ${count}, ${name}${state}. ${used ? "Leave out" : "Use"}`;
    card.picture.setAttribute("aria-label", words);
    if (differs) card.note.textContent = `Differs: ${size}`;
    else if (reference) card.note.textContent = "Reference";
    else card.note.textContent = item.state === "waiting" ? "Waiting" : "";
  }

  /** @param {HTMLElement} node */
  const keyOf = node => node.dataset.key ?? "";
  const stops = [
    dragToMove(list, {
      item: ".frame",
      handle: ".frame-picture, .frame-grip",
      sure: ".frame-grip",
      move: (node, to) => draft.set(moved(draft.get(), keyOf(node), to)),
      done: node => move(keyOf(node), order().indexOf(keyOf(node))),
    }),
    draft.watch(state => state, show),
  ];
  return { node: list, stop: together(stops) };
}

/**
 * Counts the frames in a row.
 *
 * @param {HTMLElement} list
 */
function perRow({ children }) {
  const nodes = /** @type {HTMLElement[]} */ ([...children]);
  const next = nodes.findIndex(node => node.offsetTop > nodes[0].offsetTop);
  return next < 0 ? nodes.length : next;
}
