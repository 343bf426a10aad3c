/** Entry point: the address names a job, the job's state selects the screen. */

/** @import { Job, JobState } from "./model/types.js" */
/** @import { Page } from "./screens/types.js" */

import { ApiError, createApi } from "./model/api.js";
import { createDrafts } from "./model/drafts.js";
import { showProgress } from "./screens/progress.js";
import { showResult } from "./screens/result.js";
import { showSetup } from "./screens/setup.js";
import { showStart } from "./screens/start.js";
import { button, byId, el, fill, say } from "./ui/dom.js";
import { refuseDrops } from "./ui/drop.js";
import { icon } from "./ui/icons.js";
import { showKeys } from "./ui/keys.js";

/** @type {Record<JobState, (root: HTMLElement, page: Page, job: Job) => () => void>} */
const SCREENS = {
  draft: showSetup,
  failed: showSetup,
  cancelled: showSetup,
  queued: showProgress,
  running: showProgress,
  done: showResult,
};

const main = byId("main");
const banner = byId("banner");
let leave = () => {};
let shown = "";
/** @type {?Page} */
let page = null;

const api = createApi("/api/v1", lost => {
  if (lost) {
    banner.hidden = false;
    banner.className = "banner bad";
    banner.textContent = "The service does not answer. Trying again…";
    return;
  }
  banner.className = "banner good";
  banner.textContent = "The service answers again.";
  setTimeout(() => {
    if (banner.classList.contains("good")) banner.hidden = true;
  }, 3000);
  if (main.classList.contains("lost")) route();
});

/** @returns {Promise<Page>} */
async function createPage() {
  const meta = await api.options();
  /** @type {Page} */
  const created = {
    api,
    meta,
    drafts: createDrafts(api, meta),
    async show(job, toSetup = false) {
      if (!job) {
        enter("", "", () => showStart(main, created));
        return;
      }
      const screen = toSetup ? showSetup : SCREENS[job.state];
      enter(`#${job.id}`, job.name, () => screen(main, created, job));
    },
  };
  return created;
}

/**
 * Replaces the screen.
 *
 * @param {string} address
 * @param {string} title
 * @param {() => () => void} screen shows the screen and returns its cleanup
 */
function enter(address, title, screen) {
  shown = address;
  if (location.hash !== address) {
    history.pushState(null, "", address || location.pathname + location.search);
  }
  leave();
  main.className = "";
  document.title = title ? `${title} · drpl` : "drpl";
  byId("title").textContent = title;
  window.scrollTo(0, 0);
  leave = screen();
  main.focus({ preventScroll: true });
}

/** Shows the screen that the address names. */
async function route() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (id === "main") return;
  shown = location.hash;
  try {
    page ??= await createPage();
    await page.show(id ? await api.job(id) : null);
  } catch (error) {
    fail(/** @type {Error} */ (error));
  }
}

/**
 * Shows an error instead of a screen.
 *
 * @param {Error} error
 */
function fail(error) {
  leave();
  leave = () => {};
  main.className = "lost";
  const gone = error instanceof ApiError && error.status === 404;
  const words = gone ? "This job is no longer here." : error.message;
  const link = el("p", {}, el("a", { href: "#" }, "Go to the start page"));
  fill(main, el("section", { class: "lone" }, el("h1", {}, words), link));
  say(words);
}

/** Creates the button that switches between light and dark colours. */
function themeSwitch() {
  const { dataset } = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (dataset.theme ? dataset.theme === "dark" : system.matches);
  const node = button(turn, { class: "plain" });
  function update() {
    fill(node, icon(isDark() ? "sun" : "moon"));
    node.title = isDark() ? "Light" : "Dark";
    node.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  }
  function turn() {
    dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("drpl.theme", dataset.theme);
    update();
  }
  system.addEventListener("change", update);
  update();
  return node;
}

byId("brand").append(el("img", { src: "/static/icon.svg", alt: "", width: 24, height: 24 }), "drpl");
fill(
  byId("tools"),
  el(
    "a",
    { class: "button plain", href: "#", title: "New stack" },
    icon("add"),
    el("span", { class: "wide-only" }, "New stack"),
  ),
  button(showKeys, { class: "plain", title: "Keys (?)", "aria-label": "Keys" }, icon("keys")),
  themeSwitch(),
);
byId("skip").addEventListener("click", event => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("keydown", event => {
  if (event.key === "?" && !(event.target instanceof HTMLInputElement)) showKeys();
});
refuseDrops();
for (const event of ["hashchange", "popstate"]) {
  window.addEventListener(event, () => {
    if (location.hash !== shown) route();
  });
}
route();
