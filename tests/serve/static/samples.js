/** Sample data and fakes of browser interfaces. */

/** Returns a seeded generator of numbers in [0, 1). */
export function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export const frame = (n, about = {}) => ({
  n,
  name: `img_${n}.jpg`,
  width: 60,
  height: 40,
  bytes: 1000,
  dtype: "uint8",
  channels: 3,
  ...about,
});

export const job = (about = {}) => ({
  id: "j",
  name: "stack",
  state: "draft",
  frames: [frame(1), frame(2), frame(3)],
  order: [],
  reference: null,
  preset: null,
  options: {},
  ...about,
});

/** Creates a file of which only name and size matter. */
export const file = (name, size = 1000, isReadable = true) => ({
  name,
  size,
  slice: () => ({
    arrayBuffer: async () => {
      if (!isReadable) throw new Error("gone");
    },
  }),
});

/** Waits until a condition holds. */
export async function until(condition) {
  for (let tries = 0; tries < 500; tries += 1) {
    if (condition()) return;
    await new Promise(done => setTimeout(done, 2));
  }
  throw new Error("the condition never holds");
}

/** Counterpart of the browser's ImageData. */
export class FakeImageData {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.data = new Uint8ClampedArray(4 * width * height);
  }
}

export const names = draft => draft.items.map(item => item.name);
