// Which images are shown, and in which order. Pure.

import { inOrder } from "./words.js";

/**
 * @import { Item, State } from "./images.js"
 *
 * @typedef {"all" | "waiting" | "done" | "failed"} Show
 * @typedef {"added" | "label" | "unsure"} Order
 *
 * @typedef {object} Selection
 * @property {Show} show
 * @property {string | null} label only images with this label
 * @property {string} text only images with this in their label or path
 * @property {Order} order
 */

/** @type {Record<Show, State[]>} */
export const STATES = {
  all: ["queued", "uploading", "waiting", "done", "failed"],
  waiting: ["queued", "uploading", "waiting"],
  done: ["done"],
  failed: ["failed"],
};

/** @type {Record<Order, (a: Item, b: Item) => number>} */
const ORDERS = {
  // One's own in the order in which they were given, others by path: the order in which they came tells nothing.
  added: (a, b) => Number(!a.file) - Number(!b.file) || (a.file ? a.number - b.number : inOrder(a.path, b.path)),
  label: (a, b) =>
    (a.label ?? "\uffff").localeCompare(b.label ?? "\uffff") || (b.score ?? 0) - (a.score ?? 0) || a.number - b.number,
  unsure: (a, b) => (a.score ?? 2) - (b.score ?? 2) || a.number - b.number,
};

/**
 * @param {Item[]} items
 * @param {Selection} selection
 */
export function select(items, { show, label, text, order }) {
  const words = text.trim().toLowerCase();
  return items
    .filter((item) => STATES[show].includes(item.state))
    .filter((item) => label === null || (item.state === "done" && item.label === label))
    .filter((item) => `${item.label ?? ""} ${item.path}`.toLowerCase().includes(words))
    .sort(ORDERS[order]);
}

/** @param {string | undefined} value @returns {value is Show} */
export function isShow(value) {
  return value !== undefined && Object.hasOwn(STATES, value);
}

/** @param {string} value @returns {value is Order} */
export function isOrder(value) {
  return Object.hasOwn(ORDERS, value);
}
