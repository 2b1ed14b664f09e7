// The images of the batch in view: how the news of them are put together, and what is counted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { frequent, Images } from "../../../../web/static/images.js";
import { done, file, item, told } from "./support.js";

/** @import { Item } from "../../../../web/static/images.js" */

/** @param {Images} images */
function shown(images) {
  return images.items.map(({ name, state, label }) => [name, state, label]);
}

function nobody() {}

test("an image is counted in the state it is in, and in no other", () => {
  const images = new Images(nobody);
  const cat = images.add(file("cat.png"));
  images.add(file("cup.png"));
  images.set(cat, { state: "uploading" });
  images.bind(cat, told("b/cat.png"));
  images.learn(done("b/cat.png", "tabby"), false);

  assert.deepEqual(images.counts, { queued: 1, uploading: 0, waiting: 0, done: 1, failed: 0, cancelled: 0 });
  assert.deepEqual([images.total, images.open, images.finished], [2, 1, 1]);
});

test("an image that others uploaded appears with its name", () => {
  const images = new Images(nobody);
  images.learn(done("b/cat.png", "tabby"), false);

  assert.deepEqual(shown(images), [["cat.png", "done", "tabby"]]);
  assert.equal(images.items[0]?.file, null);
});

test("a file is known by its path, and shown by its name", () => {
  const images = new Images(nobody);
  images.add(file("cat.png"), "2023/cat.png");
  images.learn(done("b/2024/cat.png", "tabby"), false);

  assert.deepEqual(
    images.items.map(({ name, path }) => [name, path]),
    [
      ["cat.png", "2023/cat.png"],
      ["cat.png", "2024/cat.png"],
    ],
  );
});

test("news that come before the upload is answered are kept for it", () => {
  const images = new Images(nobody);
  const cat = images.add(file("cat.png"));
  images.learn(done("b/cat.png", "tabby"), true);
  assert.equal(images.total, 1);
  images.bind(cat, told("b/cat.png"));

  assert.deepEqual(shown(images), [["cat.png", "done", "tabby"]]);
});

test("news that belong to no upload are another's images, once uploads are over", () => {
  let changes = 0;
  const images = new Images(() => {
    changes += 1;
  });
  images.learn(told("b/theirs.png"), true);
  images.settle();
  images.settle();

  assert.deepEqual(shown(images), [["theirs.png", "waiting", null]]);
  assert.equal(changes, 1);
});

test("the same file twice is one image", () => {
  const images = new Images(nobody);
  const [first, second] = [images.add(file("cat.png")), images.add(file("cat.png"))];
  images.bind(first, told("b/cat.png"));
  images.bind(second, told("b/cat.png"));

  assert.deepEqual(images.items, [first]);
  assert.equal(images.counts.queued, 0);
});

test("no two images have the same number, also when one has gone", () => {
  const images = new Images(nobody);
  const [first, second] = [images.add(file("a.png")), images.add(file("a.png"))];
  images.add(file("b.png"));
  images.bind(first, told("b/a.png"));
  images.bind(second, told("b/a.png"));
  images.add(file("c.png"));

  assert.equal(new Set(images.items.map((one) => one.number)).size, 3);
});

test("an answer that comes after the outcome does not undo it", () => {
  const images = new Images(nobody);
  images.learn(done("b/cat.png", "tabby"), false);
  images.learn(told("b/cup.png", { state: "failed", reason: "no image" }), false);
  for (const key of ["b/cat.png", "b/cup.png"]) images.learn(told(key), false);

  assert.deepEqual(
    images.items.map(({ state }) => state),
    ["done", "failed"],
  );
});

test("an image that failed may be classified after all", () => {
  const images = new Images(nobody);
  images.learn(told("b/cup.png", { state: "failed", reason: "dead letter" }), false);
  images.learn(done("b/cup.png", "espresso"), false);

  assert.deepEqual(shown(images), [["cup.png", "done", "espresso"]]);
  assert.equal(images.items[0]?.reason, null);
});

test("each change is told with its image", () => {
  /** @type {string[]} */
  const heard = [];
  const images = new Images(({ name, state }) => heard.push(`${name} ${state}`));
  const cat = images.add(file("cat.png"));
  images.set(cat, { state: "uploading" });
  images.bind(cat, told("b/cat.png"));

  assert.deepEqual(heard, ["cat.png queued", "cat.png uploading", "cat.png waiting"]);
});

test("those that could not be uploaded are the ones to try again", () => {
  const images = new Images(nobody);
  const [cat, cup] = [images.add(file("cat.png")), images.add(file("cup.png"))];
  images.set(cat, { state: "failed", again: true });
  images.set(cup, { state: "failed" });

  assert.deepEqual(images.refused, [cat]);
});

/** @param {Record<string, number>} counts */
function labels(counts) {
  return new Map(
    Object.entries(counts).map(([label, count]) => [
      label,
      new Set(Array.from({ length: count }, () => item({ label }))),
    ]),
  );
}

/** @param {[string, Set<Item>][]} found */
function names(found) {
  return found.map(([label]) => label);
}

test("the most frequent labels come first, those of one frequency by name", () => {
  assert.deepEqual(names(frequent(labels({ lynx: 1, tabby: 3, cup: 1, vase: 2 }), 3)), ["tabby", "vase", "cup"]);
});

test("a label that is chosen stays among the most frequent, so that it can be left again", () => {
  assert.deepEqual(names(frequent(labels({ a: 4, b: 3, c: 2, d: 1 }), 3, "d")), ["a", "b", "d"]);
  assert.deepEqual(names(frequent(labels({ a: 4, b: 3, c: 2, d: 1 }), 3, "a")), ["a", "b", "c"]);
});
