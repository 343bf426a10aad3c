import assert from "node:assert/strict";
import { test } from "node:test";

import { createStore } from "../../../src/drpl/serve/static/model/store.js";

test("a watcher sees the current value, then each new one once", () => {
  const store = createStore({ a: 1, b: 1 });
  const seen = [];
  store.watch(
    state => state.a,
    a => seen.push(a),
  );
  store.set({ b: 2 });
  store.set({ a: 2 });
  store.set({ a: 2 });
  assert.deepEqual(seen, [1, 2]);
  assert.deepEqual(store.get(), { a: 2, b: 2 });
});

test("a state that was read is never changed", () => {
  const store = createStore({ a: 1 });
  const before = store.get();
  store.set({ a: 2 });
  assert.deepEqual(before, { a: 1 });
});

test("a watcher that has stopped sees nothing more", () => {
  const store = createStore({ a: 1 });
  const seen = [];
  const stop = store.watch(
    state => state.a,
    a => seen.push(a),
  );
  stop();
  store.set({ a: 2 });
  assert.deepEqual(seen, [1]);
});

test("a watcher may change the state itself", () => {
  const store = createStore({ a: 1, double: 2 });
  store.watch(
    state => state.a,
    a => store.set({ double: 2 * a }),
  );
  store.set({ a: 5 });
  assert.equal(store.get().double, 10);
});
