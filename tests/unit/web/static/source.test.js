// A batch whose images are in S3 already, in words and tiles.

import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, SHOWN, Source, sourceWords } from "../../../../web/static/source.js";
import { done } from "./support.js";

/** @import { Progress } from "../../../../web/static/source.js" */

/** A server with so many images, and what is asked of it. */
class Server {
  /** @param {number} count */
  constructor(count) {
    /** @type {import("../../../../web/static/images.js").Told[]} */
    this.images = [];
    for (let n = 0; n < count; n += 1) this.images.push(done(`b/_source/${n}.png`, "tabby"));
    /** @type {string[]} */
    this.asked = [];
    /** @type {Map<string, unknown>} what the page has, by key */
    this.shown = new Map();
    this.source = new Source({
      url: "/b",
      ask: this.ask,
      onImages: (images) => {
        for (const image of images) this.shown.set(image.key, image);
      },
      onChange: () => {},
    });
    this.source.progress = progress({ state: "complete" });
  }

  /** @type {import("../../../../web/static/batch.js").Ask} */
  ask = async (url) => {
    this.asked.push(url);
    const at = Number(url.match(/page=(\d+)/)?.[1] ?? 0);
    const images = this.images.slice(at, at + 100);
    const next = at + 100 < this.images.length ? { Link: `</b?limit=100&page=${at + 100}>; rel="next"` } : {};
    const body = { images, record: { source: { bucket: "photos", prefix: "2024/" } } };
    return { ok: true, status: 200, headers: new Headers(next), text: async () => "", json: async () => body };
  };

  /** @returns {any} as much of the images as is used */
  get known() {
    return { items: [...this.shown.values()], counts: { done: this.images.length, failed: 0 } };
  }
}

/** @param {Partial<Progress>} [more] @returns {Progress} */
function progress(more = {}) {
  return { state: "working", published: 0, skipped: 0, problem: "", results: "s3://out/r/", ...more };
}

/**
 * @param {Progress} told
 * @param {{shown: number, total: number, done: number, cancelled?: number}} images
 */
function words(told, { shown, total, done: finished, cancelled = 0 }) {
  const counts = { done: finished, failed: 0, cancelled };
  const images = /** @type {any} */ ({ items: new Array(shown), total, counts });
  return sourceWords({ progress: told, address: "s3://photos/2024/" }, images);
}

test("while it goes on one page is asked for at a time, and none once there are tiles enough", async () => {
  const server = new Server(1_000);
  for (let turn = 0; turn < 8; turn += 1) await server.source.look(server.known);

  assert.equal(server.shown.size, SHOWN);
  assert.equal(server.asked.length, SHOWN / 100);
});

test("in the end all are asked for that are to be shown, and more when that is wished", async () => {
  const server = new Server(750);
  await server.source.look(server.known, true);
  assert.equal(server.shown.size, SHOWN);
  await server.source.more(server.known);

  assert.equal(server.shown.size, 750);
});

test("an end that comes while a page is asked for is not forgotten", async () => {
  const server = new Server(300);
  await Promise.all([server.source.look(server.known), server.source.look(server.known, true)]);

  assert.equal(server.shown.size, 300);
});

test("its address is the one that the command takes", () => {
  assert.equal(addressOf({ bucket: "photos", glob: "2024/*.jpg" }), "s3://photos/2024/*.jpg");
  assert.equal(addressOf({ bucket: "photos", prefix: "" }), "s3://photos/");
  assert.equal(addressOf(null), "");
});

test("what becomes of it is said in words", () => {
  const listing = words(progress({ state: "listing", skipped: 1 }), { shown: 2, total: 120_000, done: 2 });
  assert.equal(listing, "s3://photos/2024/ · being listed, 120,000 so far · 1 object skipped, being no images");
  const working = words(progress(), { shown: 500, total: 120_000, done: 1_000 });
  assert.equal(working, "s3://photos/2024/ · 500 of them are shown and searched");
  const cancelled = words(progress(), { shown: 1, total: 3, done: 1, cancelled: 2 });
  assert.equal(cancelled, "s3://photos/2024/ · cancelled, its results follow in a minute");
  const complete = words(progress({ state: "complete" }), { shown: 3, total: 3, done: 3 });
  assert.equal(complete, "s3://photos/2024/ · results of all: s3://out/r/");
  const none = words(progress({ state: "complete" }), { shown: 0, total: 0, done: 0 });
  assert.equal(none, "s3://photos/2024/ · there is no image");
  const failed = words(progress({ state: "failed", problem: "there is no manifest" }), { shown: 0, total: 0, done: 0 });
  assert.equal(failed, "s3://photos/2024/ · there is no manifest");
});
