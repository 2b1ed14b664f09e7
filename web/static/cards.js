// A card for each of the recent batches, on the start page.

import { element, here } from "./dom.js";
import { previewUrl } from "./picture.js";
import { many } from "./words.js";

/** @import { Seen } from "./recent.js" */

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * Fill `list` with a card for each.
 * @param {HTMLElement} list
 * @param {Seen[]} batches
 */
export function drawCards(list, batches) {
  list.replaceChildren(...batches.map(card));
}

/** @param {Seen} batch */
function card({ id, at, total, keys, labels }) {
  const item = element("li");
  const link = element("a");
  link.href = here(`/batches/${encodeURIComponent(id)}`);
  const mosaic = element("span", "mosaic");
  mosaic.append(
    ...keys
      .map((key) => previewUrl(key))
      .filter((url) => url !== null)
      .map(thumbnail),
  );
  const title = element("b", "", labels.length ? labels.join(", ") : "Batch");
  link.append(mosaic, title, element("span", "", `${many(total, "image")} · ${WHEN.format(at)}`));
  item.append(link);
  return item;
}

/** @param {string} url */
function thumbnail(url) {
  const picture = element("img");
  picture.alt = "";
  picture.loading = "lazy";
  picture.onerror = () => picture.remove();
  picture.src = url;
  return picture;
}
