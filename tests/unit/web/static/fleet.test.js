// What is known of the fleet: how the news of it are put together, and the rates that follow.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fleet } from "../../../../web/static/fleet.js";

/** @import { Bar, Decision, Sample, View } from "../../../../web/static/fleet.js" */

/**
 * @param {Partial<View>} fields
 * @returns {View}
 */
function view(fields) {
  return {
    now: 1_000,
    autoscaler: { heard: true, says: "the autoscaler is at work" },
    decision: null,
    instances: [],
    other_workers: [],
    departures: [],
    swept: null,
    decisions: [],
    history: [],
    timeline: [],
    waits: { target_s: 60, p50_s: null, p99_s: null, hour_images: 0, hour_late: 0 },
    failures: [],
    queue: null,
    dead_letters: 0,
    queue_problem: null,
    cost: null,
    brakes: [],
    ...fields,
  };
}

/**
 * @param {number} at
 * @param {number} [finished]
 * @returns {Sample}
 */
function sample(at, finished = 0) {
  const counts = { visible: 0, in_flight: 0, delayed: 0, pending: 0, running: 0, draining: 0, desired: 0 };
  return { at, finished, arrival_rate: null, p50_s: null, p99_s: null, ...counts };
}

/**
 * @param {number} at
 * @param {string} [reason]
 * @returns {Decision}
 */
function decision(at, reason = "") {
  return { at, desired: 0, launch: 0, drain: [], held: false, reason };
}

test("what is new is added to what was known, and what is known is not added again", () => {
  const fleet = new Fleet(view({ history: [sample(990), sample(995)], decisions: [decision(990)] }), 0);
  fleet.learn(view({ history: [sample(995), sample(1_000)], decisions: [decision(995)] }), 0);

  assert.deepEqual(
    fleet.history.map(({ at }) => at),
    [990, 995, 1_000],
  );
  assert.deepEqual(
    fleet.decisions.map(({ at }) => at),
    [995, 990],
  );
});

test("a decision that is said again, with other words, is one", () => {
  const fleet = new Fleet(view({ decisions: [decision(990, "3 images wait")] }), 0);
  fleet.learn(view({ decisions: [decision(990, "4 images wait")] }), 0);

  assert.deepEqual(
    fleet.decisions.map(({ reason }) => reason),
    ["4 images wait"],
  );
});

test("the history is an hour long", () => {
  const fleet = new Fleet(view({ now: 4_000, history: [sample(401), sample(4_000)] }), 0);
  fleet.learn(view({ now: 4_001 }), 0);

  assert.deepEqual(
    fleet.history.map(({ at }) => at),
    [4_000],
  );
});

test("only the newest decisions are kept", () => {
  const fleet = new Fleet(view({ decisions: Array.from({ length: 120 }, (_, at) => decision(at)) }), 0);

  assert.deepEqual([fleet.decisions.length, fleet.decisions[0]?.at, fleet.decisions.at(-1)?.at], [100, 119, 20]);
});

test("the server's clock is told by how long ago it was heard", () => {
  const fleet = new Fleet(view({ now: 1_000 }), 50);
  assert.equal(fleet.now(57.5), 1_007.5);
  fleet.learn(view({ now: 1_010 }), 60);

  assert.equal(fleet.now(61), 1_011);
});

test("images a second follow from how many were finished between two points", () => {
  const fleet = new Fleet(view({ history: [sample(980, 10), sample(985, 30)] }), 0);

  assert.deepEqual(
    fleet.history.map((one) => one.finish_rate),
    [null, 4],
  );
});

test("two points that are far apart tell no rate", () => {
  const fleet = new Fleet(view({ history: [sample(950, 10), sample(980, 30)] }), 0);

  assert.equal(fleet.history[1]?.finish_rate, null);
});

test("a server that counts from nothing again tells no negative rate", () => {
  const fleet = new Fleet(view({ history: [sample(980, 1_000), sample(985, 5)] }), 0);

  assert.equal(fleet.history[1]?.finish_rate, 0);
});

test("a bar is as it was told last, and one that ended more than an hour ago is forgotten", () => {
  /** @param {Partial<Bar>} more @returns {Bar} */
  const bar = (more) => ({
    id: "i-1",
    number: 1,
    own: true,
    began_at: 0,
    until: 1_000,
    ended: false,
    usd: null,
    done: 0,
    why: null,
    pieces: [],
    ...more,
  });
  const fleet = new Fleet(view({ timeline: [bar({}), bar({ id: "i-2", ended: true })] }), 0);
  fleet.learn(view({ timeline: [bar({ done: 5 })] }), 0);
  assert.deepEqual(
    fleet.bars.map(({ id, done }) => [id, done]),
    [
      ["i-1", 5],
      ["i-2", 0],
    ],
  );
  fleet.learn(view({ now: 4_601 }), 0);
  assert.deepEqual(
    fleet.bars.map(({ id }) => id),
    ["i-1"],
  );
});
