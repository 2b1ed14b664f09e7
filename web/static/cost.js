// What a batch has cost: asked of the server once all of it is done, and said beneath its counts.

import { here, say } from "./dom.js";
import { number } from "./words.js";

/** @typedef {{usd: number, images: number, thousand_images_usd: number}} BatchCost */

// The autoscaler says what the fleet costs every ten seconds at least.
const ASK_MS = 12_000;

export class Cost {
  /** @param {HTMLElement} line where it is said */
  constructor(line) {
    this._line = line;
    this._of = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._asking = undefined;
  }

  /**
   * @param {string | null} id the batch's
   * @param {{open: number, finished: number}} images
   */
  show(id, { open, finished }) {
    const of = id && finished && !open ? `${id} ${finished}` : "";
    if (of === this._of) return;
    this._of = of;
    clearTimeout(this._asking);
    say(this._line, "");
    if (id && of) this._asking = setTimeout(() => void this._ask(id, of), ASK_MS);
  }

  /**
   * @param {string} id
   * @param {string} of
   */
  async _ask(id, of) {
    try {
      const answer = await fetch(here(`/api/batches/${encodeURIComponent(id)}/cost`));
      const { cost } = await answer.json();
      if (of === this._of && cost) say(this._line, costWords(cost));
    } catch {
      // Nobody waits for it.
    }
  }
}

/** @param {BatchCost} cost */
export function costWords({ usd, images, thousand_images_usd: thousand }) {
  const these = images === 1 ? "This image" : `These ${number(images)} images`;
  const more = images === 1000 ? "" : ` · ${dollars(thousand)} per 1,000`;
  return `${these} cost ${dollars(usd)}${more}`;
}

/** With cents, or two digits that count. @param {number} usd */
export function dollars(usd) {
  if (usd >= 1 || usd <= 0) return `$${usd.toFixed(usd > 0 ? 2 : 0)}`;
  if (usd < 1e-6) return "less than $0.000001";
  return `$${usd.toFixed(Math.max(2, 1 - Math.floor(Math.log10(usd))))}`;
}
