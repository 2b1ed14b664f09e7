// The monitor's figures, each with what is said beside it. Pure.

import { dollars } from "./cost.js";
import { duration, number, rate, seconds, tenths } from "./words.js";

/** @import { Cost, Depth, Instance, LatestDecision, View, Waits } from "./fleet.js" */

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
 * @returns {Record<"outstanding" | "running" | "arriving" | "oldest" | "waiting" | "spending" | "dead", Figure>}
 */
export function figures({ queue, dead_letters: dead, decision, instances, cost, waits }) {
  return {
    outstanding: queue ? outstanding(queue) : { value: "?", more: "SQS does not tell" },
    running: decision ? running(decision, instances) : UNKNOWN,
    arriving: decision ? arriving(decision) : UNKNOWN,
    oldest: decision ? oldest(decision) : UNKNOWN,
    waiting: waiting(waits),
    spending: cost ? spending(cost, decision) : UNKNOWN,
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

/** @param {Waits} waits @returns {Figure} */
function waiting({ target_s: target, p50_s: half, p99_s: most, hour_images: images, hour_late: late }) {
  const parts = [];
  if (most !== null) parts.push(`99 of 100 within ${seconds(most)}`);
  parts.push(`target ${seconds(target)}`);
  if (images) parts.push(`${share(late / images)} of the last hour's late`);
  return { value: half === null ? "–" : seconds(half), more: parts.join(" · ") };
}

/** A part of a whole: only none of it is 0 %. @param {number} part from 0 to 1 */
function share(part) {
  if (part > 0 && part < 0.001) return "less than 0.1 %";
  return part ? `${tenths(part * 100)} %` : "none";
}

/** @param {Cost} cost @param {LatestDecision | null} decision @returns {Figure} */
function spending(cost, decision) {
  const { now_usd_per_hour: now, hosts_today_usd: today, thousand_images_usd: thousand, priced_as: as } = cost;
  const parts = [`${dollars(today)} for hosts today`];
  if (thousand !== null) parts.push(`${dollars(thousand)} per 1,000 images`);
  if (decision?.budget_h)
    parts.push(`${tenths(decision.spent_h)} of ${tenths(decision.budget_h)} instance-hours a day used`);
  return { value: dollars(now), more: `${parts.join(" · ")} · ${as}`, unit: "/ h" };
}

/** @param {LatestDecision} decision @returns {Figure} */
function oldest({ oldest_s: oldestS, boot_s: bootS }) {
  const more = bootS === null ? "boot time not known yet" : `an instance starts in ${duration(bootS)}`;
  if (oldestS === null) return { value: "–", more };
  return { value: oldestS ? duration(oldestS) : "none", more };
}
