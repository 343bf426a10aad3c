import assert from "node:assert/strict";
import { test } from "node:test";

import {
  byName,
  counted,
  dated,
  depth,
  framed,
  kinds,
  labelled,
  lasting,
  percent,
  sized,
  stackName,
  staged,
} from "../../../src/drpl/serve/static/model/words.js";

test("names are compared as a person would", () => {
  const sorted = ["b", "a10", "a9", "A1", "a1"].sort(byName);
  assert.deepEqual(sorted, ["A1", "a1", "a9", "a10", "b"]);
  assert.equal(byName("a", "a"), 0);
});

test("counts have a plural and separate thousands", () => {
  assert.equal(counted(1, "frame"), "1 frame");
  assert.equal(counted(0, "frame"), "0 frames");
  assert.equal(counted(12345, "frame"), "12,345 frames");
});

test("sizes have two digits or more, and the largest unit that fits", () => {
  assert.equal(sized(999), "999 B");
  assert.equal(sized(1000), "1.0 kB");
  assert.equal(sized(9_960_000), "10 MB");
  assert.equal(sized(999_600), "1.0 MB");
  assert.equal(sized(3.2e15), "3200 TB");
});

test("the time left is named in a unit that suits it", () => {
  assert.equal(lasting(null), "");
  assert.equal(lasting(Infinity), "");
  assert.equal(lasting(1), "about a second left");
  assert.equal(lasting(89), "about 89 seconds left");
  assert.equal(lasting(90), "about 2 minutes left");
  assert.equal(lasting(5400), "about 1.5 hours left");
});

test("times of today are named as such; invalid ones are not shown", () => {
  assert.match(dated(Date.now() / 1000), /^today, /);
  assert.doesNotMatch(dated("2001-02-03T04:05:06Z"), /today/);
  assert.equal(dated("yesterday"), "");
});

test("depths and formats have the names photographers know", () => {
  assert.equal(depth("uint16"), "16 bits");
  assert.equal(depth("int12"), "int12");
  assert.equal(kinds([".tif", ".tiff", ".jpg"]), "JPEG, TIFF");
  assert.equal(kinds([".xyz"]), ".xyz");
});

test("a stage names the frame it is at, never one too many", () => {
  assert.equal(framed({ stage: "fuse", done: 0, of: 6, eta_s: null }), "Fusing frame 1 of 6");
  assert.equal(framed({ stage: "fuse", done: 6, of: 6, eta_s: null }), "Fusing frame 6 of 6");
  assert.equal(framed({ stage: "write", done: 1, of: 2, eta_s: null }), "");
  assert.equal(staged("other"), "Other");
  assert.equal(staged(""), "Starting");
});

test("labels are capitalised words", () => {
  assert.equal(labelled("halo_radius"), "Halo radius");
});

test("shares keep a digit while they are small", () => {
  assert.equal(percent(0), "0.0 %");
  assert.equal(percent(0.0004), "< 0.1 %");
  assert.equal(percent(0.0994), "9.9 %");
  assert.equal(percent(0.0996), "10 %");
  assert.equal(percent(1), "100 %");
});

test("a stack is named after its folder, or the common part of its file names", () => {
  assert.equal(stackName("ants/img_1.jpg"), "ants");
  assert.equal(stackName("fly_wing-007.tif"), "fly_wing");
  assert.equal(stackName("0001.jpg"), "stack");
});
