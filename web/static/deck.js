// The deck above the tiles: how far it is, how fast, what was found, and what to show of it.

import { bytes, duration, number, previewUrl } from "./show.js";

const WINDOW_MS = 8_000; // over which a rate is taken
const LABELS = 14;
const ANNOUNCE_MS = 4_000;
const STATES = {
  all: ["queued", "uploading", "waiting", "done", "failed"],
  waiting: ["queued", "uploading", "waiting"],
  done: ["done"],
  failed: ["failed"],
};

export class Deck {
  /** @param {{onShow: () => void}} listener is told that another part of the pile is to be shown. */
  constructor(root, listener) {
    this.show = "all";
    this.label = null;
    this._root = root;
    this._listener = listener;
    this._marks = []; // [time, finished, bytes]
    this._announcedAt = 0;
    this._spoken = "";
    root.querySelector(".filters").addEventListener("click", (event) => this._pick(event));
    root.querySelector("#labels").addEventListener("click", (event) => this._pickLabel(event));
    root.querySelector("#search").addEventListener("input", () => listener.onShow());
    root.querySelector("#arrange").addEventListener("change", () => listener.onShow());
  }

  get order() {
    return this._root.querySelector("#arrange").value;
  }

  /** Whether an image is to be shown. */
  matches(item) {
    if (!STATES[this.show].includes(item.state)) return false;
    if (this.label !== null && !(item.state === "done" && item.label === this.label)) return false;
    const text = this._root.querySelector("#search").value.trim().toLowerCase();
    return !text || `${item.label ?? ""} ${item.name}`.toLowerCase().includes(text);
  }

  reset() {
    this._marks = [];
    this.label = null;
    this._root.querySelector("#search").value = "";
    this._choose("all");
  }

  draw(pile, uploader, silent) {
    const { counts, total, open } = pile;
    const finished = counts.done + counts.failed;
    this._text("#tally", total ? number(finished) : "");
    this._text("#tally-of", !total ? "Reading the batch…" : open ? `of ${number(total)}` : total === 1 ? "image" : "images");
    this._text("#pace", this._pace(pile, uploader, finished, silent));
    this._bar(counts, total, finished);
    for (const button of this._root.querySelectorAll("[data-show]")) {
      const many = STATES[button.dataset.show].reduce((sum, state) => sum + counts[state], 0);
      button.lastElementChild.textContent = number(many);
      button.classList.toggle("none", !many);
    }
    this._labels(pile);
    this._announce(pile);
  }

  trouble(items) {
    const line = this._root.querySelector("#trouble");
    line.hidden = !items.length;
    if (items.length) line.firstElementChild.textContent = `${number(items.length)} could not be uploaded.`;
  }

  _pace(pile, uploader, finished, silent) {
    const { counts, total, open } = pile;
    const now = performance.now();
    this._marks.push([now, finished, uploader?.bytesSent ?? 0]);
    while (this._marks.length > 2 && now - this._marks[0][0] > WINDOW_MS) this._marks.shift();
    const [then, before, bytesBefore] = this._marks[0];
    const seconds = (now - then) / 1000;
    if (silent) return "No connection; trying again…";
    if (!total) return "";
    if (!open) return pile.labels.size > 1 ? `${number(pile.labels.size)} different labels` : "";
    const parts = [];
    if (counts.queued + counts.uploading) {
      const speed = seconds > 1 ? (uploader.bytesSent - bytesBefore) / seconds : 0;
      parts.push(`${number(counts.queued + counts.uploading)} to upload${speed ? ` at ${bytes(speed)}/s` : ""}`);
    }
    const rate = seconds > 1 ? (finished - before) / seconds : 0;
    if (rate >= 0.1) {
      parts.push(`${rate >= 10 ? Math.round(rate) : rate.toFixed(1)} a second`);
      if (open / rate > 3) parts.push(`${duration(open / rate)} left`);
    } else if (!parts.length) parts.push("waiting for a worker");
    return parts.join(" · ");
  }

  _bar(counts, total, finished) {
    const bar = this._root.querySelector("#progress");
    bar.setAttribute("aria-valuemax", total);
    bar.setAttribute("aria-valuenow", finished);
    bar.setAttribute("aria-valuetext", `${finished} of ${total}`);
    for (const part of bar.children) part.style.flexGrow = total ? counts[part.className] / total : 0;
  }

  /** The most frequent labels, each with its surest picture. */
  _labels(pile) {
    const box = this._root.querySelector("#labels");
    const most = [...pile.labels].sort((a, b) => b[1].size - a[1].size || a[0].localeCompare(b[0])).slice(0, LABELS);
    // Where each is the only one of its kind, the tiles say all.
    box.hidden = most.length < 2 || most[0][1].size < 2;
    if (box.hidden) return;
    const chips = new Map([...box.children].map((chip) => [chip.dataset.label, chip]));
    box.replaceChildren(...most.map(([label, items]) => fillChip(chips.get(label) ?? newChip(label), items, this.label)));
  }

  _pick(event) {
    const button = event.target.closest("[data-show]");
    if (!button) return;
    this._choose(button.dataset.show);
    this._listener.onShow();
  }

  _choose(show) {
    this.show = show;
    for (const button of this._root.querySelectorAll("[data-show]"))
      button.setAttribute("aria-pressed", String(button.dataset.show === show));
  }

  _pickLabel(event) {
    const chip = event.target.closest("[data-label]");
    if (!chip) return;
    this.label = this.label === chip.dataset.label ? null : chip.dataset.label;
    for (const other of chip.parentElement.children)
      other.setAttribute("aria-pressed", String(other.dataset.label === this.label));
    this._listener.onShow();
  }

  /** Say how far it is, not too often, for those who do not see it. */
  _announce({ counts, total, open }) {
    const text = `${counts.done} of ${total} classified${counts.failed ? `, ${counts.failed} failed` : ""}`;
    const now = performance.now();
    if (text === this._spoken || (open && now - this._announcedAt < ANNOUNCE_MS)) return;
    this._announcedAt = now;
    this._spoken = text;
    document.getElementById("announcer").textContent = text;
  }

  _text(selector, text) {
    const node = this._root.querySelector(selector);
    if (node.textContent !== text) node.textContent = text;
  }
}

function newChip(label) {
  const chip = document.createElement("button");
  chip.type = "button";
  chip.dataset.label = label;
  const picture = document.createElement("img");
  picture.alt = "";
  const text = document.createElement("span");
  text.textContent = label;
  chip.append(picture, text, document.createElement("b"));
  return chip;
}

function fillChip(chip, items, chosen) {
  const [picture, , count] = chip.children;
  if (!picture.src) {
    const best = [...items].reduce((a, b) => (b.score > a.score ? b : a));
    picture.src = previewUrl(best);
  }
  count.textContent = number(items.size);
  chip.setAttribute("aria-pressed", String(chip.dataset.label === chosen));
  return chip;
}
