/** Tiles of layers: fetched when they are seen, kept as long as there is room. */

import { levelSize, overlap, tileRect } from "./geometry.js";

const AT_ONCE = 6;

/**
 * What is kept of a tile: `pixels` where the page needs its values, `painted` by a layer's paint.
 *
 * @typedef {{bitmap: ?ImageBitmap, pixels: ?ImageData, painted: ?HTMLCanvasElement, paint: string,
 *   bytes: number, stale: boolean}} Tile
 */

/** Tiles by key; those not used for longest go first, their pixels are let go of at once. */
export class TileCache {
  /** @param {number} room bytes */
  constructor(room) {
    this.room = room;
    this.bytes = 0;
    this.tiles = new Map();
  }

  /** @param {string} key @returns {Tile|undefined} */
  get(key) {
    const tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  /** @param {string} key @param {Tile} tile */
  set(key, tile) {
    this.drop(key);
    this.tiles.set(key, tile);
    this.bytes += tile.bytes;
    for (const old of this.tiles.keys()) {
      if (this.bytes <= this.room || old === key) break;
      this.drop(old);
    }
  }

  /** @param {string} key */
  drop(key) {
    const tile = this.tiles.get(key);
    if (!tile) return;
    this.tiles.delete(key);
    this.bytes -= tile.bytes;
    tile.bitmap?.close();
  }

  clear() {
    for (const key of [...this.tiles.keys()]) this.drop(key);
  }
}

/** A picture in tiles. */
export class Layer {
  /**
   * @param {string} name
   * @param {import("../model/types.js").LayerInfo} info
   * @param {object} [about]
   * @param {boolean} [about.values] whether the page needs the values of pixels
   * @param {(pixels: ImageData) => ImageData} [about.paint] makes colours of values
   */
  constructor(name, info, { values = false, paint = null } = {}) {
    Object.assign(this, { name, info, values, paint });
    this.version = 0;
    /** Changes when tiles must be painted anew. */
    this.look = "";
  }

  /** @returns {string} */
  key({ level, column, row }) {
    return `${this.name}/${level}/${column}_${row}`;
  }
}

/** Fetches what was asked for last, a few at a time, and forgets the rest. */
export class TileLoader {
  /**
   * @param {(path: string, about: RequestInit) => Promise<Response>} ask
   * @param {(layer: string) => string} address of a layer's tiles
   * @param {TileCache} cache
   * @param {() => void} arrived
   */
  constructor(ask, address, cache, arrived) {
    Object.assign(this, { ask, address, cache, arrived });
    /** @type {Map<string, AbortController>} */
    this.running = new Map();
    this.failed = new Map();
    this.wanted = [];
  }

  /**
   * @param {Layer} layer
   * @returns {Tile|undefined}
   */
  find(layer, place) {
    return this.cache.get(layer.key(place));
  }

  /**
   * Says which tiles are wanted now, the most wanted first.
   *
   * @param {{layer: Layer, level: number, column: number, row: number}[]} places
   */
  want(places) {
    const now = Date.now();
    this.wanted = places.filter((place) => {
      const tile = this.cache.tiles.get(place.layer.key(place));
      const resting = (this.failed.get(place.layer.key(place)) ?? 0) > now;
      return (!tile || tile.stale) && !resting;
    });
    const keys = new Set(this.wanted.map((place) => place.layer.key(place)));
    for (const [key, stop] of this.running) if (!keys.has(key)) stop.abort();
    this.next();
  }

  /** Whether nothing of a layer is wanted or on its way. */
  settled(layer) {
    return (
      !this.wanted.some((place) => place.layer === layer) &&
      ![...this.running.keys()].some((key) => key.startsWith(`${layer.name}/`))
    );
  }

  next() {
    while (this.running.size < AT_ONCE) {
      const place = this.wanted.find((one) => !this.running.has(one.layer.key(one)));
      if (!place) return;
      this.load(place);
    }
  }

  async load(place) {
    const key = place.layer.key(place);
    const stop = new AbortController();
    const done = () => {
      if (this.running.get(key) === stop) this.running.delete(key);
      this.wanted = this.wanted.filter((one) => one.layer.key(one) !== key);
    };
    this.running.set(key, stop);
    try {
      const path = `${this.address(place.layer.name)}/${place.level}/${place.column}_${place.row}`;
      const answer = await this.ask(
        path + (place.layer.version ? `?v=${place.layer.version}` : ""),
        { signal: stop.signal },
      );
      const tile = await decoded(await answer.blob(), place.layer.values);
      if (stop.signal.aborted) {
        tile.bitmap?.close();
        return;
      }
      this.cache.set(key, tile);
      done();
      this.arrived();
    } catch {
      // a tile that did not come is asked for again after a while, if it is still seen
      if (!stop.signal.aborted) this.failed.set(key, Date.now() + 2000);
      done();
      if (!stop.signal.aborted) setTimeout(this.arrived, 2100);
    } finally {
      done();
      this.next();
    }
  }

  /**
   * Marks what changed of a layer: it is shown until the new tiles are there.
   *
   * @param {Layer} layer
   * @param {import("../model/types.js").Rect} rect of the picture
   */
  outdate(layer, rect) {
    layer.version = Date.now();
    for (const [key, stop] of this.running) if (key.startsWith(`${layer.name}/`)) stop.abort();
    for (let level = 0; level < layer.info.levels; level += 1) {
      const size = levelSize(layer.info, level);
      for (let row = 0; row * layer.info.tile < size.height; row += 1) {
        for (let column = 0; column * layer.info.tile < size.width; column += 1) {
          const tile = this.cache.tiles.get(layer.key({ level, column, row }));
          if (tile && overlap(tileRect(layer.info, level, column, row), rect)) tile.stale = true;
        }
      }
    }
  }

  stop() {
    this.wanted = [];
    for (const stop of this.running.values()) stop.abort();
    this.cache.clear();
  }
}

/**
 * @param {Blob} blob
 * @param {boolean} values
 * @returns {Promise<Tile>}
 */
async function decoded(blob, values) {
  // values must not pass through a colour profile
  const bitmap = await createImageBitmap(
    blob,
    values ? { colorSpaceConversion: "none", premultiplyAlpha: "none" } : {},
  );
  const bytes = bitmap.width * bitmap.height * 4 * (values ? 2 : 1);
  if (!values) return { bitmap, pixels: null, painted: null, paint: "", bytes, stale: false };
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
  bitmap.close();
  return { bitmap: null, pixels, painted: null, paint: "", bytes, stale: false };
}

/**
 * What is drawn of a tile: its picture, or its values in the layer's colours.
 *
 * @param {Layer} layer
 * @param {Tile} tile
 * @returns {CanvasImageSource}
 */
export function drawable(layer, tile) {
  if (tile.bitmap) return tile.bitmap;
  if (!tile.painted || tile.paint !== layer.look) {
    const painted = tile.painted ?? new OffscreenCanvas(tile.pixels.width, tile.pixels.height);
    painted.getContext("2d").putImageData(layer.paint(tile.pixels), 0, 0);
    Object.assign(tile, { painted, paint: layer.look });
  }
  return tile.painted;
}
