/** Sending files, a few at a time; what breaks is named, the others go on. */

import { ApiError, LostError, pause } from "./api.js";
import { added, changed, refused, removed } from "./draft.js";
import { counted, kinds, sized } from "./words.js";

const AT_ONCE = 2;

/**
 * @param {ReturnType<import("./api.js").createApi>} api
 * @param {string} id of the job
 * @param {ReturnType<import("./store.js").createStore<import("./draft.js").Draft>>} draft
 * @param {import("./types.js").Meta} meta
 */
export function createUploads(api, id, draft, meta) {
  const files = new Map();
  const stops = new Map();
  let count = 0;
  let sending = 0;

  /** Why a file is not even sent; empty if it is. */
  function unfit(file, frames, bytes) {
    const { limits, formats } = meta;
    const name = file.name.toLowerCase();
    if (formats.length && !formats.some((suffix) => name.endsWith(suffix))) {
      return `is not a picture that can be read: ${kinds(formats)}`;
    }
    if (!file.size) return "is empty";
    if (limits.frames && frames > limits.frames)
      return `is one too many: a stack may have ${counted(limits.frames, "frame")}`;
    if (limits.bytes && bytes > limits.bytes)
      return `does not fit: a stack may have ${sized(limits.bytes)}`;
    return "";
  }

  /** @param {File[]} list */
  function add(list) {
    const fresh = [];
    let state = draft.get();
    let bytes = state.items.reduce((sum, item) => sum + item.size, 0);
    for (const file of list) {
      const key = `f${(count += 1)}`;
      const reason = unfit(file, state.items.length + fresh.length + 1, bytes + file.size);
      files.set(key, file);
      if (reason) {
        state = refused(state, {
          key,
          name: file.name,
          reason: `${file.name} ${reason}.`,
          again: false,
        });
        continue;
      }
      bytes += file.size;
      fresh.push({
        key,
        name: file.name,
        state: "waiting",
        sent: 0,
        size: file.size,
        used: true,
        frame: null,
      });
    }
    draft.set(added(state, fresh));
    next();
  }

  /** Sends what waits, as far as there is room. */
  function next() {
    while (sending < AT_ONCE) {
      const waiting = draft.get().items.find((item) => item.state === "waiting");
      if (!waiting) return;
      sending += 1;
      draft.set(changed(draft.get(), waiting.key, { state: "sending", sent: 0 }));
      send(waiting.key).finally(() => {
        sending -= 1;
        next();
      });
    }
  }

  /** @param {string} key */
  async function send(key) {
    const file = files.get(key);
    const stop = new AbortController();
    stops.set(key, stop);
    const progress = (sent) => draft.set(changed(draft.get(), key, { sent }));
    try {
      const frame = await api.upload(id, file, progress, stop.signal);
      draft.set(changed(draft.get(), key, { state: "ready", sent: file.size, frame }));
      files.delete(key);
    } catch (error) {
      await failed(key, file, error);
    } finally {
      stops.delete(key);
    }
  }

  /** What becomes of a file that did not arrive. */
  async function failed(key, file, error) {
    if (error.name === "AbortError") return;
    const busy = error instanceof ApiError && (error.status === 429 || error.status === 503);
    if (error instanceof LostError && (await readable(file))) {
      await pause(1500);
      draft.set(changed(draft.get(), key, { state: "waiting", sent: 0 }));
    } else if (busy) {
      await pause(1000 * (error.retryAfter || 2));
      draft.set(changed(draft.get(), key, { state: "waiting", sent: 0 }));
    } else {
      const reason =
        error instanceof LostError ? `${file.name} cannot be read any more.` : error.message;
      draft.set(refused(draft.get(), { key, name: file.name, reason, again: error.status >= 500 }));
    }
  }

  return {
    add,
    /** @param {string} key of a refused file */
    again(key) {
      const file = files.get(key);
      draft.set({ refused: draft.get().refused.filter((entry) => entry.key !== key) });
      if (file) add([file]);
    },
    /** @param {string} key of a frame, sent or not */
    async remove(key) {
      const item = draft.get().items.find((entry) => entry.key === key);
      stops.get(key)?.abort();
      try {
        if (item?.frame) await api.removeFrame(id, item.frame.n);
        draft.set(removed(draft.get(), key));
      } catch (error) {
        // a frame of a result, or of a stack of the server, stays: it is left out instead
        draft.set(changed(draft.get(), key, { used: false }));
        throw error;
      }
    },
    busy: () => draft.get().items.some((item) => item.state !== "ready"),
  };
}

/** Whether a file is still there: a removed card breaks a request like a lost service does. */
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
