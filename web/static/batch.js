// The batch in view: its images, the uploads that add to it and the news of it, from its first file until it is closed.

import { here } from "./dom.js";
import { heldBy, isHeld } from "./held.js";
import { Images } from "./images.js";
import { News } from "./news.js";
import { Source } from "./source.js";
import { reasonOf, Uploader } from "./upload.js";
import { waitsIn } from "./waits.js";

/** @import { Handed } from "./files.js" */
/** @import { Item, Told } from "./images.js" */
/** @import { Browser, Subject } from "./news.js" */
/** @import { Answer, Progress } from "./source.js" */
/** @import { Post } from "./upload.js" */
/** @import { Waits } from "./waits.js" */

/**
 * @typedef {object} Listener
 * @property {(id: string) => void} onNamed the server has made it.
 * @property {(item: Item) => void} onChange of one image
 * @property {() => void} onProgress of anything else
 * @property {() => void} onStored the server has more of what is uploaded; told also of a batch that was closed.
 * @property {() => void} onUploaded nothing is left to upload.
 * @property {() => void} onMissing there is no such batch.
 * @property {(had: number, of: number) => void} onHad so many of the files that were handed in were uploaded before.
 */

/**
 * @typedef {(url: string, options: RequestInit) => Promise<Pick<Response, "ok" | "status" | "text" | "json" | "headers">>} Ask
 */

const POLL_MS = 2_000;
const POLL_HIDDEN_MS = 15_000;
const AGAIN_MS = 1_000;
// Ends of the batch while images of it wait: the first may have been on its way; before the last all of it is read anew.
const ENDS = 3;

export class Batch {
  /**
   * @param {string | null} id null for one that its first upload makes.
   * @param {number} maxFileBytes the server's limit
   * @param {Listener} listener
   * @param {{browser?: Browser, post?: Post, ask?: Ask}} [outside] what it reaches the server with
   */
  constructor(id, maxFileBytes, listener, { browser, post, ask = (url, options) => fetch(url, options) } = {}) {
    this.id = id;
    this._ask = ask;
    /** Whether it was there before this page. */
    this._earlier = id !== null;
    /** Whether the server cannot be reached. */
    this.silent = false;
    /** @type {Waits | null} what the server says that the images wait for */
    this.waits = null;
    /** @type {Source | null} where its images are, if nobody uploads them */
    this.source = null;
    this._closed = false;
    this._ends = 0;
    this._cursor = "";
    /** @type {number | null} images that were finished before they were watched; null until those are told */
    this._found = id ? null : 0;
    this._listener = listener;
    this.images = new Images((item) => this._tell(({ onChange }) => onChange(item)));
    const uploads = {
      onBatch: /** @param {string} named */ (named) => this._named(named),
      onReceipt: () => this._stored(),
      onIdle: () => this._uploaded(),
      onSilence: /** @param {boolean} silent */ (silent) => this._silence(silent),
    };
    this.uploader = new Uploader(this.images, id, maxFileBytes, uploads, post);
    this._news = new News(this._subject(), browser);
    if (id) this._follow();
  }

  /** Images that were finished while they were watched. */
  get worked() {
    return this._found === null ? 0 : this.images.finished - this._found;
  }

  /** Take files: those that the batch has from an earlier visit are not sent again. @param {Handed[]} files */
  async add(files) {
    const stored = this._earlier ? await heldBy(this._url, this._ask) : new Map();
    if (this._closed) return;
    /** @type {Item[]} */
    const sent = [];
    for (const { file, path } of files) {
      const held = stored.get(path);
      if (held && isHeld(file, held)) this.images.adopt(held.key, file, path);
      else sent.push(this.images.add(file, path));
    }
    if (sent.length < files.length) {
      this._tell(({ onHad }) => onHad(files.length - sent.length, files.length));
      this._follow();
    }
    this.uploader.add(sent);
  }

  /** Send nothing more, and have the server drop what waits. */
  async cancel() {
    this.uploader.cancel();
    if (this.id && (this.images.counts.waiting || this.source?.open)) await this._order("POST", "/cancel");
  }

  /** Have the server try again what failed; of a batch that was cancelled, what was dropped too. */
  async again() {
    await this._order("POST", "/retry", this.images.counts.cancelled ? { cancelled: true } : null);
    this.images.again();
    this._ends = 0;
    this._follow();
  }

  /** Have the server delete it, with its images and its labels. */
  async remove() {
    this.uploader.cancel();
    if (this.id) await this._order("DELETE", "");
    this.close();
  }

  /** Upload again what could not be. */
  retry() {
    const again = this.images.refused;
    for (const item of again) this.images.set(item, { state: "queued", reason: null, again: false });
    this.uploader.add(again);
  }

  /** Say no more of it. */
  close() {
    this._closed = true;
    this._news.stop();
  }

  /** An upload goes on when the page has gone to another batch. @param {(listener: Listener) => void} act */
  _tell(act) {
    if (!this._closed) act(this._listener);
  }

  /** @returns {Subject} */
  _subject() {
    return {
      streamUrl: () => `${this._url}/events?${this._after}`,
      pollUrl: () => `${this._url}?${this._after}`,
      pollMs: POLL_MS,
      hiddenPollMs: POLL_HIDDEN_MS,
      events: {
        "image-waiting": (event) => this._hear(event),
        "image-classified": (event) => this._hear(event),
        "image-failed": (event) => this._hear(event),
        "image-cancelled": (event) => this._hear(event),
        current: () => this._current(),
        counts: (event) => this._counted(JSON.parse(event.data)),
        progress: (event) => this._progressed(JSON.parse(event.data)),
        waits: (event) => this._waits(JSON.parse(event.data)),
        done: () => (this.source ? this._over() : this._done()),
      },
      onAnswer: (answer) => this._read(answer),
      onMissing: () => this._tell(({ onMissing }) => onMissing()),
      onSilence: (silent) => this._silence(silent),
    };
  }

  get _url() {
    return here(`/api/batches/${encodeURIComponent(this.id ?? "")}`);
  }

  get _after() {
    return `after=${encodeURIComponent(this._cursor)}`;
  }

  _follow() {
    if (!this._closed) this._news.start();
  }

  /** @param {string} id */
  _named(id) {
    this.id = id;
    // It has nothing to follow before its first files are stored.
    this._tell(({ onNamed }) => onNamed(id));
  }

  _stored() {
    this._ends = 0;
    this._listener.onStored();
    this._follow();
  }

  _uploaded() {
    this.images.settle();
    this._tell(({ onUploaded }) => onUploaded());
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object | null} said
   * @throws {Error} the server does not do it, and says why.
   */
  async _order(method, path, said = null) {
    const body = said ? { body: JSON.stringify(said), headers: { "Content-Type": "application/json" } } : {};
    const answer = await this._ask(`${this._url}${path}`, { method, ...body });
    if (answer.ok) return;
    throw new Error(reasonOf({ status: answer.status, text: await answer.text() }));
  }

  /** @param {MessageEvent<string>} event */
  _hear(event) {
    this._cursor = event.lastEventId;
    this._learn(JSON.parse(event.data));
  }

  /** @param {Answer} answer */
  _read({ cursor, counts, waits, images, progress }) {
    if (progress) {
      this._progressed(progress);
      this._counted(counts);
      this._waits(waits);
      if (!this.source?.open) this._over();
      return;
    }
    this._cursor = cursor;
    this._waits(waits);
    for (const told of images) this._learn(told);
    this._current();
    if (!counts.waiting) this._done();
  }

  /** @param {Told} told */
  _learn(told) {
    this.images.learn(told, this.uploader.busy);
  }

  /** Of a batch with a source it is told how many images there are, and tiles are asked for. @param {Progress} progress */
  _progressed(progress) {
    this.source ??= new Source({
      url: this._url,
      ask: this._ask,
      onImages: (images) => {
        for (const told of images) this._learn(told);
      },
      onChange: () => this._tell(({ onProgress }) => onProgress()),
    });
    this.source.progress = progress;
    void this.source.look(this.images);
    this._tell(({ onProgress }) => onProgress());
  }

  /** @param {Answer["counts"]} counts */
  _counted(counts) {
    this.images.tell(counts);
    this._current();
    void this.source?.look(this.images);
    this._tell(({ onProgress }) => onProgress());
  }

  /** Its source is done with. */
  _over() {
    this._news.stop();
    this.waits = null;
    void this.source?.look(this.images, true);
    this._tell(({ onProgress }) => onProgress());
  }

  /** All that was there before has been told. */
  _current() {
    this._found ??= this.images.finished;
  }

  /** @param {unknown} told */
  _waits(told) {
    this.waits = waitsIn(told);
    this._tell(({ onProgress }) => onProgress());
  }

  _done() {
    this._news.stop();
    this.waits = null;
    if (!this.images.counts.waiting) this._ends = 0;
    else if (!this.uploader.busy) this._ends += 1;
    if (this._ends === ENDS - 1) this._cursor = "";
    if (this._ends === ENDS) this.images.lose();
    this._tell(({ onProgress }) => onProgress());
    // An end that was on its way while more was uploaded is none.
    if (this.images.counts.waiting) setTimeout(() => this._follow(), AGAIN_MS);
  }

  /** @param {boolean} silent */
  _silence(silent) {
    this.silent = silent;
    this._tell(({ onProgress }) => onProgress());
  }
}
