// What images wait for, as the server tells it, and how that is said. Pure.

/**
 * @typedef {object} Waits
 * @property {string} code such as `starting`
 * @property {string} says the same in words
 */

/**
 * Return what a server's answer says of it; null if that is nothing.
 * @param {unknown} told
 * @returns {Waits | null}
 */
export function waitsIn(told) {
  if (typeof told !== "object" || told === null) return null;
  const { code, says } = /** @type {Record<string, unknown>} */ (told);
  return typeof code === "string" && typeof says === "string" ? { code, says } : null;
}

/**
 * Say why nothing gets on.
 * @param {Waits | null} waits
 */
export function saying(waits) {
  if (!waits) return "waiting for a worker";
  return waits.code === "working" ? `waiting; ${waits.says}` : `waiting: ${waits.says}`;
}
