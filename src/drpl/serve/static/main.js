/** The page: its address names a job, the job's state chooses the screen. */

import { createApi } from "./model/api.js";
import { el, fill, say } from "./ui/dom.js";
import { createDrafts } from "./model/drafts.js";
import { refuseDrops } from "./ui/drop.js";
import { icon } from "./ui/icons.js";
import { showKeys } from "./ui/keys.js";
import { showProgress } from "./screens/progress.js";
import { showResult } from "./screens/result.js";
import { showSetup } from "./screens/setup.js";
import { showStart } from "./screens/start.js";

/**
 * @typedef {{api: ReturnType<typeof createApi>, meta: import("./model/types.js").Meta,
 *   drafts: ReturnType<typeof createDrafts>,
 *   show: (job: ?import("./model/types.js").Job, again?: boolean) => Promise<void>}} Page
 */

const main = document.getElementById("main");
const banner = document.getElementById("banner");
let leave = () => {};
let shown = "";

const api = createApi("/api/v1", (lost) => {
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

/** Screens by the state of a job. */
const SCREENS = {
  draft: showSetup,
  failed: showSetup,
  cancelled: showSetup,
  queued: showProgress,
  running: showProgress,
  done: showResult,
};

/** @type {Page} */
const page = { api, meta: null, drafts: null, show };

/**
 * Shows a job; `again` goes back to its frames and options though it is done. Without a job: start.
 */
async function show(job, again = false) {
  const address = job ? `#${job.id}` : "";
  shown = address;
  if (location.hash !== address)
    history.pushState(null, "", address || location.pathname + location.search);
  leave();
  main.className = "";
  document.title = job ? `${job.name} · drpl` : "drpl";
  document.getElementById("title").textContent = job?.name ?? "";
  const screen = !job ? showStart : again ? showSetup : SCREENS[job.state];
  window.scrollTo(0, 0);
  leave = screen(main, page, job) ?? (() => {});
  main.focus({ preventScroll: true });
}

/** Goes where the address says. */
async function route() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (id === "main") return;
  shown = location.hash;
  try {
    page.meta ??= await api.options();
    page.drafts ??= createDrafts(api, page.meta);
    await show(id ? await api.job(id) : null);
  } catch (error) {
    fail(error);
  }
}

/** Nothing can be shown: says why. */
function fail(error) {
  leave();
  leave = () => {};
  main.className = "lost";
  const words = error.status === 404 ? "This job is no longer here." : error.message;
  fill(
    main,
    el(
      "section",
      { class: "lone" },
      el("h1", {}, words),
      el("p", {}, el("a", { href: "#" }, "Go to the start page")),
    ),
  );
  say(words);
}

/** Light, dark, or as the system has it. */
function themeSwitch() {
  const root = document.documentElement;
  const dark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
  const button = el("button", { type: "button", class: "plain", on: { click: turn } });
  const show = () => {
    fill(button, icon(dark() ? "sun" : "moon"));
    button.title = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`);
  };
  function turn() {
    root.dataset.theme = dark() ? "light" : "dark";
    localStorage.setItem("drpl.theme", root.dataset.theme);
    show();
    window.dispatchEvent(new Event("themechange"));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
  return button;
}

document
  .querySelector(".brand")
  .append(el("img", { src: "/static/icon.svg", alt: "", width: 24, height: 24 }), "drpl");
fill(
  document.getElementById("tools"),
  el(
    "a",
    { class: "button plain", href: "#", title: "New stack" },
    icon("add"),
    el("span", { class: "wide-only" }, "New stack"),
  ),
  el(
    "button",
    {
      type: "button",
      class: "plain",
      title: "Keys (?)",
      "aria-label": "Keys",
      on: { click: showKeys },
    },
    icon("keys"),
  ),
  themeSwitch(),
);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("keydown", (event) => {
  if (event.key === "?" && !(event.target instanceof HTMLInputElement)) showKeys();
});
refuseDrops();
window.addEventListener("hashchange", () => location.hash !== shown && route());
window.addEventListener("popstate", () => location.hash !== shown && route());
route();
