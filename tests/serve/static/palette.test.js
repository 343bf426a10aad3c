import assert from "node:assert/strict";
import { before, test } from "node:test";

import {
  DEPTHS,
  HEAT,
  css,
  frameAt,
  frameColours,
  oklch,
  paintFrames,
  paintRamp,
  ramp,
} from "../../../src/drpl/serve/static/viewer/palette.js";
import { FakeImageData } from "./samples.js";

before(() => {
  globalThis.ImageData = FakeImageData;
});

/** Relative luminance of sRGB bytes. */
const luminance = rgb =>
  rgb
    .map(byte => byte / 255)
    .map(value => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);

test("OKLCH gives the known colours of sRGB", () => {
  assert.deepEqual(oklch(0, 0, 0), [0, 0, 0]);
  assert.deepEqual(oklch(1, 0, 0), [255, 255, 255]);
  assert.deepEqual(oklch(0.6279554, 0.2576833, 29.2338812), [255, 0, 0]);
  assert.deepEqual(oklch(0.4520137, 0.3132144, 264.052021), [0, 0, 255]);
});

test("every frame has a colour of its own, by its index", () => {
  for (const count of [1, 2, 3, 40]) {
    const order = Array.from({ length: count }, (_, at) => (at * 7) % count || 0);
    const colours = frameColours([...new Set([...order, ...order.keys()])]);
    assert.equal(colours.length, count);
    assert.equal(new Set(colours.map(css)).size, count);
  }
});

test("neighbours in focus differ in lightness too", () => {
  const order = [3, 0, 2, 1, 4];
  const colours = frameColours(order);
  for (let at = 1; at < order.length; at += 1) {
    const [one, other] = [order[at - 1], order[at]].map(place => luminance(colours[place]));
    assert.ok(Math.max(one, other) / Math.min(one, other) > 1.15);
  }
});

test("indices of frames have two bytes", () => {
  assert.equal(frameAt({ data: [9, 9, 9, 9, 2, 1, 0, 255] }, 1), 258);
});

test("an index map is painted in the colours of its frames; others than the picked fade", () => {
  const colours = [
    [10, 20, 30],
    [40, 50, 60],
  ];
  const pixels = new FakeImageData(2, 1);
  pixels.data.set([1, 0, 0, 255, 0, 0, 0, 255]);
  const painted = [...paintFrames(colours, null)(pixels).data];
  assert.deepEqual(painted, [40, 50, 60, 255, 10, 20, 30, 255]);
  const picked = [...paintFrames(colours, 0)(pixels).data];
  assert.deepEqual(picked, [40, 50, 60, 40, 10, 20, 30, 255]);
});

test("a ramp passes through its stops", () => {
  const table = ramp([
    [0, 0, 0, 0],
    [100, 50, 10, 255],
    [200, 0, 0, 255],
  ]);
  assert.deepEqual([...table.slice(0, 4)], [0, 0, 0, 0]);
  assert.deepEqual([...table.slice(-4)], [200, 0, 0, 255]);
  assert.deepEqual([...table.slice(4 * 51, 4 * 52)], [40, 20, 4, 102]);
});

test("a map of values is painted by its ramp", () => {
  const pixels = new FakeImageData(2, 1);
  pixels.data.set([0, 0, 0, 255, 255, 0, 0, 255]);
  const painted = [...paintRamp(DEPTHS)(pixels).data];
  assert.deepEqual(painted, [...DEPTHS.slice(0, 4), ...DEPTHS.slice(-4)]);
});

test("depth grows lighter; confidence grows transparent", () => {
  const alpha = value => HEAT[4 * value + 3];
  for (let value = 1; value < 256; value += 1) {
    assert.ok(alpha(value) <= alpha(value - 1));
  }
  assert.equal(alpha(255), 0);
  const light = value => luminance([...DEPTHS.slice(4 * value, 4 * value + 3)]);
  for (let value = 8; value < 256; value += 8) assert.ok(light(value) > light(value - 8));
});
