// Which images are shown, and in which order. Pure.

import { inOrder } from "./words.js";

/**
 * @import { Item, State } from "./images.js"
 *
 * @typedef {"all" | "waiting" | "done" | "failed" | "cancelled"} Show
 * @typedef {"added" | "label" | "unsure" | "sure"} Order
 *
 * @typedef {object} Selection
 * @property {Show} show
 * @property {string | null} label only images with this label
 * @property {string} text only images with this in their label or path
 * @property {Order} order
 * @property {number} least only images whose label is at least so sure, from 0 to 1; 0 for all
 */

/** @type {Record<Show, State[]>} */
export const STATES = {
  all: ["queued", "uploading", "waiting", "done", "failed", "cancelled"],
  waiting: ["queued", "uploading", "waiting"],
  done: ["done"],
  failed: ["failed"],
  cancelled: ["cancelled"],
};

/** @type {Record<Order, (items: Item[]) => Item[]>} */
const ORDERS = {
  // One's own in the order in which they were given, others by path: the order in which they came tells nothing.
  added: (items) => [
    ...items.filter(({ file }) => file).sort((a, b) => a.number - b.number),
    ...items.filter(({ file }) => !file).sort((a, b) => inOrder(a.path, b.path)),
  ],
  label: (items) => {
    // Words are compared once for each label, not for each pair of images.
    const labels = [...new Set(items.map(({ label }) => label ?? "\uffff"))].sort(inOrder);
    const places = new Map(labels.map((label, place) => [label, place]));
    const place = /** @param {Item} item */ ({ label }) => places.get(label ?? "\uffff") ?? 0;
    return items.sort((a, b) => place(a) - place(b) || (b.score ?? 0) - (a.score ?? 0) || a.number - b.number);
  },
  unsure: (items) => items.sort((a, b) => (a.score ?? 2) - (b.score ?? 2) || a.number - b.number),
  sure: (items) => items.sort((a, b) => (b.score ?? -1) - (a.score ?? -1) || a.number - b.number),
};

/**
 * @param {Item[]} items
 * @param {Selection} selection
 */
export function select(items, { show, label, text, order, least }) {
  const words = text.trim().toLowerCase();
  const found = items.filter(
    (item) =>
      (show === "all" || STATES[show].includes(item.state)) &&
      (label === null || (item.state === "done" && item.label === label)) &&
      (!least || (item.state === "done" && (item.score ?? 0) >= least)) &&
      (!words || `${item.label ?? ""} ${item.path}`.toLowerCase().includes(words)),
  );
  return ORDERS[order](found);
}

/** Whether all are shown, in the order in which they came. @param {Selection} selection */
export function isPlain({ show, label, text, order, least }) {
  return show === "all" && label === null && !text.trim() && order === "added" && !least;
}

/** @param {string | undefined} value @returns {value is Show} */
export function isShow(value) {
  return value !== undefined && Object.hasOwn(STATES, value);
}

/** @param {string} value @returns {value is Order} */
export function isOrder(value) {
  return Object.hasOwn(ORDERS, value);
}
