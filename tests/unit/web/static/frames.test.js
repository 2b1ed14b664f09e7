// What changed, told at most once a frame.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gathered } from "../../../../web/static/frames.js";

test("all that changed before a frame is told together, each once", () => {
  /** @type {(() => void)[]} */
  const frames = [];
  /** @type {string[][]} */
  const heard = [];
  const note = gathered(
    (/** @type {Set<string>} */ changed) => heard.push([...changed]),
    (run) => frames.push(run),
  );
  for (const one of ["a", "a", "b", "a"]) note(one);

  assert.equal(frames.length, 1);
  frames.shift()?.();
  assert.deepEqual(heard, [["a", "b"]]);
});

test("what changes while it is told belongs to the next frame", () => {
  /** @type {(() => void)[]} */
  const frames = [];
  /** @type {string[][]} */
  const heard = [];
  const note = gathered(
    (/** @type {Set<string>} */ changed) => {
      heard.push([...changed]);
      if (changed.has("a")) note("b");
    },
    (run) => frames.push(run),
  );
  note("a");
  while (frames.length) frames.shift()?.();

  assert.deepEqual(heard, [["a"], ["b"]]);
});
