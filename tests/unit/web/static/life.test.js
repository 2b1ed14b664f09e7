// One image's life, in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { shown, span } from "../../../../web/static/life.js";

const STEPS = [
  { step: "uploaded", by: "web", at: 100, took_s: null },
  { step: "queued", by: "SQS", at: 100.02, took_s: 0.02 },
  { step: "announced", by: "web", at: 103.5, took_s: 3.48 },
];

test("each step is said with who did it and how long it took, and at the end when it was shown here", () => {
  assert.deepEqual(shown(STEPS, 103.75), [
    ["uploaded by web", ""],
    ["queued by SQS", "20 ms"],
    ["announced by web", "3.5 s"],
    ["shown here", "250 ms"],
  ]);
});

test("who did several steps is named at the first", () => {
  const two = ["received", "run"].map((step, at) => ({ step, by: "i-0aaa", at, took_s: 1 }));
  assert.deepEqual(
    shown(two, null).map(([what]) => what),
    ["received by i-0aaa", "run"],
  );
});

test("what was there before the page came, or was not heard of, was not shown by it then", () => {
  assert.equal(shown(STEPS, null).length, 3);
  assert.equal(shown(STEPS.slice(0, 2), 104).length, 2);
});

test("a time has as many digits as one reads", () => {
  assert.deepEqual([0.0001, 0.0204, 3.48, 61.2].map(span), ["< 1 ms", "20 ms", "3.5 s", "61 s"]);
});
