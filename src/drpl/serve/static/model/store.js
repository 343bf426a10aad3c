/** Observable state. */

/**
 * @template {object} S
 * @typedef {ReturnType<typeof createStore<S>>} Store
 */

/**
 * Creates a store whose state is replaced, never mutated.
 *
 * @template {object} S
 * @param {S} state
 */
export function createStore(state) {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  return {
    get: () => state,

    /** @param {Partial<S>} patch */
    set(patch) {
      state = { ...state, ...patch };
      for (const listener of [...listeners]) listener();
    },

    /**
     * Calls `react` with the selected value, at once and after every change of that value.
     *
     * @template V
     * @param {(state: S) => V} select
     * @param {(value: V) => void} react
     * @returns {() => void} a function that stops watching
     */
    watch(select, react) {
      let last = select(state);
      const listener = () => {
        const now = select(state);
        if (now === last) return;
        last = now;
        react(now);
      };
      listeners.add(listener);
      react(last);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}
