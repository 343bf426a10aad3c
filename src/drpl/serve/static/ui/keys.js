/** Dialog with the keyboard shortcuts. */

import { button, el } from "./dom.js";

/** @type {[group: string, keys: [keys: string, words: string][]][]} */
const KEYS = [
  [
    "Picture",
    [
      ["+  −", "Zoom in, zoom out"],
      ["0", "Show the whole picture"],
      ["1", "Zoom to 100 %"],
      ["Arrows", "Move the picture"],
      ["C", "Compare with a frame"],
      ["M", "Next map: frames, confidence, depth"],
    ],
  ],
  [
    "Retouch",
    [
      ["B", "Brush on or off"],
      ["P", "Pick the frame under the pointer"],
      [",  .", "Previous frame, next frame"],
      ["[  ]", "Smaller brush, larger brush"],
      ["{  }", "Harder brush, softer brush"],
      ["F", "Hold to show the chosen frame"],
      ["Space", "Hold to move the picture"],
      ["Enter", "Paint a dab in the middle of the focused picture"],
      ["Ctrl Z", "Undo"],
      ["Ctrl Shift Z", "Redo"],
    ],
  ],
  [
    "Frames",
    [
      ["Arrows", "Move between frames"],
      ["Alt Arrows", "Move the frame"],
      ["Space", "Use or leave out"],
      ["R", "Make it the reference"],
      ["Delete", "Remove the frame"],
    ],
  ],
];

/** Opens the dialog. */
export function showKeys() {
  if (document.querySelector("dialog[open]")) return;
  const groups = KEYS.map(([name, keys]) => {
    const rows = keys.flatMap(([key, words]) => [
      el("dt", {}, ...key.split(/\s+/).map(one => el("kbd", {}, one))),
      el("dd", {}, words),
    ]);
    return el("section", {}, el("h3", {}, name), el("dl", {}, ...rows));
  });
  const close = button(() => dialog.close(), {}, "Close");
  const dialog = el(
    "dialog",
    { class: "keys-list", "aria-label": "Keys" },
    el("div", { class: "section-head" }, el("h2", {}, "Keys"), close),
    el("div", { class: "keys-groups" }, ...groups),
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", event => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}
