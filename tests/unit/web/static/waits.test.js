// What images wait for, in the server's words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { saying, waitsIn } from "../../../../web/static/waits.js";

test("what the server says is taken, and what it does not say is nothing", () => {
  assert.deepEqual(waitsIn({ code: "starting", says: "an instance is starting", more: 1 }), {
    code: "starting",
    says: "an instance is starting",
  });
  for (const told of [undefined, null, "starting", {}, { code: 1, says: "x" }, { code: "x" }])
    assert.equal(waitsIn(told), null);
});

test("why nothing gets on is said in the server's words, or in ours where it has none", () => {
  assert.equal(saying({ code: "starting", says: "an instance is starting" }), "waiting: an instance is starting");
  assert.equal(saying({ code: "working", says: "2 workers are there" }), "waiting; 2 workers are there");
  assert.equal(saying(null), "waiting for a worker");
});
