// What changed, told at most once a frame.

/**
 * Return a function that notes what changed; `act` gets all of it before the next frame.
 * @template T
 * @param {(changed: Set<T>) => void} act
 * @param {(run: () => void) => void} [schedule]
 * @returns {(changed: T) => void}
 */
export function gathered(act, schedule = beforeNextFrame) {
  /** @type {Set<T>} */
  let changed = new Set();
  return (one) => {
    const first = !changed.size;
    changed.add(one);
    if (!first) return;
    schedule(() => {
      const all = changed;
      changed = new Set();
      act(all);
    });
  };
}

/** A hidden page has no frames, and its title still counts. @param {() => void} run */
function beforeNextFrame(run) {
  if (document.hidden) setTimeout(run, 500);
  else requestAnimationFrame(run);
}
