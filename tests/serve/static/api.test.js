import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { ApiError, LostError, createApi, sentence } from "../../../src/drpl/serve/static/model/api.js";

const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

/** Makes `fetch` return the given answers in turn; returns the requests. */
function answering(...answers) {
  const requests = [];
  globalThis.fetch = async (url, init) => {
    requests.push({ url, ...init });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    const [status, body, headers] = answer;
    return new Response(JSON.stringify(body), { status, headers });
  };
  return requests;
}

test("an error has the sentence of the service, or one that names the status", () => {
  assert.equal(sentence(409, '{"error": "Wait."}'), "Wait.");
  assert.equal(sentence(404, '{"detail": "Not Found"}'), "Not Found");
  assert.equal(sentence(422, '{"detail": [{"loc": []}]}'), "The service answered with status 422.");
  assert.equal(sentence(502, "<html>"), "The service answered with status 502.");
  assert.match(sentence(401, ""), /token/);
});

test("bodies are sent as JSON", async () => {
  const requests = answering([200, { id: "j" }]);
  assert.deepEqual(await createApi("/api", () => {}).create({ name: "ants" }), { id: "j" });
  const [{ url, method, body, headers }] = requests;
  assert.deepEqual([url, method, body], ["/api/jobs", "POST", '{"name":"ants"}']);
  assert.equal(headers["Content-Type"], "application/json");
});

test("a refusal has its status and the time to wait", async () => {
  answering([429, { error: "Too many." }, { "Retry-After": "3" }]);
  await assert.rejects(createApi("/api", () => {}).jobs(), error => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.message, error.status, error.retryAfter], ["Too many.", 429, 3]);
    return true;
  });
});

test("a lost service is reported, and reported again once it answers", async () => {
  const seen = [];
  answering(new TypeError("network"), [200, {}]);
  await new Promise((done, failed) => {
    const api = createApi("/api", lost => {
      seen.push(lost);
      if (!lost) done();
    });
    api.jobs().then(failed, error => seen.push(error instanceof LostError));
  });
  assert.deepEqual(seen, [true, true, false]);
});

test("an aborted request is not a lost service", async () => {
  answering(new DOMException("aborted", "AbortError"));
  const api = createApi("/api", () => assert.fail("reported as lost"));
  await assert.rejects(api.ask("/jobs"), { name: "AbortError" });
});

test("a layer is waited for while the service prepares it", async () => {
  const info = { width: 1, height: 1, tile: 256, levels: 1 };
  const preparing = [202, {}, { "Retry-After": "0" }];
  const requests = answering(preparing, preparing, [200, info]);
  let waits = 0;
  const api = createApi("/api", () => {});
  assert.deepEqual(await api.layer("j", "depth", undefined, () => (waits += 1)), info);
  assert.equal(waits, 1);
  assert.equal(requests.length, 3);
});
