// The batches that the server knows beside those that this browser has seen, on the start page.

import { byId, element, find, here } from "./dom.js";
import { addressOf } from "./source.js";

const AT_ONCE = 12;
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @typedef {{id: string, record?: {name?: string | null, source?: Record<string, string> | null, cancelled_at?: number | null}}} Known */

export class Earlier {
  constructor() {
    this._box = byId("earlier", HTMLElement);
    this._list = find(this._box, "ul", HTMLElement);
    this._more = byId("more", HTMLButtonElement);
    /** @type {Set<string>} */
    this._seen = new Set();
    this._after = "";
    this._more.addEventListener("click", () => void this._ask());
  }

  /** Begin anew. @param {string[]} seen those that are shown already */
  show(seen) {
    this._seen = new Set(seen);
    this._after = "";
    this._list.replaceChildren();
    this._box.hidden = true;
    void this._ask();
  }

  async _ask() {
    try {
      const after = this._after ? `&after=${encodeURIComponent(this._after)}` : "";
      const answer = await fetch(here(`/api/batches?limit=${AT_ONCE}${after}`));
      if (!answer.ok) return;
      /** @type {{batches: Known[], next: string | null}} */
      const { batches, next } = await answer.json();
      if (after !== (this._after ? `&after=${encodeURIComponent(this._after)}` : "")) return;
      this._list.append(...batches.filter(({ id }) => !this._seen.has(id)).map(line));
      for (const { id } of batches) this._seen.add(id);
      this._after = next ?? "";
      this._more.hidden = !next;
      this._box.hidden = !this._list.children.length && !next;
    } catch {
      // It is an extra; where the server does not say, the addresses of batches are enough.
    }
  }
}

/** @param {Known} batch */
function line({ id, record }) {
  const row = element("li");
  const made = madeAt(id);
  const when = made ? WHEN.format(made) : id;
  const what = record?.name || addressOf(record?.source);
  const link = element("a", "", [what, when, record?.cancelled_at && "cancelled"].filter(Boolean).join(" · "));
  link.href = here(`/batches/${encodeURIComponent(id)}`);
  row.append(link);
  return row;
}

/**
 * Return when a batch was made, as its id says; null if it does not.
 * @param {string} id
 */
export function madeAt(id) {
  const parts = id.match(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-/)?.slice(1);
  if (!parts) return null;
  const [year, month, day, hour, minute, second, ms] = parts.map(Number);
  return new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second, ms));
}
