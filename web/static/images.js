// The images of the batch in view: each one's state, and the counts that follow from it. Pure.

/**
 * @typedef {"queued" | "uploading" | "waiting" | "done" | "failed" | "cancelled"} State
 *
 * @typedef {object} Prediction
 * @property {string} label
 * @property {number} score from 0 to 1
 */

/**
 * An image as the server tells it.
 * @typedef {object} Told
 * @property {string} key
 * @property {string} filename
 * @property {string} path the folders that it was uploaded with, and its name
 * @property {"waiting" | "done" | "failed" | "cancelled"} state
 * @property {string | null} label
 * @property {number | null} score
 * @property {Prediction[]} top5
 * @property {string | null} reason
 */

/**
 * An image as the page knows it.
 * @typedef {object} Item
 * @property {number} number its place in the order in which they came
 * @property {string | null} key null until it is uploaded
 * @property {string} name
 * @property {string} path its folders and its name
 * @property {File | null} file null for what others uploaded, or an earlier visit
 * @property {State} state
 * @property {string | null} label
 * @property {number | null} score
 * @property {Prediction[]} top5
 * @property {string | null} reason
 * @property {number} [shownAt] when its outcome came while this page was open, in seconds since 1970
 * @property {boolean} again whether it could not be uploaded, and may be tried again
 * @property {boolean} unshowable whether this browser cannot show the file
 */

export class Images {
  /** @param {(item: Item) => void} onChange */
  constructor(onChange) {
    /** @type {Item[]} */
    this.items = [];
    /** @type {Record<State, number>} */
    this._counts = { queued: 0, uploading: 0, waiting: 0, done: 0, failed: 0, cancelled: 0 };
    /** @type {Record<State, number> | null} how many there are, where only some of them are here */
    this._told = null;
    /** @type {Map<string, Set<Item>>} */
    this.labels = new Map();
    /** @type {Map<string, Item>} */
    this._byKey = new Map();
    /** @type {Map<string, Told>} news of images whose upload has not been answered yet */
    this._early = new Map();
    this._onChange = onChange;
    this._numbered = 0;
  }

  /** How many there are, by state. */
  get counts() {
    return this._told ?? this._counts;
  }

  get total() {
    return this.open + this.finished;
  }

  /** Images that have no outcome yet. */
  get open() {
    return this.counts.queued + this.counts.uploading + this.counts.waiting;
  }

  /** Images that have one. */
  get finished() {
    return this.counts.done + this.counts.failed + this.counts.cancelled;
  }

  /** Files that could not be uploaded. */
  get refused() {
    return this.items.filter((item) => item.again);
  }

  /**
   * @param {File} file
   * @param {string} [path] with the folders that it lies in
   */
  add(file, path = file.name) {
    return this._insert({ key: null, name: file.name, path, file, state: "queued" });
  }

  /**
   * Note what the server says of an image.
   * @param {Told} told
   * @param {boolean} uploading while uploads are under way, an unknown key may belong to one of them.
   */
  learn(told, uploading) {
    const item = this._byKey.get(told.key);
    if (item) this.set(item, fieldsOf(told));
    else if (uploading) this._early.set(told.key, told);
    else this._byKey.set(told.key, this._insert({ ...fieldsOf(told), file: null }));
  }

  /**
   * A file that the server has already, under this key, is no new image.
   * @param {string} key
   * @param {File} file
   * @param {string} path
   */
  adopt(key, file, path) {
    const item = this._byKey.get(key);
    if (item) {
      item.file ??= file;
      return;
    }
    this._byKey.set(key, this._insert({ key, name: file.name, path, file, state: "waiting" }));
  }

  /** Only some of them will be here: so many there are. @param {Partial<Record<State, number>>} counts */
  tell({ waiting = 0, done = 0, failed = 0, cancelled = 0 }) {
    this._told = { queued: 0, uploading: 0, waiting, done, failed, cancelled };
  }

  /** Those that failed on the server, or were dropped there, are tried again. */
  again() {
    const over = /** @param {Item} item */ ({ state, key, again }) =>
      (state === "failed" || state === "cancelled") && key && !again;
    for (const item of this.items.filter(over)) {
      this._count(item, -1);
      Object.assign(item, { state: "waiting", reason: null });
      this._count(item, 1);
      this._onChange(item);
    }
  }

  /** Drop images that are not to be uploaded after all. @param {(item: Item) => boolean} which */
  forget(which) {
    const gone = this.items.filter(which);
    const others = new Set(gone);
    for (const item of gone) this._count(item, -1);
    this.items = this.items.filter((item) => !others.has(item));
    for (const item of gone) this._onChange(item);
  }

  /** Give up those that wait: the server has none of them. */
  lose() {
    const reason = "the server does not say what became of it";
    for (const item of this.items.filter(({ state }) => state === "waiting"))
      this.set(item, { state: "failed", reason });
  }

  /** Take what was held back: it belongs to none of our uploads. */
  settle() {
    for (const told of this._early.values()) this.learn(told, false);
    this._early.clear();
  }

  /**
   * The upload of `item` was answered with `told`.
   * @param {Item} item
   * @param {Told} told
   */
  bind(item, told) {
    const other = this._byKey.get(told.key);
    if (other && other !== item) {
      // The same file twice is one image.
      this._remove(item);
      return;
    }
    this._byKey.set(told.key, item);
    this.set(item, fieldsOf(told));
    const news = this._early.get(told.key);
    if (news) this.set(item, fieldsOf(news));
    this._early.delete(told.key);
  }

  /**
   * @param {Item} item
   * @param {Partial<Item>} fields
   */
  set(item, fields) {
    // An answer that was sent before the outcome may arrive after it.
    if (item.state === "done" || (item.state === "failed" && item.key && fields.state === "waiting")) return;
    this._count(item, -1);
    if (item.state === "waiting" && fields.state !== "waiting") item.shownAt = Date.now() / 1000;
    Object.assign(item, fields);
    this._count(item, 1);
    this._onChange(item);
  }

  /** @param {Pick<Item, "key" | "name" | "path" | "file" | "state"> & Partial<Item>} fields */
  _insert(fields) {
    const blank = { label: null, score: null, top5: [], reason: null, again: false, unshowable: false };
    /** @type {Item} */
    const item = { ...blank, ...fields, number: this._numbered++ };
    this.items.push(item);
    this._count(item, 1);
    this._onChange(item);
    return item;
  }

  /** @param {Item} item */
  _remove(item) {
    this._count(item, -1);
    this.items.splice(this.items.indexOf(item), 1);
    this._onChange(item);
  }

  /**
   * @param {Item} item
   * @param {1 | -1} by
   */
  _count(item, by) {
    this._counts[item.state] += by;
    if (item.state !== "done" || item.label === null) return;
    const those = this.labels.get(item.label) ?? new Set();
    if (by > 0) those.add(item);
    else those.delete(item);
    if (those.size) this.labels.set(item.label, those);
    else this.labels.delete(item.label);
  }
}

/**
 * The labels that most images have, the most frequent first; one that is `chosen` is always among them.
 * @param {Map<string, Set<Item>>} labels
 * @param {number} most
 * @param {string | null} [chosen]
 */
export function frequent(labels, most, chosen = null) {
  const sorted = [...labels].sort(([a, those], [b, others]) => others.size - those.size || a.localeCompare(b));
  const first = sorted.slice(0, most);
  const wanted = sorted.slice(most).find(([label]) => label === chosen);
  return wanted ? [...first.slice(0, -1), wanted] : first;
}

/**
 * @param {Told} told
 * @returns {Omit<Item, "number" | "file" | "again" | "unshowable">}
 */
function fieldsOf({ key, filename, path, state, label, score, top5, reason }) {
  return { key, name: filename, path, state, label, score, top5, reason };
}
