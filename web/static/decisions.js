// The autoscaler's decisions, each with its time and its reason.

import { element } from "./dom.js";
import { number } from "./words.js";

/** @import { Decision } from "./fleet.js" */

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

/** Say what o'clock it was. @param {number} at seconds since 1970 */
export function clock(at) {
  return CLOCK.format(at * 1000);
}

/**
 * Fill `list` with them, in their order.
 * @param {HTMLElement} list
 * @param {Decision[]} decisions
 */
export function drawDecisions(list, decisions) {
  list.replaceChildren(...decisions.map(row));
}

/** @param {Decision} decision */
function row({ at, desired, launch, drain, held, reason }) {
  const item = element("li");
  const time = element("time", "", clock(at));
  time.dateTime = new Date(at * 1000).toISOString();
  const wanted = element("b", "", number(desired));
  wanted.title = `${number(desired)} wanted`;
  const why = element("p");
  if (launch) why.append(element("em", "out", `+${number(launch)}`));
  if (drain.length) why.append(element("em", "in", `−${number(drain.length)}`));
  if (held) why.append(element("em", "held", "held"));
  why.append(reason);
  item.append(time, wanted, why);
  return item;
}
