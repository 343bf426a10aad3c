/**
 * Types that the screens share.
 *
 * @import { Api } from "../model/api.js"
 * @import { Drafts } from "../model/drafts.js"
 * @import { Job, Meta } from "../model/types.js"
 *
 * @typedef {object} Page
 * @property {Api} api
 * @property {Meta} meta
 * @property {Drafts} drafts
 * @property {(job: ?Job, toSetup?: boolean) => Promise<void>} show opens the screen of a
 *   job's state, or its frames and options; the start screen without a job
 */
export {};
