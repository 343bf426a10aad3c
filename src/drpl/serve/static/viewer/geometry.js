/**
 * Where a picture stands on a canvas, and which tiles show it. All pure.
 *
 * Picture coordinates have the corner of the first pixel at 0, so pixel i spans [i, i + 1);
 * canvas coordinates are device pixels.
 *
 * @typedef {{scale: number, x: number, y: number}} View device pixels per pixel of the picture, and
 *   the point of the picture in the middle of the canvas
 * @typedef {{width: number, height: number}} Size
 */

export const MAX_SCALE = 32;

/** @param {number} value */
export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/**
 * The whole picture.
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
 * A view that shows something: neither lost in the distance nor moved off the canvas.
 *
 * @param {View} view
 * @param {Size} picture
 * @param {Size} canvas
 * @returns {View}
 */
export function kept(view, picture, canvas) {
  const whole = fitted(picture, canvas).scale;
  const scale = clamp(view.scale, Math.min(whole, 1) * 0.5, Math.max(MAX_SCALE, whole));
  // along a side that fits, the picture stays in the middle; else its edge may come to the middle
  const along = (at, length, room) => (length * scale <= room ? length / 2 : clamp(at, 0, length));
  return {
    scale,
    x: along(view.x, picture.width, canvas.width),
    y: along(view.y, picture.height, canvas.height),
  };
}

/**
 * The corner of the picture on the canvas, on a whole device pixel so that 100 % is exact.
 *
 * @param {View} view
 * @param {Size} canvas
 */
export function origin(view, canvas) {
  return {
    x: Math.round(canvas.width / 2 - view.x * view.scale),
    y: Math.round(canvas.height / 2 - view.y * view.scale),
  };
}

/**
 * The point of the picture under a point of the canvas.
 *
 * @param {View} view
 * @param {Size} canvas
 * @param {number} left
 * @param {number} top
 */
export function toPicture(view, canvas, left, top) {
  const corner = origin(view, canvas);
  return { x: (left - corner.x) / view.scale, y: (top - corner.y) / view.scale };
}

/**
 * Zoomed so that what is under a point of the canvas stays there.
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
  return {
    scale,
    x: at.x - (left - canvas.width / 2) / scale,
    y: at.y - (top - canvas.height / 2) / scale,
  };
}

/**
 * The size of a level: each is half of the next, rounded up.
 *
 * @param {import("../model/types.js").LayerInfo} layer
 * @param {number} level 0 is the smallest
 * @returns {Size}
 */
export function levelSize(layer, level) {
  const factor = 2 ** (layer.levels - 1 - level);
  return { width: Math.ceil(layer.width / factor), height: Math.ceil(layer.height / factor) };
}

/**
 * The smallest level that has the detail a scale shows.
 *
 * @param {import("../model/types.js").LayerInfo} layer
 * @param {number} scale
 */
export function levelFor(layer, scale) {
  // a little short of a level is not worth four times the tiles
  const halvings = Math.floor(Math.log2(1 / scale) + 0.15);
  return clamp(layer.levels - 1 - halvings, 0, layer.levels - 1);
}

/**
 * Where a tile lies in the picture.
 *
 * @param {import("../model/types.js").LayerInfo} layer
 * @param {number} level
 * @param {number} column
 * @param {number} row
 * @returns {import("../model/types.js").Rect}
 */
export function tileRect(layer, level, column, row) {
  const size = levelSize(layer, level);
  const [across, down] = [layer.width / size.width, layer.height / size.height];
  const [left, top] = [column * layer.tile, row * layer.tile];
  const right = Math.min(size.width, left + layer.tile);
  const bottom = Math.min(size.height, top + layer.tile);
  return {
    left: left * across,
    top: top * down,
    width: (right - left) * across,
    height: (bottom - top) * down,
  };
}

/**
 * The tiles of a level that a canvas shows, those in the middle first.
 *
 * @param {import("../model/types.js").LayerInfo} layer
 * @param {number} level
 * @param {View} view
 * @param {Size} canvas
 * @returns {{level: number, column: number, row: number}[]}
 */
export function visibleTiles(layer, level, view, canvas) {
  const size = levelSize(layer, level);
  const [from, to] = [
    toPicture(view, canvas, 0, 0),
    toPicture(view, canvas, canvas.width, canvas.height),
  ];
  const span = (low, high, whole, pixels) => {
    const side = (layer.tile * whole) / pixels;
    const last = Math.ceil(pixels / layer.tile) - 1;
    return [
      clamp(Math.floor(low / side), 0, last),
      clamp(Math.floor((high - 1e-6) / side), 0, last),
    ];
  };
  const [left, right] = span(from.x, to.x, layer.width, size.width);
  const [top, bottom] = span(from.y, to.y, layer.height, size.height);
  const tiles = [];
  for (let row = top; row <= bottom; row += 1)
    for (let column = left; column <= right; column += 1) tiles.push({ level, column, row });
  const far = ({ column, row }) =>
    Math.hypot(column - (left + right) / 2, row - (top + bottom) / 2);
  return tiles.sort((one, other) => far(one) - far(other));
}

/**
 * @param {import("../model/types.js").Rect} one
 * @param {import("../model/types.js").Rect} other
 */
export function overlap(one, other) {
  return (
    one.left < other.left + other.width &&
    other.left < one.left + one.width &&
    one.top < other.top + other.height &&
    other.top < one.top + one.height
  );
}
