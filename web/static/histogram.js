// How often which label, and how sure: two histograms of the batch in view, drawn while somebody looks at them.

import { byId, element, find } from "./dom.js";
import { frequent } from "./images.js";
import { many, number } from "./words.js";

/** @import { Images, Item } from "./images.js" */

const BINS = 10;
const LABELS = 20;
const EVERY_MS = 1_000;
const SVG = "http://www.w3.org/2000/svg";

export class Histograms {
  constructor() {
    this._box = byId("histograms", HTMLDetailsElement);
    this._drawnAt = Number.NEGATIVE_INFINITY;
    /** @type {Images | null} */
    this._images = null;
    this._box.addEventListener("toggle", () => this._draw());
  }

  /** @param {Images} images */
  show(images) {
    this._images = images;
    this._box.hidden = !images.counts.done;
    // Of ten thousand images it is not drawn with each of them, but at the end of them.
    if (performance.now() - this._drawnAt >= EVERY_MS || !images.open) this._draw();
  }

  _draw() {
    if (!this._box.open || !this._images) return;
    this._drawnAt = performance.now();
    const { items, labels } = this._images;
    const counts = bins(items);
    const bars = find(this._box, "svg", SVGSVGElement);
    bars.setAttribute("aria-label", said(counts));
    bars.replaceChildren(...columns(counts));
    const most = frequent(labels, LABELS);
    const longest = most[0]?.[1].size ?? 1;
    find(this._box, "ol", HTMLElement).replaceChildren(
      ...most.map(([label, { size }]) => {
        const row = element("li");
        row.append(element("span", "", label), element("b", "", number(size)));
        row.style.setProperty("--score", String(size / longest));
        return row;
      }),
    );
    const rest = labels.size - most.length;
    find(this._box, ".rest", HTMLElement).textContent = rest > 0 ? `and ${many(rest, "rarer label")}` : "";
  }
}

/**
 * Return how many labels are so sure, a tenth each; the last has those of 100 % too.
 * @param {Pick<Item, "state" | "score">[]} items
 */
export function bins(items) {
  /** @type {number[]} */
  const counts = new Array(BINS).fill(0);
  for (const { state, score } of items) {
    if (state !== "done" || score === null) continue;
    const bin = Math.min(BINS - 1, Math.floor(score * BINS + 1e-9));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

/**
 * Say a histogram in words, the surest first.
 * @param {number[]} counts
 */
export function said(counts) {
  const parts = counts.map((count, bin) => `${number(count)} from ${bin * BINS} to ${(bin + 1) * BINS}%`);
  const some = parts.filter((_, bin) => counts[bin]).reverse();
  return `How sure the labels are: ${some.join(", ") || "none yet"}`;
}

/** @param {number[]} counts */
function columns(counts) {
  const highest = Math.max(1, ...counts);
  return counts.flatMap((count, bin) => {
    const height = (count / highest) * 60;
    const bar = drawn("rect", { x: bin * 20 + 1, y: 62 - height, width: 18, height });
    bar.append(drawn("title", {}, `${bin * BINS} to ${(bin + 1) * BINS}%: ${number(count)}`));
    return bin % 5 ? [bar] : [bar, drawn("text", { x: bin * 20, y: 76 }, `${bin * BINS}%`)];
  });
}

/**
 * @param {string} name
 * @param {Record<string, number>} where
 * @param {string} [text]
 */
function drawn(name, where, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(where)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
