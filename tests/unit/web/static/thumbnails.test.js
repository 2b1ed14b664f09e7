// Small pictures of one's own files, and the worker that draws them, in the test's hands.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AT_ONCE, Thumbnails } from "../../../../web/static/thumbnails.js";
import { file } from "./support.js";

const GONE = new AbortController().signal;

class Worker {
  constructor() {
    /** @type {any[]} */
    this.got = [];
    /** @type {any} */
    this.onmessage = null;
    /** @type {any} */
    this.onerror = null;
  }

  /** @param {any} message */
  postMessage(message) {
    this.got.push(message);
  }

  /** @param {string | null} url for the file that came first of those without an answer */
  draw(url) {
    const { id } = this.got.find((message) => message.file && !message.answered);
    for (const message of this.got) if (message.id === id) message.answered = true;
    this.onmessage({ data: { id, url } });
  }

  get files() {
    return this.got.filter((message) => message.file).map((message) => message.file.name);
  }
}

test("a few are drawn at once, in their order, and what nobody wants any more is not", async () => {
  const worker = new Worker();
  const thumbnails = new Thumbnails(() => worker);
  const unwanted = new AbortController();
  const first = thumbnails.load(file("0.png"), GONE);
  void thumbnails.load(file("1.png"), GONE);
  const second = thumbnails.load(file("2.png"), unwanted.signal);
  void thumbnails.load(file("3.png"), GONE);
  assert.deepEqual(worker.files, ["0.png", "1.png"].slice(0, AT_ONCE));
  unwanted.abort();
  worker.draw("blob:0");

  assert.equal((await first)?.url, "blob:0");
  assert.equal(await second, null);
  assert.deepEqual(worker.files, ["0.png", "1.png", "3.png"]);
  (await first)?.release();
  assert.deepEqual(worker.got.at(-1), { release: "blob:0" });
});

test("a file that is no image has no picture", async () => {
  const worker = new Worker();
  const none = new Thumbnails(() => worker).load(file("a.txt"), GONE);
  worker.draw(null);

  assert.equal(await none, null);
});

test("without a worker, or with one that does not run, files are their own pictures", async () => {
  const worker = new Worker();
  const thumbnails = new Thumbnails(() => worker);
  const waiting = [0, 1, 2].map((n) => thumbnails.load(file(`${n}.png`, 3), GONE));
  worker.onerror();
  const others = [thumbnails.load(file("3.png", 3), GONE), new Thumbnails(() => null).load(file("4.png", 3), GONE)];
  for (const one of await Promise.all([...waiting, ...others])) {
    assert.equal((await (await fetch(one?.url ?? "")).arrayBuffer()).byteLength, 3);
    one?.release();
    await assert.rejects(fetch(one?.url ?? ""));
  }
});
