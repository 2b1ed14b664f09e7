// Where the server has an image's picture.

import assert from "node:assert/strict";
import { test } from "node:test";
import { previewUrl } from "../../../../web/static/picture.js";

test("a stored image has a picture, small or large, whatever its name is", () => {
  assert.equal(previewUrl("b-1/cat.png"), "/api/batches/b-1/images/cat.png");
  assert.equal(previewUrl('b-1/a "?#.png', true), "/api/batches/b-1/images/a%20%22%3F%23.png?size=large");
});

test("what is not stored has none", () => {
  for (const key of [null, "", "b-1", "b-1/", "b-1/rejected/cat.png"]) assert.equal(previewUrl(key), null);
});
