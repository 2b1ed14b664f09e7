// Earlier batches: what their ids tell.

import assert from "node:assert/strict";
import { test } from "node:test";
import { madeAt } from "../../../../web/static/earlier.js";

test("a batch's id says when it was made, and what is none says nothing", () => {
  assert.equal(madeAt("20261124T101530123Z-9f2c01ab")?.toISOString(), "2026-11-24T10:15:30.123Z");
  assert.equal(madeAt("nonsense"), null);
});
