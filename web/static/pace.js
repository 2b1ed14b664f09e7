// How fast a batch gets on, and how that is said. Pure.

import { saying } from "./waits.js";
import { bytes, duration, many, number } from "./words.js";

/** @import { Images } from "./images.js" */
/** @import { Waits } from "./waits.js" */

const WINDOW_MS = 8_000; // over which a rate is taken
const SHORTEST_MS = 1_000; // less tells no rate

export class Pace {
  constructor() {
    /** @type {{at: number, finished: number, sent: number}[]} */
    this._marks = [];
  }

  /**
   * Note how far it is.
   * @param {number} at in milliseconds, of a clock that only goes forward
   * @param {number} finished images
   * @param {number} sent bytes
   * @returns the images and the bytes a second, of late.
   */
  mark(at, finished, sent) {
    this._marks.push({ at, finished, sent });
    while (this._marks.length > 2 && at - this._oldest.at > WINDOW_MS) this._marks.shift();
    const then = this._oldest;
    if (at - then.at <= SHORTEST_MS) return { images: 0, bytes: 0 };
    const seconds = (at - then.at) / 1000;
    return { images: (finished - then.finished) / seconds, bytes: (sent - then.sent) / seconds };
  }

  get _oldest() {
    return this._marks[0] ?? { at: 0, finished: 0, sent: 0 };
  }
}

/**
 * Say how a batch gets on.
 * @param {Pick<Images, "counts" | "total" | "open" | "labels">} images
 * @param {{images: number, bytes: number}} rates a second
 * @param {Waits | null} [waits] what the server says that they wait for
 */
export function pace({ counts, total, open, labels }, rates, waits = null) {
  if (!total) return "";
  if (!open) return labels.size > 1 ? many(labels.size, "different label") : "";
  const parts = [];
  const left = counts.queued + counts.uploading;
  if (left) parts.push(`${number(left)} to upload${rates.bytes ? ` at ${bytes(rates.bytes)}/s` : ""}`);
  if (rates.images >= 0.1) {
    parts.push(`${rates.images >= 10 ? Math.round(rates.images) : rates.images.toFixed(1)} a second`);
    if (open / rates.images > 3) parts.push(`${duration(open / rates.images)} left`);
  } else if (waits || !parts.length) parts.push(saying(waits));
  return parts.join(" · ");
}

/**
 * Say how many there are, beside the number of those that are finished.
 * @param {number} total
 * @param {number} open
 */
export function tally(total, open) {
  if (!total) return "Reading the batch…";
  if (open) return `of ${number(total)}`;
  return total === 1 ? "image" : "images";
}
