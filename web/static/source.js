// A batch whose images are in S3 already: how far it is, in words, and the tiles of the first of its images.

import { many, number } from "./words.js";

/** @import { Images, Told } from "./images.js" */
/** @import { Ask } from "./batch.js" */

/**
 * @typedef {object} Progress
 * @property {"listing" | "working" | "collecting" | "complete" | "failed"} state
 * @property {number} published
 * @property {number} skipped
 * @property {string} problem
 * @property {string} results
 *
 * @typedef {{total: number, waiting: number, done: number, failed: number, cancelled: number}} Counts
 *
 * What the server answers of a batch.
 * @typedef {object} Answer
 * @property {string} cursor
 * @property {Counts} counts
 * @property {unknown} [waits]
 * @property {Told[]} images
 * @property {Progress} [progress] of one with a source
 * @property {{source?: Record<string, string> | null}} [record]
 */

/** Tiles that are shown unless more are asked for, and that are asked for at once: each costs the server a call. */
export const SHOWN = 500;
const AT_ONCE = 100;

export class Source {
  /**
   * @param {object} outside
   * @param {string} outside.url the batch's, in the API
   * @param {Ask} outside.ask
   * @param {(images: Told[]) => void} outside.onImages
   * @param {() => void} outside.onChange
   */
  constructor({ url, ask, onImages, onChange }) {
    this._first = `${url}?limit=${AT_ONCE}`;
    this._ask = ask;
    this._onImages = onImages;
    this._onChange = onChange;
    this._looking = false;
    this._again = false;
    /** What to ask for next; pages begin behind an image, so the first one has others when more are done. */
    this._next = this._first;
    /** @type {Progress | null} */
    this.progress = null;
    /** Where its images are, as an address; "" before the server has said it. */
    this.address = "";
    /** How many tiles there are to be. */
    this.shown = SHOWN;
  }

  /** Whether the server goes on with it. */
  get open() {
    return this.progress?.state !== "complete" && this.progress?.state !== "failed";
  }

  /** Whether its results can be had. */
  get complete() {
    return this.progress?.state === "complete";
  }

  /** Show more tiles. @param {Images} images */
  async more(images) {
    this.shown += SHOWN;
    await this.look(images, true);
  }

  /**
   * Ask for tiles while there are fewer than are to be.
   * @param {Pick<Images, "items" | "counts">} images
   * @param {boolean} [whole] for all of them, from the first one, and not for some
   */
  async look({ items, counts }, whole = false) {
    if (this._looking) {
      this._again ||= whole;
      return;
    }
    this._looking = true;
    try {
      if (whole) this._next = this._first;
      const told = () => Math.min(this.shown, counts.done + counts.failed);
      for (let asked = 0; !asked || (whole && asked < this.shown); asked += AT_ONCE) {
        if (this.address && !whole && items.length >= told()) break;
        if (!(await this._page())) break;
      }
    } finally {
      this._looking = false;
    }
    if (this._again) {
      this._again = false;
      await this.look({ items, counts }, true);
    }
  }

  /** Ask for one page; return whether there is another. */
  async _page() {
    try {
      const answer = await this._ask(this._next, {});
      if (!answer.ok) return false;
      /** @type {Answer} */
      const { images, record } = await answer.json();
      this.address = addressOf(record?.source);
      this._next = answer.headers.get("Link")?.match(/<([^>]*)>/)?.[1] ?? this._first;
      this._onImages(images);
      this._onChange();
      return this._next !== this._first;
    } catch {
      return false; // no connection: the next news ask again
    }
  }
}

/**
 * Return the address of a source, as `elastiq classify` takes it; "" of none.
 * @param {Record<string, string> | null | undefined} source
 */
export function addressOf(source) {
  return source ? `s3://${source.bucket}/${source.prefix ?? source.glob ?? source.manifest ?? ""}` : "";
}

/**
 * Say what becomes of a batch's source.
 * @param {Pick<Source, "progress" | "address">} source
 * @param {Pick<Images, "items" | "total" | "counts">} images
 */
export function sourceWords({ progress, address }, { items, total, counts }) {
  if (!progress) return "";
  const skipped = progress.skipped ? `${many(progress.skipped, "object")} skipped, being no images` : "";
  const all = counts.done + counts.failed;
  const shown = items.length < all ? `${number(items.length)} of them are shown and searched` : "";
  const state = {
    listing: `being listed, ${number(total)} so far`,
    working: counts.cancelled ? "cancelled, its results follow in a minute" : "",
    collecting: "results are being put together",
    complete: total ? `results of all: ${progress.results}` : "there is no image",
    failed: progress.problem,
  }[progress.state];
  return [address, state, skipped, shown].filter(Boolean).join(" · ");
}
