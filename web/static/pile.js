// The pile: every image of the batch in view, its state, and the counts that follow from it. Knows no DOM.

export class Pile {
  /** @param {(items: Set<object>) => void} onChange gets the items that changed, at most once a frame. */
  constructor(onChange) {
    this.items = [];
    this.counts = { queued: 0, uploading: 0, waiting: 0, done: 0, failed: 0 };
    this.labels = new Map(); // label -> Set of items
    this._byKey = new Map();
    this._early = new Map(); // news of images whose upload has not been answered yet
    this._dirty = new Set();
    this._onChange = onChange;
    this._scheduled = false;
  }

  get total() {
    return this.items.length;
  }

  /** Images that have no outcome yet. */
  get open() {
    return this.counts.queued + this.counts.uploading + this.counts.waiting;
  }

  add(file) {
    return this._insert({ key: null, name: file.name, file, state: "queued" });
  }

  /** Note what the server says of an image. While uploads are under way, an unknown key may belong to one of them. */
  learn(image, uploading) {
    const item = this._byKey.get(image.key);
    if (item) this.set(item, fieldsOf(image));
    else if (uploading) this._early.set(image.key, image);
    else this._insertKnown(image);
  }

  /** Take what was held back: it belongs to none of our uploads. */
  settle() {
    for (const image of this._early.values()) this.learn(image, false);
    this._early.clear();
  }

  /** The upload of ``item`` was answered with ``image``. */
  bind(item, image) {
    const other = this._byKey.get(image.key);
    if (other && other !== item) {
      // The same file twice is one image.
      this._remove(item);
      return;
    }
    this._byKey.set(image.key, item);
    this.set(item, fieldsOf(image));
    const news = this._early.get(image.key);
    if (news) this.set(item, fieldsOf(news));
    this._early.delete(image.key);
  }

  set(item, fields) {
    // An answer that was sent before the outcome may arrive after it.
    if (item.state === "done" || (item.state === "failed" && item.key && fields.state === "waiting")) return;
    this._count(item, -1);
    Object.assign(item, fields);
    this._count(item, 1);
    this._changed(item);
  }

  _insertKnown(image) {
    const item = this._insert({ ...fieldsOf(image), name: image.filename, file: null });
    this._byKey.set(image.key, item);
  }

  _insert(item) {
    item.number = this.items.length;
    this.items.push(item);
    this._count(item, 1);
    this._changed(item);
    return item;
  }

  _remove(item) {
    this._count(item, -1);
    this.items.splice(this.items.indexOf(item), 1);
    this._changed(item);
  }

  _count(item, by) {
    this.counts[item.state] += by;
    if (item.state !== "done") return;
    const those = this.labels.get(item.label) ?? new Set();
    if (by > 0) those.add(item);
    else those.delete(item);
    if (those.size) this.labels.set(item.label, those);
    else this.labels.delete(item.label);
  }

  _changed(item) {
    this._dirty.add(item);
    if (this._scheduled) return;
    this._scheduled = true;
    // A hidden page has no frames, and its title still counts.
    const run = () => {
      const items = this._dirty;
      this._dirty = new Set();
      this._scheduled = false;
      this._onChange(items);
    };
    if (document.hidden) setTimeout(run, 500);
    else requestAnimationFrame(run);
  }
}

function fieldsOf({ key, filename, state, label, score, top5, reason }) {
  return { key, name: filename, state, label, score, top5, reason };
}
