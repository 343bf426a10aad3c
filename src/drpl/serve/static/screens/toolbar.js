/** Toolbar of the result screen: the way back to the frames, and the zoom. */

/** @import { Store } from "../model/store.js" */
/** @import { Job } from "../model/types.js" */
/** @import { Look } from "../tabs/types.js" */
/** @import { Viewer } from "../viewer/viewer.js" */
/** @import { Page } from "./types.js" */

import { button, el, toast } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

/**
 * @param {Page} page
 * @param {Job} job
 * @param {Viewer} viewer
 * @param {Store<Look>} look
 */
export function toolbar(page, job, viewer, look) {
  const zoom = el("output", { class: "zoom", "aria-live": "off" });
  const update = () => {
    const value = viewer.view.scale * 100;
    zoom.textContent = `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
  };
  viewer.changed.add(update);
  async function goBack() {
    try {
      await page.show(await page.api.job(job.id), true);
    } catch (error) {
      toast(error);
    }
  }
  /** @param {number} factor */
  const zoomBy = factor => viewer.zoom(viewer.view.scale * factor);
  const zooms = el(
    "div",
    { class: "zooms" },
    iconButton(() => zoomBy(1 / 1.25), "Zoom out (−)", "minus"),
    zoom,
    iconButton(() => zoomBy(1.25), "Zoom in (+)", "add"),
    button(() => viewer.fit(), { class: "plain", title: "Show the whole picture (0)" }, icon("fit"), "Fit"),
    button(() => viewer.zoom(1), { class: "plain", title: "Zoom to 100 % (1)" }, "100 %"),
  );
  const words = el("span", {}, "Frames", el("span", { class: "wide-only" }, " and options"));
  const node = el(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Zoom" },
    button(goBack, { class: "plain" }, icon("back"), words),
    el("span", { class: "gap" }),
    zooms,
  );
  const unwatch = look.watch(
    state => state.tab === "relief",
    relief => {
      zooms.hidden = relief;
    },
  );
  return {
    node,
    stop() {
      viewer.changed.delete(update);
      unwatch();
    },
  };
}

/**
 * @param {() => void} act
 * @param {string} title
 * @param {Parameters<typeof icon>[0]} sign
 */
const iconButton = (act, title, sign) => button(act, { class: "plain", title, "aria-label": title }, icon(sign));
