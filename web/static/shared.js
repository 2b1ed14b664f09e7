// One event stream for all tabs that follow the same: a browser has six connections to a server, for all tabs together.
// Who holds the lock of an address has the stream and passes on what comes; when that tab goes, the next one has it.

/**
 * What of the browser this uses.
 * @typedef {object} Outside
 * @property {Pick<LockManager, "request">} locks
 * @property {(name: string) => Pick<BroadcastChannel, "postMessage" | "onmessage" | "close">} channel
 * @property {(url: string) => EventSource} open
 *
 * What one tab tells the others: an event, or how the stream stands.
 * @typedef {{kind: string, data: string, id: string} | {silent: boolean}} Word
 */

export class SharedSource extends EventTarget {
  /**
   * @param {() => string} url as it is when the stream is opened: a cursor may be in it.
   * @param {string[]} kinds of events that are passed on
   * @param {() => void} onBehind this tab follows another's stream: what came before is to be asked for.
   * @param {Outside} [outside]
   */
  constructor(url, kinds, onBehind, outside = theBrowser()) {
    super();
    this.CLOSED = 2;
    this.readyState = 0;
    /** @type {((event: Event) => void) | null} */
    this.onopen = null;
    /** @type {((event: Event) => void) | null} */
    this.onerror = null;
    this._url = url;
    this._kinds = kinds;
    this._open = outside.open;
    /** @type {EventSource | null} the stream, if this tab has it */
    this._source = null;
    this._end = new AbortController();
    const name = `elastiq ${url().split("?")[0]}`;
    this._channel = outside.channel(name);
    this._channel.onmessage = ({ data }) => this._hear(data);
    const { signal } = this._end;
    const lead = () => new Promise((resolve) => this._lead(resolve));
    // Whether it is free is asked first: then nobody is behind.
    void outside.locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock && !signal.aborted) return lead();
      if (signal.aborted) return;
      onBehind();
      outside.locks.request(name, { signal }, lead).catch(() => {}); // closed before its turn came
    });
  }

  close() {
    this.readyState = this.CLOSED;
    this._end.abort();
    this._source?.close();
    this._channel.close();
  }

  /** @param {(value?: unknown) => void} release gives the lock to the next tab. */
  _lead(release) {
    const { signal } = this._end;
    if (signal.aborted) {
      release();
      return;
    }
    signal.addEventListener("abort", release);
    const source = this._open(this._url());
    this._source = source;
    for (const kind of this._kinds)
      source.addEventListener(kind, ({ data, lastEventId }) => {
        // The others first: what comes may be what this tab closes on.
        this._channel.postMessage({ kind, data, id: lastEventId });
        this._tell(kind, data, lastEventId);
      });
    source.onopen = () => {
      this._channel.postMessage({ silent: false });
      this.onopen?.(new Event("open"));
    };
    source.onerror = () => {
      this.readyState = source.readyState;
      if (source.readyState !== source.CLOSED) this._channel.postMessage({ silent: true });
      this.onerror?.(new Event("error"));
    };
  }

  /** @param {Word} word */
  _hear(word) {
    if ("silent" in word) {
      if (word.silent) this.onerror?.(new Event("error"));
      else this.onopen?.(new Event("open"));
    } else this._tell(word.kind, word.data, word.id);
  }

  /**
   * @param {string} kind
   * @param {string} data
   * @param {string} lastEventId
   */
  _tell(kind, data, lastEventId) {
    if (!this._end.signal.aborted) this.dispatchEvent(new MessageEvent(kind, { data, lastEventId }));
  }
}

/** Whether this browser can share streams: it may only where the page came safely, or from this machine. */
export function canShare() {
  return Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel);
}

/** @returns {Outside} */
function theBrowser() {
  return {
    locks: navigator.locks,
    channel: (name) => new BroadcastChannel(name),
    open: (url) => new EventSource(url),
  };
}
