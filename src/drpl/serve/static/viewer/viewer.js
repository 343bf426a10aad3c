/** Viewer of tiled pictures: a base layer, one to compare with, a map over them, and strokes. */

/** @import { LayerInfo, Point, Rect } from "../model/types.js" */
/** @import { Place, View } from "./geometry.js" */
/** @import { Ask, Layer } from "./tiles.js" */

import { context2d, el } from "../ui/dom.js";
import { clamp, fitted, kept, levelFor, origin, tileRect, toPicture, visibleTiles, zoomed } from "./geometry.js";
import { TileCache, TileLoader, drawable } from "./tiles.js";

const ROOM = 384e6;
const LABEL = "Picture. Plus and minus zoom, 0 shows the whole picture, 1 shows 100 %, arrows move it.";

/**
 * @typedef {object} Scene
 * @property {?Layer} base
 * @property {?Layer} other shown on the right of the divider
 * @property {number} split position of the divider in [0, 1]
 * @property {?Layer} map
 * @property {number} opacity opacity of the map
 * @property {Layer[]} ready layers to load in advance
 * @property {?((context: CanvasRenderingContext2D) => void)} above draws on top of base and map
 */

export class Viewer {
  /**
   * @param {LayerInfo} size
   * @param {Ask} ask
   * @param {(layer: string) => string} address returns the address of a layer's tiles
   */
  constructor(size, ask, address) {
    this.size = size;
    this.canvas = el("canvas", { class: "canvas", tabIndex: 0, role: "application", "aria-label": LABEL });
    this.context = context2d(this.canvas);
    this.loader = new TileLoader(ask, address, new TileCache(ROOM), () => this.draw());
    /** @type {View} */
    this.view = { scale: 1, x: size.width / 2, y: size.height / 2 };
    /** True while the whole picture is shown, which a resized canvas must keep. */
    this.follows = true;
    /** @type {Scene} */
    this.scene = { base: null, other: null, split: 0.5, map: null, opacity: 0.6, ready: [], above: null };
    /** @type {Set<() => void>} called after every change of the view */
    this.changed = new Set();
    /** @type {{layer: Layer, done: () => void}[]} */
    this.waiting = [];
    this.drawing = 0;
    this.sizes = new ResizeObserver(entries => this.resize(entries[0]));
    this.sizes.observe(this.canvas);
  }

  /** @param {Partial<Scene>} patch */
  show(patch) {
    Object.assign(this.scene, patch);
    this.draw();
  }

  /** Returns the number of device pixels per CSS pixel. */
  get ratio() {
    return window.devicePixelRatio || 1;
  }

  /** @param {ResizeObserverEntry} entry */
  resize({ devicePixelContentBoxSize, contentRect }) {
    const exact = devicePixelContentBoxSize?.[0];
    /**
     * Prefers the browser's rounding, except on emulated screens, where it is another size.
     *
     * @param {number|undefined} pixels
     * @param {number} length
     */
    const side = (pixels, length) => {
      const fits = pixels !== undefined && Math.abs(pixels - length * this.ratio) < 1;
      return fits ? pixels : Math.round(length * this.ratio);
    };
    const width = side(exact?.inlineSize, contentRect.width);
    const height = side(exact?.blockSize, contentRect.height);
    if (!width || !height) return;
    Object.assign(this.canvas, { width, height });
    this.look(this.follows ? fitted(this.size, this.room()) : this.view, this.follows);
    this.paint(); // at once, because resizing clears the canvas
  }

  /** Returns the size of the canvas less a margin. */
  room() {
    const margin = 16 * this.ratio;
    return { width: Math.max(32, this.canvas.width - margin), height: Math.max(32, this.canvas.height - margin) };
  }

  /**
   * @param {View} view
   * @param {boolean} [follows]
   */
  look(view, follows = false) {
    this.follows = follows;
    this.view = kept(view, this.size, this.canvas);
    for (const listener of this.changed) listener();
    this.draw();
  }

  fit() {
    this.look(fitted(this.size, this.room()), true);
  }

  /**
   * Zooms to a scale around a point of the canvas, or its middle.
   *
   * @param {number} scale
   * @param {?Point} [at] CSS pixels
   */
  zoom(scale, at = null) {
    const left = at ? at.x * this.ratio : this.canvas.width / 2;
    const top = at ? at.y * this.ratio : this.canvas.height / 2;
    const bounded = kept({ ...this.view, scale }, this.size, this.canvas).scale;
    this.look(zoomed(this.view, this.canvas, left, top, bounded));
  }

  /**
   * Moves the picture.
   *
   * @param {number} right CSS pixels
   * @param {number} down
   */
  pan(right, down) {
    const { scale, x, y } = this.view;
    this.look({ scale, x: x - (right * this.ratio) / scale, y: y - (down * this.ratio) / scale });
  }

  /**
   * Returns the picture coordinates of a point of the canvas.
   *
   * @param {number} left CSS pixels
   * @param {number} top
   */
  at(left, top) {
    return toPicture(this.view, this.canvas, left * this.ratio, top * this.ratio);
  }

  /** Returns the picture coordinates of the middle of the canvas. */
  middle() {
    return this.at(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
  }

  /** Draws at the next animation frame. */
  draw() {
    if (!this.drawing) this.drawing = requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.drawing);
    this.drawing = 0;
    const { canvas, context, scene, size, view } = this;
    if (!canvas.width || !scene.base) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.paintLayer(context, scene.base);
    if (scene.map) this.paintLayer(context, scene.map, scene.opacity);
    scene.above?.(context);
    if (scene.other) {
      const split = Math.round(clamp(scene.split, 0, 1) * canvas.width);
      const corner = origin(view, canvas);
      context.save();
      context.beginPath();
      context.rect(split, 0, canvas.width - split, canvas.height);
      context.clip();
      context.clearRect(corner.x, corner.y, size.width * view.scale, size.height * view.scale);
      this.paintLayer(context, scene.other);
      context.restore();
    }
    this.request();
  }

  /** Requests the visible tiles, after the coarsest ones, which stand in for all others. */
  request() {
    const { base, other, map, ready } = this.scene;
    const shown = [base, other, map, ...ready].filter(layer => layer !== null);
    const layers = [...new Set(shown)];
    const whole = layers.map(layer => ({ layer, level: 0, column: 0, row: 0 }));
    const visible = layers.flatMap(layer => {
      const level = levelFor(layer.info, this.view.scale);
      const places = visibleTiles(layer.info, level, this.view, this.canvas);
      return places.map(place => ({ layer, ...place }));
    });
    this.loader.want([...whole, ...visible]);
    this.waiting = this.waiting.filter(({ layer, done }) => {
      if (layers.includes(layer) && !this.loader.settled(layer)) return true;
      done();
      return false;
    });
  }

  /**
   * Draws the loaded tiles of a layer; a missing tile is replaced by part of a coarser one.
   *
   * @param {CanvasRenderingContext2D|OffscreenCanvasRenderingContext2D} context
   * @param {Layer} layer
   * @param {number} [opacity]
   */
  paintLayer(context, layer, opacity = 1) {
    const { canvas } = this;
    const { scale } = this.view;
    const corner = origin(this.view, canvas);
    const wanted = levelFor(layer.info, scale);
    context.globalAlpha = opacity;
    context.imageSmoothingQuality = "high";
    for (const place of visibleTiles(layer.info, wanted, this.view, canvas)) {
      const found = this.nearest(layer, place);
      const source = found && drawable(layer, found.tile);
      if (!source) continue;
      const own = found.place.level === wanted;
      const rect = tileRect(layer.info, place);
      const box = own ? rect : tileRect(layer.info, found.place);
      // enlarged pixels stay visible as such, and values are never interpolated
      context.imageSmoothingEnabled = !layer.paint && !(own && scale >= 1);
      const left = Math.round(corner.x + rect.left * scale);
      const top = Math.round(corner.y + rect.top * scale);
      const right = Math.round(corner.x + (rect.left + rect.width) * scale);
      const bottom = Math.round(corner.y + (rect.top + rect.height) * scale);
      const [across, down] = [source.width / box.width, source.height / box.height];
      context.drawImage(
        source,
        (rect.left - box.left) * across,
        (rect.top - box.top) * down,
        rect.width * across,
        rect.height * down,
        left,
        top,
        right - left,
        bottom - top,
      );
    }
    context.globalAlpha = 1;
  }

  /**
   * Returns the finest loaded tile that covers a place.
   *
   * @param {Layer} layer
   * @param {Place} place
   */
  nearest(layer, { level, column, row }) {
    for (let up = 0; up <= level; up += 1) {
      const place = { level: level - up, column: column >> up, row: row >> up };
      const tile = this.loader.find(layer, place);
      if (tile) return { tile, place };
    }
    return null;
  }

  /**
   * Reads a pixel of a map from its loaded tiles.
   *
   * @param {Layer} layer
   * @param {Point} point
   * @param {(pixels: ImageData, at: number) => number} read
   * @returns {?number} null outside the picture or before the tile is loaded
   */
  value(layer, { x, y }, read) {
    if (!this.contains({ x, y })) return null;
    const { info } = layer;
    const [column, row] = [Math.floor(x / info.tile), Math.floor(y / info.tile)];
    const found = this.nearest(layer, { level: info.levels - 1, column, row });
    const pixels = found?.tile.pixels;
    if (!pixels) return null;
    const { width, height } = pixels;
    const box = tileRect(info, found.place);
    const across = clamp(Math.floor(((x - box.left) / box.width) * width), 0, width - 1);
    const down = clamp(Math.floor(((y - box.top) / box.height) * height), 0, height - 1);
    return read(pixels, down * width + across);
  }

  /** @param {Point} point */
  contains({ x, y }) {
    return x >= 0 && y >= 0 && x < this.size.width && y < this.size.height;
  }

  /**
   * Reloads a changed area of layers; resolves once the visible part is up to date.
   *
   * @param {Layer[]} layers
   * @param {Rect} rect
   * @returns {Promise<void[]>}
   */
  renew(layers, rect) {
    for (const layer of layers) this.loader.outdate(layer, rect);
    this.draw();
    return Promise.all(
      layers.map(
        layer =>
          new Promise((/** @type {(value: void) => void} */ done) => {
            this.waiting.push({ layer, done });
          }),
      ),
    );
  }

  stop() {
    cancelAnimationFrame(this.drawing);
    this.sizes.disconnect();
    this.loader.stop();
    for (const { done } of this.waiting) done();
  }
}
