import assert from "node:assert/strict";
import { test } from "node:test";

import {
  centred,
  historyOf,
  isFarEnough,
  reach,
  readEdits,
  redo,
  undo,
  withStroke,
} from "../../../src/drpl/serve/static/model/strokes.js";

const stroke = frame => ({ frame, radius: 5, softness: 0.5, points: [[1, 2]] });
const frames = strokes => strokes.map(one => one.frame);

test("undo and redo step through the strokes", () => {
  const full = historyOf([stroke(1), stroke(2), stroke(3)]);
  const back = undo(undo(full));
  assert.deepEqual(frames(back.done), [1]);
  assert.deepEqual(frames(redo(back).done), [1, 2]);
  assert.deepEqual(redo(redo(back)).done, full.done);
});

test("undo and redo return the same history at its ends", () => {
  const empty = historyOf([]);
  assert.equal(undo(empty), empty);
  const full = historyOf([stroke(1)]);
  assert.equal(redo(full), full);
});

test("a new stroke discards those undone", () => {
  const history = withStroke(undo(historyOf([stroke(1), stroke(2)])), stroke(9));
  assert.deepEqual(frames(history.done), [1, 9]);
  assert.equal(redo(history), history);
});

test("points are kept at a distance of an eighth of the radius, at least half a pixel", () => {
  assert.equal(isFarEnough([], [0, 0], 80), true);
  assert.equal(isFarEnough([[0, 0]], [9.9, 0], 80), false);
  assert.equal(isFarEnough([[0, 0]], [6, 8], 80), true);
  assert.equal(isFarEnough([[0, 0]], [0.4, 0], 1), false);
  assert.equal(isFarEnough([[0, 0]], [0.5, 0], 1), true);
});

test("the middle of a pixel has integer coordinates in an edit list", () => {
  assert.deepEqual(centred({ x: 10.5, y: 0.5 }), [10, 0]);
  assert.deepEqual(centred({ x: 1 / 3, y: 7 }), [-0.17, 6.5]);
});

test("the bounding box of a stroke holds the discs of all its points", () => {
  const box = reach({
    ...stroke(1),
    points: [
      [10, 20],
      [4, 31],
    ],
  });
  assert.deepEqual(box, { left: -1, top: 15, width: 17, height: 22 });
});

test("an edit list of the right size is read", () => {
  const text = JSON.stringify({ edits: 1, size: [60, 40], strokes: [stroke(2)] });
  assert.deepEqual(readEdits(text, { width: 60, height: 40 }), [stroke(2)]);
});

test("other files are refused with a reason", () => {
  const size = { width: 60, height: 40 };
  const list = { edits: 1, size: [60, 40], strokes: [] };
  const read = about => () => readEdits(JSON.stringify(about), size);
  assert.throws(() => readEdits("{", size), /not JSON/);
  assert.throws(read(null), /version 1/);
  assert.throws(read({ ...list, edits: 2 }), /version 1/);
  assert.throws(read({ ...list, strokes: {} }), /version 1/);
  assert.throws(read({ ...list, size: [40, 60] }), /40 × 60; this one has 60 × 40/);
});
