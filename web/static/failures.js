// Why images failed in the last hour: each reason with how many, and links to the latest of them.

import { element, here } from "./dom.js";
import { clock, many, number } from "./words.js";

/** @import { Failed } from "./fleet.js" */

const BATCH = /^(\d{8}T\d{9}Z-[0-9a-f]{8})\/(.+)$/s;

/**
 * Return the address of an image on its batch's page; null if it is in none that has a page.
 * @param {string} key
 */
export function addressOf(key) {
  const found = BATCH.exec(key);
  if (!found?.[1] || !found[2]) return null;
  return `${here(`/batches/${found[1]}`)}#${encodeURIComponent(found[2])}`;
}

/**
 * Say how many failed; nothing if none did.
 * @param {Failed[]} failures
 */
export function sum(failures) {
  const all = failures.reduce((total, { count }) => total + count, 0);
  return all ? `${many(all, "image")} in the last hour, by reason` : "No image failed in the last hour.";
}

/**
 * Fill `list` with them, in their order.
 * @param {HTMLElement} list
 * @param {Failed[]} failures
 */
export function drawFailures(list, failures) {
  list.replaceChildren(...failures.map(row));
}

/** @param {Failed} failed */
function row({ reason, count, last_at: lastAt, images }) {
  const item = element("li");
  const links = element("p", "images");
  for (const { key } of images) links.append(image(key));
  if (count > images.length) links.append(element("span", "", `and ${number(count - images.length)} before`));
  const time = element("time", "", `last at ${clock(lastAt)}`);
  time.dateTime = new Date(lastAt * 1000).toISOString();
  item.append(element("b", "", number(count)), element("p", "why", reason), time, links);
  return item;
}

/** @param {string} key */
function image(key) {
  const address = addressOf(key);
  const words = key.slice(key.lastIndexOf("/") + 1);
  if (!address) return element("span", "", words);
  const link = element("a", "", words);
  link.href = address;
  link.title = key;
  return link;
}
