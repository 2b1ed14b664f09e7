// The instances by state, each with what its worker says of itself.

import { element } from "./dom.js";
import { duration, number } from "./words.js";

/** @import { Instance, OtherWorker, View } from "./fleet.js" */

/** @typedef {Instance | (OtherWorker & {state: "other", launched_at: null})} Host */

const STATES = Object.entries({
  running: "Running",
  pending: "Starting",
  draining: "Leaving",
  other: "Not the autoscaler's",
});

/** @type {Record<string, string>} */
const WHY = {
  idle: "had no work",
  notice: "EC2 takes its host back",
  asked: "was asked to",
  signal: "was told to stop",
};

/** Say why a worker leaves. @param {string} why */
export function reason(why) {
  return WHY[why] ?? why;
}

/**
 * Fill `box` with them.
 * @param {HTMLElement} box
 * @param {View} view
 * @param {number} now seconds since 1970, by the server's clock
 */
export function drawHosts(box, { instances, other_workers: others, autoscaler }, now) {
  const hosts = [...instances, ...others.map(asHost)];
  const groups = STATES.map(([state, title]) => ({ title, those: hosts.filter((host) => host.state === state) }));
  const made = groups.filter(({ those }) => those.length).map(({ title, those }) => group(title, those, now));
  const none = autoscaler.heard ? "None: there is nothing to do." : "None heard of.";
  box.replaceChildren(...(made.length ? made : [element("p", "none", none)]));
}

/** @param {OtherWorker} worker @returns {Host} */
function asHost(worker) {
  return { ...worker, state: "other", launched_at: null };
}

/**
 * @param {string} title
 * @param {Host[]} hosts
 * @param {number} now
 */
function group(title, hosts, now) {
  const box = element("section", "state");
  const list = element("ul");
  list.append(...hosts.map((host) => tile(host, now)));
  box.append(element("h3", "", `${title} · ${number(hosts.length)}`), list);
  return box;
}

/**
 * @param {Host} host
 * @param {number} now
 */
function tile(host, now) {
  const item = element("li", "host");
  item.dataset.state = host.state;
  const name = element("b", "", host.id);
  name.title = host.id;
  item.append(name, element("span", "", work(host)));
  if (host.launched_at) item.append(element("span", "", `for ${duration(Math.max(1, now - host.launched_at))}`));
  if (host.leaving) item.append(element("span", "", `leaves: ${reason(host.leaving)}`));
  return item;
}

/** Say what a worker does. @param {Host} host */
export function work({ state, active, processed }) {
  if (active === null) return state === "pending" ? "not ready yet" : "not heard";
  return `${number(active)} in hand · ${number(processed ?? 0)} done`;
}
