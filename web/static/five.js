// An image's top five, as bars.

import { element } from "./dom.js";
import { percent } from "./words.js";

/** @import { Item, Prediction } from "./images.js" */

/**
 * Fill `list` with an item's top five, each in an element called `tag`.
 * @param {HTMLElement} list
 * @param {Item} item
 * @param {"li" | "span"} tag
 */
export function fillFive(list, item, tag) {
  const only = { label: item.label ?? "", score: item.score ?? 0 };
  list.replaceChildren(...(item.top5.length ? item.top5 : [only]).map((one) => bar(one, tag)));
}

/**
 * @param {Prediction} prediction
 * @param {"li" | "span"} tag
 */
function bar({ label, score }, tag) {
  const row = element(tag);
  row.append(element("span", "", label), element("b", "", percent(score)));
  row.style.setProperty("--score", String(score));
  return row;
}
