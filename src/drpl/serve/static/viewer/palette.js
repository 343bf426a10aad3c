/** Colours of the index map, the confidence map and the depth map; pure functions. */

import { clamp } from "./geometry.js";

/** @typedef {[number, number, number]} Rgb bytes */

/**
 * Converts a colour from the perceptual space OKLCH to sRGB.
 *
 * Reference: B. Ottosson, "A perceptual color space for image processing", 2020.
 *
 * @param {number} lightness in [0, 1]
 * @param {number} chroma
 * @param {number} hue degrees
 * @returns {Rgb}
 */
export function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const coded = linear.map(value => (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
  return /** @type {Rgb} */ (coded.map(value => Math.round(255 * clamp(value, 0, 1))));
}

/**
 * Assigns a colour to each frame. The hue follows the order of focus; the lightness alternates, so
 * that colour-blind users can distinguish neighbours too.
 *
 * @param {number[]} order indices of the frames in order of focus
 * @returns {Rgb[]} colours by index of the frame
 */
export function frameColours(order) {
  /** @type {Rgb[]} */
  const colours = [];
  order.forEach((frame, at) => {
    const share = order.length > 1 ? at / (order.length - 1) : 0;
    const swing = order.length > 2 ? [0.64, 0.82, 0.73][at % 3] : [0.6, 0.82][at % 2];
    colours[frame] = oklch(swing, 0.15, (265 + 290 * share) % 360);
  });
  return colours;
}

/** @param {Rgb} colour */
export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/**
 * Decodes a pixel of the index map: red is the low byte of the frame's index, green the high byte.
 *
 * @param {ImageData} pixels
 * @param {number} at
 */
export const frameAt = (pixels, at) => pixels.data[4 * at] + 256 * pixels.data[4 * at + 1];

/**
 * Creates a function that colours an index map; if a frame is picked, the others fade.
 *
 * @param {Rgb[]} colours
 * @param {?number} picked
 */
export function paintFrames(colours, picked) {
  /** @param {number} frame */
  const opacity = frame => (picked === null || picked === frame ? 255 : 40);
  const bytes = colours.flatMap(([red, green, blue], frame) => [red, green, blue, opacity(frame)]);
  return painter(new Uint32Array(Uint8Array.from(bytes).buffer), frameAt);
}

/**
 * Interpolates a table of 256 colours between stops.
 *
 * @param {number[][]} stops each [red, green, blue, alpha]
 */
export function ramp(stops) {
  const table = new Uint8ClampedArray(1024);
  for (let value = 0; value < 256; value += 1) {
    const at = (value / 255) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    for (let part = 0; part < 4; part += 1) {
      table[4 * value + part] = Math.round(
        stops[from][part] + (stops[from + 1][part] - stops[from][part]) * (at - from),
      );
    }
  }
  return table;
}

/** Colours of the confidence map: transparent where one frame is best, dark red where unclear. */
export const HEAT = ramp([
  [122, 4, 56, 255],
  [214, 48, 49, 255],
  [244, 132, 40, 240],
  [252, 214, 90, 170],
  [255, 245, 190, 0],
]);

/** Colours of the depth map: dark blue, green and yellow in even steps of lightness. */
export const DEPTHS = ramp([0, 1, 2, 3, 4, 5, 6].map(step => [...oklch(0.3 + 0.1 * step, 0.13, 285 - 30 * step), 255]));

/**
 * Creates a function that colours a map of single values.
 *
 * @param {Uint8ClampedArray} table
 */
export function paintRamp(table) {
  const colours = new Uint32Array(Uint8Array.from(table).buffer);
  return painter(colours, (pixels, at) => pixels.data[4 * at]);
}

/**
 * @param {Uint32Array} table
 * @param {(pixels: ImageData, at: number) => number} read
 */
function painter(table, read) {
  return (/** @type {ImageData} */ pixels) => {
    const painted = new ImageData(pixels.width, pixels.height);
    const words = new Uint32Array(painted.data.buffer);
    for (let at = 0; at < words.length; at += 1) words[at] = table[read(pixels, at)];
    return painted;
  };
}
