/** Open drafts; the browser stores each one, so that a reload keeps it. */

/** @import { Api } from "./api.js" */
/** @import { Store } from "./store.js" */
/** @import { Draft, DraftNote, Job, Meta } from "./types.js" */
/** @import { Uploads } from "./uploads.js" */
/** @typedef {ReturnType<typeof createDrafts>} Drafts */
/** @typedef {{draft: Store<Draft>, uploads: Uploads, forget: () => void}} OpenDraft */

import { noted, restored } from "./draft.js";
import { createStore } from "./store.js";
import { createUploads } from "./uploads.js";

const PREFIX = "drpl.draft.";
const KEPT = 50;

/**
 * @param {Api} api
 * @param {Meta} meta
 */
export function createDrafts(api, meta) {
  /** @type {Map<string, OpenDraft>} */
  const open = new Map();

  /**
   * @param {Job} job
   * @returns {OpenDraft}
   */
  function make(job) {
    const key = PREFIX + job.id;
    const draft = createStore(restored(job, load(key)));
    const stop = draft.watch(
      state => JSON.stringify(noted(state)),
      text => save(key, text),
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
    /**
     * Returns the draft of a job, with its uploads in progress.
     *
     * @param {Job} job
     */
    of(job) {
      const found = open.get(job.id) ?? make(job);
      open.set(job.id, found);
      return found;
    },

    /** @param {string} id */
    forget(id) {
      open.get(id)?.forget();
      localStorage.removeItem(PREFIX + id);
    },
  };
}

/**
 * @param {string} key
 * @returns {?DraftNote}
 */
function load(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/**
 * Stores a draft and drops the oldest ones beyond the limit.
 *
 * @param {string} key
 * @param {string} text
 */
function save(key, text) {
  try {
    localStorage.removeItem(key);
    localStorage.setItem(key, text);
    const keys = Object.keys(localStorage).filter(name => name.startsWith(PREFIX));
    for (const old of keys.slice(0, Math.max(0, keys.length - KEPT))) {
      if (old !== key) localStorage.removeItem(old);
    }
  } catch {
    // storage is full or blocked: a reload then falls back to the order by name
  }
}
