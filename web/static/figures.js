// The monitor's figures, each with what is said beside it. Pure.

import { dollars } from "./cost.js";
import { duration, number, rate } from "./words.js";

/** @import { Cost, Depth, Instance, LatestDecision, View } from "./fleet.js" */

/**
 * @typedef {object} Figure
 * @property {string} value
 * @property {string} more what is said beneath it
 * @property {string} [unit]
 */

/** @type {Figure} */
const UNKNOWN = { value: "–", more: "" };

/**
 * Return each figure by the id of its place in the page.
 * @param {View} view
 * @returns {Record<"outstanding" | "running" | "arriving" | "oldest" | "spending" | "dead", Figure>}
 */
export function figures({ queue, dead_letters: dead, decision, instances, cost }) {
  return {
    outstanding: queue ? outstanding(queue) : { value: "?", more: "SQS does not tell" },
    running: decision ? running(decision, instances) : UNKNOWN,
    arriving: decision ? arriving(decision) : UNKNOWN,
    oldest: decision ? oldest(decision) : UNKNOWN,
    spending: cost ? spending(cost) : UNKNOWN,
    dead: { value: dead === null ? "?" : number(dead), more: dead ? "elastiq dead-letters list" : "" },
  };
}

/** @param {Depth} depth @returns {Figure} */
function outstanding({ visible, in_flight: inFlight, delayed }) {
  const parts = [`${number(visible)} visible`, `${number(inFlight)} in flight`];
  if (delayed) parts.push(`${number(delayed)} delayed`);
  return { value: number(visible + inFlight + delayed), more: parts.join(" · ") };
}

/** @param {LatestDecision} decision @param {Instance[]} instances @returns {Figure} */
function running({ desired, ceiling }, instances) {
  const count = /** @param {string} state */ (state) => instances.filter((one) => one.state === state).length;
  const [pending, draining] = [count("pending"), count("draining")];
  const parts = [`${number(desired)} wanted`];
  if (pending) parts.push(`${number(pending)} starting`);
  if (draining) parts.push(`${number(draining)} leaving`);
  return { value: number(count("running")), more: parts.join(" · "), unit: `of ${number(ceiling)}` };
}

/** @param {LatestDecision} decision @returns {Figure} */
function arriving({ arrival_rate: arrivals, service_rate: service }) {
  const value = arrivals === null ? "–" : rate(arrivals);
  const more = service === null ? "service rate not known yet" : `an instance does ${rate(service)} a second`;
  return { value, more, unit: "a second" };
}

/** @param {Cost} cost @returns {Figure} */
function spending({ now_usd_per_hour: now, hosts_today_usd: today, thousand_images_usd: thousand, priced_as: as }) {
  const parts = [`${dollars(today)} for hosts today`];
  if (thousand !== null) parts.push(`${dollars(thousand)} per 1,000 images`);
  return { value: dollars(now), more: `${parts.join(" · ")} · ${as}`, unit: "/ h" };
}

/** @param {LatestDecision} decision @returns {Figure} */
function oldest({ oldest_s: oldestS, boot_s: bootS }) {
  const more = bootS === null ? "boot time not known yet" : `an instance starts in ${duration(bootS)}`;
  if (oldestS === null) return { value: "–", more };
  return { value: oldestS ? duration(oldestS) : "none", more };
}
