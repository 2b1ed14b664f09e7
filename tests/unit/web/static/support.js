// What the tests put in the browser's place: its streams, its requests and whether it is looked at, all in their hands.

/** @import { Item } from "../../../../web/static/images.js" */
/** @import { Told } from "../../../../web/static/images.js" */
/** @import { Answer } from "../../../../web/static/upload.js" */

const CONNECTING = 0;
const OPEN = 1;

/** A stream that does what the test says. */
export class Stream extends EventTarget {
  /** @param {string} url */
  constructor(url) {
    super();
    this.url = url;
    this.CLOSED = 2;
    this.readyState = CONNECTING;
    /** @type {((event: Event) => void) | null} */
    this.onopen = null;
    /** @type {((event: Event) => void) | null} */
    this.onerror = null;
  }

  get closed() {
    return this.readyState === this.CLOSED;
  }

  close() {
    this.readyState = this.CLOSED;
  }

  /** Answer at last. */
  answer() {
    this.readyState = OPEN;
    this.onopen?.(new Event("open"));
  }

  /**
   * Send an event.
   * @param {string} kind
   * @param {unknown} data
   * @param {string} [lastEventId]
   */
  send(kind, data, lastEventId = "") {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data), lastEventId }));
  }

  /** Refuse for good. */
  refuse() {
    this.readyState = this.CLOSED;
    this.onerror?.(new Event("error"));
  }

  /** Break off; the browser tries again. */
  breakOff() {
    this.readyState = CONNECTING;
    this.onerror?.(new Event("error"));
  }
}

/** A page that is looked at, or is not. */
class Looked extends EventTarget {
  hidden = false;

  /** @param {boolean} hidden */
  turn(hidden) {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

export class FakeBrowser {
  constructor() {
    /** @type {Stream[]} */
    this.streams = [];
    /** @type {string[]} what was polled */
    this.polled = [];
    this.page = new Looked();
    this.follows = false; // whether another tab has the stream
    /** @type {() => Promise<{status: number, body: unknown}>} what a poll gets */
    this.reply = () => Promise.reject(new TypeError("no connection"));
    this.open = this.open.bind(this);
    this.get = this.get.bind(this);
  }

  /**
   * @param {() => string} url
   * @param {string[]} [_kinds]
   * @param {() => void} [onBehind]
   * @returns {any} as much of a stream as is used
   */
  open(url, _kinds, onBehind) {
    const stream = new Stream(url());
    this.streams.push(stream);
    if (this.follows) onBehind?.();
    return stream;
  }

  /**
   * @param {string} url
   * @param {AbortSignal} cut
   */
  async get(url, cut) {
    this.polled.push(url);
    /** @type {Promise<never>} */
    const off = new Promise((_, reject) => cut.addEventListener("abort", () => reject(cut.reason)));
    const { status, body } = await Promise.race([this.reply(), off]);
    return { status, ok: status < 300, json: async () => body };
  }

  /** The stream that was opened last. */
  get stream() {
    const last = this.streams.at(-1);
    if (!last) throw new Error("no stream was opened");
    return last;
  }
}

/** Wait until all that is under way without a timer is done. */
export async function settled() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * What the server says of an image.
 * @param {string} key
 * @param {Partial<Told>} [more]
 * @returns {Told}
 */
export function told(key, more = {}) {
  const filename = key.split("/").at(-1) ?? "";
  const path = key.slice(key.indexOf("/") + 1);
  return { key, filename, path, state: "waiting", label: null, score: null, top5: [], reason: null, ...more };
}

/**
 * What the server says of an image with a label.
 * @param {string} key
 * @param {string} label
 * @param {number} [score]
 */
export function done(key, label, score = 0.75) {
  return told(key, { state: "done", label, score, top5: [{ label, score }] });
}

/**
 * An image as the page knows it.
 * @param {Partial<Item>} fields
 * @returns {Item}
 */
export function item(fields) {
  const { name = "a.png", path = name } = fields;
  const blank = { number: 0, key: null, name, path, file: null, label: null, score: null, top5: [], reason: null };
  return { ...blank, state: "waiting", again: false, unshowable: false, ...fields };
}

/**
 * A file of so many bytes.
 * @param {string} name
 * @param {number} [bytes]
 */
export function file(name, bytes = 1) {
  return new File([new Uint8Array(bytes)], name);
}

/**
 * An answer with JSON in it.
 * @param {number} status
 * @param {unknown} body
 * @param {number} [retryAfterS]
 * @returns {Answer}
 */
export function answered(status, body, retryAfterS = 0) {
  return { status, text: JSON.stringify(body), retryAfterS };
}
