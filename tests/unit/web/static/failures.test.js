// Failures: where their links lead, and their sum.

import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, sum } from "../../../../web/static/failures.js";

test("a link leads to the image on its batch's page, whatever is in its name", () => {
  const batch = "20261128T101112123Z-0a1b2c3d";
  assert.equal(addressOf(`${batch}/a cat.jpg`), `/batches/${batch}#a%20cat.jpg`);
  assert.equal(addressOf(`${batch}/folder/"><b>.jpg`), `/batches/${batch}#folder%2F%22%3E%3Cb%3E.jpg`);
});

test("an image of no batch has none", () => {
  assert.deepEqual(["javascript:alert(1)", "mine/cat.jpg", "20261128T101112123Z-0a1b2c3d/"].map(addressOf), [
    null,
    null,
    null,
  ]);
});

test("the sum is of all reasons", () => {
  const failed = { reason: "cut short", last_at: 1, images: [] };
  assert.equal(sum([]), "No image failed in the last hour.");
  assert.equal(sum([{ ...failed, count: 1 }]), "1 image in the last hour, by reason");
  assert.equal(sum([3, 4].map((count) => ({ ...failed, count }))), "7 images in the last hour, by reason");
});
