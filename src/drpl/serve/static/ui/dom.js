/** Helpers for elements, keyboard focus, announcements and messages. */

/**
 * @typedef {Node|string|null|false} Child null and false are skipped
 *
 * @typedef {{[E in keyof WindowEventMap]?: (event: WindowEventMap[E]) => void}} Listeners
 */

/**
 * Finds an element that must exist.
 *
 * @param {string} id
 */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`The page has no element "${id}".`);
  return node;
}

/**
 * Returns the drawing context of a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function context2d(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("This browser cannot draw on a canvas.");
  return context;
}

/**
 * Returns the drawing context of an offscreen canvas.
 *
 * @param {OffscreenCanvas} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function offscreen2d(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("This browser cannot draw off the screen.");
  return context;
}

/** @param {Child[]} children */
const nodes = children => children.filter(child => child !== null && child !== false);

/**
 * Creates an element. `on` holds listeners, `class` classes; `role`, `for` and names with a dash
 * are attributes, all others properties. The content security policy forbids style attributes.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown> & {on?: Listeners}} [settings]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, { on = {}, ...settings } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [event, act] of Object.entries(on)) {
    node.addEventListener(event, /** @type {EventListener} */ (act));
  }
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined || value === null) continue;
    if (name === "class") node.className = String(value);
    else if (name === "role" || name === "for" || name.includes("-")) {
      node.setAttribute(name, String(value));
    } else Object.assign(node, { [name]: value });
  }
  node.append(...nodes(children));
  return node;
}

/**
 * Creates a button.
 *
 * @param {(event: MouseEvent) => void} click
 * @param {Record<string, unknown>} settings
 * @param {...Child} children
 */
export const button = (click, settings, ...children) =>
  el("button", { type: "button", on: { click }, ...settings }, ...children);

/**
 * Replaces the children of an element.
 *
 * @param {Element} node
 * @param {...Child} children
 */
export function fill(node, ...children) {
  node.replaceChildren(...nodes(children));
}

/**
 * Finds the nearest element around the target of an event.
 *
 * @param {Event} event
 * @param {string} selector
 */
export function closest({ target }, selector) {
  const node = target instanceof Element ? target.closest(selector) : null;
  return node instanceof HTMLElement ? node : null;
}

/**
 * Adds listeners to a node.
 *
 * @param {EventTarget} node
 * @param {Listeners} acts
 * @param {AddEventListenerOptions} [options]
 * @returns {() => void} a function that removes the listeners
 */
export function listenTo(node, acts, options) {
  const entries = /** @type {[string, EventListener][]} */ (Object.entries(acts));
  for (const [name, act] of entries) node.addEventListener(name, act, options);
  return () => {
    for (const [name, act] of entries) node.removeEventListener(name, act, options);
  };
}

/**
 * Announces a sentence to screen readers.
 *
 * @param {string} words
 */
export function say(words) {
  const live = byId("said");
  // repeating the same text is not announced
  live.textContent = live.textContent === words ? `${words}\u00a0` : words;
}

/**
 * Shows a message that disappears after a while or when it is closed.
 *
 * @param {unknown} message a sentence, or an error that has one
 */
export function toast(message) {
  const words = message instanceof Error ? message.message : String(message);
  const close = button(remove, { class: "plain small", "aria-label": "Close" }, "×");
  const note = el("div", { class: "toast bad" }, el("span", {}, words), close);
  function remove() {
    note.remove();
  }
  const toasts = byId("toasts");
  while (toasts.childElementCount > 2) toasts.firstChild?.remove();
  toasts.append(note);
  setTimeout(remove, 12000);
}

/**
 * Calls functions in turn; joins the cleanups of a screen or tab.
 *
 * @param {(() => void)[]} acts
 */
export const together = acts => () => acts.forEach(act => act());

/** Checks that the focus is in a text field or list, which takes all keys. */
export function typing() {
  const here = document.activeElement;
  return (
    here instanceof HTMLTextAreaElement ||
    here instanceof HTMLSelectElement ||
    (here instanceof HTMLInputElement && !["checkbox", "radio", "range", "button"].includes(here.type))
  );
}

/** @param {KeyboardEvent} event */
export const hasModifier = event => event.ctrlKey || event.metaKey || event.altKey;

/**
 * Finds the item that an arrow key selects in a row of tabs; prevents the key's default action.
 *
 * @param {KeyboardEvent} event
 * @param {HTMLElement[]} items
 * @returns {?HTMLElement}
 */
export function neighbour(event, items) {
  const at = items.findIndex(item => item === document.activeElement);
  /** @type {Record<string, number>} */
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
