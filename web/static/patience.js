// How long a request is waited for, whether there is use in sending it again, and after what pause.

/** Whether sending the same again gets the same answer. @param {number} status */
export function isLasting(status) {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/**
 * Return how long to wait before the next attempt: twice as long each time, and at least what the server asks for.
 * @param {number} attempt from 1
 * @param {{longestMs: number, retryAfterS?: number}} limits `retryAfterS` is what the server asks for.
 * @param {number} chance from 0 to 1: they who fail together do not come back together.
 */
export function pauseMs(attempt, { longestMs, retryAfterS = 0 }, chance) {
  const own = Math.min(longestMs, 500 * 2 ** attempt) * (0.7 + 0.6 * chance);
  return Math.max(own, retryAfterS * 1000 * (1 + 0.6 * chance));
}

/**
 * Wait; no longer than until `gone`.
 * @param {number} ms
 * @param {AbortSignal} gone
 * @returns {Promise<void>}
 */
export function pause(ms, gone) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      gone.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    gone.addEventListener("abort", end);
    if (gone.aborted) end();
  });
}

/**
 * Ask; cut it off when it takes too long, or when nobody waits for it any more.
 * @template T
 * @param {number} limitMs
 * @param {AbortSignal} gone
 * @param {(cut: AbortSignal) => Promise<T>} ask
 */
export async function within(limitMs, gone, ask) {
  const cut = new AbortController();
  const end = () => cut.abort();
  const timer = setTimeout(end, limitMs);
  gone.addEventListener("abort", end);
  if (gone.aborted) end();
  try {
    return await ask(cut.signal);
  } finally {
    clearTimeout(timer);
    gone.removeEventListener("abort", end);
  }
}
