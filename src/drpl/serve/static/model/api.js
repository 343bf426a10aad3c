/** Client of the service: requests, uploads and events. */

/** @import { Edits, Frame, Job, LayerInfo, Meta, Report, StartBody } from "./types.js" */
/** @typedef {ReturnType<typeof createApi>} Api */

/** Error response; its message is a sentence for the user. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   * @param {number} [retryAfter] seconds
   */
  constructor(message, status, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Failure to reach the service. */
export class LostError extends Error {
  constructor() {
    super("The service does not answer.");
  }
}

/** @param {unknown} error */
export const isAbort = error => error instanceof Error && error.name === "AbortError";

/** @param {Job} job */
export const isActive = job => job.state === "queued" || job.state === "running";

/**
 * @param {number} ms
 * @returns {Promise<void>}
 */
export const pause = ms => new Promise(done => setTimeout(done, ms));

/**
 * Extracts the sentence of an error response; falls back to one that names the status.
 *
 * @param {number} status
 * @param {string} text
 */
export function sentence(status, text) {
  try {
    const { error, detail } = JSON.parse(text);
    if (typeof error === "string") return error;
    if (typeof detail === "string") return detail;
  } catch {
    // not JSON: a proxy or the server itself answered
  }
  if (status === 401) {
    return "This page needs its token: open the address that the terminal printed.";
  }
  return `The service answered with status ${status}.`;
}

/**
 * @param {string} root
 * @param {(lost: boolean) => void} onConnection called when the service is lost and found again
 */
export function createApi(root, onConnection) {
  let lost = false;

  /** Reports a lost connection and polls until the service answers. */
  async function lose() {
    if (lost) return;
    lost = true;
    onConnection(true);
    while (lost) {
      await pause(1500);
      try {
        const answer = await fetch(`${root}/options`, { cache: "no-store" });
        if (answer.status < 502) lost = false;
      } catch {
        // still unreachable
      }
    }
    onConnection(false);
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   * @throws {ApiError|LostError}
   */
  async function ask(path, init = {}) {
    let answer;
    try {
      answer = await fetch(root + path, init);
    } catch (error) {
      if (isAbort(error)) throw error;
      lose();
      throw new LostError();
    }
    if (answer.ok) return answer;
    const text = await answer.text().catch(() => "");
    const retryAfter = Number(answer.headers.get("Retry-After") ?? 0);
    throw new ApiError(sentence(answer.status, text), answer.status, retryAfter);
  }

  /**
   * @param {string} path
   * @param {RequestInit} [init]
   */
  const read = async (path, init) => (await ask(path, init)).json();

  /**
   * @param {string} method
   * @param {object} [body]
   * @returns {RequestInit}
   */
  const json = (method, body) => ({
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

  return {
    ask,

    /** @returns {Promise<Meta>} */
    options: () => read("/options"),

    /** @returns {Promise<Job[]>} */
    jobs: () => read("/jobs"),

    /**
     * @param {string} id
     * @returns {Promise<Job>}
     */
    job: id => read(`/jobs/${id}`),

    /**
     * @param {{name?: string, stack?: string, demo?: true}} source
     * @returns {Promise<Job>}
     */
    create: source => read("/jobs", json("POST", source)),

    /**
     * @param {string} id
     * @param {StartBody} body
     * @returns {Promise<Job>}
     */
    start: (id, body) => read(`/jobs/${id}/start`, json("POST", body)),

    /** @param {string} id */
    cancel: id => ask(`/jobs/${id}/cancel`, json("POST")),

    /** @param {string} id */
    remove: id => ask(`/jobs/${id}`, { method: "DELETE" }),

    /**
     * @param {string} id
     * @param {number} n
     */
    removeFrame: (id, n) => ask(`/jobs/${id}/frames/${n}`, { method: "DELETE" }),

    /**
     * @param {string} id
     * @param {number} n
     */
    thumbnail: (id, n) => `${root}/jobs/${id}/frames/${n}/thumbnail`,

    /**
     * @param {string} id
     * @returns {Promise<Report>}
     */
    report: id => read(`/jobs/${id}/report`),

    /**
     * @param {string} id
     * @returns {Promise<Edits>}
     */
    edits: id => read(`/jobs/${id}/edits`),

    /**
     * @param {string} id
     * @param {Edits} edits
     * @returns {Promise<{changed: [left: number, top: number, width: number, height: number]}>}
     */
    putEdits: (id, edits) => read(`/jobs/${id}/edits`, json("PUT", edits)),

    /**
     * @param {string} id
     * @param {string} file
     */
    download: (id, file) => `${root}/jobs/${id}/download/${file}`,

    /**
     * Returns the size and levels of a layer; waits while the service prepares it.
     *
     * @param {string} id
     * @param {string} layer
     * @param {AbortSignal} [signal]
     * @param {() => void} [onWait] called once if the layer is not ready
     * @returns {Promise<LayerInfo>}
     */
    async layer(id, layer, signal, onWait) {
      for (let tries = 0; ; tries += 1) {
        const answer = await ask(`/jobs/${id}/layers/${layer}`, { signal });
        if (answer.status !== 202) return answer.json();
        if (tries === 0) onWait?.();
        await pause(Math.max(250, 1000 * Number(answer.headers.get("Retry-After") ?? 0.5)));
      }
    },

    /**
     * Uploads a file by XMLHttpRequest, because `fetch` does not report upload progress.
     *
     * @param {string} id
     * @param {File} file
     * @param {(sent: number) => void} onProgress receives the number of bytes sent
     * @param {AbortSignal} [signal]
     * @returns {Promise<Frame>}
     */
    upload(id, file, onProgress, signal) {
      return new Promise((done, failed) => {
        const request = new XMLHttpRequest();
        request.open("PUT", `${root}/jobs/${id}/frames?name=${encodeURIComponent(file.name)}`);
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.upload.onprogress = event => onProgress(event.loaded);
        request.onload = () => {
          const { status, responseText } = request;
          if (status >= 200 && status < 300) {
            done(JSON.parse(responseText));
            return;
          }
          const retryAfter = Number(request.getResponseHeader("Retry-After") ?? 0);
          failed(new ApiError(sentence(status, responseText), status, retryAfter));
        };
        request.onerror = () => {
          lose();
          failed(new LostError());
        };
        request.onabort = () => failed(new DOMException("aborted", "AbortError"));
        signal?.addEventListener("abort", () => request.abort(), { once: true });
        request.send(file);
      });
    },

    /**
     * Follows a job until it ends; reconnects when the event stream breaks.
     *
     * @param {string} id
     * @param {(job: ?Job) => void} onJob receives null once the job has been removed
     * @returns {() => void} a function that stops following
     */
    follow(id, onJob) {
      let stopped = false;
      /** @type {?EventSource} */
      let source = null;
      const stop = () => {
        stopped = true;
        source?.close();
      };
      /** @param {?Job} job */
      const pass = job => {
        if (!job || !isActive(job)) stop();
        onJob(job);
      };
      const connect = () => {
        if (stopped) return;
        const events = new EventSource(`${root}/jobs/${id}/events`);
        source = events;
        events.addEventListener("job", event => pass(JSON.parse(event.data)));
        events.addEventListener("gone", () => pass(null));
        events.onerror = async () => {
          events.close();
          if (stopped) return;
          // an event source hides the status; a plain request reports it
          try {
            const job = await read(`/jobs/${id}`);
            if (stopped) return;
            pass(job);
          } catch (error) {
            if (error instanceof ApiError && error.status === 404) {
              pass(null);
              return;
            }
          }
          setTimeout(connect, 1000);
        };
      };
      connect();
      return stop;
    },
  };
}
