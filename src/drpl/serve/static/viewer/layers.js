/** Layers of a job: each one is requested once and coloured by the page. */

/** @import { Api } from "../model/api.js" */
/** @import { Rgb } from "./palette.js" */
/** @typedef {ReturnType<typeof createLayers>} Layers */

import { isAbort } from "../model/api.js";
import { toast } from "../ui/dom.js";
import { DEPTHS, HEAT, paintFrames, paintRamp } from "./palette.js";
import { Layer } from "./tiles.js";

/**
 * @param {Api} api
 * @param {string} id id of the job
 * @param {Rgb[]} colours colours of the frames
 * @param {(words: string) => void} notify receives the reason for a wait, or an empty string
 */
export function createLayers(api, id, colours, notify) {
  /** @type {Map<string, Promise<Layer>>} */
  const requested = new Map();
  const stop = new AbortController();
  /** @type {Record<string, (pixels: ImageData) => ImageData>} */
  const paints = { index: paintFrames(colours, null), confidence: paintRamp(HEAT), depth: paintRamp(DEPTHS) };

  /** @param {string} name */
  async function request(name) {
    const number = /^frame-(\d+)$/.exec(name)?.[1];
    const words = number ? `Preparing frame ${Number(number) + 1}…` : "Preparing the view…";
    try {
      const info = await api.layer(id, name, stop.signal, () => notify(words));
      return new Layer(name, info, paints[name]);
    } finally {
      notify("");
    }
  }

  /**
   * Returns a layer; shows the error and returns null if it is not available.
   *
   * @param {string} name
   */
  async function get(name) {
    const layer = requested.get(name) ?? request(name);
    requested.set(name, layer);
    try {
      return await layer;
    } catch (error) {
      requested.delete(name);
      if (!isAbort(error)) toast(error);
      return null;
    }
  }

  return {
    get,

    /**
     * Returns the layers that have been requested before.
     *
     * @param {string[]} names
     */
    async present(names) {
      const found = await Promise.all(names.filter(name => requested.has(name)).map(get));
      return found.filter(layer => layer !== null);
    },

    /**
     * Highlights one frame in the index map.
     *
     * @param {Layer} layer
     * @param {?number} picked
     */
    pick(layer, picked) {
      layer.paint = paintFrames(colours, picked);
      layer.look = String(picked);
    },

    stop: () => stop.abort(),
  };
}
