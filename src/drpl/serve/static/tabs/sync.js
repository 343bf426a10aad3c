/** Synchronisation of the edit list: one request at a time, always ending with the latest list. */

/** @import { History, Stroke } from "../model/types.js" */
/** @import { Result } from "./types.js" */

import { LostError, pause } from "../model/api.js";
import { createStore } from "../model/store.js";
import { listenTo, toast } from "../ui/dom.js";

const CHANGING = ["retouched", "index", "confidence", "depth"];

/** @param {Pick<Result, "api"|"job"|"look"|"layers"|"viewer">} result */
export function createSync({ api, job, look, layers, viewer }) {
  const store = createStore({ busy: false });
  /** @type {Set<Stroke>} drawn by the page until the service has drawn them */
  const pending = new Set();
  let agreed = look.get().history;
  let stopped = false;

  /**
   * Replaces the edit list.
   *
   * @param {History} history
   * @param {?Stroke} [fresh] a stroke to preview
   */
  function set(history, fresh = null) {
    if (history === look.get().history) return;
    if (fresh) pending.add(fresh);
    for (const stroke of pending) if (!history.done.includes(stroke)) pending.delete(stroke);
    look.set({ history });
    store.set({});
    viewer.draw();
    if (!store.get().busy) run();
  }

  /** Sends the list until the service has the latest one, even after the tab has been left. */
  async function run() {
    store.set({ busy: true });
    while (look.get().history !== agreed) {
      const { history } = look.get();
      try {
        const size = [viewer.size.width, viewer.size.height];
        const edits = { edits: 1, size, strokes: history.done };
        const { changed } = await api.putEdits(job.id, edits);
        agreed = history;
        if (!stopped) await renew(history, changed);
        for (const stroke of history.done) pending.delete(stroke);
      } catch (error) {
        if (error instanceof LostError) {
          await pause(2000);
          continue;
        }
        toast(error);
        pending.clear();
        look.set({ history: agreed });
      }
      viewer.draw();
    }
    store.set({ busy: false });
  }

  /**
   * Shows the service's result without flicker.
   *
   * @param {History} history
   * @param {[left: number, top: number, width: number, height: number]} changed
   */
  async function renew({ done }, [left, top, width, height]) {
    const base = await layers.get(done.length ? "retouched" : "fused");
    const touched = await layers.present(CHANGING);
    const { scene } = viewer;
    if (base && scene.base !== base) viewer.show({ ready: [...scene.ready, base] });
    await viewer.renew(touched, { left, top, width, height });
    look.set({ retouched: done.length > 0 });
    look.set({ report: await api.report(job.id) });
  }

  const unlisten = listenTo(window, {
    beforeunload(event) {
      if (store.get().busy) event.preventDefault();
    },
  });
  return {
    store,
    pending,
    set,
    stop() {
      stopped = true;
      unlisten();
    },
  };
}
