// Numbers, times and sizes in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, duration, many, number, percent, rate, sentence, tenths } from "../../../../web/static/words.js";

test("a number has its thousands apart", () => {
  assert.equal(number(1234567), "1,234,567");
  assert.equal(tenths(1234.56), "1,234.6");
});

test("only certainty is shown as 0% and 100%", () => {
  const shown = [0, 0.004, 0.005, 0.754, 0.994, 0.996, 1].map(percent);

  assert.deepEqual(shown, ["0%", "<1%", "1%", "75%", "99%", "99%", "100%"]);
});

test("a rate is told the coarser the greater it is", () => {
  assert.deepEqual([0, 3.26, 9.94, 10.4, 1234.5].map(rate), ["0", "3.3", "9.9", "10", "1,235"]);
});

test("a duration is told in the unit that fits it", () => {
  const told = [0.2, 1, 59.4, 59.6, 61, 3540, 3599, 3600, 7500].map(duration);

  assert.deepEqual(told, [
    "a moment",
    "1 s",
    "59 s",
    "1 min",
    "1 min",
    "59 min",
    "1 h 0 min",
    "1 h 0 min",
    "2 h 5 min",
  ]);
});

test("a size is told in kilobytes or megabytes, never as nothing", () => {
  assert.deepEqual([1, 1000, 1001, 999_000, 25_000_000].map(bytes), ["1 kB", "1 kB", "2 kB", "999 kB", "25 MB"]);
});

test("one of a thing is singular, and none is not", () => {
  assert.deepEqual(
    [0, 1, 1200].map((count) => many(count, "image")),
    ["0 images", "1 image", "1,200 images"],
  );
});

test("a sentence begins with a capital, also an empty one", () => {
  assert.deepEqual(["decided by a", ""].map(sentence), ["Decided by a", ""]);
});
