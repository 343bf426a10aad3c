import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, LostError } from "../../../src/drpl/serve/static/model/api.js";
import { emptyDraft } from "../../../src/drpl/serve/static/model/draft.js";
import { createStore } from "../../../src/drpl/serve/static/model/store.js";
import { createUploads } from "../../../src/drpl/serve/static/model/uploads.js";
import { file, frame, names, until } from "./samples.js";

const META = { formats: [".jpg"], limits: { frames: 4, bytes: 5000, pixels: 0 } };

/** Creates a queue whose uploads end when the test says so. */
function queue(meta = META) {
  const draft = createStore(emptyDraft());
  const sending = new Map();
  const deleted = [];
  const api = {
    upload: (id, one, progress, signal) =>
      new Promise((done, failed) => {
        const abort = () => failed(new DOMException("aborted", "AbortError"));
        signal.addEventListener("abort", abort, { once: true });
        const finish = n => done(frame(n, { name: one.name }));
        sending.set(one.name, { finish, failed, progress });
      }),
    removeFrame: async (id, n) => deleted.push([id, n]),
  };
  const uploads = createUploads(api, "j", draft, meta);
  const item = name => draft.get().items.find(one => one.name === name);
  const reasons = () => draft.get().refused.map(entry => entry.reason);
  return { api, draft, sending, deleted, uploads, item, reasons };
}

test("two files are sent at a time, in the order of the list", async () => {
  const { uploads, sending, item } = queue();
  uploads.add([file("c.jpg"), file("a.jpg"), file("b.jpg")]);
  assert.deepEqual([...sending.keys()], ["a.jpg", "b.jpg"]);
  assert.equal(item("c.jpg").state, "waiting");
  sending.get("b.jpg").finish(5);
  await until(() => sending.has("c.jpg"));
  assert.equal(item("b.jpg").state, "ready");
  assert.equal(item("b.jpg").frame.n, 5);
  assert.equal(uploads.busy(), true);
});

test("progress is shown, and the queue is idle at the end", async () => {
  const { uploads, sending, item } = queue();
  uploads.add([file("a.jpg", 800)]);
  sending.get("a.jpg").progress(300);
  assert.equal(item("a.jpg").sent, 300);
  sending.get("a.jpg").finish(1);
  await until(() => !uploads.busy());
  assert.equal(item("a.jpg").sent, 800);
});

test("files that do not fit are refused without being sent", () => {
  const { uploads, sending, draft, reasons } = queue();
  const good = [file("a.JPG"), file("b.jpg"), file("c.jpg")];
  uploads.add([file("notes.txt"), file("empty.jpg", 0), ...good, file("big.jpg", 2001)]);
  assert.deepEqual(names(draft.get()), ["a.JPG", "b.jpg", "c.jpg"]);
  assert.deepEqual([...sending.keys()], ["a.JPG", "b.jpg"]);
  assert.deepEqual(reasons(), [
    "notes.txt is not a picture that can be read: JPEG.",
    "empty.jpg is empty.",
    "big.jpg does not fit: a stack may have 5.0 kB.",
  ]);
});

test("frames beyond the limit are refused", () => {
  const { uploads, draft, reasons } = queue();
  uploads.add([1, 2, 3, 4, 5].map(n => file(`${n}.jpg`, 10)));
  assert.equal(draft.get().items.length, 4);
  assert.deepEqual(reasons(), ["5.jpg is one too many: a stack may have 4 frames."]);
});

test("limits of zero do not limit", () => {
  const { uploads, draft } = queue({ formats: [], limits: { frames: 0, bytes: 0, pixels: 0 } });
  uploads.add([1, 2, 3, 4, 5, 6].map(n => file(`${n}.any`, 1e9)));
  assert.equal(draft.get().items.length, 6);
});

test("a file that the service refuses is named; the others go on", async () => {
  const { uploads, sending, draft, reasons } = queue();
  uploads.add([file("a.jpg"), file("b.jpg"), file("c.jpg")]);
  sending.get("a.jpg").failed(new ApiError("a.jpg is broken.", 422));
  await until(() => sending.has("c.jpg"));
  assert.deepEqual(reasons(), ["a.jpg is broken."]);
  assert.equal(draft.get().refused[0].again, false);
  assert.deepEqual(names(draft.get()), ["b.jpg", "c.jpg"]);
});

test("a file can be sent again after an error of the service", async () => {
  const { uploads, sending, draft, item } = queue();
  uploads.add([file("a.jpg")]);
  sending.get("a.jpg").failed(new ApiError("Out of order.", 500));
  await until(() => draft.get().refused.length === 1);
  const [{ key, again }] = draft.get().refused;
  assert.equal(again, true);
  sending.clear();
  uploads.again(key);
  assert.deepEqual(draft.get().refused, []);
  sending.get("a.jpg").finish(1);
  await until(() => item("a.jpg").state === "ready");
});

test("a busy service is asked again after the time it names", async () => {
  const { uploads, sending, item, reasons } = queue();
  uploads.add([file("a.jpg")]);
  const { failed } = sending.get("a.jpg");
  sending.clear();
  failed(new ApiError("Too many at once.", 429, 0.01));
  await until(() => sending.has("a.jpg"));
  sending.get("a.jpg").finish(1);
  await until(() => item("a.jpg").state === "ready");
  assert.deepEqual(reasons(), []);
});

test("a file that disappeared is not mistaken for a lost service", async () => {
  const { uploads, sending, reasons } = queue();
  uploads.add([file("a.jpg", 1000, false)]);
  sending.get("a.jpg").failed(new LostError());
  await until(() => reasons().length === 1);
  assert.deepEqual(reasons(), ["a.jpg can no longer be read."]);
});

test("removing a frame stops its upload", async () => {
  const { uploads, draft, deleted, sending } = queue();
  uploads.add([file("a.jpg"), file("b.jpg"), file("c.jpg")]);
  await uploads.remove(draft.get().items[0].key);
  await until(() => sending.has("c.jpg"));
  assert.deepEqual(names(draft.get()), ["b.jpg", "c.jpg"]);
  assert.deepEqual(deleted, []);
});

test("removing a sent frame removes it from the service", async () => {
  const { uploads, draft, deleted, sending, item } = queue();
  uploads.add([file("a.jpg")]);
  sending.get("a.jpg").finish(7);
  await until(() => item("a.jpg").state === "ready");
  await uploads.remove(draft.get().items[0].key);
  assert.deepEqual(deleted, [["j", 7]]);
  assert.deepEqual(draft.get().items, []);
});

test("a frame that cannot be removed is left out", async () => {
  const { api, uploads, draft, sending, item } = queue();
  uploads.add([file("a.jpg")]);
  sending.get("a.jpg").finish(7);
  await until(() => item("a.jpg").state === "ready");
  api.removeFrame = async () => {
    throw new ApiError("The result needs it.", 409);
  };
  await assert.rejects(uploads.remove(draft.get().items[0].key), /needs it/);
  assert.equal(item("a.jpg").used, false);
});
