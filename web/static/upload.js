// Uploads in chunks, a few at a time, each sent again until it is answered: the server takes no file twice.

import { here } from "./dom.js";
import { isLasting, pause, pauseMs } from "./patience.js";

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
 * @property {(silent: boolean) => void} onSilence is told whether the server cannot be reached.
 */

/**
 * Sends one request; tells how many more bytes are on their way as they go.
 * @typedef {(url: string, body: FormData | null, onProgress: (bytes: number) => void, cut: AbortSignal) => Promise<Answer>}
 *   Post
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
    /** Whether no further chunk is begun until `resume`. */
    this.paused = false;
    this._images = images;
    this._id = id;
    this._maxFileBytes = maxFileBytes;
    this._listener = listener;
    this._post = send;
    /** @type {Item[]} */
    this._queue = [];
    this._sending = 0;
    this._chunks = 0;
    this._silent = false;
    this._turn = new AbortController(); // what was begun in an earlier turn is cut off
    /** @type {Promise<string> | null} */
    this._naming = null;
  }

  get busy() {
    return this._sending > 0 || this._queue.length > 0;
  }

  /** @param {Item[]} items */
  add(items) {
    for (const item of items) this._queue.push(item);
    this._fill();
  }

  /** Begin no further chunk; those under way are sent to their end. */
  pause() {
    this.paused = true;
  }

  resume() {
    this.paused = false;
    this._fill();
  }

  /** Send nothing more; what is under way is cut off, and none of its files is an image of this page any more. */
  cancel() {
    this._turn.abort();
    this._turn = new AbortController();
    this._queue = [];
    this._naming = null;
    this.paused = false;
    this._images.forget(({ state }) => state === "queued" || state === "uploading");
    if (!this.busy) this._listener.onIdle();
  }

  _fill() {
    while (this._sending < AT_ONCE && this._queue.length && !this.paused) {
      this._sending += 1;
      const most = this._chunks ? CHUNK_FILES : FIRST_CHUNK_FILES;
      this._chunks += 1;
      // Only of these few: a browser looks at the disk for each size.
      const sizes = this._queue.slice(0, most).map((item) => this._sentBytes(item));
      const chunk = this._queue.splice(0, fitting(sizes, most));
      void this._send(chunk, this._turn.signal).finally(() => {
        this._sending -= 1;
        this._fill();
        if (!this.busy) this._listener.onIdle();
      });
    }
  }

  /**
   * @param {Item[]} items
   * @param {AbortSignal} gone
   */
  async _send(items, gone) {
    let sent = items;
    for (const item of items) this._images.set(item, { state: "uploading", reason: null });
    try {
      const url = here(`/api/batches/${encodeURIComponent(await this._batch(gone))}/images`);
      const body = /** @param {boolean} again */ async (again) => {
        // A request that failed may have done so for one file that is gone from the disk.
        if (again) sent = await this._readable(sent);
        return sent.length ? this._form(sent) : null;
      };
      /** @type {{images: Told[]}} */
      const answer = await this._persist(url, body, gone);
      if (gone.aborted || !sent.length) return;
      this._bind(sent, answer.images);
      this._listener.onReceipt();
    } catch (error) {
      if (!gone.aborted) this._fail(sent, `could not be uploaded: ${error instanceof Error ? error.message : error}`);
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

  /** Return the batch's id, made when the first chunk needs it. @param {AbortSignal} gone @returns {Promise<string>} */
  _batch(gone) {
    if (this._id) return Promise.resolve(this._id);
    if (this._naming) return this._naming;
    const naming = this._name(gone).finally(() => {
      if (this._naming === naming) this._naming = null;
    });
    this._naming = naming;
    return naming;
  }

  /** @param {AbortSignal} gone @returns {Promise<string>} */
  async _name(gone) {
    const answer = await this._persist(here("/api/batches"), async () => null, gone);
    this._id = answer.id;
    this._listener.onBatch(answer.id);
    return answer.id;
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
   * Send until it is answered, nobody wants it any more, or there is no use in it; without an answer, return null. A connection that is lost comes back,
   * however long that takes; a server that answers with errors is asked a few times.
   * @param {string} url
   * @param {(again: boolean) => Promise<FormData | null>} body is asked whether there was an attempt before.
   * @param {AbortSignal} gone
   */
  async _persist(url, body, gone) {
    const whole = url.endsWith("/images");
    for (let attempt = 1, refused = 0; !gone.aborted; attempt += 1) {
      const form = await body(attempt > 1);
      if (whole && !form) return null;
      const progress = /** @param {number} bytes */ (bytes) => {
        this.bytesSent += bytes;
      };
      const answer = await this._post(url, form, progress, gone);
      if (answer.status === 201) {
        this._hear(true);
        return JSON.parse(answer.text);
      }
      if (gone.aborted) return null;
      if (answer.status) refused += 1;
      this._hear(answer.status > 0);
      if (isLasting(answer.status) || refused === TRIES) throw new Error(reasonOf(answer));
      await online();
      const limits = { longestMs: LONGEST_PAUSE_MS, retryAfterS: answer.retryAfterS };
      await pause(pauseMs(attempt, limits, Math.random()), gone);
    }
    return null;
  }

  /** Tell whether the server answers, when that changes. @param {boolean} answers */
  _hear(answers) {
    if (this._silent === !answers) return;
    this._silent = !answers;
    this._listener.onSilence(this._silent);
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

/**
 * XMLHttpRequest, because fetch tells no progress.
 * @param {string} url
 * @param {FormData | Blob | null} body
 * @param {(bytes: number) => void} onProgress
 * @param {AbortSignal} cut
 * @returns {Promise<Answer>}
 */
export function post(url, body, onProgress, cut) {
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
    cut.addEventListener("abort", () => request.abort(), { once: true });
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
