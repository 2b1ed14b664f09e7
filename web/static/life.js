// One image's life, as the server knows it: what was done with it, by whom, and how long each step took.

import { element, here } from "./dom.js";

/** @import { Item } from "./images.js" */

/** @typedef {{step: string, by: string, at: number, took_s: number | null}} Step */

export class Life {
  /** @param {HTMLElement} list where the steps are shown */
  constructor(list) {
    this._list = list;
    /** @type {Item | null} */
    this._of = null;
  }

  /** @param {Item | null} item */
  show(item) {
    const known = item?.key && (item.state === "done" || item.state === "failed") ? item : null;
    if (known === this._of) return;
    this._of = known;
    this._list.hidden = true;
    this._list.replaceChildren();
    if (known?.key) void this._ask(known, known.key);
  }

  /**
   * @param {Item} item
   * @param {string} key
   */
  async _ask(item, key) {
    try {
      const [batch, ...path] = key.split("/").map(encodeURIComponent);
      const answer = await fetch(here(`/api/batches/${batch}/life/${path.join("/")}`));
      if (!answer.ok || this._of !== item) return;
      const { steps, now } = await answer.json();
      if (this._of !== item) return;
      // By the server's clock, which may differ from this browser's.
      const shownAt = item.shownAt === undefined ? null : item.shownAt + now - Date.now() / 1000;
      this._list.replaceChildren(...shown(steps, shownAt).map(([what, took]) => line(what, took)));
      this._list.hidden = false;
    } catch {
      // It is an extra: without it the picture and its labels are there.
    }
  }
}

/**
 * Return what is said of each step, and how long it took.
 * @param {Step[]} steps
 * @param {number | null} shownAt when this page showed the outcome, in seconds since 1970; null if it was there before
 * @returns {[string, string][]}
 */
export function shown(steps, shownAt) {
  /** @type {[string, string][]} */
  const said = steps.map(({ step, by, took_s: took }, at) => [
    by === steps[at - 1]?.by ? step : `${step} by ${by}`,
    took === null ? "" : span(took),
  ]);
  const last = steps.at(-1);
  if (shownAt !== null && last?.step === "announced") said.push(["shown here", span(Math.max(0, shownAt - last.at))]);
  return said;
}

/** @param {number} seconds */
export function span(seconds) {
  if (seconds < 0.001) return "< 1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
}

/**
 * @param {string} what
 * @param {string} took
 */
function line(what, took) {
  const made = element("li");
  made.append(element("span", "", what), element("span", "", took));
  return made;
}
