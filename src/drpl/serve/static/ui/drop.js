/** Files from drops, whole folders included, and from file inputs. */

/** @typedef {{file: File, path: string}} FoundFile a file and its path within the folder */

import { el, listenTo } from "./dom.js";

/**
 * Collects the files of a dropped file or folder.
 *
 * @param {FileSystemEntry} entry
 * @returns {Promise<FoundFile[]>}
 */
async function within(entry) {
  if (entry.isFile) {
    const source = /** @type {FileSystemFileEntry} */ (entry);
    /** @type {File} */
    const file = await new Promise((done, failed) => source.file(done, failed));
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {FoundFile[]} */
  const found = [];
  // a reader returns about a hundred entries at a time, and none at the end
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    for (const inner of some) found.push(...(await within(inner)));
  }
  return found;
}

/**
 * Collects everything that was dropped, except hidden files.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<FoundFile[]>}
 */
async function dropped(transfer) {
  // entries must be taken before the first await, which empties the transfer
  const items = [...transfer.items].filter(item => item.kind === "file");
  const lists = items.map(item => {
    const entry = item.webkitGetAsEntry?.();
    if (entry) return within(entry);
    const file = item.getAsFile();
    return file ? [{ file, path: file.name }] : [];
  });
  return (await Promise.all(lists)).flat().filter(({ path }) => !isHidden(path));
}

/**
 * Lists the files of an input, except hidden ones.
 *
 * @param {HTMLInputElement} input
 * @returns {FoundFile[]}
 */
function chosen({ files }) {
  return [...(files ?? [])]
    .map(file => ({ file, path: file.webkitRelativePath || file.name }))
    .filter(({ path }) => !isHidden(path));
}

/**
 * Creates a hidden file input.
 *
 * @param {(found: FoundFile[]) => void} take
 */
export function fileInput(take) {
  const input = el("input", { type: "file", multiple: true, hidden: true });
  input.addEventListener("change", () => {
    take(chosen(input));
    input.value = "";
  });
  return input;
}

/** @param {string} path */
function isHidden(path) {
  const name = path.split("/").at(-1) ?? "";
  return name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini";
}

/** @param {DragEvent} event */
const holdsFiles = event => Boolean(event.dataTransfer?.types.includes("Files"));

/** Refuses drops that nothing handles: the browser would replace the page by the file. */
export function refuseDrops() {
  /** @param {DragEvent} event */
  const refuse = event => {
    if (event.defaultPrevented || !event.dataTransfer || !holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  };
  listenTo(window, { dragover: refuse, drop: refuse });
}

/**
 * Accepts files dropped anywhere on the page.
 *
 * @param {(found: FoundFile[]) => void} take
 * @returns {() => void} a function that stops accepting
 */
export function acceptDrops(take) {
  let inside = 0;
  /** @param {number} depth */
  const enter = depth => {
    inside = Math.max(0, depth);
    document.documentElement.classList.toggle("dropping", inside > 0);
  };
  /** @param {(event: DragEvent) => void} act */
  const onFiles = act => (/** @type {DragEvent} */ event) => {
    if (holdsFiles(event)) act(event);
  };
  const stop = listenTo(document, {
    dragenter: onFiles(event => {
      event.preventDefault();
      enter(inside + 1);
    }),
    dragover: onFiles(event => event.preventDefault()),
    dragleave: onFiles(() => enter(inside - 1)),
    drop: onFiles(async event => {
      event.preventDefault();
      enter(0);
      const found = event.dataTransfer ? await dropped(event.dataTransfer) : [];
      if (found.length) take(found);
    }),
  });
  return () => {
    enter(0);
    stop();
  };
}
