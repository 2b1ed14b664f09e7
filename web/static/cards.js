// A card for each of the recent batches, on the start page.

import { element, here } from "./dom.js";
import { drop, dropAll, show } from "./picture.js";
import { many } from "./words.js";

/** @import { Seen } from "./recent.js" */

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** What each mosaic is made of, until it comes near the window. @type {WeakMap<Element, string[]>} */
const unseen = new WeakMap();
const nearing = new IntersectionObserver(reveal, { rootMargin: "200px" });

/**
 * Fill `list` with a card for each.
 * @param {Element} list
 * @param {Seen[]} batches
 */
export function drawCards(list, batches) {
  nearing.disconnect();
  dropAll(list);
  list.replaceChildren(...batches.map(card));
}

/** @param {Seen} batch */
function card({ id, at, total, keys, labels }) {
  const item = element("li");
  const link = element("a");
  link.href = here(`/batches/${encodeURIComponent(id)}`);
  const mosaic = element("span", "mosaic");
  unseen.set(mosaic, keys);
  nearing.observe(mosaic);
  const title = element("b", "", labels.length ? labels.join(", ") : "Batch");
  link.append(mosaic, title, element("span", "", `${many(total, "image")} · ${WHEN.format(at)}`));
  item.append(link);
  return item;
}

/** @param {IntersectionObserverEntry[]} entries */
function reveal(entries) {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    nearing.unobserve(target);
    for (const key of unseen.get(target) ?? []) addThumbnail(target, key);
  }
}

/**
 * @param {Element} mosaic
 * @param {string} key
 */
function addThumbnail(mosaic, key) {
  const picture = element("img");
  picture.alt = "";
  mosaic.append(picture);
  const onShow = /** @param {boolean} shown */ (shown) => {
    if (shown) return;
    drop(picture);
    picture.remove();
  };
  show(picture, { key, file: null, unshowable: false }, { onShow });
}
