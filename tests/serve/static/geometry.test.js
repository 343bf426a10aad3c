import assert from "node:assert/strict";
import { test } from "node:test";

import {
  MAX_SCALE,
  fitted,
  kept,
  levelFor,
  levelSize,
  origin,
  overlap,
  tileRect,
  toPicture,
  visibleTiles,
  zoomed,
} from "../../../src/drpl/serve/static/viewer/geometry.js";
import { random } from "./samples.js";

const LAYER = { width: 5001, height: 3007, tile: 256, levels: 6 };
const CANVAS = { width: 900, height: 700 };
const SCALES = [0.03, 0.2, 0.5, 0.99, 1, 3, 32];

const near = (actual, expected, tolerance) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not near ${expected}`);

test("the whole picture fits the canvas and touches two of its sides", () => {
  const view = fitted({ width: 200, height: 100 }, { width: 400, height: 400 });
  assert.deepEqual(view, { scale: 2, x: 100, y: 50 });
  assert.deepEqual(origin(view, { width: 400, height: 400 }), { x: 0, y: 100 });
});

test("a view is limited in scale and place", () => {
  const far = kept({ scale: 1e-9, x: -1e6, y: 1e6 }, LAYER, CANVAS);
  assert.deepEqual([far.x, far.y], [LAYER.width / 2, LAYER.height / 2]);
  near(far.scale, fitted(LAYER, CANVAS).scale / 2, 1e-12);
  const close = kept({ scale: 1e9, x: -1e6, y: 1e6 }, LAYER, CANVAS);
  assert.deepEqual(close, { scale: MAX_SCALE, x: 0, y: LAYER.height });
});

test("a limited view stays as it is", () => {
  const next = random(1);
  for (let run = 0; run < 50; run += 1) {
    const view = { scale: 40 * next(), x: 9000 * next() - 2000, y: 9000 * next() - 2000 };
    const once = kept(view, LAYER, CANVAS);
    assert.deepEqual(kept(once, LAYER, CANVAS), once);
  }
});

test("at 100 % pixels of picture and canvas coincide", () => {
  const view = { scale: 1, x: 1234.3, y: 777.7 };
  const corner = origin(view, CANVAS);
  assert.ok(Number.isInteger(corner.x) && Number.isInteger(corner.y));
  const at = toPicture(view, CANVAS, 300, 200);
  assert.deepEqual(at, { x: 300 - corner.x, y: 200 - corner.y });
});

test("zooming keeps what is under the pointer", () => {
  for (const scale of SCALES) {
    const view = kept({ scale, x: 4000, y: 500 }, LAYER, CANVAS);
    const before = toPicture(view, CANVAS, 300, 200);
    const after = toPicture(zoomed(view, CANVAS, 300, 200, 2 * view.scale), CANVAS, 300, 200);
    const slip = Math.hypot(before.x - after.x, before.y - after.y) * view.scale;
    assert.ok(slip <= 1.5, `slip of ${slip} device pixels at ${scale}`);
  }
});

test("levels halve in size, rounded up", () => {
  assert.deepEqual(levelSize(LAYER, 5), { width: 5001, height: 3007 });
  assert.deepEqual(levelSize(LAYER, 4), { width: 2501, height: 1504 });
  assert.deepEqual(levelSize(LAYER, 0), { width: 157, height: 94 });
});

test("the level for a scale has enough detail, but not twice as much", () => {
  assert.equal(levelFor(LAYER, 32), 5);
  assert.equal(levelFor(LAYER, 1), 5);
  assert.equal(levelFor(LAYER, 0.5), 4);
  assert.equal(levelFor(LAYER, 0.51), 4);
  assert.equal(levelFor(LAYER, 0.6), 5);
  assert.equal(levelFor(LAYER, 1e-4), 0);
});

test("the tiles of a level cover the picture exactly once", () => {
  for (let level = 0; level < LAYER.levels; level += 1) {
    const size = levelSize(LAYER, level);
    let area = 0;
    let right = 0;
    for (let row = 0; row * LAYER.tile < size.height; row += 1) {
      for (let column = 0; column * LAYER.tile < size.width; column += 1) {
        const rect = tileRect(LAYER, { level, column, row });
        area += rect.width * rect.height;
        right = Math.max(right, rect.left + rect.width);
      }
    }
    near(area, LAYER.width * LAYER.height, 1);
    near(right, LAYER.width, 1e-6);
  }
});

test("every visible point is on exactly one visible tile", () => {
  const next = random(2);
  for (const scale of SCALES) {
    const view = kept({ scale, x: 4000, y: 500 }, LAYER, CANVAS);
    const level = levelFor(LAYER, view.scale);
    const tiles = visibleTiles(LAYER, level, view, CANVAS);
    assert.ok(tiles.length <= 30, `${tiles.length} tiles at ${scale}`);
    for (let run = 0; run < 20; run += 1) {
      const left = CANVAS.width * next();
      const { x, y } = toPicture(view, CANVAS, left, CANVAS.height * next());
      const point = { left: x, top: y, width: 1e-9, height: 1e-9 };
      if (!overlap(point, { left: 0, top: 0, ...LAYER })) continue;
      const covering = tiles.filter(tile => overlap(tileRect(LAYER, tile), point));
      assert.equal(covering.length, 1);
    }
  }
});

test("visible tiles start in the middle of the canvas", () => {
  const view = { scale: 1, x: 2432, y: 1408 };
  const [first, ...others] = visibleTiles(LAYER, 5, view, CANVAS);
  assert.deepEqual(first, { level: 5, column: 9, row: 5 });
  const distance = ({ column, row }) => Math.hypot(column - 9, row - 5);
  assert.ok(distance(others.at(-1)) >= distance(others[0]));
});

test("rectangles that only touch do not overlap", () => {
  const rect = (left, top) => ({ left, top, width: 10, height: 10 });
  for (const [left, top, expected] of [
    [10, 0, false],
    [0, 10, false],
    [9, 9, true],
  ]) {
    assert.equal(overlap(rect(0, 0), rect(left, top)), expected);
    assert.equal(overlap(rect(left, top), rect(0, 0)), expected);
  }
});
