/** Files from a drop, also whole folders, or from a file field. */

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<{file: File, path: string}[]>}
 */
async function within(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const found = [];
  // a reader gives a hundred or so at a time, and none at the end
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    for (const inner of some) found.push(...(await within(inner)));
  }
  return found;
}

/**
 * Everything that was dropped; hidden files are passed over.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<{file: File, path: string}[]>}
 */
export async function dropped(transfer) {
  // entries must be taken before anything is awaited: the transfer is emptied then
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = items.map((item) => item.getAsFile());
  const lists = await Promise.all(
    entries.map(async (entry, place) => {
      if (entry) return within(entry);
      return files[place] ? [{ file: files[place], path: files[place].name }] : [];
    }),
  );
  return lists.flat().filter(({ path }) => !hidden(path));
}

/**
 * Files of a field.
 *
 * @param {FileList} list
 */
export function chosen(list) {
  return [...list]
    .map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    .filter(({ path }) => !hidden(path));
}

/** @param {string} path */
function hidden(path) {
  const name = path.split("/").pop();
  return name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini";
}

/** A file dropped where none is wanted would replace the page. */
export function refuseDrops() {
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => {
      if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "none";
    });
  }
}

/**
 * Takes drops anywhere on the page while `take` is wanted.
 *
 * @param {(found: {file: File, path: string}[]) => void} take
 * @returns {() => void} stops
 */
export function acceptDrops(take) {
  const root = document.documentElement;
  let inside = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (on) => root.classList.toggle("dropping", on);
  const acts = {
    dragenter(event) {
      if (!isFiles(event)) return;
      event.preventDefault();
      inside += 1;
      show(true);
    },
    dragover(event) {
      if (isFiles(event)) event.preventDefault();
    },
    dragleave(event) {
      if (!isFiles(event)) return;
      inside = Math.max(0, inside - 1);
      show(inside > 0);
    },
    async drop(event) {
      if (!isFiles(event)) return;
      event.preventDefault();
      inside = 0;
      show(false);
      const found = await dropped(event.dataTransfer);
      if (found.length) take(found);
    },
  };
  for (const [name, act] of Object.entries(acts)) document.addEventListener(name, act);
  return () => {
    show(false);
    for (const [name, act] of Object.entries(acts)) document.removeEventListener(name, act);
  };
}
