import assert from "node:assert/strict";
import { test } from "node:test";

import {
  added,
  changed,
  emptyDraft,
  moved,
  noted,
  obstacle,
  odd,
  ofFrame,
  refused,
  removed,
  restored,
  sorted,
  startBody,
} from "../../../src/drpl/serve/static/model/draft.js";
import { frame, job, names } from "./samples.js";

const items = (...numbers) => numbers.map(n => ofFrame(frame(n)));
const draftOf = (...numbers) => added(emptyDraft(), items(...numbers));

test("frames are in natural order of their names", () => {
  const draft = added(draftOf(10, 2), items(9));
  assert.deepEqual(names(draft), ["img_2.jpg", "img_9.jpg", "img_10.jpg"]);
});

test("frames added to an arranged stack go to its end, in natural order", () => {
  const arranged = moved(draftOf(1, 2), "n2", 0);
  const draft = added(arranged, items(10, 9, 0));
  assert.deepEqual(
    draft.items.map(item => item.key),
    ["n2", "n1", "n0", "n9", "n10"],
  );
});

test("a move keeps all frames and stays within the list", () => {
  const draft = draftOf(1, 2, 3, 4);
  const keys = one => one.items.map(item => item.key).join();
  assert.equal(keys(moved(draft, "n1", 2)), "n2,n3,n1,n4");
  assert.equal(keys(moved(draft, "n3", -5)), "n3,n1,n2,n4");
  assert.equal(keys(moved(draft, "n1", 99)), "n2,n3,n4,n1");
  assert.equal(keys(draft), "n1,n2,n3,n4");
});

test("a move that changes nothing leaves the stack unarranged", () => {
  const draft = draftOf(1, 2);
  assert.equal(moved(draft, "n1", 0), draft);
  assert.equal(moved(draft, "unknown", 1), draft);
  assert.equal(moved(draft, "n1", 1).arranged, true);
});

test("sorting by name undoes an arrangement; reversing is one", () => {
  const reversed = sorted(draftOf(1, 2, 3), "reverse");
  assert.deepEqual(names(reversed), ["img_3.jpg", "img_2.jpg", "img_1.jpg"]);
  assert.equal(reversed.arranged, true);
  const back = sorted(reversed, "name");
  assert.deepEqual(names(back), ["img_1.jpg", "img_2.jpg", "img_3.jpg"]);
  assert.equal(back.arranged, false);
});

test("a reference frame that is left out or removed is no longer the reference", () => {
  const draft = { ...draftOf(1, 2), reference: "n1" };
  assert.equal(changed(draft, "n1", { used: false }).reference, null);
  assert.equal(removed(draft, "n1").reference, null);
  assert.equal(changed(draft, "n2", { used: false }).reference, "n1");
  assert.equal(removed(draft, "n2").reference, "n1");
});

test("a refused file leaves the frames; a second refusal replaces the first", () => {
  const once = refused(draftOf(1, 2), { key: "n1", name: "a", reason: "one", again: false });
  const twice = refused(once, { key: "n1", name: "a", reason: "two", again: true });
  assert.deepEqual(names(twice), ["img_2.jpg"]);
  assert.deepEqual(
    twice.refused.map(entry => entry.reason),
    ["two"],
  );
});

test("a note restores the same draft", () => {
  let draft = restored(job(), null);
  draft = moved(draft, "n3", 0);
  draft = changed(draft, "n2", { used: false });
  draft = { ...draft, reference: "n1", preset: "macro", options: { halo: 3 } };
  const note = JSON.parse(JSON.stringify(noted(draft)));
  assert.deepEqual(restored(job(), note), draft);
});

test("without a note a finished job gives its own order; frames not fused are unused", () => {
  const done = job({ state: "done", order: [3, 1], reference: 1, preset: "macro" });
  const draft = restored(done, null);
  assert.deepEqual(
    draft.items.map(({ key, used }) => [key, used]),
    [
      ["n3", true],
      ["n1", true],
      ["n2", false],
    ],
  );
  assert.equal(draft.reference, "n1");
  assert.equal(draft.preset, "macro");
});

test("a noted reference frame that is gone is forgotten", () => {
  const note = { ...noted(restored(job(), null)), reference: 9 };
  assert.equal(restored(job(), note).reference, null);
});

test("a run is started with the used frames in their order", () => {
  let draft = sorted(draftOf(1, 2, 3), "reverse");
  draft = { ...changed(draft, "n2", { used: false }), reference: "n1", options: { halo: 3 } };
  assert.deepEqual(startBody(draft), { order: [3, 1], reference: 1, preset: null, options: { halo: 3 } });
});

test("frames that differ from the majority are odd, unless they are left out", () => {
  const small = ofFrame(frame(7, { width: 30 }));
  const deep = ofFrame(frame(8, { dtype: "uint16" }));
  const draft = added(draftOf(1, 2), [small, deep]);
  assert.deepEqual(odd(draft), ["n7", "n8"]);
  assert.deepEqual(odd(changed(draft, "n7", { used: false })), ["n8"]);
});

test("a stack can be run once two equal frames have been sent", () => {
  assert.match(obstacle(draftOf(1)), /at least two frames/);
  assert.match(obstacle(changed(draftOf(1, 2), "n2", { used: false })), /at least two frames/);
  assert.match(obstacle(changed(draftOf(1, 2), "n2", { state: "sending" })), /1 file is/);
  assert.match(obstacle(added(draftOf(1, 2), [ofFrame(frame(3, { height: 9 }))])), /marked/);
  assert.equal(obstacle(draftOf(1, 2)), "");
});
