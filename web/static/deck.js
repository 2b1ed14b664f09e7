// The deck above the tiles: how far the batch is, how fast, what was found, and what of it to show.

import { Cost } from "./cost.js";
import { around, arrange, byId, element, find, say } from "./dom.js";
import { Histograms } from "./histogram.js";
import { frequent } from "./images.js";
import { Pace, pace, tally } from "./pace.js";
import { dropAll, isTaken, show } from "./picture.js";
import { isOrder, isShow, STATES } from "./selection.js";
import { sourceWords } from "./source.js";
import { number } from "./words.js";

/** @import { Batch } from "./batch.js" */
/** @import { Images, Item } from "./images.js" */
/** @import { Selection, Show } from "./selection.js" */
/** @import { Source } from "./source.js" */

const LABELS = 14;
const ANNOUNCE_MS = 4_000;

export class Deck {
  /**
   * @param {HTMLElement} root
   * @param {() => void} onSelect another part of the images is to be shown.
   */
  constructor(root, onSelect) {
    this._root = root;
    this._onSelect = onSelect;
    /** @type {Show} */
    this._show = "all";
    /** @type {string | null} */
    this._label = null;
    this._least = byId("least", HTMLInputElement);
    this._histograms = new Histograms();
    this._pace = new Pace();
    this._cost = new Cost(byId("cost", HTMLElement));
    this._announcedAt = 0;
    this._spoken = "";
    this._search = byId("search", HTMLInputElement);
    this._arrange = byId("arrange", HTMLSelectElement);
    this._labels = byId("labels", HTMLElement);
    find(root, ".filters", HTMLElement).addEventListener("click", (event) => this._pick(event));
    this._labels.addEventListener("click", (event) => this._pickLabel(event));
    this._search.addEventListener("input", onSelect);
    this._arrange.addEventListener("change", onSelect);
    this._least.addEventListener("input", () => {
      this._tellLeast();
      onSelect();
    });
  }

  /** What of the images is to be shown. @returns {Selection} */
  get selection() {
    const order = this._arrange.value;
    return {
      show: this._show,
      label: this._label,
      text: this._search.value,
      order: isOrder(order) ? order : "added",
      least: Number(this._least.value) / 100,
    };
  }

  reset() {
    this._pace = new Pace();
    this._label = null;
    this._search.value = "";
    this._least.value = "0";
    this._tellLeast();
    dropAll(this._labels);
    this._labels.replaceChildren();
    this._choose("all");
  }

  /** @param {Batch} batch */
  draw({ id, images, worked, uploader, silent, waits, source }) {
    const { total, open, finished } = images;
    const rates = this._pace.mark(performance.now(), worked, uploader.bytesSent);
    say(byId("tally", HTMLElement), total ? number(finished) : "");
    say(byId("tally-of", HTMLElement), source && !source.open && !total ? "No images" : tally(total, open));
    // Of a source, only some labels are known here.
    const said = source && !open ? "" : pace(images, rates, waits);
    say(byId("pace", HTMLElement), silent ? "No connection; trying again…" : said);
    this._source(source, images);
    this._cost.show(id, images);
    this._bar(images);
    for (const button of this._filters()) {
      const many = statesOf(button).reduce((sum, state) => sum + images.counts[state], 0);
      find(button, "b", HTMLElement).textContent = number(many);
      button.classList.toggle("none", !many);
      // Few batches are cancelled; while it is pressed it stays.
      if (button.dataset.show === "cancelled") button.hidden = !many && this._show !== "cancelled";
    }
    this._drawLabels(images);
    this._histograms.show(images);
    this._announce(images);
  }

  /**
   * Tell of images that are in S3 already.
   * @param {Source | null} source
   * @param {Images} images
   */
  _source(source, images) {
    const line = byId("source", HTMLElement);
    line.hidden = !source;
    if (!source) return;
    line.classList.toggle("trouble", source.progress?.state === "failed");
    say(find(line, "span", HTMLElement), sourceWords(source, images));
    const more = images.items.length >= source.shown && images.items.length < images.counts.done + images.counts.failed;
    byId("more-tiles", HTMLElement).hidden = !more;
  }

  /** Have the slider say what it stands for, to who sees it and who does not. */
  _tellLeast() {
    const text = this._least.value === "0" ? "any" : `${this._least.value}% or more`;
    this._least.setAttribute("aria-valuetext", text);
    say(byId("least-is", HTMLElement), text);
  }

  /** Tell of files that could not be uploaded. @param {number} count */
  trouble(count) {
    const line = byId("trouble", HTMLElement);
    line.hidden = !count;
    if (count) find(line, "span", HTMLElement).textContent = `${number(count)} could not be uploaded.`;
  }

  /** Tell of files that an earlier visit did not upload. @param {number} count */
  unsent(count) {
    const line = byId("unsent", HTMLElement);
    line.hidden = !count;
    if (!count) return;
    const were = count === 1 ? "1 file was" : `${number(count)} files were`;
    find(line, "span", HTMLElement).textContent =
      `${were} not uploaded when this page was left. Choose the same again: what is there is not sent twice.`;
  }

  /** @param {Images} images */
  _bar({ counts, total, finished }) {
    const bar = byId("progress", HTMLElement);
    bar.setAttribute("aria-valuemax", String(total));
    bar.setAttribute("aria-valuenow", String(finished));
    bar.setAttribute("aria-valuetext", `${finished} of ${total}`);
    for (const state of /** @type {const} */ (["done", "failed", "waiting"]))
      find(bar, `.${state}`, HTMLElement).style.flexGrow = String(total ? counts[state] / total : 0);
  }

  /** The most frequent labels, each with its surest picture. @param {Images} images */
  _drawLabels({ labels }) {
    const most = frequent(labels, LABELS, this._label);
    // Where each is the only one of its kind, the tiles say all.
    this._labels.hidden = most.length < 2 || most.every(([, items]) => items.size < 2);
    if (this._labels.hidden) return;
    const chips = new Map(this._chips().map((chip) => [chip.dataset.label, chip]));
    const filled = most.map(([label, items]) => fillChip(chips.get(label) ?? newChip(label), items));
    const gone = this._chips().filter((chip) => !filled.includes(chip));
    for (const chip of gone) dropAll(chip);
    arrange(this._labels, filled);
    this._press();
  }

  /** @param {Event} event */
  _pick(event) {
    const show = around(event, "[data-show]")?.dataset.show;
    if (!isShow(show)) return;
    this._choose(show);
    this._onSelect();
  }

  /** @param {Show} show */
  _choose(show) {
    this._show = show;
    for (const button of this._filters()) button.setAttribute("aria-pressed", String(button.dataset.show === show));
  }

  /** @param {Event} event */
  _pickLabel(event) {
    const label = around(event, "[data-label]")?.dataset.label;
    if (label === undefined) return;
    this._label = this._label === label ? null : label;
    this._press();
    this._onSelect();
  }

  _press() {
    for (const chip of this._chips()) chip.setAttribute("aria-pressed", String(chip.dataset.label === this._label));
  }

  /** @returns {HTMLElement[]} */
  _filters() {
    return [...this._root.querySelectorAll(".filters button")].filter((button) => button instanceof HTMLElement);
  }

  /** @returns {HTMLElement[]} */
  _chips() {
    return [...this._labels.children].filter((chip) => chip instanceof HTMLElement);
  }

  /** Say how far it is, not too often, for those who do not see it. @param {Images} images */
  _announce({ counts, total, open }) {
    const others = /** @type {const} */ (["failed", "cancelled"])
      .filter((state) => counts[state])
      .map((state) => `, ${counts[state]} ${state}`);
    const text = `${counts.done} of ${total} classified${others.join("")}`;
    const now = performance.now();
    if (text === this._spoken || (open && now - this._announcedAt < ANNOUNCE_MS)) return;
    this._announcedAt = now;
    this._spoken = text;
    byId("announcer", HTMLElement).textContent = text;
  }
}

/** @param {HTMLElement} button */
function statesOf({ dataset }) {
  return isShow(dataset.show) ? STATES[dataset.show] : [];
}

/** @param {string} label */
function newChip(label) {
  const chip = element("button");
  chip.type = "button";
  chip.dataset.label = label;
  const picture = element("img");
  picture.alt = "";
  chip.append(picture, element("span", "", label), element("b"));
  return chip;
}

/**
 * @param {HTMLElement} chip
 * @param {Set<Item>} items
 */
function fillChip(chip, items) {
  const picture = find(chip, "img", HTMLImageElement);
  if (!isTaken(picture)) show(picture, { key: surest(items).key, file: null, unshowable: false });
  find(chip, "b", HTMLElement).textContent = number(items.size);
  return chip;
}

/** @param {Set<Item>} items */
function surest(items) {
  return [...items].reduce((a, b) => ((b.score ?? 0) > (a.score ?? 0) ? b : a));
}
