// An image's picture: the user's own file while there is one, and the small one that the server draws otherwise.
// The server draws few at a time: a page asks for few at once, and again, after a pause, for what it was refused.

import { here } from "./dom.js";
import { isLasting, pause, pauseMs, within } from "./patience.js";
import { itself, Thumbnails } from "./thumbnails.js";

/**
 * @import { Item } from "./images.js"
 * @import { Thumbnail } from "./thumbnails.js"
 *
 * What is known of a picture.
 * @typedef {Pick<Item, "key" | "file" | "unshowable">} Pictured
 *
 * Asks the server.
 * @typedef {(url: string, cut: AbortSignal) => Promise<Pick<Response, "status" | "ok" | "blob">>} Get
 */

export const AT_ONCE = 4; // several people who look at once find seats, too
export const TRIES = 6;
const LONGEST_PAUSE_MS = 4_000; // a seat is free when a picture is drawn, which is sooner than `Retry-After` says
const TIMEOUT_MS = 30_000;
const REFUSED = /^rejected\/[0-9a-f]{12}\//; // as `REJECTED` of app/domain.py

/** The server's pictures. Who waits to ask again keeps its place, so that a busy server is asked less. */
export class Previews {
  /** @param {Get} [get] */
  constructor(get = (url, cut) => fetch(url, { signal: cut, priority: "low" })) {
    this._get = get;
    this._asking = 0;
    /** @type {(() => void)[]} */
    this._line = [];
  }

  /**
   * Return a picture; null when there is none to be had, or nobody wants it any more.
   * @param {string} url
   * @param {AbortSignal} gone
   * @param {boolean} [urgent] whether it waits for no other's turn
   */
  async load(url, gone, urgent = false) {
    if (urgent) return this._persist(url, gone);
    if (this._asking < AT_ONCE) this._asking += 1;
    else await new Promise((resolve) => this._line.push(() => resolve(undefined)));
    try {
      return await this._persist(url, gone);
    } finally {
      this._pass();
    }
  }

  /** Leave one's place to the next. */
  _pass() {
    const next = this._line.shift();
    if (next) next();
    else this._asking -= 1;
  }

  /**
   * @param {string} url
   * @param {AbortSignal} gone
   */
  async _persist(url, gone) {
    for (let attempt = 1; !gone.aborted; attempt += 1) {
      const { status, picture } = await this._ask(url, gone);
      if (picture || isLasting(status) || attempt === TRIES) return picture;
      await pause(pauseMs(attempt, { longestMs: LONGEST_PAUSE_MS }, Math.random()), gone);
    }
    return null;
  }

  /**
   * @param {string} url
   * @param {AbortSignal} gone
   */
  async _ask(url, gone) {
    try {
      return await within(TIMEOUT_MS, gone, async (cut) => {
        const answer = await this._get(url, cut);
        return { status: answer.status, picture: answer.ok ? await answer.blob() : null };
      });
    } catch {
      return { status: 0, picture: null }; // no connection, or cut off
    }
  }
}

const ours = new Previews();
const own = new Thumbnails();

/** @type {WeakMap<HTMLImageElement, () => void>} what lets a picture's data go */
const held = new WeakMap();

/** @type {WeakMap<HTMLImageElement, AbortController>} those that show a picture, wait for it, or do without for good */
const taken = new WeakMap();

/**
 * The server's picture of an image; null when it has none.
 * @param {string | null} key
 * @param {boolean} [large]
 */
export function previewUrl(key, large = false) {
  const [batch, ...path] = key?.split("/") ?? [];
  // A refused file was not stored: its key has a folder of its own.
  if (!batch || !path.length || !path.every(Boolean) || REFUSED.test(path.join("/"))) return null;
  const named = path.map(encodeURIComponent).join("/");
  return here(`/api/batches/${batch}/images/${named}${large ? "?size=large" : ""}`);
}

/** Whether nothing is to be done to show a picture. @param {HTMLImageElement} picture */
export function isTaken(picture) {
  return taken.has(picture);
}

/**
 * Show an item's picture, if none is shown yet and there is one.
 * @param {HTMLImageElement} picture
 * @param {Pictured} item
 * @param {{large?: boolean, onShow?: (shown: boolean) => void, previews?: Previews, thumbnails?: Thumbnails}} [options]
 *   `onShow` is told whether there is one, or may be.
 */
export function show(picture, item, options = {}) {
  if (isTaken(picture)) return;
  const { large = false, onShow = () => {}, previews = ours } = options;
  const file = item.file && !item.unshowable ? item.file : null;
  const remote = previewUrl(item.key, large);
  onShow(Boolean(file ?? remote));
  if (file) void showOwn(picture, file, item, options);
  else if (remote) {
    const gone = take(picture);
    void previews.load(remote, gone, large).then((got) => {
      if (gone.aborted) return;
      if (got) put(picture, itself(got), () => onShow(false));
      else onShow(false);
    });
  }
}

/**
 * @param {HTMLImageElement} picture
 * @param {File} file
 * @param {Pictured} item
 * @param {Parameters<typeof show>[2] & {}} options
 */
async function showOwn(picture, file, item, options) {
  const gone = take(picture);
  const broken = () => {
    // Not a format of this browser's, or no image at all; once it is stored, the server can tell.
    item.unshowable = true;
    drop(picture);
    show(picture, item, options);
  };
  const drawn = options.large ? itself(file) : await (options.thumbnails ?? own).load(file, gone);
  if (gone.aborted) drawn?.release();
  else if (drawn) put(picture, drawn, broken);
  else broken();
}

/** Show nothing, and wait for nothing. @param {HTMLImageElement} picture */
export function drop(picture) {
  taken.get(picture)?.abort();
  taken.delete(picture);
  picture.onerror = null;
  held.get(picture)?.();
  held.delete(picture);
  picture.removeAttribute("src");
}

/** Show none of the pictures in there. @param {Element} root */
export function dropAll(root) {
  for (const picture of root.querySelectorAll("img")) drop(picture);
}

/** @param {HTMLImageElement} picture */
function take(picture) {
  const gone = new AbortController();
  taken.set(picture, gone);
  return gone.signal;
}

/**
 * @param {HTMLImageElement} picture
 * @param {Thumbnail} drawn
 * @param {() => void} onBroken it is none that the browser can show.
 */
function put(picture, { url, release }, onBroken) {
  held.set(picture, release);
  picture.onerror = onBroken;
  picture.src = url;
}
