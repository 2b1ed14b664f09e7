// News from the server: an event stream; polling where none can be had, less of it or none while nobody looks.

import { pause, within } from "./patience.js";
import { canShare, SharedSource } from "./shared.js";

const STREAM_AGAIN_MS = 30_000;
const POLL_TIMEOUT_MS = 30_000; // a batch of many thousands takes some seconds to read
const HIDDEN_AFTER_MS = 60_000; // a stream holds one of the browser's few connections to the server

/**
 * What the news are about, and who is told.
 * @typedef {object} Subject
 * @property {() => string} streamUrl
 * @property {() => string} pollUrl
 * @property {number} pollMs between two polls
 * @property {number | null} hiddenPollMs the same while the page is not looked at; null for none at all
 * @property {Record<string, (event: MessageEvent<string>) => void>} events the stream's, by kind
 * @property {(answer: any) => void} onAnswer gets what a poll brought.
 * @property {() => void} [onMissing] the server has no such thing: there will be no news.
 * @property {(silent: boolean) => void} onSilence is told whether the server cannot be reached.
 */

/**
 * What of a stream this uses.
 * @typedef {Pick<SharedSource, "readyState" | "CLOSED" | "onopen" | "onerror" | "addEventListener" | "close">} Source
 *
 * What of the browser this uses.
 * @typedef {object} Browser
 * @property {(url: () => string, kinds: string[], onBehind: () => void) => Source} open a stream, which may be another
 *   tab's: then it is behind, and what was told before is to be asked for.
 * @property {(url: string, cut: AbortSignal) => Promise<Pick<Response, "status" | "ok" | "json">>} get
 * @property {Pick<Document, "hidden" | "addEventListener" | "removeEventListener">} page
 */

/** @returns {Browser} */
function here() {
  const get = /** @type {Browser["get"]} */ (url, cut) => fetch(url, { signal: cut });
  /** @type {Browser["open"]} */
  const open = (url, kinds, onBehind) =>
    canShare() ? new SharedSource(url, kinds, onBehind) : /** @type {any} */ (new EventSource(url()));
  return { open, get, page: document };
}

export class News {
  /**
   * @param {Subject} subject
   * @param {Browser} [browser]
   */
  constructor(subject, browser = here()) {
    this._subject = subject;
    this._browser = browser;
    this._going = false;
    this._turn = new AbortController(); // what was begun in an earlier turn is cut off, and has no say any more
    /** @type {Source | null} */
    this._source = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._next = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._hiding = undefined;
    this._onVisibility = () => this._seen();
  }

  /** Follow; does nothing while that goes on. */
  start() {
    if (this._going) return;
    this._going = true;
    this._browser.page.addEventListener("visibilitychange", this._onVisibility);
    this._stream();
    this._seen();
  }

  stop() {
    this._going = false;
    this._browser.page.removeEventListener("visibilitychange", this._onVisibility);
    clearTimeout(this._hiding);
    this._rest();
  }

  _stream() {
    this._rest();
    const { events } = this._subject;
    const { signal: over } = this._turn;
    const source = this._browser.open(
      () => this._subject.streamUrl(),
      Object.keys(events),
      () => void this._catchUp(over),
    );
    this._source = source;
    for (const [kind, act] of Object.entries(events)) source.addEventListener(kind, /** @type {EventListener} */ (act));
    source.onopen = () => this._subject.onSilence(false);
    source.onerror = () => {
      // While it is CONNECTING the browser tries again by itself; CLOSED means that the server refused.
      if (source.readyState === source.CLOSED) void this._poll(Date.now() + STREAM_AGAIN_MS, this._subject.pollMs);
      else this._subject.onSilence(true);
    };
  }

  /**
   * Poll now and then every so often, until it is time to try a stream again.
   * @param {number} end by `Date.now()`
   * @param {number} pauseMs
   */
  async _poll(end, pauseMs) {
    this._rest();
    const { signal: over } = this._turn;
    const { answer, missing } = await this._ask(over);
    if (over.aborted) return;
    if (missing && this._subject.onMissing) {
      this.stop();
      this._subject.onMissing();
      return;
    }
    this._subject.onSilence(!answer);
    if (answer) this._subject.onAnswer(answer);
    if (over.aborted) return;
    this._next = setTimeout(() => {
      if (Date.now() >= end) this._stream();
      else void this._poll(end, pauseMs);
    }, pauseMs);
  }

  /** Ask for what was told before: the stream is another tab's. @param {AbortSignal} over */
  async _catchUp(over) {
    for (;;) {
      const { answer, missing } = await this._ask(over);
      if (over.aborted) return;
      if (missing && this._subject.onMissing) {
        this.stop();
        this._subject.onMissing();
        return;
      }
      this._subject.onSilence(!answer);
      if (answer) {
        this._subject.onAnswer(answer);
        return;
      }
      await pause(this._subject.pollMs, over);
    }
  }

  /** @param {AbortSignal} over */
  async _ask(over) {
    try {
      return await within(POLL_TIMEOUT_MS, over, async (cut) => {
        const response = await this._browser.get(this._subject.pollUrl(), cut);
        return { answer: response.ok ? await response.json() : null, missing: response.status === 404 };
      });
    } catch {
      return { answer: null, missing: false }; // no connection, or cut off: as good as no answer
    }
  }

  /** Whether the page is looked at has changed, or has to be found out. */
  _seen() {
    clearTimeout(this._hiding);
    if (this._browser.page.hidden) this._hiding = setTimeout(() => this._hidden(), HIDDEN_AFTER_MS);
    else if (!this._source) this._stream();
  }

  _hidden() {
    const { hiddenPollMs } = this._subject;
    if (hiddenPollMs === null) this._rest();
    else void this._poll(Number.POSITIVE_INFINITY, hiddenPollMs);
  }

  /** End what is under way. */
  _rest() {
    this._turn.abort();
    this._turn = new AbortController();
    this._source?.close();
    this._source = null;
    clearTimeout(this._next);
  }
}
