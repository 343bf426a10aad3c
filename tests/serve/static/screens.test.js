import assert from "node:assert/strict";
import { test } from "node:test";

import { typed, usual, withOption } from "../../../src/drpl/serve/static/screens/options.js";
import { share } from "../../../src/drpl/serve/static/screens/progress.js";
import { layerTitle } from "../../../src/drpl/serve/static/tabs/compare.js";
import { nextMap } from "../../../src/drpl/serve/static/tabs/look.js";
import { command } from "../../../src/drpl/serve/static/tabs/save.js";
import { frame, job } from "./samples.js";

const field = (type, about) => ({ name: "x", type, default: 1, choices: [], ...about });

test("progress never goes back from stage to stage", () => {
  let last = 0;
  for (const stage of ["look", "fuse", "write"]) {
    for (const done of [0, 1, 2, 3]) {
      const now = share({ stage, done, of: 3, eta_s: null });
      assert.ok(now >= last, `${now} after ${last}`);
      last = now;
    }
  }
  assert.equal(last, 1);
  assert.equal(share(null), 0);
  assert.equal(share({ stage: "unknown", done: 3, of: 3, eta_s: null }), 0);
});

test("a preset changes the usual value of the options it names", () => {
  const meta = { presets: { macro: { x: 0 } } };
  assert.equal(usual(meta, "macro", field("int")), 0);
  assert.equal(usual(meta, "macro", field("int", { name: "y" })), 1);
  assert.equal(usual(meta, null, field("int")), 1);
});

test("text is read as the type of its option", () => {
  assert.equal(typed(field("int"), "12"), 12);
  assert.equal(typed(field("int"), "1.5"), undefined);
  assert.equal(typed(field("float"), "1.5"), 1.5);
  assert.equal(typed(field("float"), "much"), undefined);
  assert.equal(typed(field("float"), "Infinity"), undefined);
  assert.equal(typed(field("text"), " a "), " a ");
  assert.equal(typed(field("choice", { choices: ["a", 2] }), "2"), 2);
});

test("an empty number is null where null is the default, else no number", () => {
  assert.equal(typed(field("int", { default: null }), " "), null);
  assert.equal(typed(field("int"), ""), undefined);
});

test("only options that differ from the usual are kept", () => {
  assert.deepEqual(withOption({ y: 2 }, "x", 5, 1), { y: 2, x: 5 });
  assert.deepEqual(withOption({ y: 2, x: 5 }, "x", 1, 1), { y: 2 });
});

test("the command of a plain run names the frames in their order", () => {
  const plain = job({ order: [3, 1] });
  assert.equal(command(plain, [], false), "drpl fuse img_3.jpg img_1.jpg -o fused.tif");
});

test("the command has preset, options, reference frame and edit list", () => {
  const options = { halo_radius: 3, exposure: false, align: true };
  const full = job({ order: [2, 1], preset: "macro", reference: 1, options });
  const fields = ["exposure", "align"].map(name => ({ name, type: "bool" }));
  assert.equal(
    command(full, fields, true),
    "drpl fuse img_2.jpg img_1.jpg -o fused.tif --preset macro --halo-radius 3 --no-exposure " +
      "--align --reference 1 --edits edits.json",
  );
});

test("file names are quoted for the shell", () => {
  const frames = ["it's.jpg", "a b.jpg", "$x.jpg"].map((name, n) => frame(n, { name }));
  const words = command(job({ frames, order: [0, 1, 2] }), [], false);
  assert.equal(words, "drpl fuse 'it'\\''s.jpg' 'a b.jpg' '$x.jpg' -o fused.tif");
});

test("layers have titles, counted from one", () => {
  const frames = [{ name: "a.jpg" }, { name: "b.jpg" }];
  assert.equal(layerTitle("frame-1", frames), "2 · b.jpg");
  assert.equal(layerTitle("fused", frames), "Before retouching");
});

test("the maps form a cycle", () => {
  const cycle = ["none", "index", "confidence", "depth"];
  cycle.forEach((map, at) => assert.equal(nextMap(map), cycle[(at + 1) % 4]));
});
