// Which images are shown, and in which order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isOrder, isPlain, isShow, STATES, select } from "../../../../web/static/selection.js";
import { file, item } from "./support.js";

/** @import { Item } from "../../../../web/static/images.js" */
/** @import { Selection } from "../../../../web/static/selection.js" */

const ITEMS = [
  item({ number: 0, name: "b10.png", state: "done", label: "tabby", score: 0.9 }),
  item({ number: 1, name: "b9.png", state: "done", label: "lynx", score: 0.4 }),
  item({ number: 2, name: "c.png", state: "failed", reason: "no image" }),
  item({ number: 3, name: "d.png", state: "queued", file: file("d.png") }),
  item({ number: 4, name: "a.png", state: "uploading", file: file("a.png") }),
  item({ number: 5, name: "e.png", path: "e holiday/e.png", state: "done", label: "tabby", score: 0.95 }),
];

/** @param {Partial<Selection>} selection */
function names(selection) {
  const all = select(ITEMS, { show: "all", label: null, text: "", order: "added", least: 0, ...selection });
  return all.map(({ name }) => name.replace(".png", ""));
}

test("one's own come first in their order, and others by name with numbers as numbers", () => {
  assert.deepEqual(names({}), ["d", "a", "b9", "b10", "c", "e"]);
});

test("every state is shown by all and by exactly one of the others", () => {
  const { all, ...others } = STATES;

  assert.deepEqual(Object.values(others).flat().sort(), [...all].sort());
});

test("what is shown can be narrowed to a state", () => {
  assert.deepEqual(names({ show: "waiting" }), ["d", "a"]);
  assert.deepEqual(names({ show: "done" }), ["b9", "b10", "e"]);
  assert.deepEqual(names({ show: "failed" }), ["c"]);
  assert.deepEqual(names({ show: "cancelled" }), []);
});

test("what is shown can be narrowed to a label", () => {
  assert.deepEqual(names({ label: "tabby" }), ["b10", "e"]);
});

test("a text is looked for in labels and names, whatever their case", () => {
  assert.deepEqual(names({ text: " TAB " }), ["b10", "e"]);
  assert.deepEqual(names({ text: "B9" }), ["b9"]);
});

test("by label, the surest comes first and those without one last", () => {
  assert.deepEqual(names({ order: "label" }), ["b9", "e", "b10", "c", "d", "a"]);
});

test("least sure first leaves those without a score to the end", () => {
  assert.deepEqual(names({ order: "unsure" }), ["b9", "b10", "e", "c", "d", "a"]);
});

test("most sure first leaves those without a score to the end, too", () => {
  assert.deepEqual(names({ order: "sure" }), ["e", "b10", "b9", "c", "d", "a"]);
});

test("what is shown can be narrowed to labels that are sure enough", () => {
  assert.deepEqual(names({ least: 0.9 }), ["b10", "e"]);
});

test("what narrows or orders nothing is plain", () => {
  const plain = /** @type {Selection} */ ({ show: "all", label: null, text: " ", order: "added", least: 0 });
  const others = [{ show: "done" }, { label: "" }, { text: "a" }, { order: "label" }, { least: 0.1 }];

  assert.equal(isPlain(plain), true);
  for (const other of others) assert.equal(isPlain(/** @type {Selection} */ ({ ...plain, ...other })), false);
});

test("selecting leaves the images in their order", () => {
  names({ order: "unsure" });

  assert.deepEqual(
    ITEMS.map(({ number }) => number),
    [0, 1, 2, 3, 4, 5],
  );
});

test("what the page's controls say is checked", () => {
  assert.deepEqual([isShow("done"), isShow("toString"), isShow(undefined)], [true, false, false]);
  assert.deepEqual([isOrder("label"), isOrder("")], [true, false]);
});
