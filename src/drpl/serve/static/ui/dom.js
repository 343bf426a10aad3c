/** Making and filling elements; what is said to screen readers; messages in passing. */

/**
 * An element. `on` holds listeners, `class` classes, names with a dash and `role` are attributes,
 * the rest are properties. (No style attribute: the page's policy forbids it.)
 *
 * @param {string} tag
 * @param {Object<string, *>} [about]
 * @param {...(Node|string|null|false)} children
 * @returns {HTMLElement}
 */
export function el(tag, about = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (value === undefined || value === null) continue;
    if (name === "on")
      for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (name === "class") node.className = value;
    else if (name === "role" || name === "for" || name.includes("-"))
      node.setAttribute(name, String(value));
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== false));
  return node;
}

/**
 * Replaces what an element holds.
 *
 * @param {Element} node
 * @param {...(Node|string|null|false)} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null && child !== false));
}

/**
 * Says a sentence to screen readers.
 *
 * @param {string} words
 */
export function say(words) {
  const said = document.getElementById("said");
  // the same sentence twice would not be read again
  said.textContent = said.textContent === words ? `${words}\u00a0` : words;
}

/**
 * Shows a message that goes by itself, or when it is closed.
 *
 * @param {string} words
 * @param {"bad"|"good"} [kind]
 */
export function toast(words, kind = "bad") {
  const close = el(
    "button",
    {
      class: "plain small",
      type: "button",
      "aria-label": "Close",
      on: { click: () => note.remove() },
    },
    "×",
  );
  const note = el("div", { class: `toast ${kind}` }, el("span", {}, words), close);
  const toasts = document.getElementById("toasts");
  while (toasts.childElementCount > 2) toasts.firstChild.remove();
  toasts.append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 12000 : 4000);
}

/** Whether keys pressed now belong to a field that is written in. */
export function typing() {
  const here = document.activeElement;
  return (
    here instanceof HTMLTextAreaElement ||
    here instanceof HTMLSelectElement ||
    (here instanceof HTMLInputElement &&
      !["checkbox", "radio", "range", "button"].includes(here.type))
  );
}

/**
 * Lets a row of tabs or choices be walked with the arrow keys.
 *
 * @param {KeyboardEvent} event
 * @param {HTMLElement[]} items
 * @returns {?HTMLElement} the one to go to
 */
export function neighbour(event, items) {
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const steps = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at - 1,
    Home: 0,
    End: items.length - 1,
  };
  if (at < 0 || !(event.key in steps)) return null;
  event.preventDefault();
  return items[(steps[event.key] + items.length) % items.length];
}
