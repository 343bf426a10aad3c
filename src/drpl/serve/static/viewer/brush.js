/** Brush on the canvas: its ring, and a preview of strokes that the service has not drawn yet. */

/** @import { Point, Stroke } from "../model/types.js" */
/** @import { Layer } from "./tiles.js" */
/** @import { Viewer } from "./viewer.js" */

import { offscreen2d } from "../ui/dom.js";
import { origin } from "./geometry.js";

const STEPS = 10;

/**
 * Returns the widths of nested lines whose equal opacities add up to the mask of a stroke: full
 * inside, with a linear slope over softness * radius at the edge.
 *
 * @param {number} radius
 * @param {number} softness in [0, 1]
 */
export function maskWidths(radius, softness) {
  const steps = softness > 0 ? STEPS : 1;
  return Array.from({ length: steps }, (_, step) => 2 * radius * (1 - (softness * (step + 0.5)) / steps));
}

/**
 * Draws the mask of a stroke.
 *
 * @param {OffscreenCanvasRenderingContext2D} context
 * @param {Stroke} stroke
 * @param {number} scale device pixels per picture pixel
 * @param {Point} corner the picture's corner on the canvas
 */
function drawMask(context, { points, radius, softness }, scale, corner) {
  const widths = maskWidths(radius * scale, softness);
  context.lineCap = "round";
  context.lineJoin = "round";
  context.globalCompositeOperation = "lighter";
  context.globalAlpha = 1 / widths.length;
  const path = new Path2D();
  points.forEach(([x, y], at) => {
    const [left, top] = [corner.x + (x + 0.5) * scale, corner.y + (y + 0.5) * scale];
    if (at) path.lineTo(left, top);
    else path.moveTo(left, top);
    // a path without length is not drawn
    if (points.length === 1) path.lineTo(left + 0.01, top);
  });
  for (const width of widths) {
    context.lineWidth = Math.max(0.5, width);
    context.stroke(path);
  }
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
}

/** Draws a preview of strokes from the tiles of their frames. */
export class Preview {
  frame = offscreen2d(new OffscreenCanvas(1, 1));
  mask = offscreen2d(new OffscreenCanvas(1, 1));

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Viewer} viewer
   * @param {Stroke} stroke
   * @param {Layer} layer layer of the stroke's frame
   */
  draw(context, viewer, stroke, layer) {
    const { frame, mask } = this;
    const { width, height } = viewer.canvas;
    for (const { canvas } of [frame, mask]) {
      if (canvas.width !== width || canvas.height !== height) {
        Object.assign(canvas, { width, height });
      }
    }
    frame.globalCompositeOperation = "source-over";
    frame.clearRect(0, 0, width, height);
    mask.clearRect(0, 0, width, height);
    viewer.paintLayer(frame, layer);
    drawMask(mask, stroke, viewer.view.scale, origin(viewer.view, viewer.canvas));
    frame.globalCompositeOperation = "destination-in";
    frame.drawImage(mask.canvas, 0, 0);
    context.drawImage(frame.canvas, 0, 0);
  }
}

/**
 * Draws the ring of the brush, dark and light, so that it stands out from any picture.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Viewer} viewer
 * @param {Point} at picture coordinates
 * @param {{radius: number, softness: number}} brush
 * @param {string} colour colour of the frame
 */
export function drawRing(context, viewer, at, { radius, softness }, colour) {
  const corner = origin(viewer.view, viewer.canvas);
  const { scale } = viewer.view;
  const [left, top] = [corner.x + at.x * scale, corner.y + at.y * scale];
  /**
   * @param {number} size
   * @param {string} style
   * @param {number} width
   */
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
