// The autoscaler's decisions, each with its time and its reason.

import { element } from "./dom.js";
import { clock, number } from "./words.js";

/** @import { Decision } from "./fleet.js" */

/**
 * Fill `list` with them, in their order.
 * @param {HTMLElement} list
 * @param {Decision[]} decisions
 * @param {(text: string) => string} named says which machine each id in a text is
 */
export function drawDecisions(list, decisions, named) {
  list.replaceChildren(...decisions.map((decision) => row(decision, named)));
}

/**
 * @param {Decision} decision
 * @param {(text: string) => string} named
 */
function row({ at, desired, launch, drain, held, reason }, named) {
  const item = element("li");
  const time = element("time", "", clock(at));
  time.dateTime = new Date(at * 1000).toISOString();
  const wanted = element("b", "", number(desired));
  wanted.title = `${number(desired)} wanted`;
  const why = element("p");
  if (launch) why.append(element("em", "out", `+${number(launch)}`));
  if (drain.length) why.append(element("em", "in", `−${number(drain.length)}`));
  if (drain.length) why.append(element("span", "which", drain.map(named).join(", ")));
  if (held) why.append(element("em", "held", "held"));
  why.append(named(reason));
  if (named(reason) !== reason) why.title = reason;
  item.append(time, wanted, why);
  return item;
}
