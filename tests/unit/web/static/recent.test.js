// The batches that a browser has seen: what is kept of them, and what is made of a store that cannot be trusted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Images } from "../../../../web/static/images.js";
import { MOST, Recent } from "../../../../web/static/recent.js";
import { done, file } from "./support.js";

/** A browser's store; only what is used of it. @param {string} [kept] */
function store(kept) {
  /** @type {Map<string, string>} */
  const values = new Map(kept === undefined ? [] : [["elastiq.recent", kept]]);
  const storage = {
    getItem: (/** @type {string} */ name) => values.get(name) ?? null,
    setItem: (/** @type {string} */ name, /** @type {string} */ value) => void values.set(name, value),
  };
  return () => /** @type {any} */ (storage);
}

/** @param {...string} labels */
function images(...labels) {
  const made = new Images(() => {});
  labels.forEach((label, index) => {
    made.learn(done(`b/${index}.png`, label), false);
  });
  return made;
}

test("a batch is kept with its size, its first pictures and its most frequent labels", () => {
  const recent = new Recent(store(), () => 7);
  const seen = images("cup", "tabby", "tabby", "lynx", "vase");
  seen.add(file("not stored yet.png"));
  recent.remember("b", seen);

  const keys = ["b/0.png", "b/1.png", "b/2.png", "b/3.png"];
  assert.deepEqual(recent.read(), [{ id: "b", at: 7, total: 6, left: 1, keys, labels: ["tabby", "cup", "lynx"] }]);
});

test("what was not uploaded yet is remembered, and for other batches nothing", () => {
  const recent = new Recent(store(), () => 7);
  const seen = images("cup");
  seen.add(file("a.png"));
  seen.add(file("b.png"));
  recent.remember("b", seen);

  assert.deepEqual([recent.left("b"), recent.left("c")], [2, 0]);
});

test("a batch that is seen again keeps its place and gets its new size", () => {
  let now = 1;
  const recent = new Recent(store(), () => now++);
  recent.remember("old", images("a"));
  recent.remember("new", images("a"));
  recent.remember("old", images("a", "b"));

  assert.deepEqual(
    recent.read().map(({ id, total }) => [id, total]),
    [
      ["new", 1],
      ["old", 2],
    ],
  );
});

test("only the newest are kept", () => {
  let now = 1;
  const recent = new Recent(store(), () => now++);
  for (let index = 0; index <= MOST; index += 1) recent.remember(String(index), images("a"));

  const ids = recent.read().map(({ id }) => id);
  assert.deepEqual([ids.length, ids.at(0), ids.at(-1)], [MOST, String(MOST), "1"]);
});

test("a batch that is gone can be forgotten", () => {
  const recent = new Recent(store());
  for (const id of ["a", "b"]) recent.remember(id, images("x"));
  recent.forget("a");

  assert.deepEqual(
    recent.read().map(({ id }) => id),
    ["b"],
  );
});

test("what is not ours in the store is left out, and the rest is shown", () => {
  const good = { id: "b", at: 1, total: 2, keys: ["b/a.png"], labels: [] };
  const bad = [
    null,
    3,
    {},
    { ...good, id: 3 },
    { ...good, keys: "b" },
    { ...good, labels: [null] },
    { ...good, at: "x" },
  ];

  assert.deepEqual(new Recent(store(JSON.stringify([...bad, good]))).read(), [good]);
  for (const text of ["{", "{}", "null"]) assert.deepEqual(new Recent(store(text)).read(), []);
});

test("a browser that keeps nothing has no recent batches", () => {
  const recent = new Recent(() => {
    throw new DOMException("no", "SecurityError");
  });
  recent.remember("b", images("a"));

  assert.deepEqual(recent.read(), []);
});
