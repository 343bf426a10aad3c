import assert from "node:assert/strict";
import { test } from "node:test";

import { maskWidths } from "../../../src/drpl/serve/static/viewer/brush.js";

/** Opacity of the mask at a distance from the stroke. */
const opacity = (widths, distance) => widths.filter(width => distance < width / 2).length / widths.length;

test("a hard brush is one line of its full width", () => {
  assert.deepEqual(maskWidths(20, 0), [40]);
});

test("a soft brush is full inside, empty outside and slopes in between", () => {
  const [radius, softness] = [50, 0.4];
  const widths = maskWidths(radius, softness);
  for (let distance = 0; distance < 60; distance += 0.7) {
    const slope = (radius - distance) / (softness * radius);
    const expected = Math.min(1, Math.max(0, slope));
    const found = opacity(widths, distance);
    assert.ok(Math.abs(found - expected) <= 0.051, `${found} at ${distance}`);
  }
});
