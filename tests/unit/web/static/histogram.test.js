// The histograms' figures, and how they are said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bins, said } from "../../../../web/static/histogram.js";
import { item } from "./support.js";

test("each label is in the tenth that it is as sure as, and what has none is in none", () => {
  const scores = [0, 0.05, 0.1, 0.3, 0.7, 0.95, 1];
  const items = scores.map((score) => item({ state: "done", score }));

  assert.deepEqual(
    bins([...items, item({ state: "waiting" }), item({ state: "failed" })]),
    [2, 1, 0, 1, 0, 0, 0, 1, 0, 2],
  );
});

test("what is drawn is said, the surest first, and nothing of what is not there", () => {
  assert.equal(
    said([0, 0, 0, 0, 0, 1, 0, 0, 0, 1200]),
    "How sure the labels are: 1,200 from 90 to 100%, 1 from 50 to 60%",
  );
  assert.equal(said(new Array(10).fill(0)), "How sure the labels are: none yet");
});
