/** The tab of saving: the result, its maps, its report; and how a terminal does the same. */

import { el } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { depth } from "../model/words.js";

/**
 * The command that gives the same result.
 *
 * @param {import("../model/types.js").Job} job
 * @param {import("../model/types.js").OptionField[]} fields
 * @param {boolean} retouched
 */
export function command(job, fields, retouched) {
  const flags = Object.entries(job.options ?? {}).map(([name, value]) => {
    const flag = name.replaceAll("_", "-");
    const field = fields.find((one) => one.name === name);
    if (field?.type === "bool") return value ? `--${flag}` : `--no-${flag}`;
    return `--${flag} ${value}`;
  });
  const names = new Map(job.frames.map((frame) => [frame.n, frame.name]));
  const files = job.order.map((n) => quoted(names.get(n) ?? String(n)));
  const reference = job.order.indexOf(job.reference);
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

/** @param {string} name */
const quoted = (name) =>
  /^[\w.,+@%/-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;

/** @param {import("../screens/result.js").Result} result */
export function saveTab({ job, api, look, meta }) {
  const dtype = job.frames[0]?.dtype ?? "uint8";
  const link = (what, name, words) =>
    el(
      "a",
      { class: "save-row", href: api.download(job.id, what), download: what },
      icon("down"),
      el("span", { class: "save-name" }, name),
      el("span", { class: "help" }, words),
    );
  const edits = link(
    "edits.json",
    "Edit list",
    "Your strokes, to be replayed by drpl fuse --edits.",
  );
  const touched = el("p", { class: "notice" }, "With your retouching.");
  const code = el("code", { class: "command", tabIndex: 0 });
  const copy = el(
    "button",
    {
      type: "button",
      on: {
        async click() {
          await navigator.clipboard.writeText(code.textContent);
          copy.textContent = "Copied";
        },
      },
    },
    "Copy",
  );
  const stop = look.watch(
    (state) => state.history.done.length > 0,
    (retouched) => {
      touched.hidden = !retouched;
      edits.hidden = !retouched;
      code.textContent = command(job, meta.options, retouched);
      copy.textContent = "Copy";
    },
  );
  return {
    node: el(
      "div",
      { class: "save" },
      touched,
      el("h3", {}, "Picture"),
      link("fused.tif", "TIFF", `${depth(dtype)}, as the frames, with their profile and metadata.`),
      dtype === "float32" ? null : link("fused.png", "PNG", `${depth(dtype)}, as the frames.`),
      link(
        "fused.jpg",
        "JPEG",
        dtype === "uint8" ? "Small, for sharing." : "Small, for sharing; converted to 8 bits.",
      ),
      el("h3", {}, "More"),
      link("maps.zip", "Maps", "Which frame, confidence and depth, as pictures."),
      link("report.json", "Report", "What was done, with hashes and transforms."),
      edits,
      el("h3", {}, "The same in a terminal"),
      code,
      navigator.clipboard ? copy : null,
    ),
    stop,
  };
}
