// The files that the server has of a batch: they are not sent again.

/** @import { Ask } from "./batch.js" */

/**
 * A file that the server has.
 * @typedef {{key: string, size: number, stored_at: string}} Held
 */

/**
 * Return the files that the server has, by path; none if it does not say: it takes no file twice anyway.
 * @param {string} url the batch's, in the API
 * @param {Ask} ask
 */
export async function heldBy(url, ask) {
  /** @type {Map<string, Held>} */
  const found = new Map();
  try {
    for (let after = /** @type {string | null} */ (""); after !== null; ) {
      const answer = await ask(`${url}/stored?after=${encodeURIComponent(after)}`, {});
      if (!answer.ok) break;
      /** @type {{files: ({path: string} & Held)[], next: string | null}} */
      const { files, next } = await answer.json();
      for (const file of files) found.set(file.path, file);
      after = next;
    }
  } catch {
    // No connection.
  }
  return found;
}

/**
 * Whether a file is the one that was uploaded under its path: as large, and not changed since.
 * @param {File} file
 * @param {Held} held
 */
export function isHeld(file, { size, stored_at: at }) {
  return file.size === size && file.lastModified <= Date.parse(at);
}
