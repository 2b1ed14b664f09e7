// One image, large, with its top five; the arrow keys go to its neighbours.

import { around, find } from "./dom.js";
import { fillFive } from "./five.js";
import { Life } from "./life.js";
import { drop, show } from "./picture.js";

/** @import { Item } from "./images.js" */
/** @import { Tiles } from "./tiles.js" */

export class Detail {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {Tiles} tiles whose order the steps follow.
   */
  constructor(dialog, tiles) {
    this._dialog = dialog;
    this._tiles = tiles;
    this._picture = find(dialog, "img", HTMLImageElement);
    this._life = new Life(find(dialog, ".life", HTMLElement));
    /** @type {Item | null} */
    this._item = null;
    dialog.addEventListener("click", (event) => this._click(event));
    dialog.addEventListener("keydown", (event) => this._key(event));
    dialog.addEventListener("close", () => this._closed());
  }

  /** @param {Item} item */
  open(item) {
    this._show(item);
    if (!this._dialog.open) this._dialog.showModal();
  }

  /** Draw again what changed while it was looked at. @param {Set<Item>} items */
  refresh(items) {
    if (this._item && items.has(this._item)) this._show(this._item);
  }

  close() {
    this._dialog.close();
  }

  /** @param {Item} item */
  _show(item) {
    if (this._item !== item) drop(this._picture);
    this._item = item;
    this._dialog.dataset.state = item.state;
    this._write("h2", heading(item));
    this._write(".reason", (item.state === "failed" && item.reason) || "");
    this._write(".filename", item.path);
    this._life.show(item);
    const five = find(this._dialog, ".five", HTMLElement);
    five.hidden = item.state !== "done";
    if (item.state === "done") fillFive(five, item, "li");
    const onShow = /** @param {boolean} shown */ (shown) => {
      this._picture.hidden = !shown;
    };
    show(this._picture, item, { large: true, onShow });
  }

  /**
   * @param {string} selector
   * @param {string} text
   */
  _write(selector, text) {
    find(this._dialog, selector, HTMLElement).textContent = text;
  }

  /** @param {number} by */
  _step(by) {
    const next = this._item && this._tiles.neighbour(this._item, by);
    if (next) this._show(next);
  }

  /** @param {MouseEvent} event */
  _click(event) {
    const step = around(event, ".step");
    if (step) this._step(Number(step.dataset.step));
    // A click beside the picture is a click on the dialog itself.
    else if (event.target === this._dialog || around(event, ".close")) this.close();
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this._step(by);
  }

  _closed() {
    drop(this._picture);
    const item = this._item;
    this._item = null;
    if (item) this._tiles.focus(item);
  }
}

/** @param {Item} item */
function heading({ state, label }) {
  if (state === "done") return label ?? "";
  if (state === "cancelled") return "Cancelled";
  return state === "failed" ? "Not classified" : "Waiting…";
}
