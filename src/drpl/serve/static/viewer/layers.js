/** The layers of a job, each asked for once, with the colours of the page. */

import { toast } from "../ui/dom.js";
import { DEPTHS, HEAT, paintFrames, paintRamp } from "./palette.js";
import { Layer } from "./tiles.js";

/**
 * @param {ReturnType<import("../model/api.js").createApi>} api
 * @param {string} id of the job
 * @param {import("./palette.js").Rgb[]} colours of the frames
 * @param {(words: string) => void} tell what is waited for, or nothing
 */
export function createLayers(api, id, colours, tell) {
  const made = new Map();
  const stop = new AbortController();
  const paints = {
    index: paintFrames(colours, null),
    confidence: paintRamp(HEAT),
    depth: paintRamp(DEPTHS),
  };

  async function make(name) {
    const number = /^frame-(\d+)$/.exec(name)?.[1];
    const waiting = () =>
      tell(number ? `Preparing frame ${Number(number) + 1}…` : "Preparing the view…");
    try {
      const info = await api.layer(id, name, stop.signal, waiting);
      return new Layer(name, info, { values: name in paints, paint: paints[name] });
    } finally {
      tell("");
    }
  }

  return {
    /**
     * @param {string} name
     * @returns {Promise<?Layer>} null if it cannot be had; the reason is shown
     */
    async get(name) {
      if (!made.has(name)) made.set(name, make(name));
      try {
        return await made.get(name);
      } catch (error) {
        made.delete(name);
        if (error.name !== "AbortError") toast(error.message);
        return null;
      }
    },
    /** Those of some layers that were asked for already. */
    async present(names) {
      const found = await Promise.all(
        names.filter((name) => made.has(name)).map((name) => this.get(name)),
      );
      return found.filter(Boolean);
    },
    /**
     * Lets one frame stand out of the index map.
     *
     * @param {?Layer} layer
     * @param {?number} picked
     */
    pick(layer, picked) {
      if (!layer) return;
      layer.paint = paintFrames(colours, picked);
      layer.look = String(picked);
    },
    stop: () => stop.abort(),
  };
}
