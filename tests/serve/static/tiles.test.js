import assert from "node:assert/strict";
import { before, test } from "node:test";

import { Layer, TileCache, TileLoader } from "../../../src/drpl/serve/static/viewer/tiles.js";
import { until } from "./samples.js";

const INFO = { width: 1000, height: 600, tile: 256, levels: 3 };

before(() => {
  globalThis.createImageBitmap = async () => ({ width: 256, height: 256, close: () => {} });
});

function tile(bytes, closed = []) {
  const bitmap = { close: () => closed.push(bytes) };
  return { bitmap, pixels: null, painted: null, paint: "", bytes, stale: false };
}

/** Creates a loader whose requests end when the test says so. */
function loaderOf() {
  const requests = new Map();
  const ask = (path, { signal }) =>
    new Promise((done, failed) => {
      const answer = { blob: async () => ({}) };
      requests.set(path, { finish: () => done(answer), fail: () => failed(new Error()), signal });
      signal.addEventListener("abort", () => failed(new Error("aborted")), { once: true });
    });
  let arrivals = 0;
  const cache = new TileCache(1e9);
  const address = layer => `/${layer}`;
  const loader = new TileLoader(ask, address, cache, () => (arrivals += 1));
  return { loader, requests, cache, arrivals: () => arrivals };
}

const places = (layer, count) => Array.from({ length: count }, (_, column) => ({ layer, level: 2, column, row: 0 }));

test("the cache evicts the tiles that were not used for longest, and frees them", () => {
  const closed = [];
  const cache = new TileCache(100);
  for (const bytes of [40, 30, 20]) cache.set(`t${bytes}`, tile(bytes, closed));
  cache.get("t40");
  cache.set("t50", tile(50, closed));
  assert.deepEqual(closed, [30, 20]);
  assert.deepEqual([...cache.tiles.keys()], ["t40", "t50"]);
  assert.equal(cache.bytes, 90);
});

test("a tile larger than the cache is kept until the next one", () => {
  const cache = new TileCache(10);
  cache.set("large", tile(50));
  assert.ok(cache.get("large"));
  cache.set("small", tile(5));
  assert.equal(cache.get("large"), undefined);
  assert.equal(cache.bytes, 5);
});

test("a replaced tile is freed and counted once", () => {
  const closed = [];
  const cache = new TileCache(100);
  cache.set("a", tile(60, closed));
  cache.set("a", tile(70, closed));
  assert.deepEqual(closed, [60]);
  assert.equal(cache.bytes, 70);
  cache.clear();
  assert.equal(cache.bytes, 0);
  assert.deepEqual(closed, [60, 70]);
});

test("six tiles are loaded at a time, the most urgent first", async () => {
  const { loader, requests } = loaderOf();
  const layer = new Layer("fused", INFO);
  loader.want(places(layer, 8));
  assert.deepEqual(
    [...requests.keys()],
    [0, 1, 2, 3, 4, 5].map(column => `/fused/2/${column}_0`),
  );
  requests.get("/fused/2/3_0").finish();
  await until(() => requests.has("/fused/2/6_0"));
  assert.ok(loader.find(layer, { level: 2, column: 3, row: 0 }));
});

test("tiles that are no longer wanted are cancelled", async () => {
  const { loader, requests, cache } = loaderOf();
  const layer = new Layer("fused", INFO);
  loader.want(places(layer, 2));
  loader.want(places(layer, 1));
  assert.equal(requests.get("/fused/2/1_0").signal.aborted, true);
  assert.equal(requests.get("/fused/2/0_0").signal.aborted, false);
  requests.get("/fused/2/0_0").finish();
  await until(() => loader.settled(layer));
  assert.deepEqual([...cache.tiles.keys()], ["fused/2/0_0"]);
});

test("a layer is settled once its tiles have arrived", async () => {
  const { loader, requests, arrivals } = loaderOf();
  const [layer, other] = [new Layer("fused", INFO), new Layer("frame-1", INFO)];
  loader.want(places(layer, 1));
  assert.equal(loader.settled(layer), false);
  assert.equal(loader.settled(other), true);
  requests.get("/fused/2/0_0").finish();
  await until(() => arrivals() === 1);
  assert.equal(loader.settled(layer), true);
});

test("a tile that failed is not requested again at once", async () => {
  const { loader, requests } = loaderOf();
  const layer = new Layer("fused", INFO);
  loader.want(places(layer, 1));
  requests.get("/fused/2/0_0").fail();
  await until(() => loader.settled(layer));
  requests.clear();
  loader.want(places(layer, 1));
  assert.equal(requests.size, 0);
  loader.onArrival = () => {};
});

test("a change makes the tiles of its area stale on all levels, and them only", async () => {
  const { loader, requests, cache } = loaderOf();
  const layer = new Layer("fused", INFO);
  const corners = [
    { layer, level: 0, column: 0, row: 0 },
    { layer, level: 2, column: 0, row: 0 },
    { layer, level: 2, column: 3, row: 2 },
  ];
  loader.want(corners);
  for (const { finish } of requests.values()) finish();
  await until(() => loader.settled(layer));
  loader.outdate(layer, { left: 10, top: 10, width: 20, height: 20 });
  const stale = [...cache.tiles].filter(([, one]) => one.stale).map(([key]) => key);
  assert.deepEqual(stale.sort(), ["fused/0/0_0", "fused/2/0_0"]);
  requests.clear();
  loader.want(corners);
  assert.deepEqual(
    [...requests.keys()],
    ["/fused/0/0_0", "/fused/2/0_0"].map(path => `${path}?v=${layer.version}`),
  );
  assert.ok(loader.find(layer, corners[0]), "a stale tile is shown until the new one arrives");
});
