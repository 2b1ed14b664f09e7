// Uploads: how files are put into chunks, what is sent again and when, and what becomes of each file.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Images } from "../../../../web/static/images.js";
import {
  answersTo,
  CHUNK_BYTES,
  CHUNK_FILES,
  FIRST_CHUNK_FILES,
  fitting,
  reasonOf,
  TRIES,
  Uploader,
} from "../../../../web/static/upload.js";
import { answered, file, settled, told } from "./support.js";

/** @import { Answer, Post } from "../../../../web/static/upload.js" */

/** An uploader, and a server that takes files until told otherwise. */
class Site {
  constructor(/** @type {{id?: string | null, maxFileBytes?: number}} */ { id = null, maxFileBytes = 1_000 } = {}) {
    /** @type {string[][]} the names of each request's files */
    this.requests = [];
    /** @type {File[]} */
    this.received = [];
    /** @type {string[]} */
    this.heard = [];
    /** @type {(names: string[]) => Answer | Promise<Answer>} */
    this.reply = (names) => answered(201, { images: names.map((name) => told(`b/${name}`)) });
    /** @type {() => Answer | Promise<Answer>} */
    this.naming = () => answered(201, { id: "b" });
    this.images = new Images(() => {});
    const listener = {
      onBatch: (/** @type {string} */ named) => void this.heard.push(`batch ${named}`),
      onReceipt: () => void this.heard.push("receipt"),
      onIdle: () => void this.heard.push("idle"),
      onSilence: (/** @type {boolean} */ silent) => void this.heard.push(silent ? "silent" : "heard"),
    };
    this.uploader = new Uploader(this.images, id, maxFileBytes, listener, this.post);
  }

  /** @type {Post} */
  post = async (url, body, onProgress) => {
    if (url === "/api/batches") return this.naming();
    assert.equal(url, "/api/batches/b/images");
    const files = /** @type {File[]} */ (body?.getAll("files") ?? []);
    const names = files.map(({ name }) => name);
    this.requests.push(names);
    this.received.push(...files);
    for (const { size } of files) onProgress(size);
    return this.reply(names);
  };

  /** @param {...File} files */
  add(...files) {
    this.uploader.add(files.map((one) => this.images.add(one)));
  }

  get outcomes() {
    return this.images.items.map(({ name, state, reason }) => [name, state, reason]);
  }
}

/** @param {number} count */
function numbered(count) {
  return Array.from({ length: count }, (_, index) => file(`${index}.png`));
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("a chunk ends where its bytes would be too many, and has one file at least", () => {
  const half = CHUNK_BYTES / 2;

  assert.equal(fitting([half, half, 1], 24), 2);
  assert.equal(fitting([half, half + 1], 24), 1);
  assert.equal(fitting([CHUNK_BYTES * 2, 1], 24), 1);
  assert.equal(fitting([], 24), 0);
});

test("a chunk has no more files than it may", () => {
  assert.equal(fitting([1, 1, 1, 1], 3), 3);
});

test("a refusal's reason is the server's, or says what is known", () => {
  assert.equal(reasonOf({ status: 400, text: '{"detail": "no room"}' }), "no room");
  assert.equal(reasonOf({ status: 0, text: "" }), "the server cannot be reached");
  for (const text of ["<html>", "{}", "null", '{"detail": 3}'])
    assert.equal(reasonOf({ status: 502, text }), "the server answered with status 502");
});

test("the first chunk is small, and every file is sent once", async () => {
  const site = new Site();
  site.add(...numbered(60));
  await settled();

  const sizes = site.requests.map((names) => names.length).sort((a, b) => a - b);
  assert.deepEqual(sizes, [FIRST_CHUNK_FILES, 60 - FIRST_CHUNK_FILES - 2 * CHUNK_FILES, CHUNK_FILES, CHUNK_FILES]);
  assert.equal(new Set(site.requests.flat()).size, 60);
  assert.equal(site.images.counts.waiting, 60);
});

test("a batch is made once, by the first chunk, however many are on their way", async () => {
  const site = new Site();
  /** @type {(() => void)[]} */
  const asked = [];
  const { naming } = site;
  site.naming = () => new Promise((resolve) => asked.push(() => resolve(naming())));
  site.add(...numbered(60));
  await settled();
  assert.equal(asked.length, 1);
  asked[0]?.();
  await settled();

  assert.deepEqual(site.heard, ["batch b", "receipt", "receipt", "receipt", "receipt", "idle"]);
});

test("a file is sent under its path", async () => {
  const site = new Site();
  site.uploader.add([site.images.add(file("a.png"), "2023/a.png"), site.images.add(file("a.png"), "2024/a.png")]);
  await settled();

  assert.deepEqual(site.requests, [["2023/a.png", "2024/a.png"]]);
  assert.equal(site.images.counts.waiting, 2);
});

test("what the server does not answer for is said to be lost, and the others go on", async () => {
  const site = new Site();
  site.reply = (names) =>
    answered(201, { images: names.filter((name) => name !== "b.png").map((n) => told(`b/${n}`)) });
  site.add(file("a.png"), file("b.png"), file("c.png"));
  await settled();

  assert.deepEqual(site.outcomes, [
    ["a.png", "waiting", null],
    ["b.png", "failed", "could not be uploaded: the server does not say what became of it"],
    ["c.png", "waiting", null],
  ]);
  assert.equal(site.images.refused.length, 1);
});

test("an answer that is none costs its files alone", async () => {
  const site = new Site();
  const replies = [answered(201, {}), { status: 201, text: "<html>", retryAfterS: 0 }, answered(201, null)];
  const { reply } = site;
  site.reply = (names) => replies.shift() ?? reply(names);
  site.add(...numbered(FIRST_CHUNK_FILES + 3 * CHUNK_FILES));
  await settled();

  assert.deepEqual(
    [site.images.refused.length, site.images.counts.waiting],
    [FIRST_CHUNK_FILES + 2 * CHUNK_FILES, CHUNK_FILES],
  );
  assert.equal(site.uploader.busy, false);
});

test("of as many answers as files each is a file's, whatever its name has become", () => {
  const images = [told("b/a (2).png"), told("b/rejected/0123456789ab/b.png", { path: "b.png" })];

  assert.deepEqual(answersTo(["a.png", "b.png"], images), images);
  assert.deepEqual(answersTo(["x.png", "a (2).png", "y.png"], images), [null, images[0], null]);
  assert.deepEqual(answersTo(["b.png"], images), [images[1]]);
});

test("a batch that is there is added to", async () => {
  const site = new Site({ id: "b" });
  site.add(file("a.png"));
  await settled();

  assert.deepEqual(site.heard, ["receipt", "idle"]);
});

test("only a few chunks are on their way at once", async () => {
  const site = new Site({ id: "b" });
  /** @type {(() => void)[]} */
  const waiting = [];
  const { reply } = site;
  site.reply = (names) => new Promise((resolve) => waiting.push(() => resolve(reply(names))));
  site.add(...numbered(200));
  await settled();
  assert.equal(site.requests.length, 3);
  waiting.shift()?.();
  await settled();

  assert.equal(site.requests.length, 4);
  assert.ok(site.uploader.busy);
});

test("what is not answered is sent again after a pause, and taken once", async () => {
  const site = new Site({ id: "b" });
  const { reply } = site;
  site.reply = (names) => (site.requests.length < 3 ? { status: 0, text: "", retryAfterS: 0 } : reply(names));
  site.add(file("a.png"));
  await settled();
  assert.equal(site.requests.length, 1);
  for (const pause of [1_300, 2_600]) {
    mock.timers.tick(pause);
    await settled();
  }

  assert.deepEqual(site.requests, [["a.png"], ["a.png"], ["a.png"]]);
  assert.deepEqual(site.images.counts, { queued: 0, uploading: 0, waiting: 1, done: 0, failed: 0, cancelled: 0 });
});

test("a connection that is lost is waited for, however long that takes", async () => {
  const site = new Site({ id: "b" });
  const { reply } = site;
  site.reply = () => ({ status: 0, text: "", retryAfterS: 0 });
  site.add(file("a.png"));
  for (let attempt = 0; attempt <= TRIES * 2; attempt += 1) {
    await settled();
    mock.timers.tick(26_000);
  }
  assert.ok(site.requests.length > TRIES);
  assert.deepEqual(site.heard, ["silent"]);
  site.reply = reply;
  await settled();
  mock.timers.tick(26_000);
  await settled();

  assert.deepEqual(site.heard, ["silent", "heard", "receipt", "idle"]);
  assert.deepEqual(site.outcomes, [["a.png", "waiting", null]]);
});

test("who pauses has nothing begun, and goes on where it was", async () => {
  const site = new Site({ id: "b" });
  site.uploader.pause();
  site.add(...numbered(6));
  await settled();
  assert.deepEqual([site.requests, site.uploader.busy], [[], true]);
  site.uploader.resume();
  await settled();

  assert.equal(site.requests.flat().length, 6);
});

test("who cancels has what is under way cut off, and nothing left of what was not sent", async () => {
  const site = new Site({ id: "b" });
  /** @type {AbortSignal[]} */
  const cuts = [];
  const { post } = site;
  site.reply = () => new Promise(() => {});
  site.uploader._post = (url, body, onProgress, cut) => {
    cuts.push(cut);
    const cutOff = new Promise((resolve) =>
      cut.addEventListener("abort", () => resolve({ status: 0, text: "", retryAfterS: 0 })),
    );
    return Promise.race([post(url, body, onProgress, cut), /** @type {Promise<Answer>} */ (cutOff)]);
  };
  site.add(...numbered(100));
  await settled();
  site.uploader.cancel();
  await settled();
  assert.ok(cuts.every(({ aborted }) => aborted));
  assert.deepEqual([site.outcomes, site.uploader.busy, site.heard.at(-1)], [[], false, "idle"]);
  site.reply = (names) => answered(201, { images: names.map((name) => told(`b/${name}`)) });
  site.add(file("later.png"));
  await settled();

  assert.deepEqual(site.outcomes, [["later.png", "waiting", null]]);
});

test("what is never taken is given up, and can be tried again", async () => {
  const site = new Site({ id: "b" });
  site.reply = () => answered(503, { detail: "busy" });
  site.add(file("a.png"));
  for (let attempt = 0; attempt <= TRIES; attempt += 1) {
    await settled();
    mock.timers.tick(26_000);
  }

  assert.equal(site.requests.length, TRIES);
  const [image] = site.images.refused;
  assert.equal(image?.reason, "could not be uploaded: busy");
  assert.deepEqual(site.heard, ["idle"]);
});

test("what the server refuses is not sent again", async () => {
  const site = new Site({ id: "b" });
  site.reply = () => answered(400, { detail: "no room" });
  site.add(file("a.png"));
  await settled();
  mock.timers.tick(60_000);
  await settled();

  assert.equal(site.requests.length, 1);
  assert.equal(site.images.refused[0]?.reason, "could not be uploaded: no room");
});

test("a batch that could not be made is asked for again by the next files", async () => {
  const site = new Site();
  const { naming } = site;
  site.naming = () => answered(400, { detail: "not now" });
  site.add(file("a.png"));
  await settled();
  site.naming = naming;
  site.add(file("b.png"));
  await settled();

  assert.deepEqual(
    site.images.items.map(({ state }) => state),
    ["failed", "waiting"],
  );
});

test("a file of which the server says nothing has failed, and its neighbours have not", async () => {
  const site = new Site({ id: "b" });
  site.reply = ([first = ""]) => answered(201, { images: [told(`b/${first}`)] });
  site.add(file("a.png"), file("b.png"));
  await settled();

  const states = site.images.items.map(({ state, reason }) => [state, reason]);
  const reason = "could not be uploaded: the server does not say what became of it";
  assert.deepEqual(states, [
    ["waiting", null],
    ["failed", reason],
  ]);
});

test("a file that cannot be read any more has failed, and its neighbours are sent", async () => {
  const site = new Site({ id: "b" });
  const { reply } = site;
  // So does a browser with a form of which it cannot read a file.
  site.reply = (names) => (names.includes("gone.png") ? { status: 0, text: "", retryAfterS: 0 } : reply(names));
  const gone = file("gone.png");
  gone.slice = () => {
    throw new DOMException("gone", "NotFoundError");
  };
  site.add(gone, file("b.png"));
  await settled();
  mock.timers.tick(1_300);
  await settled();

  assert.deepEqual(site.requests, [["gone.png", "b.png"], ["b.png"]]);
  assert.match(site.images.refused[0]?.reason ?? "", /cannot be read any more/);
});

test("of a file that is too large only so much is sent that it can be refused", async () => {
  const site = new Site({ id: "b", maxFileBytes: 100 });
  site.add(file("large.png", 5_000), file("small.png", 100));
  await settled();

  assert.deepEqual(
    site.received.map(({ name, size }) => [name, size]),
    [
      ["large.png", 101],
      ["small.png", 100],
    ],
  );
  assert.equal(site.uploader.bytesSent, 201);
});
