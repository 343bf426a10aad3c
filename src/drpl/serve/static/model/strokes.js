/** The edit list: strokes, those undone, and how a hand's path becomes points. All pure. */

/**
 * @typedef {import("./types.js").Stroke} Stroke
 * @typedef {{done: Stroke[], undone: Stroke[]}} History
 */

/** @param {Stroke[]} strokes @returns {History} */
export const historyOf = (strokes) => ({ done: strokes, undone: [] });

/** @param {History} history @param {Stroke} stroke @returns {History} */
export const withStroke = ({ done }, stroke) => ({ done: [...done, stroke], undone: [] });

/** @param {History} history @returns {History} */
export function undo({ done, undone }) {
  return done.length
    ? { done: done.slice(0, -1), undone: [...undone, done.at(-1)] }
    : { done, undone };
}

/** @param {History} history @returns {History} */
export function redo({ done, undone }) {
  return undone.length
    ? { done: [...done, undone.at(-1)], undone: undone.slice(0, -1) }
    : { done, undone };
}

/**
 * Whether a point is far enough from the last to be kept: nearer than an eighth of the brush, the
 * edge of what is swept does not change.
 *
 * @param {number[][]} points
 * @param {number[]} point
 * @param {number} radius
 */
export function tells(points, point, radius) {
  const last = points.at(-1);
  return !last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= Math.max(0.5, radius / 8);
}

/**
 * A point of the viewer as one of the edit list, where pixel centres are integers.
 *
 * @param {{x: number, y: number}} at
 */
export const centred = ({ x, y }) => [
  Math.round((x - 0.5) * 100) / 100,
  Math.round((y - 0.5) * 100) / 100,
];

/**
 * What a stroke may change, roughly: its discs.
 *
 * @param {Stroke} stroke
 * @returns {import("./types.js").Rect}
 */
export function reach({ points, radius }) {
  const [across, down] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, top] = [Math.min(...across) - radius, Math.min(...down) - radius];
  return {
    left,
    top,
    width: Math.max(...across) + radius - left + 1,
    height: Math.max(...down) + radius - top + 1,
  };
}

/**
 * An edit list from a file.
 *
 * @param {string} text
 * @param {{width: number, height: number}} size of the result
 * @returns {Stroke[]}
 * @throws {Error} with a sentence
 */
export function readEdits(text, size) {
  let list;
  try {
    list = JSON.parse(text);
  } catch {
    throw new Error("This file is not an edit list: it is not JSON.");
  }
  if (list?.edits !== 1 || !Array.isArray(list.strokes) || !Array.isArray(list.size)) {
    throw new Error("This file is not an edit list of version 1.");
  }
  if (list.size[0] !== size.width || list.size[1] !== size.height) {
    throw new Error(
      `This edit list is for a result of ${list.size.join(" × ")}; this one has ${size.width} × ${size.height}.`,
    );
  }
  return list.strokes;
}
