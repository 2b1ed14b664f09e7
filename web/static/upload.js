// Uploads in chunks, a few at a time, each sent again until it is answered: the server takes no file twice.

const CHUNK_FILES = 24;
const CHUNK_BYTES = 24_000_000;
const FIRST_CHUNK_FILES = 4; // so that the first results come while the rest is on its way
const AT_ONCE = 3;
const TRIES = 7;
const LONGEST_PAUSE_MS = 20_000;

export class Uploader {
  /**
   * @param {Pile} pile whose queued items are sent.
   * @param {number} maxFileBytes the server's limit: of a larger file only so much is sent that it can be refused.
   * @param {{onBatch: (id: string) => void, onReceipt: (images: object[]) => void, onIdle: () => void}} listener
   */
  constructor(pile, maxFileBytes, listener) {
    this.pile = pile;
    this.id = null;
    this.bytesSent = 0;
    this._maxFileBytes = maxFileBytes;
    this._listener = listener;
    this._queue = [];
    this._sending = 0;
    this._sent = 0; // chunks
    this._naming = null;
  }

  get busy() {
    return this._sending > 0 || this._queue.length > 0;
  }

  add(items) {
    this._queue.push(...items);
    this._fill();
  }

  _fill() {
    while (this._sending < AT_ONCE && this._queue.length) {
      this._sending += 1;
      this._send(this._nextChunk()).finally(() => {
        this._sending -= 1;
        this._fill();
        if (!this.busy) this._listener.onIdle();
      });
    }
  }

  _nextChunk() {
    const most = this._sent++ ? CHUNK_FILES : FIRST_CHUNK_FILES;
    let bytes = 0;
    let count = 0;
    while (count < most && count < this._queue.length) {
      bytes += Math.min(this._queue[count].file.size, this._maxFileBytes + 1);
      if (count && bytes > CHUNK_BYTES) break;
      count += 1;
    }
    return this._queue.splice(0, count);
  }

  async _send(items) {
    const readable = [];
    for (const item of items) {
      if (await canRead(item.file)) readable.push(item);
      else this._fail([item], "the file cannot be read any more; choose it again");
    }
    if (!readable.length) return;
    for (const item of readable) this.pile.set(item, { state: "uploading", reason: null });
    try {
      const id = await this._batch();
      const images = (await this._post(`/api/batches/${id}/images`, () => this._form(readable))).images;
      readable.forEach((item, index) => this.pile.bind(item, images[index]));
      this._listener.onReceipt(images);
    } catch (error) {
      this._fail(readable, `could not be uploaded: ${error.message}`);
    }
  }

  /** Return the batch's id, made when the first chunk needs it. */
  _batch() {
    if (this.id) return Promise.resolve(this.id);
    this._naming ??= this._post("/api/batches", () => null)
      .then((answer) => {
        this.id = answer.id;
        this._listener.onBatch(answer.id);
        return answer.id;
      })
      .finally(() => {
        this._naming = null;
      });
    return this._naming;
  }

  _form(items) {
    const form = new FormData();
    for (const { file, name } of items) {
      const sent = file.size > this._maxFileBytes ? file.slice(0, this._maxFileBytes + 1) : file;
      form.append("files", sent, name);
    }
    return form;
  }

  async _post(url, body) {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await post(url, body(), (bytes) => {
        this.bytesSent += bytes;
      });
      if (answer.status === 201) return JSON.parse(answer.text);
      const lasting = answer.status >= 400 && answer.status < 500 && ![408, 429].includes(answer.status);
      if (lasting || attempt === TRIES) throw new Error(reasonOf(answer));
      const pause = Math.max(answer.retryAfter * 1000, Math.min(LONGEST_PAUSE_MS, 500 * 2 ** attempt));
      await online();
      await new Promise((resolve) => setTimeout(resolve, pause * (0.7 + 0.6 * Math.random())));
    }
  }

  _fail(items, reason) {
    for (const item of items) this.pile.set(item, { state: "failed", reason, again: true });
  }
}

/** Send one request; status 0 means that no answer came. XMLHttpRequest, because fetch tells no progress. */
function post(url, body, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let seen = 0;
    request.upload.onprogress = (event) => {
      onProgress(event.loaded - seen);
      seen = event.loaded;
    };
    request.onloadend = () =>
      resolve({
        status: request.status,
        text: request.responseText,
        retryAfter: Number(request.getResponseHeader("Retry-After")) || 0,
      });
    request.open("POST", url);
    request.send(body);
  });
}

function reasonOf({ status, text }) {
  if (!status) return "the server cannot be reached";
  try {
    return JSON.parse(text).detail;
  } catch {
    return `the server answered with status ${status}`;
  }
}

async function canRead(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function online() {
  if (navigator.onLine) return Promise.resolve();
  return new Promise((resolve) => window.addEventListener("online", resolve, { once: true }));
}
