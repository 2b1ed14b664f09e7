// The fleet's news: an event stream; polling where a stream cannot be had; nothing while the page is not looked at.

const POLL_MS = 5_000;
const STREAM_AGAIN_MS = 30_000;
const HIDDEN_AFTER_MS = 60_000; // a stream holds one of the browser's few connections to the server

export class FleetNews {
  /** @param {{onNews: (news: object) => void, onSilence: (cut: boolean) => void}} listener */
  constructor(listener) {
    this._listener = listener;
    this._source = null;
    this._timer = null;
    this._hiding = null;
    document.addEventListener("visibilitychange", () => this._seen(!document.hidden));
    this._stream();
  }

  _stream() {
    this._stop();
    const source = new EventSource("/api/fleet/events");
    this._source = source;
    source.addEventListener("fleet", (event) => this._listener.onNews(JSON.parse(event.data)));
    source.onerror = () => {
      // While it is CONNECTING the browser tries again by itself; CLOSED means that the server refused.
      this._listener.onSilence(true);
      if (source.readyState === EventSource.CLOSED) this._poll(Date.now() + STREAM_AGAIN_MS);
    };
  }

  async _poll(end) {
    this._stop();
    const turn = (this._turn = {}); // an answer that comes after something else was begun has no say
    try {
      const answer = await fetch("/api/fleet");
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const news = await answer.json();
      if (turn === this._turn) this._listener.onNews({ ...news, whole: true });
    } catch {
      if (turn === this._turn) this._listener.onSilence(true);
    }
    if (turn === this._turn) this._timer = setTimeout(() => (Date.now() >= end ? this._stream() : this._poll(end)), POLL_MS);
  }

  _seen(visible) {
    clearTimeout(this._hiding);
    if (!visible) this._hiding = setTimeout(() => this._stop(), HIDDEN_AFTER_MS);
    else if (!this._source) this._stream();
  }

  _stop() {
    this._turn = null;
    this._source?.close();
    this._source = null;
    clearTimeout(this._timer);
  }
}
