// Where a chart's values are: its scales, and the paths of its areas and lines.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  areaPath,
  ceiling,
  linePath,
  named,
  peak,
  SPAN_S,
  scales,
  split,
  stacked,
} from "../../../../web/static/plot.js";

/** @import { Series } from "../../../../web/static/plot.js" */

/** @typedef {{at: number, a: number, b: number, rate: number | null}} Sample */

/** @type {Series<Sample>} */
const A = { name: "a", of: "a", value: ({ a }) => a };
/** @type {Series<Sample>} */
const B = { name: "b", of: "b", value: ({ b }) => b };
/** @type {Series<Sample>} */
const RATE = { name: "rate", of: "rate", value: ({ rate }) => rate, line: true };

const SIZE = { width: 436, height: 229, letter: 10 }; // 400 by 200 within its edges
const NOW = 10_000;
const PLAIN = {
  edge: { left: 0, right: 0, top: 0, bottom: 0 },
  x: (/** @type {number} */ at) => at,
  y: (/** @type {number} */ value) => value,
  timeAt: () => null,
};

/**
 * @param {number} at
 * @param {Partial<Sample>} [more]
 * @returns {Sample}
 */
function sample(at, more) {
  return { at, a: 0, b: 0, rate: null, ...more };
}

test("now is at the right edge, and the span's beginning at the left one", () => {
  const { edge, x } = scales(SIZE, NOW, 10, SPAN_S);

  assert.deepEqual([x(NOW - SPAN_S), x(NOW - SPAN_S / 2), x(NOW)], [edge.left, edge.left + 200, edge.left + 400]);
});

test("nothing is at the foot, and the greatest value at the top", () => {
  const { edge, y } = scales(SIZE, NOW, 10, SPAN_S);

  assert.deepEqual([y(0), y(5), y(10)], [edge.top + 200, edge.top + 100, edge.top]);
});

test("a place tells its time, and none beside the chart", () => {
  const { edge, timeAt } = scales(SIZE, NOW, 10, SPAN_S);

  assert.deepEqual([timeAt(edge.left), timeAt(edge.left + 400)], [NOW - SPAN_S, NOW]);
  assert.deepEqual([timeAt(edge.left - 1), timeAt(edge.left + 401)], [null, null]);
});

test("larger letters have more room beside the values, and name fewer times", () => {
  const [small, large] = [11, 22].map((letter) => scales({ ...SIZE, letter }, NOW, 10, SPAN_S).edge);

  assert.equal(large?.left, 2 * (small?.left ?? 0));
  assert.deepEqual([named(300, 11, 900), named(300, 22, 900), named(300, 11, 3600)], [[15, 10, 5], [15], [60, 40, 20]]);
});

test("the top is a round number that can be halved, and not below the value", () => {
  const tops = [1, 1.1, 3, 5, 7, 8.5, 10, 11, 350, 901].map(ceiling);

  assert.deepEqual(tops, [1, 2, 4, 6, 8, 10, 10, 20, 400, 1_000]);
});

test("the peak is that of the areas stacked, or of a line above them", () => {
  assert.equal(peak([sample(1, { a: 2, b: 3 }), sample(2, { a: 4 })], [A, B, RATE]), 5);
  assert.equal(peak([sample(1, { a: 2, b: 3, rate: 9 })], [A, B, RATE]), 9);
  assert.equal(peak([], [A]), 1);
});

test("a sample holds until the next, and the last until now", () => {
  const runs = split([sample(100), sample(105)], 108);

  assert.deepEqual(
    runs.map((run) => run.map(({ from, to }) => [from, to])),
    [
      [
        [100, 105],
        [105, 108],
      ],
    ],
  );
});

test("where nothing was heard for long, nothing is drawn", () => {
  const runs = split([sample(100), sample(200)], 300);

  assert.deepEqual(
    runs.map((run) => run.map(({ from, to }) => [from, to])),
    [[[100, 130]], [[200, 230]]],
  );
});

test("each area stands on those before it", () => {
  const one = sample(1, { a: 2, b: 3 });
  const heights = stacked([A, B]).map(({ under, over }) => [under(one), over(one)]);

  assert.deepEqual(heights, [
    [0, 2],
    [2, 5],
  ]);
});

test("an area goes along its upper edge and back along its lower one", () => {
  const [run = []] = split([sample(0, { a: 2 }), sample(5, { a: 4 })], 10);

  const path = areaPath(
    run,
    PLAIN,
    () => 1,
    ({ a }) => a,
  );
  assert.equal(path, "M0 2L5 2L5 4L10 4L10 1L5 1L5 1L0 1Z");
});

test("a line is cut where its value is not known", () => {
  const rates = [3, null, 0, 4];
  const [run = []] = split(
    rates.map((rate, index) => sample(index * 5, { rate })),
    20,
  );

  assert.equal(linePath(run, PLAIN, RATE.value), "M0 3L5 3M10 0L15 0L15 4L20 4");
});

test("a line of which nothing is known is none", () => {
  const [run = []] = split([sample(0)], 5);

  assert.equal(linePath(run, PLAIN, RATE.value), "");
});
