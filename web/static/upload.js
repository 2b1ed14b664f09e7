// Uploads in chunks, a few at a time, each sent again until it is answered: the server takes no file twice.

import { here } from "./dom.js";
import { isLasting, pauseMs } from "./patience.js";

/** @import { Images, Item, Told } from "./images.js" */

/**
 * What became of a request.
 * @typedef {object} Answer
 * @property {number} status 0 when no answer came
 * @property {string} text
 * @property {number} retryAfterS
 */

/**
 * @typedef {object} Listener
 * @property {(id: string) => void} onBatch the server has named the batch.
 * @property {() => void} onReceipt the server has some of the files.
 * @property {() => void} onIdle nothing is left to send.
 */

/**
 * Sends one request; tells how many more bytes are on their way as they go.
 * @typedef {(url: string, body: FormData | null, onProgress: (bytes: number) => void) => Promise<Answer>} Post
 */

export const CHUNK_FILES = 24;
export const CHUNK_BYTES = 24_000_000;
export const FIRST_CHUNK_FILES = 4; // so that the first results come while the rest is on its way
export const TRIES = 7;
const AT_ONCE = 3;
const LONGEST_PAUSE_MS = 20_000;

export class Uploader {
  /**
   * @param {Images} images whose queued items are sent.
   * @param {string | null} id the batch; null to have one made by the first chunk.
   * @param {number} maxFileBytes the server's limit: of a larger file only so much is sent that it can be refused.
   * @param {Listener} listener
   * @param {Post} [send]
   */
  constructor(images, id, maxFileBytes, listener, send = post) {
    this.bytesSent = 0;
    this._images = images;
    this._id = id;
    this._maxFileBytes = maxFileBytes;
    this._listener = listener;
    this._post = send;
    /** @type {Item[]} */
    this._queue = [];
    this._sending = 0;
    this._chunks = 0;
    /** @type {Promise<string> | null} */
    this._naming = null;
  }

  get busy() {
    return this._sending > 0 || this._queue.length > 0;
  }

  /** @param {Item[]} items */
  add(items) {
    this._queue.push(...items);
    this._fill();
  }

  _fill() {
    while (this._sending < AT_ONCE && this._queue.length) {
      this._sending += 1;
      const most = this._chunks ? CHUNK_FILES : FIRST_CHUNK_FILES;
      this._chunks += 1;
      const chunk = this._queue.splice(
        0,
        fitting(
          this._queue.map((item) => this._sentBytes(item)),
          most,
        ),
      );
      void this._send(chunk).finally(() => {
        this._sending -= 1;
        this._fill();
        if (!this.busy) this._listener.onIdle();
      });
    }
  }

  /** @param {Item[]} items */
  async _send(items) {
    const readable = await this._readable(items);
    if (!readable.length) return;
    for (const item of readable) this._images.set(item, { state: "uploading", reason: null });
    try {
      const url = here(`/api/batches/${encodeURIComponent(await this._batch())}/images`);
      /** @type {{images: Told[]}} */
      const { images } = await this._persist(url, () => this._form(readable));
      this._bind(readable, images);
      this._listener.onReceipt();
    } catch (error) {
      this._fail(readable, `could not be uploaded: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** @param {Item[]} items */
  async _readable(items) {
    const readable = [];
    for (const item of items) {
      if (item.file && (await canRead(item.file))) readable.push(item);
      else this._fail([item], "the file cannot be read any more; choose it again");
    }
    return readable;
  }

  /**
   * @param {Item[]} items
   * @param {Told[]} images
   */
  _bind(items, images) {
    const answers = answersTo(
      items.map(({ path }) => path),
      images,
    );
    items.forEach((item, index) => {
      const told = answers[index];
      if (told) this._images.bind(item, told);
      else this._fail([item], "could not be uploaded: the server does not say what became of it");
    });
  }

  /** Return the batch's id, made when the first chunk needs it. @returns {Promise<string>} */
  _batch() {
    if (this._id) return Promise.resolve(this._id);
    this._naming ??= this._persist(here("/api/batches"), () => null)
      .then(({ id }) => {
        this._id = id;
        this._listener.onBatch(id);
        return id;
      })
      .finally(() => {
        this._naming = null;
      });
    return this._naming;
  }

  /** @param {Item[]} items */
  _form(items) {
    const form = new FormData();
    for (const item of items) {
      if (!item.file) continue;
      const bytes = this._sentBytes(item);
      form.append("files", bytes < item.file.size ? item.file.slice(0, bytes) : item.file, item.path);
    }
    return form;
  }

  /** One byte too many is enough to be refused. @param {Item} item */
  _sentBytes({ file }) {
    return Math.min(file?.size ?? 0, this._maxFileBytes + 1);
  }

  /**
   * Send until it is answered, or there is no use in it.
   * @param {string} url
   * @param {() => FormData | null} body
   */
  async _persist(url, body) {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this._post(url, body(), (bytes) => {
        this.bytesSent += bytes;
      });
      if (answer.status === 201) return JSON.parse(answer.text);
      if (isLasting(answer.status) || attempt === TRIES) throw new Error(reasonOf(answer));
      await online();
      const limits = { longestMs: LONGEST_PAUSE_MS, retryAfterS: answer.retryAfterS };
      await new Promise((resolve) => setTimeout(resolve, pauseMs(attempt, limits, Math.random())));
    }
  }

  /**
   * @param {Item[]} items
   * @param {string} reason
   */
  _fail(items, reason) {
    for (const item of items) this._images.set(item, { state: "failed", reason, again: true });
  }
}

/**
 * Return what the server says of each file: of as many answers as files, they are in the same order; of fewer or more,
 * one that has the file's path, and null where there is none.
 * @param {string[]} paths
 * @param {Told[]} images
 * @returns {(Told | null)[]}
 */
export function answersTo(paths, images) {
  if (paths.length === images.length) return images;
  const left = [...images];
  return paths.map((path) => {
    const at = left.findIndex((told) => told.path === path);
    return at < 0 ? null : (left.splice(at, 1)[0] ?? null);
  });
}

/**
 * Return how many of the first files make a chunk: one at least.
 * @param {number[]} sizes in bytes
 * @param {number} most files
 */
export function fitting(sizes, most) {
  let bytes = 0;
  let count = 0;
  for (const size of sizes.slice(0, most)) {
    bytes += size;
    if (count && bytes > CHUNK_BYTES) break;
    count += 1;
  }
  return count;
}

/**
 * Say why an answer is none.
 * @param {Pick<Answer, "status" | "text">} answer
 * @returns {string}
 */
export function reasonOf({ status, text }) {
  if (!status) return "the server cannot be reached";
  try {
    const { detail } = JSON.parse(text);
    if (typeof detail === "string") return detail;
  } catch {
    // A proxy's answer is no problem of ours in JSON.
  }
  return `the server answered with status ${status}`;
}

/** XMLHttpRequest, because fetch tells no progress. @type {Post} */
function post(url, body, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let seen = 0;
    request.upload.onprogress = (event) => {
      onProgress(event.loaded - seen);
      seen = event.loaded;
    };
    request.onloadend = () => {
      const retryAfterS = Number(request.getResponseHeader("Retry-After")) || 0;
      resolve({ status: request.status, text: request.responseText, retryAfterS });
    };
    request.open("POST", url);
    request.send(body);
  });
}

/** @param {File} file */
async function canRead(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function online() {
  if (navigator.onLine !== false) return Promise.resolve();
  return new Promise((resolve) => window.addEventListener("online", resolve, { once: true }));
}
