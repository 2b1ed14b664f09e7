// Where tiles are: how many fit side by side, which are near the window, and where the arrow keys lead.

import assert from "node:assert/strict";
import { test } from "node:test";
import { drawable, layout, led, near } from "../../../../web/static/layout.js";

const LETTERS = { rem: 16, caption: 2.5 };
const LARGE = { ...LETTERS, rem: 32 };

test("the more tiles there are, the more stand side by side", () => {
  const columns = [1, 12, 13, 60, 61, 10_000].map((count) => layout(count, 1000, LETTERS).columns);

  assert.deepEqual(columns, [4, 4, 5, 5, 7, 7]);
});

test("three tiles fit side by side on the narrowest telephone, and fewer only where their words would not", () => {
  const widths = Array.from({ length: 1000 }, (_, index) => index + 40);
  const fewer = widths.filter((width) => layout(1, width, LETTERS).columns < 3);

  assert.equal(Math.max(...fewer), 231);
  assert.deepEqual(
    [40, 100, 151, 152, 231, 232].map((width) => layout(1, width, LETTERS).columns),
    [1, 1, 1, 2, 2, 3],
  );
});

test("letters twice as large make tiles as wide as in a window half as large", () => {
  const columns = [1, 60, 10_000].map((count) => [
    layout(count, 1300, LARGE).columns,
    layout(count, 300, LARGE).columns,
  ]);

  assert.deepEqual(columns, [
    [3, 2],
    [3, 2],
    [4, 2],
  ]);
});

test("rows are as high as their tiles are wide, with a caption that grows with its letters, and a gap", () => {
  for (const letters of [LETTERS, LARGE]) {
    const { columns, gap, rowHeight } = layout(12, 1000, letters);

    assert.equal(rowHeight, (1000 - (columns - 1) * gap) / columns + 2.5 * letters.rem + gap);
  }
});

const ROWS = { columns: 4, gap: 10, rowHeight: 100 };

test("at the top, the rows of the window and those just below it are drawn", () => {
  assert.deepEqual(near(ROWS, 4000, 0, 800), { rows: 1000, first: 0, last: 15 });
});

test("in the middle, rows on both sides of the window are drawn", () => {
  assert.deepEqual(near(ROWS, 4000, -10_000, 800), { rows: 1000, first: 93, last: 115 });
});

test("beyond the end no row is drawn, and none is missing", () => {
  assert.deepEqual(near(ROWS, 10, -10_000, 800), { rows: 3, first: 3, last: 3 });
  assert.deepEqual(near(ROWS, 0, 0, 800), { rows: 0, first: 0, last: 0 });
});

test("the arrow keys lead to the neighbours, and no further than the ends", () => {
  const keys = ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"];

  assert.deepEqual(
    keys.map((key) => led(key, 5, 10, 4)),
    [6, 4, 9, 1, 0, 9],
  );
  assert.deepEqual([led("ArrowRight", 9, 10, 4), led("ArrowUp", 2, 10, 4)], [9, 0]);
});

test("other keys lead nowhere, and none does from nowhere", () => {
  assert.deepEqual([led("x", 5, 10, 4), led("Home", -1, 10, 4)], [null, null]);
});

test("what is seen is drawn at once, and what is near it by and by on both sides", () => {
  /** @type {Set<number>} */
  const drawn = new Set();
  const fresh = (/** @type {number} */ row) => (drawn.has(row) ? 0 : 8);
  const steps = [];
  for (let frame = 0; frame < 3; frame += 1) {
    const { first, last } = drawable({ first: 10, last: 14 }, { first: 5, last: 19 }, 24, fresh);
    for (let row = first; row < last; row += 1) drawn.add(row);
    steps.push([first, last]);
  }

  assert.deepEqual(steps, [
    [9, 16],
    [7, 17],
    [6, 19],
  ]);
});

test("all that is near is drawn in the end, wherever the window is", () => {
  for (const seen of [
    { first: 0, last: 3 },
    { first: 7, last: 10 },
    { first: 0, last: 0 },
  ])
    assert.deepEqual(
      drawable(seen, { first: 0, last: 10 }, 1_000, () => 8),
      { first: 0, last: 10 },
    );
});
