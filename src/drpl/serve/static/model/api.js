/** What is said to the service: requests, uploads, events. Knows nothing of the page. */

/** An answer that is not a success; its message is the service's sentence. */
export class ApiError extends Error {
  /**
   * @param {string} sentence
   * @param {number} status
   * @param {number} [retryAfter] seconds
   */
  constructor(sentence, status, retryAfter = 0) {
    super(sentence);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The service did not answer at all. */
export class LostError extends Error {
  constructor() {
    super("The service does not answer.");
  }
}

/** @param {number} ms */
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * The sentence of an answer, or one of ours where it has none.
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
  if (status === 401)
    return "This page needs its token: open the address that the terminal printed.";
  return `The service answered with status ${status}.`;
}

/**
 * @param {string} root
 * @param {(lost: boolean) => void} told of the connection
 */
export function createApi(root, told) {
  let lost = false;

  /** Notes that nothing answers, and asks until something does. */
  async function lose() {
    if (lost) return;
    lost = true;
    told(true);
    while (lost) {
      await pause(1500);
      try {
        const answer = await fetch(`${root}/options`, { cache: "no-store" });
        if (answer.status < 502) lost = false;
      } catch {
        // still away
      }
    }
    told(false);
  }

  /**
   * @param {string} path
   * @param {RequestInit} [about]
   * @returns {Promise<Response>}
   * @throws {ApiError|LostError}
   */
  async function ask(path, about = {}) {
    let answer;
    try {
      answer = await fetch(root + path, about);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      lose();
      throw new LostError();
    }
    if (answer.ok) return answer;
    const text = await answer.text().catch(() => "");
    throw new ApiError(
      sentence(answer.status, text),
      answer.status,
      Number(answer.headers.get("Retry-After") ?? 0),
    );
  }

  const read = async (path, about) => (await ask(path, about)).json();
  const send = (method, body) => ({
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

  return {
    /** @param {string} path */
    url: (path) => root + path,
    ask,
    options: () => read("/options"),
    jobs: () => read("/jobs"),
    /** @param {string} id */
    job: (id) => read(`/jobs/${id}`),
    /** @param {{name?: string, stack?: string, demo?: true}} about */
    create: (about) => read("/jobs", send("POST", about)),
    start: (id, body) => read(`/jobs/${id}/start`, send("POST", body)),
    cancel: (id) => ask(`/jobs/${id}/cancel`, send("POST")),
    remove: (id) => ask(`/jobs/${id}`, { method: "DELETE" }),
    removeFrame: (id, n) => ask(`/jobs/${id}/frames/${n}`, { method: "DELETE" }),
    thumbnail: (id, n) => `${root}/jobs/${id}/frames/${n}/thumbnail`,
    report: (id) => read(`/jobs/${id}/report`),
    edits: (id) => read(`/jobs/${id}/edits`),
    putEdits: (id, edits) => read(`/jobs/${id}/edits`, send("PUT", edits)),
    download: (id, what) => `${root}/jobs/${id}/download/${what}`,

    /**
     * A layer's size and levels; waits while the service makes it.
     *
     * @param {string} id
     * @param {string} layer
     * @param {AbortSignal} [signal]
     * @param {() => void} [waiting] called once if it is not ready yet
     * @returns {Promise<import("./types.js").LayerInfo>}
     */
    async layer(id, layer, signal, waiting) {
      for (let tries = 0; ; tries += 1) {
        const answer = await ask(`/jobs/${id}/layers/${layer}`, { signal });
        if (answer.status !== 202) return answer.json();
        if (tries === 0) waiting?.();
        await pause(Math.max(250, 1000 * Number(answer.headers.get("Retry-After") ?? 0.5)));
      }
    },

    /**
     * Sends a file; `fetch` cannot tell how much of it is sent.
     *
     * @param {string} id
     * @param {File} file
     * @param {(sent: number) => void} progress bytes
     * @param {AbortSignal} [signal]
     * @returns {Promise<import("./types.js").Frame>}
     */
    upload(id, file, progress, signal) {
      return new Promise((done, failed) => {
        const request = new XMLHttpRequest();
        request.open("PUT", `${root}/jobs/${id}/frames?name=${encodeURIComponent(file.name)}`);
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.upload.onprogress = (event) => progress(event.loaded);
        request.onload = () => {
          if (request.status >= 200 && request.status < 300) done(JSON.parse(request.responseText));
          else
            failed(
              new ApiError(
                sentence(request.status, request.responseText),
                request.status,
                Number(request.getResponseHeader("Retry-After") ?? 0),
              ),
            );
        };
        request.onerror = () => {
          lose();
          failed(new LostError());
        };
        request.onabort = () => failed(new DOMException("stopped", "AbortError"));
        signal?.addEventListener("abort", () => request.abort(), { once: true });
        request.send(file);
      });
    },

    /**
     * Follows a job until it is over; connects again when the line breaks.
     *
     * @param {string} id
     * @param {(job: ?import("./types.js").Job) => void} tell null when it was removed
     * @returns {() => void} stops
     */
    follow(id, tell) {
      let stopped = false;
      let source = null;
      const stop = () => {
        stopped = true;
        source?.close();
      };
      const connect = () => {
        if (stopped) return;
        source = new EventSource(`${root}/jobs/${id}/events`);
        source.addEventListener("job", (event) => {
          const job = JSON.parse(event.data);
          if (!["queued", "running"].includes(job.state)) stop();
          tell(job);
        });
        source.addEventListener("gone", () => {
          stop();
          tell(null);
        });
        source.onerror = async () => {
          source.close();
          if (stopped) return;
          // the plain request says why, and its loss starts the asking
          try {
            const job = await read(`/jobs/${id}`);
            if (stopped) return;
            if (!["queued", "running"].includes(job.state)) stop();
            tell(job);
          } catch (error) {
            if (error instanceof ApiError && error.status === 404) {
              stop();
              tell(null);
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
