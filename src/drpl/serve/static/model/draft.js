/** Pure functions on drafts: the frames of a stack, their order and state before fusion. */

/** @import { Draft, DraftNote, Frame, Item, Job, Refusal, StartBody } from "./types.js" */

import { byName } from "./words.js";

/** @returns {Draft} */
export function emptyDraft() {
  return { items: [], refused: [], arranged: false, reference: null, preset: null, options: {} };
}

/**
 * @param {Item} one
 * @param {Item} other
 */
const byItemName = (one, other) => byName(one.name, other.name);

/**
 * Adds frames: in order of name, or at the end once the user has arranged the frames.
 *
 * @param {Draft} draft
 * @param {Item[]} fresh
 * @returns {Draft}
 */
export function added(draft, fresh) {
  const items = [...draft.items, ...[...fresh].sort(byItemName)];
  if (!draft.arranged) items.sort(byItemName);
  return { ...draft, items };
}

/**
 * Changes one frame; a reference frame that is left out is no longer the reference.
 *
 * @param {Draft} draft
 * @param {string} key
 * @param {Partial<Item>} patch
 * @returns {Draft}
 */
export function changed(draft, key, patch) {
  const items = draft.items.map(item => (item.key === key ? { ...item, ...patch } : item));
  const unused = patch.used === false && draft.reference === key;
  return { ...draft, items, reference: unused ? null : draft.reference };
}

/**
 * Moves a frame to another position.
 *
 * @param {Draft} draft
 * @param {string} key
 * @param {number} to
 * @returns {Draft}
 */
export function moved(draft, key, to) {
  const from = draft.items.findIndex(item => item.key === key);
  const place = Math.max(0, Math.min(draft.items.length - 1, to));
  if (from < 0 || from === place) return draft;
  const items = [...draft.items];
  items.splice(place, 0, ...items.splice(from, 1));
  return { ...draft, items, arranged: true };
}

/**
 * Removes a frame.
 *
 * @param {Draft} draft
 * @param {string} key
 * @returns {Draft}
 */
export function removed(draft, key) {
  const reference = draft.reference === key ? null : draft.reference;
  return { ...draft, items: draft.items.filter(item => item.key !== key), reference };
}

/**
 * Sorts the frames by name, or reverses their order.
 *
 * @param {Draft} draft
 * @param {"name"|"reverse"} how
 * @returns {Draft}
 */
export function sorted(draft, how) {
  const items = [...draft.items];
  if (how === "reverse") items.reverse();
  else items.sort(byItemName);
  return { ...draft, items, arranged: how === "reverse" };
}

/**
 * Moves a file from the frames to the refusals.
 *
 * @param {Draft} draft
 * @param {Refusal} refusal
 * @returns {Draft}
 */
export function refused(draft, refusal) {
  const others = draft.refused.filter(entry => entry.key !== refusal.key);
  return { ...removed(draft, refusal.key), refused: [...others, refusal] };
}

/**
 * Creates an item for a frame that the service already has.
 *
 * @param {Frame} frame
 * @param {boolean} [used]
 * @returns {Item}
 */
export function ofFrame(frame, used = true) {
  const { n, name, bytes } = frame;
  return { key: `n${n}`, name, state: "ready", sent: bytes, size: bytes, used, frame };
}

/**
 * Reduces a draft to what the browser stores for a reload.
 *
 * @param {Draft} draft
 * @returns {DraftNote}
 */
export function noted(draft) {
  const { arranged, preset, options } = draft;
  return {
    order: numbers(draft.items),
    unused: numbers(draft.items.filter(item => !item.used)),
    reference: referenceOf(draft),
    arranged,
    preset,
    options,
  };
}

/**
 * Restores a draft from a job and its stored note; without a note, from the job alone.
 *
 * @param {Job} job
 * @param {?DraftNote} note
 * @returns {Draft}
 */
export function restored(job, note) {
  const { order, unused, reference, arranged, preset, options } = note ?? noteOf(job);
  /** @param {Frame} frame */
  const place = ({ n }) => (order.includes(n) ? order.indexOf(n) : order.length);
  const frames = [...job.frames].sort((one, other) => place(one) - place(other) || byName(one.name, other.name));
  return {
    ...emptyDraft(),
    items: frames.map(frame => ofFrame(frame, !unused.includes(frame.n))),
    arranged,
    reference: job.frames.some(({ n }) => n === reference) ? `n${reference}` : null,
    preset,
    options,
  };
}

/**
 * @param {Job} job
 * @returns {DraftNote}
 */
function noteOf(job) {
  const started = job.state !== "draft";
  return {
    order: started ? job.order : [],
    unused: started ? job.frames.map(({ n }) => n).filter(n => !job.order.includes(n)) : [],
    reference: job.reference ?? null,
    arranged: false,
    preset: job.preset ?? null,
    options: job.options ?? {},
  };
}

/** @param {Item[]} items */
const numbers = items => items.flatMap(({ frame }) => (frame ? [frame.n] : []));

/** @param {Draft} draft */
function referenceOf(draft) {
  return draft.items.find(item => item.key === draft.reference)?.frame?.n ?? null;
}

/**
 * Builds the request that starts the fusion.
 *
 * @param {Draft} draft
 * @returns {StartBody}
 */
export function startBody(draft) {
  const order = numbers(draft.items.filter(item => item.used));
  const { preset, options } = draft;
  return { order, reference: referenceOf(draft), preset, options };
}

/**
 * Returns the reason that the stack cannot be fused yet, or an empty string.
 *
 * @param {Draft} draft
 */
export function obstacle(draft) {
  const sending = draft.items.filter(item => item.state !== "ready").length;
  if (sending) return `Wait: ${sending} ${sending === 1 ? "file is" : "files are"} still uploading.`;
  const used = draft.items.filter(item => item.used).length;
  if (used < 2) return "A focal stack needs at least two frames with different focus.";
  if (odd(draft).length) {
    return "All frames must have the same size and bit depth: leave out the marked ones.";
  }
  return "";
}

/**
 * Returns the keys of used frames that differ from the majority in size, channels or depth.
 *
 * @param {Draft} draft
 * @returns {string[]}
 */
export function odd(draft) {
  /** @type {Map<string, string[]>} */
  const kinds = new Map();
  for (const { key, used, frame } of draft.items) {
    if (!used || !frame) continue;
    const kind = [frame.width, frame.height, frame.channels, frame.dtype].join();
    kinds.set(kind, [...(kinds.get(kind) ?? []), key]);
  }
  const groups = [...kinds.values()].sort((one, other) => other.length - one.length);
  return groups.slice(1).flat();
}
