/** A stack before it is run: its frames in their order, and what becomes of them. All pure. */

import { byName } from "./words.js";

/**
 * @typedef {{key: string, name: string, state: "waiting"|"sending"|"ready", sent: number,
 *   size: number, used: boolean, frame: ?import("./types.js").Frame}} Item
 *
 * @typedef {{key: string, name: string, reason: string, again: boolean}} Refusal
 *
 * @typedef {{items: Item[], refused: Refusal[], arranged: boolean, reference: ?string,
 *   preset: ?string, options: Object<string, *>}} Draft `reference` is the key of an item
 */

/** @returns {Draft} */
export function emptyDraft() {
  return { items: [], refused: [], arranged: false, reference: null, preset: null, options: {} };
}

/**
 * With new frames: where they belong by name, or at the end once someone has arranged them.
 *
 * @param {Draft} draft
 * @param {Item[]} fresh
 * @returns {Draft}
 */
export function added(draft, fresh) {
  const items = [...draft.items, ...[...fresh].sort((one, other) => byName(one.name, other.name))];
  if (!draft.arranged) items.sort((one, other) => byName(one.name, other.name));
  return { ...draft, items };
}

/**
 * With one frame changed.
 *
 * @param {Draft} draft
 * @param {string} key
 * @param {Partial<Item>} patch
 * @returns {Draft}
 */
export function changed(draft, key, patch) {
  const items = draft.items.map((item) => (item.key === key ? { ...item, ...patch } : item));
  const unused = patch.used === false && draft.reference === key;
  return { ...draft, items, reference: unused ? null : draft.reference };
}

/**
 * @param {Draft} draft
 * @param {string} key
 * @param {number} to place among the frames
 * @returns {Draft}
 */
export function moved(draft, key, to) {
  const from = draft.items.findIndex((item) => item.key === key);
  const place = Math.max(0, Math.min(draft.items.length - 1, to));
  if (from < 0 || from === place) return draft;
  const items = [...draft.items];
  items.splice(place, 0, ...items.splice(from, 1));
  return { ...draft, items, arranged: true };
}

/**
 * @param {Draft} draft
 * @param {string} key
 * @returns {Draft}
 */
export function removed(draft, key) {
  const reference = draft.reference === key ? null : draft.reference;
  return { ...draft, items: draft.items.filter((item) => item.key !== key), reference };
}

/**
 * @param {Draft} draft
 * @param {"name"|"reverse"} how
 * @returns {Draft}
 */
export function sorted(draft, how) {
  const items = [...draft.items];
  if (how === "reverse") items.reverse();
  else items.sort((one, other) => byName(one.name, other.name));
  return { ...draft, items, arranged: how === "reverse" };
}

/**
 * Refused, and no longer among the frames.
 *
 * @param {Draft} draft
 * @param {Refusal} refusal
 * @returns {Draft}
 */
export function refused(draft, refusal) {
  const others = draft.refused.filter((entry) => entry.key !== refusal.key);
  return { ...removed(draft, refusal.key), refused: [...others, refusal] };
}

/**
 * An item for a frame that the service has.
 *
 * @param {import("./types.js").Frame} frame
 * @param {boolean} [used]
 * @returns {Item}
 */
export function ofFrame(frame, used = true) {
  return {
    key: `n${frame.n}`,
    name: frame.name,
    state: "ready",
    sent: frame.bytes,
    size: frame.bytes,
    used,
    frame,
  };
}

/**
 * What was noted of a draft, for a page that is loaded again.
 *
 * @param {Draft} draft
 */
export function noted(draft) {
  const ready = draft.items.filter((item) => item.frame);
  return {
    order: ready.map((item) => item.frame.n),
    unused: ready.filter((item) => !item.used).map((item) => item.frame.n),
    reference: referenceOf(draft),
    arranged: draft.arranged,
    preset: draft.preset,
    options: draft.options,
  };
}

/**
 * A draft from a job and what was noted of it; the job's own order where nothing was.
 *
 * @param {import("./types.js").Job} job
 * @param {?ReturnType<typeof noted>} note
 * @returns {Draft}
 */
export function restored(job, note) {
  const started = job.state !== "draft";
  const order = note?.order ?? (started ? job.order : []);
  const unused = new Set(
    note?.unused ?? (started ? job.frames.map(({ n }) => n).filter((n) => !order.includes(n)) : []),
  );
  const place = (n) => (order.includes(n) ? order.indexOf(n) : order.length);
  const frames = [...job.frames].sort(
    (one, other) => place(one.n) - place(other.n) || byName(one.name, other.name),
  );
  const reference = note ? note.reference : (job.reference ?? null);
  return {
    ...emptyDraft(),
    items: frames.map((frame) => ofFrame(frame, !unused.has(frame.n))),
    arranged: note?.arranged ?? false,
    reference: job.frames.some(({ n }) => n === reference) ? `n${reference}` : null,
    preset: note ? note.preset : (job.preset ?? null),
    options: note ? note.options : (job.options ?? {}),
  };
}

/** @param {Draft} draft */
function referenceOf(draft) {
  return draft.items.find((item) => item.key === draft.reference)?.frame?.n ?? null;
}

/**
 * What the service is told to start.
 *
 * @param {Draft} draft
 */
export function startBody(draft) {
  const used = draft.items.filter((item) => item.used && item.frame);
  return {
    order: used.map((item) => item.frame.n),
    reference: referenceOf(draft),
    preset: draft.preset,
    options: draft.options,
  };
}

/**
 * Why the stack cannot be run yet; empty if it can.
 *
 * @param {Draft} draft
 */
export function obstacle(draft) {
  const sending = draft.items.filter((item) => item.state !== "ready").length;
  if (sending)
    return `Wait: ${sending} ${sending === 1 ? "file is" : "files are"} still on the way.`;
  const used = draft.items.filter((item) => item.used).length;
  if (used < 2) return "A stack needs two frames or more, each focused elsewhere.";
  if (odd(draft).length)
    return "Frames of a stack have one size and depth: leave out the marked ones.";
  return "";
}

/**
 * Keys of used frames that differ from most in size, channels or depth.
 *
 * @param {Draft} draft
 * @returns {string[]}
 */
export function odd(draft) {
  const kinds = new Map();
  for (const { key, used, frame } of draft.items) {
    if (!used || !frame) continue;
    const kind = [frame.width, frame.height, frame.channels, frame.dtype].join();
    kinds.set(kind, [...(kinds.get(kind) ?? []), key]);
  }
  const groups = [...kinds.values()].sort((one, other) => other.length - one.length);
  return groups.slice(1).flat();
}
