/** Pure functions on reliefs: heights, their mesh and its projection. */

/** @typedef {{yaw: number, pitch: number, distance: number}} Eye radians, and mesh units */

/**
 * Smooths heights by three box filters, close to a Gaussian: steps between frames become slopes.
 *
 * @param {Float32Array} heights
 * @param {number} width
 * @param {number} height
 * @param {number} reach half the side of the filter
 * @returns {Float32Array}
 */
export function smoothed(heights, width, height, reach) {
  let from = Float32Array.from(heights);
  if (reach < 1) return from;
  for (let pass = 0; pass < 3; pass += 1) {
    from = boxed(from, width, height, reach, 1, width);
    from = boxed(from, height, width, reach, width, 1);
  }
  return from;
}

/**
 * Averages a sliding window along one axis; edge values are repeated.
 *
 * @param {Float32Array} from
 * @param {number} length values in a line
 * @param {number} lines
 * @param {number} reach half the side of the window
 * @param {number} step distance between the values of a line
 * @param {number} stride distance between lines
 */
function boxed(from, length, lines, reach, step, stride) {
  const to = new Float32Array(from.length);
  const window = 2 * reach + 1;
  for (let line = 0; line < lines; line += 1) {
    const start = line * stride;
    /** @param {number} place */
    const at = place => from[start + Math.min(length - 1, Math.max(0, place)) * step];
    let sum = 0;
    for (let place = -reach; place <= reach; place += 1) sum += at(place);
    for (let place = 0; place < length; place += 1) {
      to[start + place * step] = sum / window;
      sum += at(place + reach + 1) - at(place - reach);
    }
  }
  return to;
}

/**
 * Stretches heights to [0, 1]; ignores one percent at each end, because outliers would flatten
 * the relief.
 *
 * @param {Float32Array} heights
 * @returns {Float32Array}
 */
export function stretched(heights) {
  const ordered = Float32Array.from(heights).sort();
  const [low, high] = [0.01, 0.99].map(share => ordered[Math.floor(share * (ordered.length - 1))]);
  const span = high - low || 1;
  return heights.map(height => Math.min(1, Math.max(0, (height - low) / span)));
}

/**
 * Returns the points of the mesh and their slopes; x and y lie in [-1, 1] along the longer side.
 *
 * @param {Float32Array} heights in [0, 1]
 * @param {number} width
 * @param {number} height
 * @returns {Float32Array} x, y, z, slope along x, slope along y, for each point
 */
export function points(heights, width, height) {
  const side = 2 / (Math.max(width, height) - 1);
  const all = new Float32Array(width * height * 5);
  for (let row = 0; row < height; row += 1) {
    const [up, down] = [Math.max(0, row - 1), Math.min(height - 1, row + 1)];
    for (let column = 0; column < width; column += 1) {
      const [left, right] = [Math.max(0, column - 1), Math.min(width - 1, column + 1)];
      const at = row * width + column;
      all.set(
        [
          (column - (width - 1) / 2) * side,
          ((height - 1) / 2 - row) * side,
          heights[at] - 0.5,
          (heights[row * width + right] - heights[row * width + left]) / ((right - left) * side || 1),
          (heights[up * width + column] - heights[down * width + column]) / ((down - up) * side || 1),
        ],
        5 * at,
      );
    }
  }
  return all;
}

/**
 * Returns the corners of two triangles for each square of the mesh.
 *
 * @param {number} width
 * @param {number} height
 */
export function triangles(width, height) {
  const all = new Uint32Array((width - 1) * (height - 1) * 6);
  let at = 0;
  for (let row = 0; row < height - 1; row += 1) {
    for (let column = 0; column < width - 1; column += 1) {
      const corner = row * width + column;
      all.set([corner, corner + width, corner + 1, corner + 1, corner + width, corner + width + 1], at);
      at += 6;
    }
  }
  return all;
}

/**
 * Returns the projection matrix from the mesh to the screen, in column order.
 *
 * @param {Eye} eye
 * @param {number} aspect width of the screen divided by its height
 * @param {number} tall factor of the heights
 * @returns {Float32Array}
 */
export function projection({ yaw, pitch, distance }, aspect, tall) {
  const [cosYaw, sinYaw, cosPitch, sinPitch] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const [near, far] = [0.05, 40];
  const focal = 2.2;
  const [fx, fy] = aspect > 1 ? [focal / aspect, focal] : [focal, focal * aspect];
  // rows of the rotation: around the vertical axis of the screen, then tilted towards the eye
  const turn = [
    [cosYaw, 0, sinYaw * tall],
    [sinYaw * sinPitch, cosPitch, -cosYaw * sinPitch * tall],
    [-sinYaw * cosPitch, sinPitch, cosYaw * cosPitch * tall],
  ];
  const [depth, shift] = [-(far + near) / (far - near), (-2 * far * near) / (far - near)];
  const matrix = new Float32Array(16);
  for (let column = 0; column < 3; column += 1) {
    matrix.set([fx * turn[0][column], fy * turn[1][column], depth * turn[2][column], -turn[2][column]], 4 * column);
  }
  matrix.set([0, 0, -distance * depth + shift, distance], 12);
  return matrix;
}
