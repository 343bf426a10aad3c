/**
 * Types of the service's answers and of the page's state.
 *
 * @typedef {string|number|boolean|null} OptionValue
 *
 * @typedef {Record<string, OptionValue>} Options
 *
 * @typedef {object} Frame a frame of a focal stack, as the service stores it
 * @property {number} n number within the job
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {number} bytes
 * @property {string} dtype
 * @property {number} channels
 *
 * @typedef {"draft"|"queued"|"running"|"done"|"failed"|"cancelled"} JobState
 *
 * @typedef {object} Progress
 * @property {string} stage
 * @property {number} done steps of the stage that are finished
 * @property {number} of steps of the stage
 * @property {?number} eta_s seconds left
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {string} name
 * @property {JobState} state
 * @property {string} created
 * @property {Frame[]} frames empty in a list of jobs
 * @property {number[]} order numbers of the frames to fuse; empty in a list of jobs
 * @property {?number} reference number of the reference frame
 * @property {?string} preset
 * @property {Options} options
 * @property {?Progress} progress
 * @property {?number} place position in the queue; 1 is next
 * @property {?string} error
 * @property {?number} width
 * @property {?number} height
 * @property {boolean} retouched
 * @property {number} count number of frames
 * @property {?number} first_frame number of the first frame
 *
 * @typedef {object} OptionField
 * @property {string} name
 * @property {"bool"|"int"|"float"|"choice"|"text"} type
 * @property {OptionValue} default
 * @property {string} help
 * @property {OptionValue[]} choices
 * @property {boolean} few true for options shown without unfolding
 *
 * @typedef {object} Meta what the service offers
 * @property {string} version
 * @property {Record<string, Options>} presets
 * @property {OptionField[]} options
 * @property {{bytes: number, pixels: number, frames: number}} limits 0 means unlimited
 * @property {string[]} formats suffixes of readable files
 * @property {boolean} demo
 * @property {{id: string, name: string, frames: number}[]} stacks
 *
 * @typedef {object} ReportFrame
 * @property {string} name
 * @property {number} coverage share of the all-in-focus image taken from the frame
 * @property {?number} [residual_px]
 * @property {?{gain?: number[]}} [exposure]
 *
 * @typedef {object} Report
 * @property {ReportFrame[]} frames
 * @property {number} reference index of the reference frame
 * @property {number[]} rejected indices of the frames left out
 * @property {number[]} focus_order indices of the frames in order of focus distance
 * @property {string[]} [words] summary in sentences
 * @property {?{id: string}} [method]
 * @property {?number} [peak_memory_mb]
 *
 * @typedef {object} LayerInfo a tile pyramid; each level doubles the previous one
 * @property {number} width
 * @property {number} height
 * @property {number} tile side of a tile
 * @property {number} levels
 *
 * @typedef {[x: number, y: number]} StrokePoint
 *
 * @typedef {{frame: number, radius: number, softness: number, points: StrokePoint[]}} Stroke
 *
 * @typedef {{edits: number, size: number[], strokes: Stroke[]}} Edits
 *
 * @typedef {{done: Stroke[], undone: Stroke[]}} History
 *
 * @typedef {{left: number, top: number, width: number, height: number}} Rect
 *
 * @typedef {{width: number, height: number}} Size
 *
 * @typedef {{x: number, y: number}} Point
 *
 * @typedef {object} Item a frame of a draft
 * @property {string} key
 * @property {string} name
 * @property {"waiting"|"sending"|"ready"} state
 * @property {number} sent bytes
 * @property {number} size bytes
 * @property {boolean} used
 * @property {?Frame} frame set once the service has the file
 *
 * @typedef {object} Refusal a file that the stack cannot take
 * @property {string} key
 * @property {string} name
 * @property {string} reason
 * @property {boolean} again true if another attempt may succeed
 *
 * @typedef {object} Draft a stack that is being prepared
 * @property {Item[]} items
 * @property {Refusal[]} refused
 * @property {boolean} arranged true once the user has changed the order
 * @property {?string} reference key of the reference frame; null lets the service choose
 * @property {?string} preset
 * @property {Options} options
 *
 * @typedef {object} StartBody request that starts the fusion
 * @property {number[]} order numbers of the frames
 * @property {?number} reference
 * @property {?string} preset
 * @property {Options} options
 *
 * @typedef {object} DraftNote the part of a draft that the browser stores
 * @property {number[]} order
 * @property {number[]} unused
 * @property {?number} reference
 * @property {boolean} arranged
 * @property {?string} preset
 * @property {Options} options
 */
export {};
