// The batch's news: an event stream; polling where a stream cannot be had, or the page is not looked at.

const POLL_MS = 2_000;
const POLL_HIDDEN_MS = 15_000;
const HIDDEN_AFTER_MS = 60_000; // a stream holds one of the browser's few connections to the server
const STREAM_AGAIN_MS = 30_000;

export class Follower {
  /** @param {{onImage: (image: object) => void, onDone: () => void, onMissing: () => void, onSilence: (on: boolean) => void}} listener */
  constructor(id, listener) {
    this._url = `/api/batches/${id}`;
    this._listener = listener;
    this._cursor = "";
    this._source = null;
    this._timer = null;
    this._hiding = null;
    this._turn = 0; // what was begun in an earlier turn has no say any more
    this._ended = true;
    this._onVisibility = () => this._seen(!document.hidden);
    document.addEventListener("visibilitychange", this._onVisibility);
  }

  /** Follow from where we were; does nothing while that goes on. */
  start() {
    if (!this._ended) return;
    this._ended = false;
    this._stream();
  }

  close() {
    document.removeEventListener("visibilitychange", this._onVisibility);
    this._end();
  }

  _stream() {
    this._stop();
    const source = new EventSource(`${this._url}/events?after=${encodeURIComponent(this._cursor)}`);
    this._source = source;
    const onImage = (event) => {
      this._cursor = event.lastEventId;
      this._listener.onImage(JSON.parse(event.data));
    };
    for (const kind of ["image-waiting", "image-classified", "image-failed"]) source.addEventListener(kind, onImage);
    source.addEventListener("done", () => this._done());
    source.onopen = () => this._listener.onSilence(false);
    source.onerror = () => {
      // While it is CONNECTING the browser tries again by itself; CLOSED means that the server refused.
      if (source.readyState === EventSource.CLOSED) this._pollUntil(Date.now() + STREAM_AGAIN_MS, POLL_MS);
      else this._listener.onSilence(true);
    };
  }

  async _pollUntil(end, pause) {
    this._stop();
    const turn = this._turn;
    try {
      const answer = await fetch(`${this._url}?after=${encodeURIComponent(this._cursor)}`);
      if (turn !== this._turn) return;
      if (answer.status === 404) return this._missing();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const batch = await answer.json();
      if (turn !== this._turn) return;
      this._listener.onSilence(false);
      this._cursor = batch.cursor;
      for (const image of batch.images) this._listener.onImage(image);
      if (!batch.counts.waiting) return this._done();
    } catch {
      if (turn !== this._turn) return;
      this._listener.onSilence(true);
    }
    const next = () => (Date.now() >= end ? this._stream() : this._pollUntil(end, pause));
    this._timer = setTimeout(next, pause);
  }

  _seen(visible) {
    clearTimeout(this._hiding);
    if (this._ended) return;
    if (visible) {
      if (!this._source) this._stream();
    } else {
      this._hiding = setTimeout(() => this._pollUntil(Infinity, POLL_HIDDEN_MS), HIDDEN_AFTER_MS);
    }
  }

  _done() {
    this._end();
    this._listener.onDone();
  }

  _missing() {
    this._end();
    this._listener.onMissing();
  }

  _end() {
    this._ended = true;
    this._stop();
  }

  _stop() {
    this._turn += 1;
    this._source?.close();
    this._source = null;
    clearTimeout(this._timer);
    clearTimeout(this._hiding);
  }
}
