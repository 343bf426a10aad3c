/** The brush on the canvas: its ring, and what a stroke will look like before it is computed. */

import { origin } from "./geometry.js";

const STEPS = 10;

/**
 * Draws the mask of a stroke: full inside, falling off over softness * radius at the edge.
 *
 * @param {OffscreenCanvasRenderingContext2D} context
 * @param {import("../model/types.js").Stroke} stroke
 * @param {number} scale device pixels per pixel
 * @param {{x: number, y: number}} corner of the picture on the canvas
 */
function drawMask(context, { points, radius, softness }, scale, corner) {
  const steps = softness > 0 ? STEPS : 1;
  context.lineCap = "round";
  context.lineJoin = "round";
  context.globalCompositeOperation = "lighter";
  context.globalAlpha = 1 / steps;
  const path = new Path2D();
  points.forEach(([x, y], at) => {
    const [left, top] = [corner.x + (x + 0.5) * scale, corner.y + (y + 0.5) * scale];
    if (at) path.lineTo(left, top);
    else path.moveTo(left, top);
    // a path of one point has no length, and would not be drawn
    if (points.length === 1) path.lineTo(left + 0.01, top);
  });
  // nested strokes add up to the slope
  for (let step = 0; step < steps; step += 1) {
    context.lineWidth = Math.max(0.5, 2 * radius * scale * (1 - (softness * (step + 0.5)) / steps));
    context.stroke(path);
  }
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
}

/** Draws strokes that are not computed yet from the tiles of their frames. */
export class Preview {
  constructor() {
    this.frame = new OffscreenCanvas(1, 1);
    this.mask = new OffscreenCanvas(1, 1);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("./viewer.js").Viewer} viewer
   * @param {import("../model/types.js").Stroke} stroke
   * @param {import("./tiles.js").Layer} layer of the frame that is painted from
   */
  draw(context, viewer, stroke, layer) {
    const { width, height } = viewer.canvas;
    for (const canvas of [this.frame, this.mask]) {
      if (canvas.width !== width || canvas.height !== height)
        Object.assign(canvas, { width, height });
    }
    const [frame, mask] = [this.frame.getContext("2d"), this.mask.getContext("2d")];
    frame.globalCompositeOperation = "source-over";
    frame.clearRect(0, 0, width, height);
    mask.clearRect(0, 0, width, height);
    viewer.paintLayer(frame, layer);
    drawMask(mask, stroke, viewer.view.scale, origin(viewer.view, viewer.canvas));
    frame.globalCompositeOperation = "destination-in";
    frame.drawImage(this.mask, 0, 0);
    context.drawImage(this.frame, 0, 0);
  }
}

/**
 * The ring of the brush, dark and light, to be seen on anything.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("./viewer.js").Viewer} viewer
 * @param {{x: number, y: number}} at of the picture
 * @param {{radius: number, softness: number}} brush
 * @param {string} colour of the frame
 */
export function drawRing(context, viewer, at, { radius, softness }, colour) {
  const corner = origin(viewer.view, viewer.canvas);
  const { scale } = viewer.view;
  const [left, top] = [corner.x + at.x * scale, corner.y + at.y * scale];
  const ring = (size, style, width) => {
    context.beginPath();
    context.arc(left, top, Math.max(1, size * scale), 0, 2 * Math.PI);
    context.lineWidth = width * viewer.ratio;
    context.strokeStyle = style;
    context.stroke();
  };
  ring(radius, "rgb(0 0 0 / 70%)", 4);
  ring(radius, colour, 2);
  if (softness > 0.02 && softness < 0.98) {
    context.setLineDash([4 * viewer.ratio, 4 * viewer.ratio]);
    ring(radius * (1 - softness), "rgb(0 0 0 / 60%)", 2.5);
    ring(radius * (1 - softness), "rgb(255 255 255 / 85%)", 1);
    context.setLineDash([]);
  }
}
