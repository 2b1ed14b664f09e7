// How long a request is waited for, and when it is sent again.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { isLasting, pause, pauseMs, within } from "../../../../web/static/patience.js";
import { settled } from "./support.js";

const { signal: NEVER } = new AbortController();

/** A request that is not answered. @param {AbortSignal} cut @returns {Promise<never>} */
function unanswered(cut) {
  return new Promise((_, reject) => {
    cut.addEventListener("abort", () => reject(cut.reason));
    if (cut.aborted) reject(cut.reason);
  });
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("a pause doubles, up to a limit, and is never the same for all", () => {
  const limits = { longestMs: 20_000 };
  const pauses = [1, 2, 3, 4, 5, 6].map((attempt) => pauseMs(attempt, limits, 0.5));

  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 20_000]);
  assert.deepEqual([pauseMs(1, limits, 0), pauseMs(1, limits, 1)].map(Math.round), [700, 1_300]);
});

test("nobody comes back before the server wants them to", () => {
  const limits = { longestMs: 20_000, retryAfterS: 30 };
  for (const chance of [0, 0.5, 1]) assert.ok(pauseMs(1, limits, chance) >= 30_000);
  assert.notEqual(pauseMs(1, limits, 0), pauseMs(1, limits, 1));
});

test("only what the server will never take is not sent again", () => {
  assert.deepEqual([400, 404, 413, 415, 422].map(isLasting), [true, true, true, true, true]);
  assert.deepEqual([0, 408, 429, 500, 503].map(isLasting), [false, false, false, false, false]);
});

test("a pause ends after its time", async () => {
  let over = false;
  void pause(1_000, NEVER).then(() => {
    over = true;
  });
  mock.timers.tick(999);
  await settled();
  assert.equal(over, false);
  mock.timers.tick(1);
  await settled();

  assert.equal(over, true);
});

test("a pause ends when nobody waits for it any more, or has from the beginning", async () => {
  const asker = new AbortController();
  const paused = pause(1_000, asker.signal);
  asker.abort();

  await paused;
  await pause(1_000, asker.signal);
});

test("a request that is not answered in time is cut off", async () => {
  const asked = within(1_000, NEVER, unanswered);
  mock.timers.tick(1_000);

  await assert.rejects(asked, { name: "AbortError" });
});

test("a request that nobody waits for any more is cut off", async () => {
  const asker = new AbortController();
  const asked = within(1_000, asker.signal, unanswered);
  asker.abort();

  await assert.rejects(asked, { name: "AbortError" });
  await assert.rejects(within(1_000, asker.signal, unanswered), { name: "AbortError" });
});

test("a request that is answered is not cut off later", async () => {
  /** @type {AbortSignal[]} */
  const cuts = [];
  const answer = await within(1_000, NEVER, async (cut) => {
    cuts.push(cut);
    return 7;
  });
  mock.timers.tick(1_000);

  assert.deepEqual([answer, cuts[0]?.aborted], [7, false]);
});
