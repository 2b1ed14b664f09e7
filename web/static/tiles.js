// The grid: only the rows near the window are in the page, so that ten thousand images scroll like ten.

import { fillFive, percent, previewUrl } from "./show.js";

// The smallest width of a tile by how many there are, as long as three fit side by side.
const SIZES = [
  [12, 230],
  [60, 170],
  [Infinity, 128],
];
const CAPTION = 42; // pixels below the picture
const BEYOND = 700; // pixels drawn above and below the window

export class Tiles {
  /**
   * @param {HTMLElement} grid
   * @param {(item: object) => void} onOpen gets the image that was clicked.
   */
  constructor(grid, onOpen) {
    this._grid = grid;
    this._template = document.getElementById("tile").content.firstElementChild;
    this._view = [];
    this._drawn = new Map(); // item -> node
    this._items = new WeakMap(); // node -> item
    this._current = null; // the item that Tab reaches; the arrow keys go from there
    this._scheduled = false;
    const later = () => this._later();
    window.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(later).observe(grid);
    grid.addEventListener("click", (event) => this._withItem(event, onOpen));
    grid.addEventListener("focusin", (event) => this._withItem(event, (item) => this._roam(item)));
    grid.addEventListener("keydown", (event) => this._move(event));
  }

  /** Show these items, in this order. */
  show(view) {
    this._view = view;
    this._later();
  }

  /** Draw again those that changed. */
  update(items) {
    for (const item of items) {
      const node = this._drawn.get(item);
      if (node) this._fill(node, item);
    }
  }

  clear() {
    for (const item of [...this._drawn.keys()]) this._remove(item);
    this._current = null;
    this.show([]);
  }

  /** Return the item `by` places after `item`, of those on show. */
  neighbour(item, by) {
    return this._view[this._view.indexOf(item) + by];
  }

  /** Bring an item's tile into the window and give it the keyboard. */
  focus(item) {
    const index = this._view.indexOf(item);
    if (index < 0) return;
    const { columns, rowHeight } = this._measure();
    const top = this._grid.offsetTop + Math.floor(index / columns) * rowHeight;
    const deck = this._grid.previousElementSibling;
    const covered = getComputedStyle(deck).position === "sticky" ? deck.offsetHeight : 0;
    if (top < scrollY + covered) scrollTo({ top: top - covered - 8 });
    else if (top + rowHeight > scrollY + innerHeight) scrollTo({ top: top + rowHeight - innerHeight + 8 });
    this._draw();
    this._drawn.get(item)?.firstElementChild.focus({ preventScroll: true });
  }

  _later() {
    if (this._scheduled) return;
    this._scheduled = true;
    requestAnimationFrame(() => {
      this._scheduled = false;
      this._draw();
    });
  }

  _measure() {
    const count = this._view.length;
    const width = this._grid.clientWidth;
    const gap = width < 500 ? 8 : 13;
    const size = Math.min(SIZES.find(([most]) => count <= most)[1], (width - 2 * gap) / 3);
    const columns = Math.max(1, Math.floor((width + gap) / (size + gap)));
    const rowHeight = (width - (columns - 1) * gap) / columns + CAPTION + gap;
    return { columns, gap, rowHeight };
  }

  /** Have in the page exactly the rows near the window. */
  _draw() {
    if (!this._grid.clientWidth) return;
    const { columns, gap, rowHeight } = this._measure();
    const rows = Math.ceil(this._view.length / columns);
    const above = -this._grid.getBoundingClientRect().top - BEYOND;
    const first = Math.max(0, Math.min(rows, Math.floor(above / rowHeight)));
    const last = Math.max(first, Math.min(rows, Math.ceil((above + innerHeight + 2 * BEYOND) / rowHeight)));
    const { style } = this._grid;
    style.height = `${rows * rowHeight}px`;
    style.paddingTop = `${first * rowHeight}px`;
    style.gap = `${gap}px`;
    style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    style.gridAutoRows = `${rowHeight - gap}px`;
    this._place(this._view.slice(first * columns, last * columns), first * columns);
  }

  _place(items, start) {
    const wanted = new Set(items);
    for (const item of [...this._drawn.keys()]) if (!wanted.has(item)) this._remove(item);
    let before = this._grid.firstElementChild;
    items.forEach((item, index) => {
      const node = this._drawn.get(item) ?? this._make(item);
      node.setAttribute("aria-posinset", start + index + 1);
      node.setAttribute("aria-setsize", this._view.length);
      if (node === before) before = before.nextElementSibling;
      else this._grid.insertBefore(node, before);
    });
    if (!this._drawn.has(this._current)) this._roam(items[0]);
  }

  _make(item) {
    const node = this._template.cloneNode(true);
    this._drawn.set(item, node);
    this._items.set(node, item);
    this._fill(node, item);
    return node;
  }

  _remove(item) {
    const node = this._drawn.get(item);
    const image = node.querySelector("img");
    if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
    node.remove();
    this._drawn.delete(item);
  }

  _fill(node, item) {
    const [name, label, score] = node.querySelectorAll(".name, .label, .score");
    const button = node.firstElementChild;
    node.dataset.state = item.state;
    node.style.setProperty("--score", item.score ?? 0);
    name.textContent = item.name;
    label.textContent = item.label ?? item.reason ?? "";
    score.textContent = item.state === "done" ? percent(item.score) : "";
    button.setAttribute("aria-label", spoken(item));
    button.tabIndex = item === this._current ? 0 : -1;
    button.querySelector(".five")?.remove();
    if (item.state === "done" || item.state === "failed") button.append(overlay(item));
    picture(node, item);
  }

  _withItem(event, act) {
    const item = this._items.get(event.target.closest?.(".tile"));
    if (item) act(item);
  }

  _roam(item) {
    const old = this._drawn.get(this._current);
    if (old) old.firstElementChild.tabIndex = -1;
    this._current = item;
    const node = this._drawn.get(item);
    if (node) node.firstElementChild.tabIndex = 0;
  }

  _move(event) {
    const at = this._view.indexOf(this._items.get(event.target.closest(".tile")));
    const last = this._view.length - 1;
    const { columns } = this._measure();
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: last - at }[event.key];
    if (at < 0 || step === undefined) return;
    event.preventDefault();
    this.focus(this._view[Math.max(0, Math.min(last, at + step))]);
  }
}

/** Show the user's own file while there is one; the server's small picture otherwise, or if that cannot be shown. */
function picture(node, item) {
  const image = node.querySelector("img");
  const remote = previewUrl(item);
  const own = item.file?.size && !item.unshowable;
  if (image.hasAttribute("src") || !(own || remote)) return;
  image.onerror = () => {
    if (image.src.startsWith("blob:")) {
      // Not a format of this browser's, or no image at all; once it is stored, the server can tell.
      URL.revokeObjectURL(image.src);
      item.unshowable = true;
      image.removeAttribute("src");
      picture(node, item);
    } else node.classList.add("blank");
  };
  image.src = own ? URL.createObjectURL(item.file) : remote;
}

/** What shows over the picture while it is pointed at. */
function overlay(item) {
  const five = document.createElement("span");
  five.className = "five";
  if (item.state === "done") fillFive(five, item, "span");
  else five.textContent = item.reason;
  return five;
}

function spoken(item) {
  const what = {
    done: () => `${item.label}, ${percent(item.score)}`,
    failed: () => `failed, ${item.reason}`,
    waiting: () => "waiting",
    uploading: () => "being uploaded",
    queued: () => "to be uploaded",
  }[item.state]();
  return `${item.name}: ${what}`;
}
