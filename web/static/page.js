// The page, put together: files go in, the batch in view grows, the tiles and the deck show it.

import { batchIn, imageIn } from "./address.js";
import { Batch } from "./batch.js";
import { drawCards } from "./cards.js";
import { Deck } from "./deck.js";
import { Detail } from "./detail.js";
import { Direct } from "./direct.js";
import { byId, find, here } from "./dom.js";
import { Earlier } from "./earlier.js";
import { leftOut } from "./files.js";
import { gathered } from "./frames.js";
import { takeFiles } from "./intake.js";
import { Orders } from "./orders.js";
import { Recent } from "./recent.js";
import { isPlain, select } from "./selection.js";
import { Tiles } from "./tiles.js";
import { Toast } from "./toast.js";
import { post } from "./upload.js";
import { bytes, number } from "./words.js";
import { hasZip, opened } from "./zip.js";

/** @import { Listener } from "./batch.js" */
/** @import { Found } from "./files.js" */
/** @import { Item } from "./images.js" */

const FORMS = /** @type {const} */ (["csv", "json", "jsonl"]);
const SECTIONS = /** @type {const} */ (["welcome", "work", "missing"]);

class Page {
  /**
   * @param {number} maxFileBytes the server's limit
   * @param {boolean} direct whether files go straight to the bucket
   */
  constructor(maxFileBytes, direct) {
    this._maxFileBytes = maxFileBytes;
    this._post = direct ? new Direct(post).send : post;
    /** @type {Batch | null} the batch in view: the one thing here that comes and goes */
    this._batch = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._arranging = undefined;
    this._recent = new Recent();
    this._earlier = new Earlier();
    this._toast = new Toast(byId("toast", HTMLElement));
    const work = byId("work", HTMLElement);
    this._deck = new Deck(work, () => this._arrange());
    this._tiles = new Tiles(byId("images", HTMLElement), {
      template: byId("tile", HTMLTemplateElement),
      cover: find(work, ".deck", HTMLElement),
      onOpen: (item) => this._detail.open(item),
    });
    this._detail = new Detail(byId("detail", HTMLDialogElement), this._tiles);
    this._orders = new Orders({
      batch: () => this._batch,
      onTrouble: (why) => this._toast.say(why),
      onDeleted: (batch) => this._deleted(batch),
      onChange: () => this._batch && this._draw(this._batch, new Set()),
    });
    this._arranged = -1; // how many images there were when all of them were shown, as they came
    byId("limit", HTMLElement).textContent = bytes(maxFileBytes);
    this._listen();
  }

  /** Show what the address names. */
  route() {
    const id = batchIn(location.pathname);
    if (id !== null && id === this._batch?.id) return;
    this._leave();
    if (id !== null) this._begin(id);
    this._view(id === null ? "welcome" : "work");
  }

  _listen() {
    takeFiles((found) => void this._take(found));
    byId("retry", HTMLElement).addEventListener("click", () => this._retry());
    byId("more-tiles", HTMLElement).addEventListener("click", () => {
      const { source, images } = this._batch ?? {};
      if (source && images) void source.more(images);
    });
    byId("share", HTMLElement).addEventListener("click", () => void this._share());
    window.addEventListener("popstate", () => this.route());
    window.addEventListener("beforeunload", (event) => {
      if (this._batch?.uploader.busy) event.preventDefault();
    });
    // Rates and remaining times change while nothing else does.
    setInterval(() => {
      if (this._batch?.images.open) this._deck.draw(this._batch);
    }, 1_000);
  }

  // -- the batch in view

  /** @param {string | null} id null for one that the first upload makes. */
  _begin(id) {
    const drawn = gathered(
      /** @param {Set<Item>} items */ (items) => batch === this._batch && this._draw(batch, items),
    );
    /** @type {Listener} */
    const listener = {
      onNamed: (named) => this._named(named),
      onChange: drawn,
      onProgress: () => this._draw(batch, new Set()),
      onStored: () => this._remember(batch),
      onUploaded: () => this._deck.trouble(batch.images.refused.length),
      onMissing: () => this._missing(batch),
      onHad: (had, of) => this._toast.say(`${number(had)} of ${number(of)} are uploaded already.`),
    };
    const batch = new Batch(id, this._maxFileBytes, listener, { post: this._post });
    this._batch = batch;
    if (id) this._name(id);
    this._actions(batch);
    this._deck.unsent(id ? this._recent.left(id) : 0);
    this._deck.draw(batch);
    this._orders.draw(batch);
    return batch;
  }

  _leave() {
    this._batch?.close();
    this._batch = null;
    this._detail.close();
    this._tiles.clear();
    this._arranged = -1;
    this._deck.reset();
    this._deck.trouble(0);
    document.title = "Elastiq";
  }

  /** @param {Found} found */
  async _take(found) {
    if (hasZip(found)) {
      this._toast.say("Unpacking…");
      this._add(await opened(found, this._maxFileBytes));
    } else this._add(found);
  }

  /** @param {Found} found */
  _add(found) {
    const { files } = found;
    const left = leftOut(found);
    if (left) this._toast.say(left);
    if (!files.length) return;
    if (this._batch?.source) {
      this._toast.say("The images of this batch are in S3. Drop files on the start page to make another.");
      return;
    }
    const batch = this._batch ?? this._begin(null);
    this._view("work");
    this._deck.unsent(0);
    void batch.add(files);
  }

  /** @param {string} id */
  _named(id) {
    history.pushState(null, "", here(`/batches/${encodeURIComponent(id)}`));
    this._name(id);
  }

  /** @param {string} id */
  _name(id) {
    for (const form of FORMS)
      byId(form, HTMLAnchorElement).href = here(`/api/batches/${encodeURIComponent(id)}/results.${form}`);
  }

  /**
   * Open the image that the address names behind its `#`, once it is there.
   * @param {Set<Item>} items
   */
  _show(items) {
    const path = imageIn(location.hash);
    const named = path && [...items].find((item) => item.path === path);
    if (!named) return;
    history.replaceState(history.state, "", location.pathname);
    this._detail.open(named);
  }

  /** @param {Batch} batch */
  _remember({ id, images }) {
    if (id) this._recent.remember(id, images);
  }

  /** @param {Batch} batch */
  _missing({ id, images }) {
    if (images.total) return;
    if (id) this._recent.forget(id);
    this._leave(); // files that are handed in here go to a new one
    this._view("missing");
  }

  /** @param {Batch} batch */
  _deleted({ id }) {
    if (id) this._recent.forget(id);
    this._toast.say("The batch is deleted.");
    history.pushState(null, "", here("/"));
    this.route();
  }

  _retry() {
    this._deck.trouble(0);
    this._batch?.retry();
  }

  // -- what is shown of it

  /** @param {(typeof SECTIONS)[number]} name */
  _view(name) {
    for (const section of SECTIONS) byId(section, HTMLElement).hidden = section !== name;
    byId("batch-actions", HTMLElement).hidden = name !== "work";
    const recent = byId("recent", HTMLElement);
    const batches = name === "welcome" ? this._recent.read() : [];
    recent.hidden = !batches.length;
    if (name === "welcome") this._earlier.show(batches.map(({ id }) => id));
    drawCards(find(recent, ".recent", HTMLElement), batches);
  }

  /**
   * @param {Batch} batch
   * @param {Set<Item>} items those that changed
   */
  _draw(batch, items) {
    const { images, uploader } = batch;
    const { total, open, finished } = images;
    this._tiles.update(items);
    this._detail.refresh(items);
    this._deck.draw(batch);
    this._orders.draw(batch);
    this._actions(batch);
    if (items.size) this._arrangeSoon(images.items.length);
    this._show(items);
    document.title = total && open ? `${number(finished)} of ${number(total)} · Elastiq` : "Elastiq";
    if (total && !open && !uploader.busy) this._remember(batch);
  }

  /** Hide what cannot be done with it. @param {Batch} batch */
  _actions({ source }) {
    byId("add", HTMLElement).hidden = source !== null;
    for (const form of FORMS) byId(form, HTMLElement).hidden = source !== null && !source.complete;
  }

  _arrange() {
    clearTimeout(this._arranging);
    this._arranging = undefined;
    if (!this._batch) return;
    const { items } = this._batch.images;
    const total = items.length;
    const { selection } = this._deck;
    const view = select(items, selection);
    this._arranged = isPlain(selection) && view.every(({ file }) => file) ? total : -1;
    this._tiles.show(view);
    byId("nothing", HTMLElement).hidden = view.length > 0 || !total;
  }

  /** Arrange once, however much comes: the more there is to sort, the later. @param {number} total */
  _arrangeSoon(total) {
    if (total === this._arranged && isPlain(this._deck.selection)) return; // an outcome moves none of them
    this._arranging ??= setTimeout(() => this._arrange(), Math.min(1_000, total / 10));
  }

  async _share() {
    try {
      await navigator.clipboard.writeText(location.href);
      this._toast.say("The batch's address is copied.");
    } catch {
      this._toast.say(`Copy it from here: ${location.href}`); // no clipboard without HTTPS or permission
    }
  }
}

const told = /** @param {string} name */ (name) => find(document, `meta[name="${name}"]`, HTMLMetaElement).content;
new Page(Number(told("max-file-bytes")), told("direct-uploads") === "yes").route();
