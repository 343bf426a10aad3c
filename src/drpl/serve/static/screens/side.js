/** Side panel of the result screen: the tabs. */

/** @import { Store } from "../model/store.js" */
/** @import { Look, Tab, TabName } from "../tabs/types.js" */

import { button, el, neighbour } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

/** @typedef {Tab & {name: TabName, words: string, sign: Parameters<typeof icon>[0]}} SideTab */

/**
 * @param {SideTab[]} tabs
 * @param {Store<Look>} look
 */
export function sidePanel(tabs, look) {
  const heads = tabs.map(({ name, sign, words }) =>
    button(
      () => look.set({ tab: name, peek: null }),
      { role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}` },
      icon(sign),
      words,
    ),
  );
  const panels = tabs.map(({ name, node }) =>
    el("div", { role: "tabpanel", class: "tab-panel", id: `panel-${name}`, "aria-labelledby": `tab-${name}` }, node),
  );
  const list = el(
    "div",
    {
      class: "tabs",
      role: "tablist",
      "aria-label": "Tool tabs",
      on: {
        keydown(event) {
          const to = neighbour(event, heads);
          to?.focus();
          to?.click();
        },
      },
    },
    ...heads,
  );
  const stop = look.watch(
    state => state.tab,
    name => {
      tabs.forEach((tab, at) => {
        const isShown = tab.name === name;
        heads[at].setAttribute("aria-selected", String(isShown));
        heads[at].tabIndex = isShown ? 0 : -1;
        panels[at].hidden = !isShown;
        tab.shown?.(isShown);
      });
    },
  );
  const node = el("aside", { class: "side panel", "aria-label": "Tools" }, list, ...panels);
  return { node, stop };
}
