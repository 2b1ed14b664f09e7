// The grid: a tile for each image of the pile, drawn in slices so that thousands never block the page.

import { FINISHED } from "./pile.js";
import { fillFive, percent, previewUrl } from "./show.js";

const SLICE_MS = 8;
const DENSE = [
  [12, "few"],
  [80, "some"],
  [Infinity, "many"],
];

export class Tiles {
  /**
   * @param {HTMLElement} grid
   * @param {(item: object) => void} onOpen gets the image that was clicked.
   */
  constructor(grid, onOpen) {
    this._grid = grid;
    this._template = document.getElementById("tile").content.firstElementChild;
    this._items = new WeakMap(); // node -> item
    this._todo = new Set();
    this._drawing = false;
    this._match = () => true;
    this._nearby = new IntersectionObserver((entries) => this._load(entries), { rootMargin: "600px" });
    grid.addEventListener("click", (event) => this._withItem(event, onOpen));
    grid.addEventListener("pointerover", (event) => this._withItem(event, showFive));
    grid.addEventListener("focusin", (event) => this._withItem(event, showFive));
    grid.addEventListener("focusin", (event) => this._roam(event.target));
    grid.addEventListener("keydown", (event) => this._move(event));
  }

  draw(items) {
    for (const item of items) this._todo.add(item);
    if (!this._drawing) this._slice();
  }

  /** Show only those that `match`, with `state` as the state chosen. */
  filter(state, match) {
    this._grid.dataset.show = state;
    this._match = match;
    for (const node of this._grid.children) node.hidden = !match(this._items.get(node));
  }

  /** Put the tiles in the order of `items`. */
  arrange(items) {
    const nodes = items.map((item) => item.node).filter((node) => node?.parentElement === this._grid);
    if (nodes.every((node, place) => node === this._grid.children[place])) return;
    const focused = this._grid.contains(document.activeElement) ? document.activeElement : null;
    this._grid.append(...nodes);
    focused?.focus({ preventScroll: true });
  }

  clear() {
    for (const node of this._grid.children) forget(this._items.get(node), this._nearby);
    this._grid.replaceChildren();
    this._todo.clear();
  }

  /** The items on view, in their order. */
  shown() {
    return [...this._grid.children].filter((node) => node.offsetParent).map((node) => this._items.get(node));
  }

  focus(item) {
    item.node?.firstElementChild.focus();
  }

  _slice() {
    const end = performance.now() + SLICE_MS;
    const fresh = document.createDocumentFragment();
    for (const item of this._todo) {
      this._todo.delete(item);
      if (item.removed) this._drop(item);
      else this._update(item, fresh);
      if (performance.now() > end) break;
    }
    this._grid.append(fresh);
    this._drawing = this._todo.size > 0;
    if (this._drawing) setTimeout(() => this._slice());
    this._grid.dataset.density = DENSE.find(([most]) => this._grid.childElementCount <= most)[1];
    if (!this._grid.querySelector('[tabindex="0"]')) this._roam(this._grid.querySelector("button"));
  }

  _update(item, fresh) {
    if (!item.node) {
      item.node = this._template.cloneNode(true);
      this._items.set(item.node, item);
      this._nearby.observe(item.node);
      fresh.append(item.node);
    }
    const { node } = item;
    const [name, label, score] = node.querySelectorAll(".name, .label, .score");
    node.dataset.state = item.state;
    node.hidden = !this._match(item);
    name.textContent = item.name;
    label.textContent = item.label ?? item.reason ?? "";
    score.textContent = item.state === "done" ? percent(item.score) : "";
    node.style.setProperty("--score", item.score ?? 0);
    node.firstElementChild.setAttribute("aria-label", spoken(item));
    if (item.seen && !item.pictured) this._picture(item);
    if (item.fiveShown) showFive(item);
  }

  _drop(item) {
    forget(item, this._nearby);
    item.node?.remove();
  }

  _load(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      const item = this._items.get(target);
      item.seen = true;
      this._picture(item);
      if (item.pictured) this._nearby.unobserve(target);
    }
  }

  /** Show the user's own file while it is ours to show; the server's small picture otherwise, or if that fails. */
  _picture(item) {
    const image = item.node.querySelector("img");
    const remote = previewUrl(item);
    const fail = () => item.node.classList.add("blank");
    const load = (url, otherwise) => {
      image.onerror = otherwise;
      image.onload = () => item.node.classList.remove("blank");
      image.src = url;
      item.pictured = true;
    };
    if (item.file && item.file.size) {
      item.local = URL.createObjectURL(item.file);
      load(item.local, () => (previewUrl(item) ? load(previewUrl(item), fail) : fail()));
    } else if (remote) {
      load(remote, fail);
    } else if (FINISHED.has(item.state)) {
      fail();
    }
  }

  _withItem(event, act) {
    const item = this._items.get(event.target.closest?.(".tile"));
    if (item) act(item);
  }

  /** One tile can be reached by Tab; the arrow keys go from there. */
  _roam(target) {
    const button = target?.closest("button");
    if (!button) return;
    for (const other of this._grid.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    button.tabIndex = 0;
  }

  _move(event) {
    const here = event.target.closest(".tile");
    const tiles = [...this._grid.children].filter((node) => node.offsetParent);
    const at = tiles.indexOf(here);
    const columns = getComputedStyle(this._grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: tiles.length }[event.key];
    if (at < 0 || step === undefined) return;
    event.preventDefault();
    tiles[Math.max(0, Math.min(tiles.length - 1, at + step))].firstElementChild.focus();
  }
}

function showFive(item) {
  // Once: filling it again under the pointer would call for it again.
  if (item.state !== "done" || item.fiveShown === item.top5) return;
  item.fiveShown = item.top5;
  const button = item.node.firstElementChild;
  let five = button.querySelector(".five");
  if (!five) {
    five = document.createElement("span");
    five.className = "five";
    button.append(five);
  }
  fillFive(five, item, "span");
}

function forget(item, observer) {
  if (!item?.node) return;
  observer.unobserve(item.node);
  if (item.local) URL.revokeObjectURL(item.local);
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
