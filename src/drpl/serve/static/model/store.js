/**
 * One small store: a state that is replaced, never changed, and told to those who watch it.
 *
 * @template S
 * @param {S} state
 */
export function createStore(state) {
  const listeners = new Set();
  return {
    /** @returns {S} */
    get: () => state,
    /** @param {Partial<S>} patch */
    set(patch) {
      state = { ...state, ...patch };
      for (const listener of [...listeners]) listener();
    },
    /**
     * Calls `react` with what `pick` takes from the state: now, and when it is another.
     *
     * @template V
     * @param {(state: S) => V} pick
     * @param {(value: V) => void} react
     * @returns {() => void} stops watching
     */
    watch(pick, react) {
      let last = pick(state);
      const listener = () => {
        const now = pick(state);
        if (now === last) return;
        last = now;
        react(now);
      };
      listeners.add(listener);
      react(last);
      return () => listeners.delete(listener);
    },
  };
}
