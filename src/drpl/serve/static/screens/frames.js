/** The list of frames: thumbnails in order, to be moved, left out, made the reference, removed. */

import { changed, moved, odd } from "../model/draft.js";
import { el, say } from "../ui/dom.js";
import { dragToMove } from "../ui/drag.js";
import { icon } from "../ui/icons.js";
import { depth, sized } from "../model/words.js";

/**
 * @param {object} about
 * @param {ReturnType<import("../model/store.js").createStore<import("../model/draft.js").Draft>>} about.draft
 * @param {(frame: import("../model/types.js").Frame) => string} about.thumbnail address of a picture
 * @param {(key: string) => Promise<void>} about.remove
 * @returns {{node: HTMLElement, stop: () => void}}
 */
export function frameList({ draft, thumbnail, remove }) {
  const list = el("ol", {
    class: "frames",
    "aria-label": "Frames, in their order",
    on: { keydown: onKey },
  });
  /** @type {Map<string, ReturnType<typeof card>>} */
  const cards = new Map();
  let current = null;

  const order = () => draft.get().items.map((item) => item.key);
  const name = (key) => draft.get().items.find((item) => item.key === key)?.name ?? "";

  function move(key, to) {
    draft.set(moved(draft.get(), key, to));
    say(`${name(key)} is now frame ${order().indexOf(key) + 1} of ${order().length}.`);
  }

  async function drop(key) {
    const at = order().indexOf(key);
    const next = order()[at + 1] ?? order()[at - 1];
    await remove(key);
    if (next && !order().includes(key)) cards.get(next)?.picture.focus();
  }

  function use(key, used) {
    draft.set(changed(draft.get(), key, { used }));
    say(`${name(key)} is ${used ? "used" : "left out"}.`);
  }

  function refer(key) {
    const off = draft.get().reference === key;
    if (!off) draft.set(changed(draft.get(), key, { used: true }));
    draft.set({ reference: off ? null : key });
    say(off ? "The reference is chosen by focus." : `${name(key)} is the reference.`);
  }

  /** Arrows walk, Alt with arrows moves, letters act on the frame in focus. */
  function onKey(event) {
    const key = event.target.closest(".frame")?.dataset.key;
    if (!key || event.target.matches("input")) return;
    const keys = order();
    const at = keys.indexOf(key);
    const step = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -perRow(list),
      ArrowDown: perRow(list),
      Home: -at,
      End: keys.length - 1 - at,
    }[event.key];
    const onPicture = event.target === cards.get(key).picture;
    if (step !== undefined && event.altKey) {
      move(key, at + step);
      cards.get(key).picture.focus();
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

  /** Only one frame's buttons are on the way of the Tab key: the frame last in focus. */
  function setCurrent(key) {
    current = key;
    for (const [other, { tabbable }] of cards)
      for (const node of tabbable) node.tabIndex = other === key ? 0 : -1;
  }

  function card(item) {
    const key = item.key;
    const place = el("span", {});
    const image = el("img", { alt: "", draggable: false, loading: "lazy", decoding: "async" });
    const bar = el("progress", { max: 1, "aria-label": `Sending ${item.name}` });
    const picture = el(
      "button",
      {
        type: "button",
        class: "frame-picture",
        on: { click: () => use(key, !draft.get().items.find((entry) => entry.key === key).used) },
      },
      image,
      bar,
    );
    const tick = el("input", {
      type: "checkbox",
      "aria-label": `Use ${item.name}`,
      on: { change: () => use(key, tick.checked) },
    });
    const pin = el(
      "button",
      {
        type: "button",
        class: "plain small",
        title: "Make it the reference: the others are registered to it (R)",
        "aria-label": `Reference: ${item.name}`,
        on: { click: () => refer(key) },
      },
      icon("pin"),
    );
    const away = el(
      "button",
      {
        type: "button",
        class: "plain small frame-away",
        title: "Remove (Delete)",
        "aria-label": `Remove ${item.name}`,
        on: { click: () => drop(key) },
      },
      icon("close"),
    );
    const grip = el(
      "span",
      {
        class: "frame-grip",
        title: "Drag to move; or Alt with the arrow keys",
        "aria-hidden": "true",
      },
      icon("grip"),
      place,
    );
    const note = el("p", { class: "frame-note" });
    const node = el(
      "li",
      { class: "frame", on: { focusin: () => current !== key && setCurrent(key) } },
      el("div", { class: "frame-stage" }, picture, grip, away),
      el(
        "div",
        { class: "frame-foot" },
        tick,
        el("span", { class: "frame-name", title: item.name }, item.name),
        pin,
      ),
      note,
    );
    node.dataset.key = key;
    return {
      node,
      image,
      bar,
      place,
      picture,
      tick,
      pin,
      note,
      tabbable: [picture, tick, pin, away],
    };
  }

  function show(state) {
    const here = document.activeElement;
    const marked = new Set(odd(state));
    const keys = new Set(state.items.map((item) => item.key));
    for (const [key, { node }] of cards) {
      if (keys.has(key)) continue;
      node.remove();
      cards.delete(key);
    }
    state.items.forEach((item, at) => {
      if (!cards.has(item.key)) cards.set(item.key, card(item));
      const parts = cards.get(item.key);
      if (list.children[at] !== parts.node)
        list.insertBefore(parts.node, list.children[at] ?? null);
      const now = {
        item,
        at,
        count: state.items.length,
        reference: state.reference === item.key,
        differs: marked.has(item.key),
      };
      if (Object.entries(now).some(([name, value]) => parts.now?.[name] !== value))
        update(parts, now);
      parts.now = now;
    });
    // moving a node takes the focus from what is in it
    if (list.contains(here) && document.activeElement !== here) here.focus();
    if (!cards.has(current)) setCurrent(state.items[0]?.key ?? null);
    else setCurrent(current);
  }

  function update(parts, { item, at, count, reference, differs }) {
    const { frame, used } = item;
    parts.place.textContent = String(at + 1);
    parts.node.className = `frame ${item.state}${used ? "" : " unused"}${reference ? " reference" : ""}${differs ? " odd" : ""}`;
    parts.tick.checked = used;
    parts.pin.setAttribute("aria-pressed", String(reference));
    parts.bar.hidden = item.state === "ready";
    parts.bar.value = item.size ? item.sent / item.size : 0;
    if (frame && !parts.image.src) parts.image.src = thumbnail(frame);
    const size = frame ? `${frame.width} × ${frame.height}, ${depth(frame.dtype)}` : "";
    parts.picture.title = [item.name, size, sized(item.size)].filter(Boolean).join("\n");
    const told = `Frame ${at + 1} of ${count}, ${item.name}${used ? "" : ", left out"}${reference ? ", reference" : ""}`;
    parts.picture.setAttribute("aria-label", `${told}. ${used ? "Leave out" : "Use"}`);
    parts.note.textContent = differs
      ? `Differs: ${size}`
      : reference
        ? "Reference"
        : item.state === "waiting"
          ? "Waiting"
          : "";
  }

  const stopDrag = dragToMove(list, {
    item: ".frame",
    handle: ".frame-picture, .frame-grip",
    sure: ".frame-grip",
    move: (node, to) => draft.set(moved(draft.get(), node.dataset.key, to)),
    done: (node) => move(node.dataset.key, order().indexOf(node.dataset.key)),
  });
  const stopWatch = draft.watch((state) => state, show);
  return {
    node: list,
    stop() {
      stopDrag();
      stopWatch();
    },
  };
}

/** How many frames stand beside each other. */
function perRow(list) {
  const [first, ...others] = list.children;
  const next = others.findIndex((node) => node.offsetTop > first.offsetTop);
  return next < 0 ? list.children.length : next + 1;
}
