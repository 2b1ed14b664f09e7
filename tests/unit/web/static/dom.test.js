// Where the site is, when a proxy shows it under a path of its own.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { batchIn } from "../../../../web/static/address.js";
import { here } from "../../../../web/static/dom.js";
import { previewUrl } from "../../../../web/static/picture.js";

/** @param {string} root */
function showUnder(root) {
  Object.assign(globalThis, { document: { documentElement: { dataset: { root } } } });
}

afterEach(() => Reflect.deleteProperty(globalThis, "document"));

test("a path is where the page says that the site is", () => {
  assert.equal(here("/api/batches"), "/api/batches");
  showUnder("/elastiq");

  assert.equal(here("/api/batches"), "/elastiq/api/batches");
  assert.equal(previewUrl("b/1.jpg"), "/elastiq/api/batches/b/images/1.jpg");
});

test("a page under a path knows its batch by what is behind that", () => {
  showUnder("/elastiq");

  assert.deepEqual(["/elastiq/batches/b-1", "/batches/b-1", "/elastiq/"].map(batchIn), ["b-1", null, null]);
});
