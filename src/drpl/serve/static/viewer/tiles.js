/** Tiles of layers: loading on demand, and a cache of limited size. */

/** @import { LayerInfo, Rect } from "../model/types.js" */
/** @import { Place } from "./geometry.js" */

import { offscreen2d } from "../ui/dom.js";
import { levelSize, overlap, tileRect } from "./geometry.js";

const AT_ONCE = 6;

/**
 * @typedef {object} Tile
 * @property {?ImageBitmap} bitmap null if the page needs the values of the pixels
 * @property {?ImageData} pixels
 * @property {?OffscreenCanvas} painted the pixels in the layer's colours
 * @property {string} paint the layer's look when it was painted
 * @property {number} bytes
 * @property {boolean} stale
 *
 * @typedef {Place & {layer: Layer}} LayerPlace
 *
 * @typedef {(path: string, init: RequestInit) => Promise<Response>} Ask
 */

/** Tiles by key; evicts the least recently used ones and frees their pixels at once. */
export class TileCache {
  /** @param {number} room bytes */
  constructor(room) {
    this.room = room;
    this.bytes = 0;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
  }

  /**
   * Returns a tile and marks it as used.
   *
   * @param {string} key
   */
  get(key) {
    const tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  /**
   * @param {string} key
   * @param {Tile} tile
   */
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

/** A tile pyramid of the service. */
export class Layer {
  /**
   * @param {string} name
   * @param {LayerInfo} info
   * @param {?(pixels: ImageData) => ImageData} [paint] colours the values of a map; null for a
   *   picture
   */
  constructor(name, info, paint = null) {
    this.name = name;
    this.info = info;
    this.paint = paint;
    this.version = 0;
    /** Changes when tiles must be painted again. */
    this.look = "";
  }

  /** @param {Place} place */
  key({ level, column, row }) {
    return `${this.name}/${level}/${column}_${row}`;
  }
}

/** @param {LayerPlace} place */
const keyOf = place => place.layer.key(place);

/** Loads the tiles requested last, a few at a time, and cancels all others. */
export class TileLoader {
  /**
   * @param {Ask} ask
   * @param {(layer: string) => string} address returns the address of a layer's tiles
   * @param {TileCache} cache
   * @param {() => void} onArrival
   */
  constructor(ask, address, cache, onArrival) {
    this.ask = ask;
    this.address = address;
    this.cache = cache;
    this.onArrival = onArrival;
    /** @type {Map<string, AbortController>} */
    this.running = new Map();
    /** @type {Map<string, number>} time of the next attempt, by key */
    this.failed = new Map();
    /** @type {LayerPlace[]} */
    this.wanted = [];
  }

  /**
   * @param {Layer} layer
   * @param {Place} place
   */
  find(layer, place) {
    return this.cache.get(layer.key(place));
  }

  /**
   * Replaces the list of wanted tiles.
   *
   * @param {LayerPlace[]} places in order of urgency
   */
  want(places) {
    const now = Date.now();
    this.wanted = places.filter(place => {
      const key = keyOf(place);
      const tile = this.cache.tiles.get(key);
      return (!tile || tile.stale) && (this.failed.get(key) ?? 0) <= now;
    });
    const keys = new Set(this.wanted.map(keyOf));
    for (const [key, stop] of this.running) if (!keys.has(key)) stop.abort();
    this.next();
  }

  /**
   * Checks that no tile of a layer is wanted or loading.
   *
   * @param {Layer} layer
   */
  settled(layer) {
    const prefix = `${layer.name}/`;
    return (
      !this.wanted.some(place => place.layer === layer) && ![...this.running.keys()].some(key => key.startsWith(prefix))
    );
  }

  next() {
    while (this.running.size < AT_ONCE) {
      const place = this.wanted.find(one => !this.running.has(keyOf(one)));
      if (!place) return;
      this.load(place);
    }
  }

  /** @param {LayerPlace} place */
  async load(place) {
    const { layer, level, column, row } = place;
    const key = keyOf(place);
    const stop = new AbortController();
    const done = () => {
      if (this.running.get(key) === stop) this.running.delete(key);
      this.wanted = this.wanted.filter(one => keyOf(one) !== key);
    };
    this.running.set(key, stop);
    try {
      const path = `${this.address(layer.name)}/${level}/${column}_${row}`;
      const version = layer.version ? `?v=${layer.version}` : "";
      const answer = await this.ask(path + version, { signal: stop.signal });
      const tile = await decoded(await answer.blob(), Boolean(layer.paint));
      if (stop.signal.aborted) {
        tile.bitmap?.close();
        return;
      }
      this.cache.set(key, tile);
      done();
      this.onArrival();
    } catch {
      // a failed tile is requested again after a while if it is still visible
      if (stop.signal.aborted) return;
      this.failed.set(key, Date.now() + 2000);
      setTimeout(this.onArrival, 2100);
    } finally {
      done();
      this.next();
    }
  }

  /**
   * Marks the tiles of a changed area as stale; they stay visible until new ones arrive.
   *
   * @param {Layer} layer
   * @param {Rect} rect
   */
  outdate(layer, rect) {
    layer.version = Date.now();
    for (const [key, stop] of this.running) {
      if (key.startsWith(`${layer.name}/`)) stop.abort();
    }
    const { levels, tile: side } = layer.info;
    for (let level = 0; level < levels; level += 1) {
      const size = levelSize(layer.info, level);
      for (let row = 0; row * side < size.height; row += 1) {
        for (let column = 0; column * side < size.width; column += 1) {
          const place = { level, column, row };
          const tile = this.cache.tiles.get(layer.key(place));
          if (tile && overlap(tileRect(layer.info, place), rect)) tile.stale = true;
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
 * @param {boolean} values true if the values of the pixels are needed
 * @returns {Promise<Tile>}
 */
async function decoded(blob, values) {
  // colour management would change the values
  const exact = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const options = /** @type {ImageBitmapOptions} */ (values ? exact : {});
  const bitmap = await createImageBitmap(blob, options);
  const { width, height } = bitmap;
  const bytes = width * height * 4;
  const tile = { painted: null, paint: "", stale: false };
  if (!values) return { ...tile, bitmap, pixels: null, bytes };
  const context = offscreen2d(new OffscreenCanvas(width, height), { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, width, height);
  bitmap.close();
  return { ...tile, bitmap: null, pixels, bytes: 2 * bytes };
}

/**
 * Returns the image to draw for a tile: the picture, or the values in the layer's colours.
 *
 * @param {Layer} layer
 * @param {Tile} tile
 * @returns {?(ImageBitmap|OffscreenCanvas)}
 */
export function drawable(layer, tile) {
  const { bitmap, pixels } = tile;
  if (bitmap || !pixels || !layer.paint) return bitmap;
  if (!tile.painted || tile.paint !== layer.look) {
    tile.painted ??= new OffscreenCanvas(pixels.width, pixels.height);
    offscreen2d(tile.painted).putImageData(layer.paint(pixels), 0, 0);
    tile.paint = layer.look;
  }
  return tile.painted;
}
