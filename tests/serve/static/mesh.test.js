import assert from "node:assert/strict";
import { test } from "node:test";

import { points, projection, smoothed, stretched, triangles } from "../../../src/drpl/serve/static/viewer/mesh.js";
import { random } from "./samples.js";

const [WIDTH, HEIGHT] = [13, 7];

const heightsOf = height =>
  Float32Array.from({ length: WIDTH * HEIGHT }, (_, at) => height(at % WIDTH, Math.floor(at / WIDTH)));
const near = (actual, expected, tolerance = 1e-5) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);

test("smoothing leaves a plain plain, and stays within the heights", () => {
  for (const height of smoothed(
    heightsOf(() => 0.3),
    WIDTH,
    HEIGHT,
    3,
  ))
    near(height, 0.3);
  const next = random(3);
  const rough = heightsOf(() => next());
  const smooth = smoothed(rough, WIDTH, HEIGHT, 2);
  assert.ok(Math.max(...smooth) < Math.max(...rough));
  assert.ok(Math.min(...smooth) > Math.min(...rough));
});

test("smoothing works alike along both axes", () => {
  const next = random(4);
  const side = 9;
  const square = Float32Array.from({ length: side * side }, () => next());
  const turned = square.map((_, at) => square[(at % side) * side + Math.floor(at / side)]);
  const [one, other] = [square, turned].map(heights => smoothed(heights, side, side, 2));
  one.forEach((height, at) => near(other[(at % side) * side + Math.floor(at / side)], height));
});

test("a reach of zero copies the heights", () => {
  const heights = heightsOf(x => x / WIDTH);
  const copy = smoothed(heights, WIDTH, HEIGHT, 0);
  assert.deepEqual(copy, heights);
  assert.notEqual(copy, heights);
});

test("heights are stretched to the full range; outliers are cut off", () => {
  const heights = Float32Array.from({ length: 1000 }, (_, at) => 0.4 + (0.1 * at) / 999);
  heights[500] = 9;
  const wide = stretched(heights);
  assert.equal(Math.min(...wide), 0);
  assert.equal(Math.max(...wide), 1);
  near(wide[250], 0.245, 0.01);
  assert.deepEqual([...stretched(new Float32Array(4).fill(0.5))], [0, 0, 0, 0]);
});

test("the mesh spans two units along the longer side and is centred", () => {
  const mesh = points(
    heightsOf(() => 0.5),
    WIDTH,
    HEIGHT,
  );
  assert.deepEqual([...mesh.slice(0, 3)], [-1, 0.5, 0]);
  assert.deepEqual([...mesh.slice(-5, -2)], [1, -0.5, 0]);
});

test("slopes are those of a plane, edges included", () => {
  const side = 2 / (WIDTH - 1);
  const mesh = points(
    heightsOf((x, y) => 0.25 * x * side - 0.5 * y * side),
    WIDTH,
    HEIGHT,
  );
  for (let at = 0; at < mesh.length; at += 5) {
    near(mesh[at + 3], 0.25);
    near(mesh[at + 4], 0.5);
  }
});

test("the triangles cover the mesh once, all turned the same way", () => {
  const mesh = points(
    heightsOf(() => 0),
    WIDTH,
    HEIGHT,
  );
  const corners = triangles(WIDTH, HEIGHT);
  let area = 0;
  for (let at = 0; at < corners.length; at += 3) {
    const [a, b, c] = [...corners.slice(at, at + 3)].map(corner => mesh.slice(5 * corner, 5 * corner + 2));
    const part = ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2;
    assert.ok(part > 0);
    area += part;
  }
  near(area, 2, 1e-4);
});

/** Projects a point to the screen. */
function project(matrix, point) {
  const [x, y, , w] = [0, 1, 2, 3].map(row =>
    [...point, 1].reduce((sum, value, column) => sum + value * matrix[4 * column + row], 0),
  );
  return [x / w, y / w];
}

test("the centre of the mesh is in the middle of the screen, however it is turned", () => {
  for (const [yaw, pitch] of [
    [0, 0],
    [2, -1],
    [-3, 0.2],
  ]) {
    const matrix = projection({ yaw, pitch, distance: 2 }, 1.5, 0.3);
    const [x, y] = project(matrix, [0, 0, 0]);
    near(x, 0);
    near(y, 0);
  }
});

test("seen from above, right is right, up is up, and near is large", () => {
  const eye = { yaw: 0, pitch: 0, distance: 2.2 };
  const matrix = projection(eye, 2, 1);
  const [right, up] = [project(matrix, [1, 0, 0]), project(matrix, [0, 1, 0])];
  near(right[0], 0.5);
  near(up[1], 1);
  const closer = projection({ ...eye, distance: 1.1 }, 2, 1);
  near(project(closer, [1, 0, 0])[0], 1);
});
