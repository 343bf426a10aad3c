/**
 * Shapes of the service's answers; nothing runs here.
 *
 * @typedef {{n: number, name: string, width: number, height: number, bytes: number,
 *   dtype: string, channels: number}} Frame
 *
 * @typedef {"draft"|"queued"|"running"|"done"|"failed"|"cancelled"} JobState
 *
 * @typedef {{stage: string, done: number, of: number, eta_s: ?number}} Progress
 *
 * @typedef {{id: string, name: string, state: JobState, created: string, frames: Frame[],
 *   order: number[], reference: ?number, preset: ?string, options: Object<string, *>,
 *   progress: ?Progress, place: ?number, error: ?string, width: ?number, height: ?number,
 *   retouched: boolean, count: number, first_frame: ?number}} Job in lists `frames` and `order`
 *   are empty
 *
 * @typedef {{name: string, type: "bool"|"int"|"float"|"choice"|"text", default: *, help: string,
 *   choices: Array, few: boolean}} OptionField
 *
 * @typedef {{version: string, presets: Object<string, Object<string, *>>, options: OptionField[],
 *   limits: {bytes: number, pixels: number, frames: number}, formats: string[], demo: boolean,
 *   stacks: {id: string, name: string, frames: number}[]}} Meta
 *
 * @typedef {{width: number, height: number, tile: number, levels: number}} LayerInfo
 *
 * @typedef {{frame: number, radius: number, softness: number, points: number[][]}} Stroke
 *
 * @typedef {{edits: number, size: number[], strokes: Stroke[]}} Edits
 *
 * @typedef {{left: number, top: number, width: number, height: number}} Rect
 */
export {};
