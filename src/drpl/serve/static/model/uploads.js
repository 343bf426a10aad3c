/** Upload queue of a draft: a failed file is reported, the others continue. */

/** @import { Api } from "./api.js" */
/** @import { Store } from "./store.js" */
/** @import { Draft, Item, Meta } from "./types.js" */
/** @typedef {ReturnType<typeof createUploads>} Uploads */

import { ApiError, LostError, isAbort, pause } from "./api.js";
import { added, changed, refused, removed } from "./draft.js";
import { counted, kinds, sized } from "./words.js";

const AT_ONCE = 2;

/**
 * @param {Pick<Api, "upload"|"removeFrame">} api
 * @param {string} id id of the job
 * @param {Store<Draft>} draft
 * @param {Pick<Meta, "limits"|"formats">} meta
 */
export function createUploads(api, id, draft, { limits, formats }) {
  /** @type {Map<string, File>} */
  const files = new Map();
  /** @type {Map<string, AbortController>} */
  const stops = new Map();
  let count = 0;
  let sending = 0;

  /**
   * Returns the reason to refuse a file without sending it, or an empty string.
   *
   * @param {File} file
   * @param {number} frames number of frames, this file included
   * @param {number} bytes size of all frames, this file included
   */
  function unfit(file, frames, bytes) {
    const name = file.name.toLowerCase();
    if (formats.length && !formats.some(suffix => name.endsWith(suffix))) {
      return `is not a picture that can be read: ${kinds(formats)}`;
    }
    if (!file.size) return "is empty";
    if (limits.frames && frames > limits.frames) {
      return `is one too many: a stack may have ${counted(limits.frames, "frame")}`;
    }
    if (limits.bytes && bytes > limits.bytes) {
      return `does not fit: a stack may have ${sized(limits.bytes)}`;
    }
    return "";
  }

  /** @param {File[]} list */
  function add(list) {
    /** @type {Item[]} */
    const fresh = [];
    let state = draft.get();
    let bytes = state.items.reduce((sum, item) => sum + item.size, 0);
    for (const file of list) {
      const { name, size } = file;
      const key = `f${(count += 1)}`;
      const reason = unfit(file, state.items.length + fresh.length + 1, bytes + size);
      files.set(key, file);
      if (reason) {
        state = refused(state, { key, name, reason: `${name} ${reason}.`, again: false });
        continue;
      }
      bytes += size;
      fresh.push({ key, name, state: "waiting", sent: 0, size, used: true, frame: null });
    }
    draft.set(added(state, fresh));
    next();
  }

  /** Starts uploads until the limit of parallel ones is reached. */
  function next() {
    while (sending < AT_ONCE) {
      const waiting = draft.get().items.find(item => item.state === "waiting");
      const file = waiting && files.get(waiting.key);
      if (!file) return;
      sending += 1;
      draft.set(changed(draft.get(), waiting.key, { state: "sending", sent: 0 }));
      send(waiting.key, file).finally(() => {
        sending -= 1;
        next();
      });
    }
  }

  /**
   * @param {string} key
   * @param {File} file
   */
  async function send(key, file) {
    const stop = new AbortController();
    stops.set(key, stop);
    /** @param {number} sent */
    const progress = sent => draft.set(changed(draft.get(), key, { sent }));
    try {
      const frame = await api.upload(id, file, progress, stop.signal);
      draft.set(changed(draft.get(), key, { state: "ready", sent: file.size, frame }));
      files.delete(key);
    } catch (error) {
      await handleFailure(key, file, error);
    } finally {
      stops.delete(key);
    }
  }

  /**
   * Queues a file again after a passing failure; refuses it otherwise.
   *
   * @param {string} key
   * @param {File} file
   * @param {unknown} error
   */
  async function handleFailure(key, file, error) {
    if (isAbort(error)) return;
    const { name } = file;
    const status = error instanceof ApiError ? error.status : 0;
    if (error instanceof LostError && (await isReadable(file))) {
      await pause(1500);
    } else if (error instanceof ApiError && (status === 429 || status === 503)) {
      await pause(1000 * (error.retryAfter || 2));
    } else {
      const lost = error instanceof LostError;
      const reason = lost ? `${name} can no longer be read.` : /** @type {Error} */ (error).message;
      draft.set(refused(draft.get(), { key, name, reason, again: status >= 500 }));
      return;
    }
    draft.set(changed(draft.get(), key, { state: "waiting", sent: 0 }));
  }

  return {
    add,

    /**
     * Sends a refused file again.
     *
     * @param {string} key
     */
    again(key) {
      const file = files.get(key);
      draft.set({ refused: draft.get().refused.filter(entry => entry.key !== key) });
      if (file) add([file]);
    },

    /**
     * Removes a frame, from the service too if it has been sent.
     *
     * @param {string} key
     */
    async remove(key) {
      const item = draft.get().items.find(entry => entry.key === key);
      stops.get(key)?.abort();
      try {
        if (item?.frame) await api.removeFrame(id, item.frame.n);
        draft.set(removed(draft.get(), key));
      } catch (error) {
        // frames of a result or of a stack on the server cannot be deleted, only left out
        draft.set(changed(draft.get(), key, { used: false }));
        throw error;
      }
    },

    busy: () => draft.get().items.some(item => item.state !== "ready"),
  };
}

/**
 * Checks that a file can still be read: an upload also breaks when a memory card is removed.
 *
 * @param {File} file
 */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
