// Small pictures of one's own files, drawn by a worker, few at a time. A browser without one shows the files themselves.

import { here } from "./dom.js";

/**
 * A picture's address, and what to do when it is not shown any more.
 * @typedef {{url: string, release: () => void}} Thumbnail
 *
 * What of a worker this uses.
 * @typedef {Pick<Worker, "postMessage" | "onmessage" | "onerror">} Drawer
 */

export const AT_ONCE = 2;

export class Thumbnails {
  /** @param {() => Drawer | null} [start] null where there are no workers */
  constructor(start = startWorker) {
    this._start = start;
    /** @type {Drawer | null | undefined} undefined before it is needed */
    this._drawer = undefined;
    /** @type {{file: File, gone: AbortSignal, tell: (thumbnail: Thumbnail | null) => void}[]} */
    this._line = [];
    /** @type {Map<number, {file: File, tell: (thumbnail: Thumbnail | null) => void}>} */
    this._drawing = new Map();
    this._asked = 0;
  }

  /**
   * Return a file's picture; null if it is none that this browser can show, or nobody wants it any more.
   * @param {File} file
   * @param {AbortSignal} gone
   * @returns {Promise<Thumbnail | null>}
   */
  load(file, gone) {
    if (this._drawer === undefined) this._begin();
    if (!this._drawer) return Promise.resolve(itself(file));
    return new Promise((tell) => {
      this._line.push({ file, gone, tell });
      this._next();
    });
  }

  _begin() {
    this._drawer = this._start();
    if (!this._drawer) return;
    this._drawer.onmessage = ({ data: { id, url } }) => this._drawn(id, url);
    this._drawer.onerror = () => this._broken();
  }

  _next() {
    while (this._drawer && this._drawing.size < AT_ONCE) {
      const next = this._line.shift();
      if (!next) return;
      if (next.gone.aborted) {
        next.tell(null);
        continue;
      }
      this._asked += 1;
      this._drawing.set(this._asked, next);
      this._drawer.postMessage({ id: this._asked, file: next.file });
    }
  }

  /**
   * @param {number} id
   * @param {string | null} url
   */
  _drawn(id, url) {
    const drawer = this._drawer;
    this._drawing.get(id)?.tell(url ? { url, release: () => drawer?.postMessage({ release: url }) } : null);
    this._drawing.delete(id);
    this._next();
  }

  /** There is no worker after all. */
  _broken() {
    this._drawer = null;
    for (const { file, tell } of [...this._drawing.values(), ...this._line]) tell(itself(file));
    this._drawing.clear();
    this._line = [];
  }
}

/** Return a file for its own picture. @param {Blob} file @returns {Thumbnail} */
export function itself(file) {
  const url = URL.createObjectURL(file);
  return { url, release: () => URL.revokeObjectURL(url) };
}

/** @returns {Drawer | null} */
function startWorker() {
  if (typeof Worker === "undefined" || typeof OffscreenCanvas === "undefined") return null;
  return new Worker(here("/static/thumbnailer.js"), { type: "module" });
}
