/** Pure functions on retouching strokes and their history. */

/** @import { Edits, History, Point, Rect, Size, Stroke, StrokePoint } from "./types.js" */

/**
 * @param {Stroke[]} strokes
 * @returns {History}
 */
export const historyOf = strokes => ({ done: strokes, undone: [] });

/**
 * @param {History} history
 * @param {Stroke} stroke
 * @returns {History}
 */
export const withStroke = ({ done }, stroke) => ({ done: [...done, stroke], undone: [] });

/**
 * @param {History} history
 * @returns {History} the same object if there is nothing to undo
 */
export function undo(history) {
  const { done, undone } = history;
  const last = done.at(-1);
  return last ? { done: done.slice(0, -1), undone: [...undone, last] } : history;
}

/**
 * @param {History} history
 * @returns {History} the same object if there is nothing to redo
 */
export function redo(history) {
  const { done, undone } = history;
  const last = undone.at(-1);
  return last ? { done: [...done, last], undone: undone.slice(0, -1) } : history;
}

/**
 * Decides if a point must be added to a stroke: points closer than an eighth of the radius barely
 * change the outline.
 *
 * @param {StrokePoint[]} points
 * @param {StrokePoint} point
 * @param {number} radius
 */
export function isFarEnough(points, [x, y], radius) {
  const last = points.at(-1);
  return !last || Math.hypot(x - last[0], y - last[1]) >= Math.max(0.5, radius / 8);
}

/**
 * Converts a point of the viewer to the edit list's coordinates, where pixel centres are integers.
 *
 * @param {Point} at
 * @returns {StrokePoint}
 */
export const centred = ({ x, y }) => [Math.round((x - 0.5) * 100) / 100, Math.round((y - 0.5) * 100) / 100];

/**
 * Returns the bounding box of a stroke.
 *
 * @param {Stroke} stroke
 * @returns {Rect}
 */
export function reach({ points, radius }) {
  const [across, down] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, top] = [Math.min(...across) - radius, Math.min(...down) - radius];
  return { left, top, width: Math.max(...across) + radius - left + 1, height: Math.max(...down) + radius - top + 1 };
}

/**
 * Reads an edit list from a file.
 *
 * @param {string} text
 * @param {Size} size size of the result
 * @returns {Stroke[]}
 * @throws {Error} a sentence for the user
 */
export function readEdits(text, { width, height }) {
  /** @type {?Partial<Edits>} */
  let list;
  try {
    list = JSON.parse(text);
  } catch {
    throw new Error("This file is not an edit list: it is not JSON.");
  }
  if (list?.edits !== 1 || !Array.isArray(list.strokes) || !Array.isArray(list.size)) {
    throw new Error("This file is not an edit list of version 1.");
  }
  if (list.size[0] !== width || list.size[1] !== height) {
    const size = list.size.join(" × ");
    throw new Error(`This edit list is for a result of ${size}; this one has ${width} × ${height}.`);
  }
  return list.strokes;
}
