/** Save tab: downloads of the result, and the terminal command that reproduces it. */

/** @import { Job, OptionField } from "../model/types.js" */
/** @import { Result, Tab } from "./types.js" */

import { depth } from "../model/words.js";
import { button, el } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

/**
 * Returns the command that reproduces the result.
 *
 * @param {Pick<Job, "frames"|"order"|"reference"|"preset"|"options">} job
 * @param {Pick<OptionField, "name"|"type">[]} fields
 * @param {boolean} retouched
 */
export function command(job, fields, retouched) {
  const flags = Object.entries(job.options ?? {}).map(([name, value]) => {
    const flag = name.replaceAll("_", "-");
    const field = fields.find(one => one.name === name);
    if (field?.type === "bool") return value ? `--${flag}` : `--no-${flag}`;
    return `--${flag} ${value}`;
  });
  const names = new Map(job.frames.map(frame => [frame.n, frame.name]));
  const files = job.order.map(n => quoted(names.get(n) ?? String(n)));
  const reference = job.reference === null ? -1 : job.order.indexOf(job.reference);
  return [
    "drpl fuse",
    ...files,
    "-o fused.tif",
    job.preset ? `--preset ${job.preset}` : "",
    ...flags,
    reference >= 0 ? `--reference ${reference}` : "",
    retouched ? "--edits edits.json" : "",
  ]
    .filter(Boolean)
    .join(" ");
}

/**
 * Quotes a file name for the shell.
 *
 * @param {string} name
 */
const quoted = name => (/^[\w.,+@%/-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

/**
 * @param {Result} result
 * @returns {Tab}
 */
export function saveTab({ job, api, look, meta }) {
  const dtype = job.frames[0]?.dtype ?? "uint8";
  const bits = depth(dtype);
  /**
   * @param {string} file
   * @param {string} name
   * @param {string} words
   */
  const link = (file, name, words) =>
    el(
      "a",
      { class: "save-row", href: api.download(job.id, file), download: file },
      icon("down"),
      el("span", { class: "save-name" }, name),
      el("span", { class: "help" }, words),
    );
  const edits = link("edits.json", "Edit list", "Your strokes; drpl fuse --edits replays them.");
  const notice = el("p", { class: "notice" }, "With your retouching.");
  const code = el("code", { class: "command", tabIndex: 0 });
  const copy = button(write, {}, "Copy");
  async function write() {
    await navigator.clipboard.writeText(code.textContent ?? "");
    copy.textContent = "Copied";
  }
  const stop = look.watch(
    state => state.history.done.length > 0,
    retouched => {
      notice.hidden = !retouched;
      edits.hidden = !retouched;
      code.textContent = command(job, meta.options, retouched);
      copy.textContent = "Copy";
    },
  );
  const jpeg = dtype === "uint8" ? "Small, for sharing." : "Small, for sharing; reduced to 8 bits.";
  return {
    node: el(
      "div",
      { class: "save" },
      notice,
      el("h3", {}, "Picture"),
      link("fused.tif", "TIFF", `${bits} like the frames, with their profile and metadata.`),
      dtype !== "float32" && link("fused.png", "PNG", `${bits} like the frames.`),
      link("fused.jpg", "JPEG", jpeg),
      el("h3", {}, "More"),
      link("maps.zip", "Maps", "Index map, confidence map and depth map, as pictures."),
      link("report.json", "Report", "All processing steps, with hashes and transforms."),
      edits,
      el("h3", {}, "The same in a terminal"),
      code,
      navigator.clipboard ? copy : null,
    ),
    stop,
  };
}
