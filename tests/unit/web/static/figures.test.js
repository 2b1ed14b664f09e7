// The monitor's figures.

import assert from "node:assert/strict";
import { test } from "node:test";
import { figures } from "../../../../web/static/figures.js";

/** @import { Instance, LatestDecision, View, Waits } from "../../../../web/static/fleet.js" */

/** @type {LatestDecision} */
const DECISION = {
  at: 1,
  desired: 2,
  launch: 0,
  drain: [],
  held: false,
  reason: "",
  ceiling: 19,
  oldest_s: 75,
  arrival_rate: 3.3,
  service_rate: 12,
  boot_s: 40,
  leader: "host:1",
  spent_h: 3.25,
  budget_h: 0,
};

/** @type {Waits} */
const WAITS = { target_s: 60, p50_s: null, p99_s: null, hour_images: 0, hour_late: 0 };

/**
 * @param {string} state
 * @param {Partial<Instance>} [more]
 * @returns {Instance}
 */
function host(state, more) {
  return { id: "i", state, launched_at: 0, active: null, processed: null, leaving: null, ...more };
}

/** @param {Partial<View>} fields */
function told(fields) {
  /** @type {View} */
  const view = {
    now: 0,
    autoscaler: { heard: true, says: "" },
    decision: DECISION,
    instances: [],
    other_workers: [],
    departures: [],
    swept: null,
    decisions: [],
    history: [],
    timeline: [],
    waits: WAITS,
    failures: [],
    queue: { visible: 1_000, in_flight: 2, delayed: 0 },
    dead_letters: 0,
    queue_problem: null,
    cost: null,
    brakes: [],
  };
  return figures({ ...view, ...fields });
}

test("what is outstanding is the sum of what SQS counts", () => {
  assert.deepEqual(told({}).outstanding, { value: "1,002", more: "1,000 visible · 2 in flight" });
  const { more } = told({ queue: { visible: 1, in_flight: 2, delayed: 3 } }).outstanding;
  assert.equal(more, "1 visible · 2 in flight · 3 delayed");
});

test("what SQS does not tell is not shown as nothing", () => {
  const { outstanding, dead } = told({ queue: null, dead_letters: null });

  assert.deepEqual([outstanding.value, dead.value], ["?", "?"]);
});

test("instances are told by state, of how many there may be", () => {
  const instances = ["running", "running", "pending", "draining", "terminated"].map((state) => host(state));

  const expected = { value: "2", more: "2 wanted · 1 starting · 1 leaving", unit: "of 19" };
  assert.deepEqual(told({ instances }).running, expected);
  assert.equal(told({}).running.more, "2 wanted");
});

test("rates and times are told, and which are not known", () => {
  const { arriving, oldest } = told({});
  assert.deepEqual(arriving, { value: "3.3", more: "an instance does 12 a second", unit: "a second" });
  assert.deepEqual(oldest, { value: "1 min", more: "an instance starts in 40 s" });
  const decision = { ...DECISION, oldest_s: null, arrival_rate: null, service_rate: null, boot_s: null };
  const unknown = told({ decision });

  assert.deepEqual([unknown.arriving.value, unknown.arriving.more], ["–", "service rate not known yet"]);
  assert.deepEqual([unknown.oldest.value, unknown.oldest.more], ["–", "boot time not known yet"]);
});

test("an age of nothing is none, and not unknown", () => {
  assert.equal(told({ decision: { ...DECISION, oldest_s: 0 } }).oldest.value, "none");
});

test("without a decision nothing is said that only it could tell", () => {
  const { running, arriving, oldest } = told({ decision: null });

  assert.deepEqual(
    [running, arriving, oldest].map(({ value, more }) => value + more),
    ["–", "–", "–"],
  );
});

test("dead letters come with the command that lists them", () => {
  assert.deepEqual(told({ dead_letters: 3 }).dead, { value: "3", more: "elastiq dead-letters list" });
  assert.deepEqual(told({}).dead, { value: "0", more: "" });
});

test("waits are told against the target, with the hour's late ones", () => {
  assert.deepEqual(told({}).waiting, { value: "–", more: "target 60 s" });
  const waits = { target_s: 45, p50_s: 1.26, p99_s: 75, hour_images: 400, hour_late: 0 };
  const { value, more } = told({ waits }).waiting;
  assert.equal(value, "1.3 s");
  assert.equal(more, "99 of 100 within 75 s · target 45 s · none of the last hour's late");
  const late = [2, 1, 40].map((hour_late) => told({ waits: { ...waits, hour_images: 4_000, hour_late } }).waiting.more);
  assert.deepEqual(
    late.map((words) => words.split(" · ")[2]),
    [
      "less than 0.1 % of the last hour's late",
      "less than 0.1 % of the last hour's late",
      "1 % of the last hour's late",
    ],
  );
});

test("what it costs is said by the hour, the day and the thousand images", () => {
  const cost = { now_usd_per_hour: 0.0958, hosts_today_usd: 0.41, thousand_images_usd: 0.0041, priced_as: "c7i.large" };
  const { value, unit, more } = told({ cost }).spending;
  assert.equal(`${value} ${unit}`, "$0.096 / h");
  assert.equal(more, "$0.41 for hosts today · $0.0041 per 1,000 images · c7i.large");
  const idle = told({ cost: { ...cost, thousand_images_usd: null } }).spending;
  assert.equal(idle.more, "$0.41 for hosts today · c7i.large");
  const decision = { ...DECISION, budget_h: 10 };
  assert.match(told({ cost, decision }).spending.more, /3\.3 of 10 instance-hours a day used/);
});
