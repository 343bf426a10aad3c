/**
 * Pure functions on the view of a picture and its tiles.
 *
 * In picture coordinates pixel i spans [i, i + 1); canvas coordinates are device pixels.
 */

/** @import { LayerInfo, Point, Rect, Size } from "../model/types.js" */

/**
 * @typedef {object} View
 * @property {number} scale device pixels per picture pixel
 * @property {number} x picture coordinates of the middle of the canvas
 * @property {number} y
 *
 * @typedef {{level: number, column: number, row: number}} Place position of a tile; level 0 is the
 *   coarsest
 */

export const MAX_SCALE = 32;

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/**
 * Returns the view of the whole picture.
 *
 * @param {Size} picture
 * @param {Size} canvas
 * @returns {View}
 */
export function fitted(picture, canvas) {
  const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  return { scale: clamp(scale, 1e-4, 8), x: picture.width / 2, y: picture.height / 2 };
}

/**
 * Limits a view: the scale is bounded and the picture stays on the canvas.
 *
 * @param {View} view
 * @param {Size} picture
 * @param {Size} canvas
 * @returns {View}
 */
export function kept(view, picture, canvas) {
  const whole = fitted(picture, canvas).scale;
  const scale = clamp(view.scale, Math.min(whole, 1) * 0.5, Math.max(MAX_SCALE, whole));
  /**
   * Centres a side that fits; else the picture's edge may come to the middle.
   *
   * @param {number} at
   * @param {number} length
   * @param {number} room
   */
  const along = (at, length, room) => (length * scale <= room ? length / 2 : clamp(at, 0, length));
  return { scale, x: along(view.x, picture.width, canvas.width), y: along(view.y, picture.height, canvas.height) };
}

/**
 * Returns the picture's corner on the canvas, rounded to a device pixel so that 100 % is exact.
 *
 * @param {View} view
 * @param {Size} canvas
 * @returns {Point}
 */
export function origin(view, canvas) {
  return {
    x: Math.round(canvas.width / 2 - view.x * view.scale),
    y: Math.round(canvas.height / 2 - view.y * view.scale),
  };
}

/**
 * Converts canvas coordinates to picture coordinates.
 *
 * @param {View} view
 * @param {Size} canvas
 * @param {number} left
 * @param {number} top
 * @returns {Point}
 */
export function toPicture(view, canvas, left, top) {
  const corner = origin(view, canvas);
  return { x: (left - corner.x) / view.scale, y: (top - corner.y) / view.scale };
}

/**
 * Changes the scale; the picture point under a canvas point stays there.
 *
 * @param {View} view
 * @param {Size} canvas
 * @param {number} left
 * @param {number} top
 * @param {number} scale
 * @returns {View}
 */
export function zoomed(view, canvas, left, top, scale) {
  const at = toPicture(view, canvas, left, top);
  return { scale, x: at.x - (left - canvas.width / 2) / scale, y: at.y - (top - canvas.height / 2) / scale };
}

/**
 * Returns the size of a level; each level is half of the next, rounded up.
 *
 * @param {LayerInfo} layer
 * @param {number} level
 * @returns {Size}
 */
export function levelSize(layer, level) {
  const factor = 2 ** (layer.levels - 1 - level);
  return { width: Math.ceil(layer.width / factor), height: Math.ceil(layer.height / factor) };
}

/**
 * Selects the coarsest level with enough detail for a scale.
 *
 * @param {LayerInfo} layer
 * @param {number} scale
 */
export function levelFor(layer, scale) {
  // slightly too little detail is preferred to four times as many tiles
  const halvings = Math.floor(Math.log2(1 / scale) + 0.15);
  return clamp(layer.levels - 1 - halvings, 0, layer.levels - 1);
}

/**
 * Returns the area of the picture that a tile covers.
 *
 * @param {LayerInfo} layer
 * @param {Place} place
 * @returns {Rect}
 */
export function tileRect(layer, { level, column, row }) {
  const size = levelSize(layer, level);
  const [across, down] = [layer.width / size.width, layer.height / size.height];
  const [left, top] = [column * layer.tile, row * layer.tile];
  const right = Math.min(size.width, left + layer.tile);
  const bottom = Math.min(size.height, top + layer.tile);
  return { left: left * across, top: top * down, width: (right - left) * across, height: (bottom - top) * down };
}

/**
 * Lists the tiles of a level that a canvas shows, from the middle outwards.
 *
 * @param {LayerInfo} layer
 * @param {number} level
 * @param {View} view
 * @param {Size} canvas
 * @returns {Place[]}
 */
export function visibleTiles(layer, level, view, canvas) {
  const size = levelSize(layer, level);
  const from = toPicture(view, canvas, 0, 0);
  const to = toPicture(view, canvas, canvas.width, canvas.height);
  /**
   * @param {number} low
   * @param {number} high
   * @param {number} whole
   * @param {number} pixels
   */
  const span = (low, high, whole, pixels) => {
    const side = (layer.tile * whole) / pixels;
    const last = Math.ceil(pixels / layer.tile) - 1;
    return [clamp(Math.floor(low / side), 0, last), clamp(Math.floor((high - 1e-6) / side), 0, last)];
  };
  const [left, right] = span(from.x, to.x, layer.width, size.width);
  const [top, bottom] = span(from.y, to.y, layer.height, size.height);
  const tiles = [];
  for (let row = top; row <= bottom; row += 1) {
    for (let column = left; column <= right; column += 1) tiles.push({ level, column, row });
  }
  /** @param {Place} place */
  const far = ({ column, row }) => Math.hypot(column - (left + right) / 2, row - (top + bottom) / 2);
  return tiles.sort((one, other) => far(one) - far(other));
}

/**
 * Checks that two rectangles share an area.
 *
 * @param {Rect} one
 * @param {Rect} other
 */
export function overlap(one, other) {
  return (
    one.left < other.left + other.width &&
    other.left < one.left + one.width &&
    one.top < other.top + other.height &&
    other.top < one.top + one.height
  );
}
