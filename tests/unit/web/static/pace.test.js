// How fast a batch gets on, and how that is said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace, pace, tally } from "../../../../web/static/pace.js";

const NONE = { queued: 0, uploading: 0, waiting: 0, done: 0, failed: 0, cancelled: 0 };
const STILL = { images: 0, bytes: 0 };

/** @param {Partial<typeof NONE>} counts */
function batch(counts) {
  const all = { ...NONE, ...counts };
  const open = all.queued + all.uploading + all.waiting;
  return { counts: all, open, total: open + all.done + all.failed, labels: new Map() };
}

test("a rate is what was done a second", () => {
  const of = new Pace();
  of.mark(1_000, 10, 0);

  assert.deepEqual(of.mark(5_000, 30, 8_000), { images: 5, bytes: 2_000 });
});

test("what happened within a second tells no rate", () => {
  const of = new Pace();
  of.mark(0, 0, 0);

  assert.deepEqual(of.mark(1_000, 500, 500), STILL);
});

test("a rate forgets what is longer ago than its window", () => {
  const of = new Pace();
  of.mark(0, 0, 0);
  for (let second = 1; second <= 10; second += 1) of.mark(second * 1_000, 1_000, 0);

  assert.deepEqual(of.mark(11_000, 1_000, 0), STILL);
});

test("a batch of which nothing is known has no pace", () => {
  assert.equal(pace(batch({}), STILL), "");
  assert.equal(tally(0, 0), "Reading the batch…");
});

test("what is left to upload is told with its speed, if there is one", () => {
  assert.equal(pace(batch({ queued: 2, uploading: 1 }), STILL), "3 to upload");
  assert.equal(pace(batch({ queued: 2 }), { images: 0, bytes: 2_500_000 }), "2 to upload at 2.5 MB/s");
});

test("a batch that gets on tells its rate, and what is left of a longer time", () => {
  assert.equal(pace(batch({ waiting: 100, done: 5 }), { images: 2.5, bytes: 0 }), "2.5 a second · 40 s left");
  assert.equal(pace(batch({ waiting: 20, done: 5 }), { images: 12.4, bytes: 0 }), "12 a second");
});

test("a batch that stands still waits for a worker", () => {
  assert.equal(pace(batch({ waiting: 3 }), STILL), "waiting for a worker");
  const waits = { code: "starting", says: "an instance is starting" };
  assert.equal(pace(batch({ waiting: 3 }), STILL, waits), "waiting: an instance is starting");
  assert.equal(pace(batch({ waiting: 3, queued: 1 }), STILL, waits), "1 to upload · waiting: an instance is starting");
  assert.equal(pace(batch({ waiting: 9, done: 5 }), { images: 12.4, bytes: 0 }, waits), "12 a second");
});

test("a batch that is done tells how many labels there are, if there are several", () => {
  const of = (/** @type {string[]} */ ...labels) => new Map(labels.map((label) => [label, new Set()]));

  assert.equal(pace({ ...batch({ done: 3 }), labels: of("a", "b") }, STILL), "2 different labels");
  assert.equal(pace({ ...batch({ done: 3 }), labels: of("a") }, STILL), "");
});

test("the tally says of how many, and of what", () => {
  assert.deepEqual([tally(2000, 1), tally(1, 0), tally(2, 0)], ["of 2,000", "image", "images"]);
});
