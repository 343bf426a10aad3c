/** The list of keys. */

import { el } from "./dom.js";

const KEYS = [
  [
    "Picture",
    [
      ["+  −", "Larger, smaller"],
      ["0", "Whole picture"],
      ["1", "100 %: a pixel for a pixel"],
      ["Arrows", "Move the picture"],
      ["C", "Compare with a frame"],
      ["M", "Next map: frames, confidence, depth"],
    ],
  ],
  [
    "Retouch",
    [
      ["B", "Brush on or off"],
      ["P", "Take the frame that is under the pointer"],
      [",  .", "Frame before, frame after"],
      ["[  ]", "Smaller, larger brush"],
      ["{  }", "Harder, softer brush"],
      ["F", "Hold: see the chosen frame"],
      ["Space", "Hold: move the picture"],
      ["Enter", "With the picture in focus: a dab in its middle"],
      ["Ctrl Z", "Undo"],
      ["Ctrl Shift Z", "Redo"],
    ],
  ],
  [
    "Frames",
    [
      ["Arrows", "Walk"],
      ["Alt Arrows", "Move the frame"],
      ["Space", "Use it, leave it out"],
      ["R", "Make it the reference"],
      ["Delete", "Remove it"],
    ],
  ],
];

/** Opens the list. */
export function showKeys() {
  if (document.querySelector("dialog[open]")) return;
  const dialog = el(
    "dialog",
    {
      class: "keys-list",
      "aria-label": "Keys",
      on: {
        close: () => dialog.remove(),
        click: (event) => event.target === dialog && dialog.close(),
      },
    },
    el(
      "div",
      { class: "section-head" },
      el("h2", {}, "Keys"),
      el("button", { type: "button", on: { click: () => dialog.close() } }, "Close"),
    ),
    el(
      "div",
      { class: "keys-groups" },
      ...KEYS.map(([name, keys]) =>
        el(
          "section",
          {},
          el("h3", {}, name),
          el(
            "dl",
            {},
            ...keys.flatMap(([key, words]) => [
              el("dt", {}, ...key.split(/\s+/).map((one) => el("kbd", {}, one))),
              el("dd", {}, words),
            ]),
          ),
        ),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}
