/**
 * Types that the tabs of a result share.
 *
 * @import { Api } from "../model/api.js"
 * @import { Store } from "../model/store.js"
 * @import { History, Job, Meta, Report } from "../model/types.js"
 * @import { Tool } from "../viewer/gestures.js"
 * @import { Layers } from "../viewer/layers.js"
 * @import { Rgb } from "../viewer/palette.js"
 * @import { Viewer } from "../viewer/viewer.js"
 *
 * @typedef {"none"|"index"|"confidence"|"depth"} MapName
 *
 * @typedef {"look"|"retouch"|"relief"|"report"|"save"} TabName
 *
 * @typedef {{place: number, name: string, left: boolean}} ResultFrame index and name of a frame;
 *   `left` is true if it was left out
 *
 * @typedef {object} Look the state of the result screen
 * @property {TabName} tab
 * @property {Report} report
 * @property {MapName} map
 * @property {number} opacity opacity of the map
 * @property {?string} other layer to compare with
 * @property {?string} beside the same layer once it is loaded
 * @property {number} split position of the divider in [0, 1]
 * @property {?number} hovered frame under the pointer
 * @property {?number} picked frame highlighted in the index map
 * @property {number} source frame that the brush paints from
 * @property {History} history
 * @property {boolean} retouched true while the layer `retouched` is shown
 * @property {?number} peek frame shown while a key is held
 *
 * @typedef {object} Result
 * @property {Job} job
 * @property {Api} api
 * @property {Meta} meta
 * @property {ResultFrame[]} frames
 * @property {Rgb[]} colours colours of the frames
 * @property {Layers} layers
 * @property {Viewer} viewer
 * @property {HTMLElement} stage
 * @property {Store<Look>} look
 *
 * @typedef {object} Tab
 * @property {HTMLElement} node
 * @property {() => void} stop
 * @property {Tool} [tool] tool of the pointer while the tab is open
 * @property {(event: KeyboardEvent) => boolean} [key] handles a key; returns true if it was used
 * @property {(isShown: boolean) => void} [shown] called when the tab is opened or closed
 */
export {};
