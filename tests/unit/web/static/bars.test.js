// The machines' bars: their order and their pieces in a window, and the words for them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { doingWords, name, naming, ordered, pieces, reason, state, story } from "../../../../web/static/bars.js";
import { clock } from "../../../../web/static/words.js";

/** @import { Bar } from "../../../../web/static/fleet.js" */

/** @param {Partial<Bar>} [more] @returns {Bar} */
function bar(more) {
  return {
    id: "i-0aaa",
    number: 1,
    own: true,
    began_at: 100,
    until: 400,
    ended: false,
    usd: null,
    done: 0,
    why: null,
    pieces: [
      { doing: "booting", at: 100 },
      { doing: "working", at: 160 },
    ],
    ...more,
  };
}

/** @type {Partial<Bar>} */
const GONE = { ended: true, pieces: [...bar().pieces, { doing: "draining", at: 370 }, { doing: "gone", at: 400 }] };

test("those that are there come first, the oldest at the top; of those that went, the latest", () => {
  const bars = [
    bar({ id: "went early", ...GONE, until: 300 }),
    bar({ id: "new", began_at: 200 }),
    bar({ id: "too early", ...GONE, until: 90 }),
    bar({ id: "went late", ...GONE, until: 400 }),
    bar({ id: "old" }),
  ];
  assert.deepEqual(
    ordered(bars, 100).map(({ id }) => id),
    ["old", "new", "went late", "went early"],
  );
});

test("pieces are cut to the window, and one that goes on reaches to its end", () => {
  assert.deepEqual(pieces(bar(), 130, 500), [
    { doing: "booting", at: 0, lasts: 30 },
    { doing: "working", at: 30, lasts: 340 },
  ]);
  assert.deepEqual(pieces(bar(), 200, 500), [{ doing: "working", at: 0, lasts: 300 }]);
});

test("a bar that has ended has nothing behind its end", () => {
  assert.deepEqual(pieces(bar(GONE), 300, 1_000), [
    { doing: "working", at: 0, lasts: 70 },
    { doing: "draining", at: 70, lasts: 30 },
  ]);
});

test("where a bar was lost there is a mark", () => {
  const lost = bar({ ended: true, pieces: [...bar().pieces, { doing: "lost", at: 400 }] });
  assert.deepEqual(pieces(lost, 300, 400), [
    { doing: "working", at: 0, lasts: 100 },
    { doing: "lost", at: 100, lasts: 20 },
  ]);
});

test("the story of a bar has each thing once, with all of its time", () => {
  const flickering = bar({
    pieces: [
      { doing: "working", at: 100 },
      { doing: "idle", at: 130 },
      { doing: "working", at: 140 },
    ],
  });
  assert.equal(story(flickering, 0, 160), "working 50 s, idle 10 s");
  assert.equal(story(flickering, 200, 200), "nothing in this time");
});

test("what a machine does is said with its time, its work, or why it goes", () => {
  const worker = { active: 3, processed: 9, leaving: null };
  assert.equal(state(bar(), worker, 220), "working for 1 min, 3 in hand");
  assert.equal(state(bar(), undefined, 160), "working for 1 s");
  const leaving = bar({ why: "idle", pieces: [{ doing: "draining", at: 100 }] });
  assert.equal(state(leaving, undefined, 200), "leaving: had no work");
  assert.equal(
    state(bar({ ...GONE, why: "notice" }), undefined, 500),
    `gone at ${clock(400)}: EC2 takes its host back`,
  );
  const lost = bar({ ended: true, pieces: [{ doing: "lost", at: 400 }] });
  assert.equal(state(lost, undefined, 500), `lost at ${clock(400)}`);
});

test("words that are new are told as they came", () => {
  assert.deepEqual([reason("idle"), reason("a new reason")], ["had no work", "a new reason"]);
  assert.deepEqual([doingWords("booting"), doingWords("dancing")], ["starting", "dancing"]);
});

test("ids in a text are machines by their numbers, and parts of other words are not", () => {
  const bars = [bar({ id: "vm:67", number: 3 }), bar({ id: "vm:6", number: 2 }), bar({ id: "x", own: false })];
  const named = naming(bars);
  assert.equal(named("asked to leave: vm:6, vm:67; box, vm:671"), "asked to leave: machine 2, machine 3; box, vm:671");
  assert.equal(named("x"), "worker 1");
  assert.equal(naming([])("vm:6"), "vm:6");
  assert.equal(naming([bar({ id: "a+(b" })])("the a+(b is slow"), "the machine 1 is slow");
  assert.equal(name(bar()), "machine 1");
});
