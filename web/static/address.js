// What the page's address names: a batch, and an image in it. Pure.

import { here } from "./dom.js";

/**
 * Return the batch that a page's path names; null when it names none.
 * @param {string} path
 */
export function batchIn(path) {
  const named = path.startsWith(here("/batches/")) && path.slice(here("/batches/").length).match(/^[^/]+$/)?.[0];
  if (!named) return null;
  try {
    return decodeURIComponent(named);
  } catch {
    return named; // no UTF-8: then it is no batch of ours, and the server says so
  }
}

/**
 * Return the path of the image that an address names behind its `#`; "" where it names none.
 * @param {string} hash
 */
export function imageIn(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return ""; // somebody's own making
  }
}
