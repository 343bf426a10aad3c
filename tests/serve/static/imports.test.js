import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../../src/drpl/serve/static/", import.meta.url);

/** Folders of the page; each may import from those before it. */
const FOLDERS = ["model", "ui", "viewer", "tabs", "screens"];

/** Imports of each module, by path within the page; imports of types in `types`. */
function imports() {
  const found = new Map();
  for (const path of readdirSync(fileURLToPath(ROOT), { recursive: true })) {
    const name = path.replaceAll("\\", "/");
    if (!name.endsWith(".js")) continue;
    const text = readFileSync(new URL(name, ROOT), "utf-8");
    const listed = pattern =>
      [...text.matchAll(pattern)].map(([, to]) => new URL(to, new URL(name, ROOT)).href.slice(ROOT.href.length));
    const types = listed(/^ ?\/?\*+ @import .* from "(\..*)"/gm);
    found.set(name, { values: listed(/^(?:import|\}) .*from "(\..*)";$/gm), types });
  }
  return found;
}

const layer = name => (name.includes("/") ? FOLDERS.indexOf(name.split("/")[0]) : FOLDERS.length);

test("folders import only from those below them, types included", () => {
  const modules = imports();
  assert.ok(modules.size > 30);
  const upward = [...modules].flatMap(([name, { values, types }]) => {
    assert.ok(layer(name) >= 0, `${name} is in no known folder`);
    return [...values, ...types].filter(to => layer(to) > layer(name)).map(to => `${name} imports ${to}`);
  });
  assert.deepEqual(upward, []);
});

test("every import names a module, and there are no circles", () => {
  const modules = imports();
  const done = new Set();
  const visit = (name, path) => {
    assert.ok(modules.has(name), `${path.at(-1)} imports ${name}, which does not exist`);
    assert.ok(!path.includes(name), `circle: ${[...path, name].join(" -> ")}`);
    if (done.has(name)) return;
    for (const to of modules.get(name).values) visit(to, [...path, name]);
    done.add(name);
  };
  for (const name of modules.keys()) visit(name, []);
  assert.equal(done.size, modules.size);
});

test("every module is reached from the page", () => {
  const modules = imports();
  const reached = new Set(["ui/theme.js"]);
  const visit = name => {
    if (reached.has(name)) return;
    reached.add(name);
    const { values, types } = modules.get(name);
    [...values, ...types].forEach(visit);
  };
  visit("main.js");
  assert.deepEqual(
    [...modules.keys()].filter(name => !reached.has(name)),
    [],
  );
});
