/** Formatting of numbers, times, states and names as text; pure functions. */

/** @import { JobState, Progress } from "./types.js" */

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/**
 * Compares file names in natural order: img_2 before img_10.
 *
 * @param {string} one
 * @param {string} other
 */
export function byName(one, other) {
  return collator.compare(one, other) || (one < other ? -1 : Number(one > other));
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** @param {number} bytes */
export function sized(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** @param {number|null|undefined} seconds */
export function lasting(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  if (seconds < 1.5) return "about a second left";
  if (seconds < 90) return `about ${Math.round(seconds)} seconds left`;
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} minutes left`;
  return `about ${(seconds / 3600).toFixed(1)} hours left`;
}

/** @param {string|number} when ISO time, or seconds since 1970 */
export function dated(when) {
  const date = new Date(typeof when === "number" ? when * 1000 : when);
  if (Number.isNaN(date.getTime())) return "";
  const today = new Date().toDateString() === date.toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? `today, ${time}` : `${date.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

/** @type {Record<string, string>} */
const DEPTHS = { uint8: "8 bits", uint16: "16 bits", float32: "32 bits, float" };

/** @param {string} dtype */
export const depth = dtype => DEPTHS[dtype] ?? dtype;

const KINDS = [
  ["JPEG", ".jpg"],
  ["PNG", ".png"],
  ["TIFF", ".tif"],
  ["WebP", ".webp"],
  ["AVIF", ".avif"],
  ["BMP", ".bmp"],
  ["camera RAW", ".dng"],
];

/**
 * Names file formats by their suffixes.
 *
 * @param {string[]} suffixes
 */
export function kinds(suffixes) {
  const known = KINDS.filter(([, suffix]) => suffixes.includes(suffix)).map(([name]) => name);
  return known.length ? known.join(", ") : suffixes.join(" ");
}

/** @type {Record<string, [heading: string, step: string]>} */
const STAGES = {
  read: ["Reading the frames", "Reading frame"],
  look: ["Registering the frames to each other", "Registering frame"],
  fuse: ["Fusing the frames", "Fusing frame"],
  write: ["Writing the result", ""],
  layers: ["Preparing the view", ""],
  edits: ["Retouching", "Stroke"],
};

/** Stages of the fusion in order, with their labels. */
export const STEPS = [
  ["look", "Register"],
  ["fuse", "Fuse"],
  ["write", "Write"],
];

/** @param {string} stage */
export function staged(stage) {
  return STAGES[stage]?.[0] ?? (stage ? stage[0].toUpperCase() + stage.slice(1) : "Starting");
}

/**
 * Names the current frame or stroke; empty for stages without such steps.
 *
 * @param {Progress} progress
 */
export function framed({ stage, done, of }) {
  const word = STAGES[stage]?.[1];
  if (!word || !of) return "";
  return `${word} ${Math.min(done + 1, of)} of ${of}`;
}

/** @type {Record<JobState, string>} */
const STATES = {
  draft: "not started",
  queued: "waiting",
  running: "running",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

/** @param {JobState} state */
export const stated = state => STATES[state];

/**
 * Turns the name of an option into a label.
 *
 * @param {string} name
 */
export function labelled(name) {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** @param {number} share in [0, 1] */
export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/**
 * Derives the name of a stack from its first file or its folder.
 *
 * @param {string} path
 */
export function stackName(path) {
  const parts = path.split("/").filter(Boolean);
  if (parts.length > 1) return parts[0];
  return (parts[0] ?? "stack").replace(/\.[^.]+$/, "").replace(/[-_ ]*\d*$/, "") || "stack";
}
