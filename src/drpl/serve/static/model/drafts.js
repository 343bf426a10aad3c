/** Drafts of this visit; what was arranged is noted in the browser, so that a reload keeps it. */

import { noted, restored } from "./draft.js";
import { createStore } from "./store.js";
import { createUploads } from "./uploads.js";

const KEY = "drpl.draft.";
const KEPT = 50;

/**
 * @param {ReturnType<import("./api.js").createApi>} api
 * @param {import("./types.js").Meta} meta
 */
export function createDrafts(api, meta) {
  const open = new Map();

  /** @param {import("./types.js").Job} job */
  function make(job) {
    const key = KEY + job.id;
    const draft = createStore(restored(job, recalled(key)));
    const stop = draft.watch(
      (state) => JSON.stringify(noted(state)),
      (text) => note(key, text),
    );
    const uploads = createUploads(api, job.id, draft, meta);
    const forget = () => {
      stop();
      open.delete(job.id);
      localStorage.removeItem(key);
    };
    return { draft, uploads, forget };
  }

  return {
    /** The draft of a job: uploads go on where it was left. */
    of(job) {
      if (!open.has(job.id)) open.set(job.id, make(job));
      return open.get(job.id);
    },
    /** @param {string} id */
    forget(id) {
      open.get(id)?.forget();
      localStorage.removeItem(KEY + id);
    },
    busy: () => [...open.values()].some(({ uploads }) => uploads.busy()),
  };
}

/** @param {string} key */
function recalled(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

/** Notes a draft; the oldest notes go. */
function note(key, text) {
  try {
    localStorage.removeItem(key);
    localStorage.setItem(key, text);
    const keys = Object.keys(localStorage).filter((name) => name.startsWith(KEY));
    for (const old of keys.slice(0, Math.max(0, keys.length - KEPT)))
      if (old !== key) localStorage.removeItem(old);
  } catch {
    // storage is full or forbidden: a reload then starts from the order of names
  }
}
