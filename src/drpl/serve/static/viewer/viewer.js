/** A viewer of pictures in tiles: one base, one to compare with, one map over them, strokes. */

import {
  clamp,
  fitted,
  kept,
  levelFor,
  origin,
  tileRect,
  toPicture,
  visibleTiles,
  zoomed,
} from "./geometry.js";
import { el } from "../ui/dom.js";
import { TileCache, TileLoader, drawable } from "./tiles.js";

const ROOM = 384e6;

/**
 * @typedef {object} Scene what is to be seen
 * @property {?import("./tiles.js").Layer} base
 * @property {?import("./tiles.js").Layer} other right of the divider
 * @property {number} split where the divider is, in [0, 1]
 * @property {?import("./tiles.js").Layer} map
 * @property {number} opacity of the map
 * @property {import("./tiles.js").Layer[]} ready layers to be loaded, though not seen
 * @property {?((context: CanvasRenderingContext2D, viewer: Viewer) => void)} above drawn last
 */

export class Viewer {
  /**
   * @param {import("../model/types.js").LayerInfo} size of the picture
   * @param {(path: string, about: RequestInit) => Promise<Response>} ask
   * @param {(layer: string) => string} address
   */
  constructor(size, ask, address) {
    this.size = size;
    this.canvas = /** @type {HTMLCanvasElement} */ (
      el("canvas", {
        class: "canvas",
        tabIndex: 0,
        role: "application",
        "aria-label": "Picture. Plus and minus zoom, 0 shows all, 1 shows 100 %, arrows move.",
      })
    );
    this.context = this.canvas.getContext("2d");
    this.loader = new TileLoader(ask, address, new TileCache(ROOM), () => this.draw());
    this.view = { scale: 1, x: size.width / 2, y: size.height / 2 };
    this.follows = true; // the whole picture is shown, also when the canvas gets another size
    /** @type {Scene} */
    this.scene = {
      base: null,
      other: null,
      split: 0.5,
      map: null,
      opacity: 0.6,
      ready: [],
      above: null,
    };
    this.changed = new Set();
    this.waiting = [];
    this.drawing = 0;
    this.sizes = new ResizeObserver((entries) => this.resize(entries[0]));
    this.sizes.observe(this.canvas);
  }

  /** @param {Partial<Scene>} patch */
  show(patch) {
    Object.assign(this.scene, patch);
    this.draw();
  }

  /** Device pixels of a CSS pixel. */
  get ratio() {
    return window.devicePixelRatio || 1;
  }

  resize(entry) {
    const exact = entry.devicePixelContentBoxSize?.[0];
    // rounding is the browser's business; but where it emulates a screen it tells other pixels
    const side = (told, length) =>
      Math.abs(told - length * this.ratio) < 1 ? told : Math.round(length * this.ratio);
    const width = side(exact?.inlineSize, entry.contentRect.width);
    const height = side(exact?.blockSize, entry.contentRect.height);
    if (!width || !height) return;
    Object.assign(this.canvas, { width, height });
    this.look(this.follows ? fitted(this.size, this.room()) : this.view, this.follows);
    this.paint(); // at once: a canvas with a new size is empty
  }

  /** The canvas less a margin. */
  room() {
    const margin = 16 * this.ratio;
    return {
      width: Math.max(32, this.canvas.width - margin),
      height: Math.max(32, this.canvas.height - margin),
    };
  }

  /**
   * @param {import("./geometry.js").View} view
   * @param {boolean} [follows]
   */
  look(view, follows = false) {
    this.follows = follows;
    this.view = kept(view, this.size, this.canvas);
    for (const tell of this.changed) tell();
    this.draw();
  }

  fit() {
    this.look(fitted(this.size, this.room()), true);
  }

  /**
   * Zooms to a scale around a point of the canvas (CSS pixels), or its middle.
   *
   * @param {number} scale
   * @param {?{x: number, y: number}} [at]
   */
  zoom(scale, at = null) {
    const left = at ? at.x * this.ratio : this.canvas.width / 2;
    const top = at ? at.y * this.ratio : this.canvas.height / 2;
    const bounded = kept({ ...this.view, scale }, this.size, this.canvas).scale;
    this.look(zoomed(this.view, this.canvas, left, top, bounded));
  }

  /** Moves the picture by CSS pixels. */
  pan(right, down) {
    const { scale, x, y } = this.view;
    this.look({ scale, x: x - (right * this.ratio) / scale, y: y - (down * this.ratio) / scale });
  }

  /** The point of the picture under a point of the canvas (CSS pixels). */
  at(left, top) {
    return toPicture(this.view, this.canvas, left * this.ratio, top * this.ratio);
  }

  /** Draws at the next frame of the screen. */
  draw() {
    if (!this.drawing) this.drawing = requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.drawing);
    this.drawing = 0;
    const { canvas, context, scene } = this;
    if (!canvas.width || !scene.base) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const split = Math.round(clamp(scene.split, 0, 1) * canvas.width);
    this.paintLayer(context, scene.base);
    if (scene.map) this.paintLayer(context, scene.map, scene.opacity);
    scene.above?.(context, this);
    if (scene.other) {
      context.save();
      context.beginPath();
      context.rect(split, 0, canvas.width - split, canvas.height);
      context.clip();
      const from = origin(this.view, canvas);
      context.clearRect(
        from.x,
        from.y,
        this.size.width * this.view.scale,
        this.size.height * this.view.scale,
      );
      this.paintLayer(context, scene.other);
      context.restore();
    }
    this.ask();
  }

  /** Asks for the tiles that are seen: the smallest level first, it stands in for all others. */
  ask() {
    const { scene } = this;
    const layers = [...new Set([scene.base, scene.other, scene.map, ...scene.ready])].filter(
      Boolean,
    );
    const whole = layers.map((layer) => ({ layer, level: 0, column: 0, row: 0 }));
    const seen = layers.flatMap((layer) => {
      const level = levelFor(layer.info, this.view.scale);
      return visibleTiles(layer.info, level, this.view, this.canvas).map((place) => ({
        layer,
        ...place,
      }));
    });
    this.loader.want([...whole, ...seen]);
    this.waiting = this.waiting.filter(({ layer, done }) => {
      if (layers.includes(layer) && !this.loader.settled(layer)) return true;
      done();
      return false;
    });
  }

  /**
   * Draws what is there of a layer; where a tile is not, the part of a coarser one.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {import("./tiles.js").Layer} layer
   * @param {number} [opacity]
   */
  paintLayer(context, layer, opacity = 1) {
    const { view, canvas } = this;
    const corner = origin(view, canvas);
    const wanted = levelFor(layer.info, view.scale);
    context.globalAlpha = opacity;
    context.imageSmoothingQuality = "high";
    for (const place of visibleTiles(layer.info, wanted, view, canvas)) {
      const found = this.nearest(layer, place);
      if (!found) continue;
      const own = found.place.level === wanted;
      const rect = tileRect(layer.info, place.level, place.column, place.row);
      const box = own
        ? rect
        : tileRect(layer.info, found.place.level, found.place.column, found.place.row);
      const source = drawable(layer, found.tile);
      // pixels stay pixels when they are enlarged, and values are never mixed
      context.imageSmoothingEnabled = !layer.values && !(own && view.scale >= 1);
      const [left, top] = [
        Math.round(corner.x + rect.left * view.scale),
        Math.round(corner.y + rect.top * view.scale),
      ];
      const right = Math.round(corner.x + (rect.left + rect.width) * view.scale);
      const bottom = Math.round(corner.y + (rect.top + rect.height) * view.scale);
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

  /** The finest tile there is of a place. */
  nearest(layer, { level, column, row }) {
    for (let up = 0; up <= level; up += 1) {
      const place = { level: level - up, column: column >> up, row: row >> up };
      const tile = this.loader.find(layer, place);
      if (tile) return { tile, place };
    }
    return null;
  }

  /**
   * The value of a layer's pixel, as far as its tiles are there.
   *
   * @param {import("./tiles.js").Layer} layer with values
   * @param {number} x
   * @param {number} y
   * @param {(pixels: ImageData, at: number) => number} read
   * @returns {?number}
   */
  value(layer, x, y, read) {
    if (x < 0 || y < 0 || x >= this.size.width || y >= this.size.height) return null;
    const { info } = layer;
    const [column, row] = [Math.floor(x / info.tile), Math.floor(y / info.tile)];
    const found = this.nearest(layer, { level: info.levels - 1, column, row });
    if (!found?.tile.pixels) return null;
    const box = tileRect(info, found.place.level, found.place.column, found.place.row);
    const { pixels } = found.tile;
    const across = clamp(
      Math.floor(((x - box.left) / box.width) * pixels.width),
      0,
      pixels.width - 1,
    );
    const down = clamp(
      Math.floor(((y - box.top) / box.height) * pixels.height),
      0,
      pixels.height - 1,
    );
    return read(pixels, down * pixels.width + across);
  }

  /**
   * Fetches what changed of layers; resolves when what is seen of them is new.
   *
   * @param {import("./tiles.js").Layer[]} layers
   * @param {import("../model/types.js").Rect} rect
   */
  renew(layers, rect) {
    for (const layer of layers) this.loader.outdate(layer, rect);
    this.draw();
    return Promise.all(
      layers.map((layer) => new Promise((done) => this.waiting.push({ layer, done }))),
    );
  }

  stop() {
    cancelAnimationFrame(this.drawing);
    this.sizes.disconnect();
    this.loader.stop();
    for (const { done } of this.waiting) done();
  }
}
