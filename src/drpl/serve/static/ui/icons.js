/** Icons as inline SVG, 20 units wide, in the colour of the text. */

const PATHS = {
  add: "M10 4v12M4 10h12",
  back: "M12 4 6 10l6 6",
  brush: "M17 3 8.5 11.5M7.5 11.5a3 3 0 0 0-3 3c0 1-.7 1.8-1.5 2 3 .8 7.5-.5 7.5-3a2.2 2.2 0 0 0-3-2",
  close: "M5 5l10 10M15 5 5 15",
  cube: "M10 2.5 16.5 6v8L10 17.5 3.5 14V6ZM3.5 6 10 9.5 16.5 6M10 9.5v8",
  down: "M10 3v10M6 9.5l4 4 4-4M4 17h12",
  eye: "M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5ZM10 12.3a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6Z",
  fit: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
  folder: "M2.5 5h5l1.5 2h8.5v9h-15Z",
  grip: "M7 5v.01M7 10v.01M7 15v.01M13 5v.01M13 10v.01M13 15v.01",
  keys: "M2.5 6h15v8.5h-15ZM5.5 9v.01M8.5 9v.01M11.5 9v.01M14.5 9v.01M6.5 11.8h7",
  list: "M7 5h10M7 10h10M7 15h10M3 5v.01M3 10v.01M3 15v.01",
  minus: "M4 10h12",
  moon: "M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.5Z",
  pin: "M10 2.5l2.3 4.9 5.2.7-3.8 3.7.9 5.2-4.6-2.5L5.4 17l.9-5.2L2.5 8.1l5.2-.7Z",
  picture: "M2.5 4h15v12h-15ZM2.5 13.5l4.5-4 3.5 3 2.5-2 4.5 3.5M13 7.3v.01",
  redo: "M16 8H8a4.5 4.5 0 0 0 0 9h3M13 4.5 16.5 8 13 11.5",
  remove: "M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.8 11h7.4l.8-11",
  reverse: "M6 4v12M3 13l3 3 3-3M14 16V4M11 7l3-3 3 3",
  report: "M5 2.5h7l3.5 3.5v11.5H5ZM8 9h5M8 12h5M8 15h3",
  stop: "M5 5h10v10H5Z",
  sun: "M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M4 16l1.4-1.4M14.6 5.4 16 4",
  undo: "M4 8h8a4.5 4.5 0 0 1 0 9H9M7 4.5 3.5 8 7 11.5",
  up: "M10 14V4M6 7.5l4-4 4 4M4 17h12",
};

const NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * Creates an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} attributes
 * @param {...Node} children
 */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** @param {keyof typeof PATHS} name */
export const icon = name =>
  svg("svg", { viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
