// The batches that this browser has seen, kept in the browser alone.

import { frequent } from "./images.js";
import { previewUrl } from "./picture.js";

/** @import { Images } from "./images.js" */

/**
 * @typedef {object} Seen
 * @property {string} id
 * @property {number} at when it was first seen, in milliseconds since 1970
 * @property {number} total
 * @property {number} [left] files that were not uploaded yet
 * @property {string[]} keys of some of its images
 * @property {string[]} labels the most frequent
 */

const STORE = "elastiq.recent";
export const MOST = 12;
const PICTURES = 4;
const LABELS = 3;

export class Recent {
  /**
   * @param {() => Storage} storage which a browser may refuse; then nothing is kept, and the page works without.
   * @param {() => number} [clock] milliseconds since 1970
   */
  constructor(storage = () => localStorage, clock = Date.now) {
    this._storage = storage;
    this._clock = clock;
  }

  /** Return them all, the newest first. @returns {Seen[]} */
  read() {
    try {
      const found = JSON.parse(this._storage().getItem(STORE) ?? "[]");
      return Array.isArray(found) ? found.filter(isSeen) : [];
    } catch {
      return []; // no storage, or not ours: then there are no recent batches
    }
  }

  /**
   * Note a batch as it is now.
   * @param {string} id
   * @param {Pick<Images, "items" | "labels" | "total" | "counts">} images
   */
  remember(id, images) {
    const known = this.read();
    const at = known.find((batch) => batch.id === id)?.at ?? this._clock();
    const others = known.filter((batch) => batch.id !== id);
    const all = [{ id, at, ...summary(images) }, ...others].sort((a, b) => b.at - a.at);
    this._write(all.slice(0, MOST));
  }

  /** Return how many files of a batch were not uploaded when it was last seen. @param {string} id */
  left(id) {
    return this.read().find((batch) => batch.id === id)?.left ?? 0;
  }

  /** @param {string} id */
  forget(id) {
    this._write(this.read().filter((batch) => batch.id !== id));
  }

  /** @param {Seen[]} batches */
  _write(batches) {
    try {
      this._storage().setItem(STORE, JSON.stringify(batches));
    } catch {
      // A browser may refuse to keep anything.
    }
  }
}

/** @param {Pick<Images, "items" | "labels" | "total" | "counts">} images */
function summary({ items, labels, total, counts }) {
  const left = counts.queued + counts.uploading;
  const keys = [];
  // Of ten thousand the first few are enough, and looked for again and again.
  for (const { key } of items) {
    if (keys.length === PICTURES) break;
    if (key !== null && previewUrl(key)) keys.push(key);
  }
  return { total, left, keys, labels: frequent(labels, LABELS).map(([label]) => label) };
}

/** @param {unknown} value @returns {value is Seen} */
function isSeen(value) {
  if (typeof value !== "object" || value === null) return false;
  const { id, at, total, keys, labels } = /** @type {Record<string, unknown>} */ (value);
  return typeof id === "string" && Number.isFinite(at) && Number.isFinite(total) && isTexts(keys) && isTexts(labels);
}

/** @param {unknown} value */
function isTexts(value) {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
