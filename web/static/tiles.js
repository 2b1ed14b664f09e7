// The tiles: only the rows near the window are in the page, so that ten thousand images scroll like ten.

import { around, arrange, element, find } from "./dom.js";
import { fillFive } from "./five.js";
import { drawable, layout, led, near } from "./layout.js";
import { drop, show } from "./picture.js";
import { percent } from "./words.js";

/** @import { Item } from "./images.js" */

const NEW_A_FRAME = 24; // tiles beyond the window

export class Tiles {
  /**
   * @param {HTMLElement} grid
   * @param {{template: HTMLTemplateElement, cover: HTMLElement, onOpen: (item: Item) => void}} options `template` holds
   *   one tile; `cover` may lie over the top of the window; `onOpen` gets the image that was clicked.
   */
  constructor(grid, { template, cover, onOpen }) {
    this._grid = grid;
    this._template = find(template.content, ".tile", HTMLElement);
    this._cover = cover;
    /** @type {Item[]} */
    this._view = [];
    /** @type {Map<Item, HTMLElement>} */
    this._drawn = new Map();
    /** @type {WeakMap<HTMLElement, Item>} */
    this._items = new WeakMap();
    /** @type {Item | null} the one that Tab reaches; the arrow keys go from there */
    this._current = null;
    this._scheduled = false;
    const later = () => this._later();
    window.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(later).observe(grid);
    grid.addEventListener("click", (event) => this._withItem(event, onOpen));
    grid.addEventListener("focusin", (event) => this._withItem(event, (item) => this._roam(item)));
    grid.addEventListener("keydown", (event) => this._move(event));
  }

  /** Show these items, in this order. @param {Item[]} view */
  show(view) {
    this._view = view;
    this._later();
  }

  /** Draw again those that changed. @param {Iterable<Item>} items */
  update(items) {
    for (const item of items) {
      const tile = this._drawn.get(item);
      if (tile) this._fill(tile, item);
    }
  }

  clear() {
    for (const item of [...this._drawn.keys()]) this._remove(item);
    this._current = null;
    this.show([]);
  }

  /**
   * Return the item `by` places after `item`, of those on show.
   * @param {Item} item
   * @param {number} by
   */
  neighbour(item, by) {
    return this._view[this._view.indexOf(item) + by];
  }

  /** Bring an item's tile into the window and give it the keyboard. @param {Item} item */
  focus(item) {
    const index = this._view.indexOf(item);
    if (index < 0) return;
    const { columns, rowHeight } = this._layout();
    const top = this._grid.offsetTop + Math.floor(index / columns) * rowHeight;
    const covered = getComputedStyle(this._cover).position === "sticky" ? this._cover.offsetHeight : 0;
    if (top < scrollY + covered) scrollTo({ top: top - covered - 8 });
    else if (top + rowHeight > scrollY + innerHeight) scrollTo({ top: top + rowHeight - innerHeight + 8 });
    this._draw();
    const tile = this._drawn.get(item);
    if (tile) buttonOf(tile).focus({ preventScroll: true });
  }

  _later() {
    if (this._scheduled) return;
    this._scheduled = true;
    requestAnimationFrame(() => {
      this._scheduled = false;
      this._draw();
    });
  }

  _layout() {
    const caption = Number(getComputedStyle(this._grid).getPropertyValue("--caption"));
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    return layout(this._view.length, this._grid.clientWidth, { rem, caption });
  }

  /** Have in the page the rows in the window, and by and by those near it. */
  _draw() {
    if (!this._grid.clientWidth) return;
    const { columns, gap, rowHeight } = this._layout();
    const { top } = this._grid.getBoundingClientRect();
    const all = near({ columns, gap, rowHeight }, this._view.length, top, innerHeight);
    const seen = near({ columns, gap, rowHeight }, this._view.length, top, innerHeight, 0);
    const fresh = /** @param {number} row */ (row) =>
      this._view.slice(row * columns, (row + 1) * columns).filter((item) => !this._drawn.has(item)).length;
    const { first, last } = drawable(seen, all, NEW_A_FRAME, fresh);
    const { rows } = all;
    if (first > all.first || last < all.last) this._later();
    const { style } = this._grid;
    style.height = `${rows * rowHeight}px`;
    style.paddingTop = `${first * rowHeight}px`;
    style.gap = `${gap}px`;
    style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    style.gridAutoRows = `${rowHeight - gap}px`;
    this._place(this._view.slice(first * columns, last * columns), first * columns);
  }

  /**
   * @param {Item[]} items
   * @param {number} start the place of the first among all
   */
  _place(items, start) {
    const wanted = new Set(items);
    const held = this._grid.contains(document.activeElement) && document.activeElement !== this._grid;
    for (const item of [...this._drawn.keys()]) if (!wanted.has(item)) this._remove(item);
    const tiles = items.map((item, index) => {
      const tile = this._drawn.get(item) ?? this._make(item);
      tile.setAttribute("aria-posinset", String(start + index + 1));
      tile.setAttribute("aria-setsize", String(this._view.length));
      return tile;
    });
    arrange(this._grid, tiles);
    if (!this._current || !this._drawn.has(this._current)) this._roam(items[0] ?? null);
    if (held && !this._grid.contains(document.activeElement)) this._hold();
  }

  /** The tile that had the keyboard is gone: the one that Tab reaches has it now, or the grid. */
  _hold() {
    const tile = this._current && this._drawn.get(this._current);
    (tile ? buttonOf(tile) : this._grid).focus({ preventScroll: true });
  }

  /** @param {Item} item */
  _make(item) {
    const tile = /** @type {HTMLElement} */ (this._template.cloneNode(true));
    this._drawn.set(item, tile);
    this._items.set(tile, item);
    this._fill(tile, item);
    return tile;
  }

  /** @param {Item} item */
  _remove(item) {
    const tile = this._drawn.get(item);
    if (!tile) return;
    drop(find(tile, "img", HTMLImageElement));
    tile.remove();
    this._drawn.delete(item);
  }

  /**
   * @param {HTMLElement} tile
   * @param {Item} item
   */
  _fill(tile, item) {
    const button = buttonOf(tile);
    tile.dataset.state = item.state;
    tile.style.setProperty("--score", String(item.score ?? 0));
    const name = find(tile, ".name", HTMLElement);
    name.textContent = item.name;
    name.title = item.path;
    find(tile, ".label", HTMLElement).textContent =
      item.label ?? item.reason ?? (item.state === "cancelled" ? "cancelled" : "");
    find(tile, ".score", HTMLElement).textContent = item.state === "done" ? percent(item.score ?? 0) : "";
    button.setAttribute("aria-label", spoken(item));
    button.tabIndex = item === this._current ? 0 : -1;
    tile.querySelector(".five")?.remove();
    if (item.state === "done" || item.state === "failed") button.after(overlay(item));
    const picture = find(tile, "img", HTMLImageElement);
    show(picture, item, { onShow: (shown) => tile.classList.toggle("blank", !shown) });
  }

  /**
   * @param {Event} event
   * @param {(item: Item) => void} act
   */
  _withItem(event, act) {
    const item = this._itemOf(event);
    if (item) act(item);
  }

  /** @param {Event} event */
  _itemOf(event) {
    const tile = around(event, ".tile");
    return tile ? this._items.get(tile) : undefined;
  }

  /** @param {Item | null} item */
  _roam(item) {
    this._setTab(-1);
    this._current = item;
    this._setTab(0);
  }

  /** @param {number} tabIndex of the current tile */
  _setTab(tabIndex) {
    const tile = this._current && this._drawn.get(this._current);
    if (tile) buttonOf(tile).tabIndex = tabIndex;
  }

  /** @param {KeyboardEvent} event */
  _move(event) {
    const item = this._itemOf(event);
    if (!item) return;
    const at = led(event.key, this._view.indexOf(item), this._view.length, this._layout().columns);
    const next = at === null ? undefined : this._view[at];
    if (!next) return;
    event.preventDefault();
    this.focus(next);
  }
}

/** @param {HTMLElement} tile */
function buttonOf(tile) {
  return find(tile, "button", HTMLButtonElement);
}

/** What shows over the picture while it is pointed at. @param {Item} item */
function overlay(item) {
  const five = element("span", "five");
  if (item.state === "done") fillFive(five, item, "span");
  else five.textContent = item.reason;
  return five;
}

/** Say what a tile shows, in its order: who speaks to the page says what is seen. @param {Item} item */
function spoken({ path, state, label, score, reason }) {
  if (state === "failed") return `failed, ${path}: ${reason}`;
  if (state === "cancelled") return `cancelled, ${path}`;
  const what = {
    done: `${label}, ${percent(score ?? 0)}`,
    waiting: "waiting",
    uploading: "being uploaded",
    queued: "to be uploaded",
  };
  return `${path}: ${what[state]}`;
}
