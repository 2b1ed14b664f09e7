// The batch in view: its uploads and its news together, and its end.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { batchIn, imageIn } from "../../../../web/static/address.js";
import { Batch } from "../../../../web/static/batch.js";
import { FIRST_CHUNK_FILES } from "../../../../web/static/upload.js";
import { answered, done, FakeBrowser, file, settled, told } from "./support.js";

/** @import { Post } from "../../../../web/static/upload.js" */

/** A batch, what it says, and the server behind it. */
class View {
  /** @param {string | null} id */
  constructor(id) {
    this.browser = new FakeBrowser();
    /** @type {string[]} */
    this.heard = [];
    /** @type {(() => void)[]} uploads that wait for their answer */
    this.held = [];
    this.hold = false;
    /** @type {import("../../../../web/static/upload.js").Answer | null} instead of its own */
    this.answer = null;
    /** @type {number[]} how many images it had each time that some were stored */
    this.stored = [];
    const listener = {
      onNamed: (/** @type {string} */ named) => void this.heard.push(`named ${named}`),
      onChange: () => {},
      onProgress: () => void this.heard.push("progress"),
      onStored: () => void this.stored.push(this.batch.images.total),
      onUploaded: () => void this.heard.push("uploaded"),
      onMissing: () => void this.heard.push("missing"),
      onHad: (/** @type {number} */ had, /** @type {number} */ of) => void this.heard.push(`had ${had} of ${of}`),
    };
    /** @type {string[]} */
    this.sent = [];
    /** @type {Record<string, string>} of what it says to that */
    this.headers = {};
    /** @type {string[]} what else was asked of the server, and what it says to that */
    this.asked = [];
    /** @type {(url: string) => {status: number, body: unknown}} */
    this.says = () => ({ status: 404, body: { detail: "there is none" } });
    const outside = { browser: this.browser, post: this.post, ask: this.ask };
    this.batch = new Batch(id, 1_000, listener, outside);
  }

  /** @type {Post} */
  post = async (url, body) => {
    if (url === "/api/batches") return answered(201, { id: "b" });
    const names = /** @type {File[]} */ (body?.getAll("files") ?? []).map(({ name }) => name);
    this.sent.push(...names);
    if (this.answer) return this.answer;
    const answer = answered(201, { images: names.map((name) => told(`b/${name}`)) });
    if (!this.hold) return answer;
    return new Promise((resolve) => this.held.push(() => resolve(answer)));
  };

  /** @type {import("../../../../web/static/batch.js").Ask} */
  ask = async (url, { method = "GET" }) => {
    this.asked.push(`${method} ${url}`);
    const { status, body } = this.says(url);
    const headers = new Headers(this.headers);
    return { ok: status < 300, status, headers, text: async () => JSON.stringify(body), json: async () => body };
  };

  get states() {
    return this.batch.images.items.map(({ name, state }) => `${name} ${state}`);
  }
}

/** @param {string} path */
function handed(path) {
  return { file: file(path), path };
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

test("a batch that is there is followed from its beginning", () => {
  const { browser } = new View("b");

  assert.equal(browser.stream.url, "/api/batches/b/events?after=");
});

test("a new batch is named by its first upload, and followed once that is stored", async () => {
  const view = new View(null);
  view.hold = true;
  view.batch.add([handed("a.png")]);
  await settled();
  assert.deepEqual([view.heard, view.batch.id, view.browser.streams.length], [["named b"], "b", 0]);
  view.held.shift()?.();
  await settled();

  assert.deepEqual(view.heard, ["named b", "uploaded"]);
  assert.equal(view.browser.streams.length, 1);
});

test("news that overtake an upload's answer are not lost", async () => {
  const view = new View("b");
  view.hold = true;
  view.batch.add([handed("a.png")]);
  await settled();
  view.browser.stream.send("image-classified", done("b/a.png", "tabby"), "e-1");
  view.held.shift()?.();
  await settled();

  assert.deepEqual(view.states, ["a.png done"]);
});

test("what others add while one uploads appears, at the latest when that is done", async () => {
  const view = new View("b");
  view.hold = true;
  view.batch.add([handed("a.png")]);
  await settled();
  view.browser.stream.send("image-waiting", told("b/theirs.png"), "e-1");
  view.held.shift()?.();
  await settled();

  assert.deepEqual(view.states, ["a.png waiting", "theirs.png waiting"]);
});

test("each kind of news counts", () => {
  const { browser, batch } = new View("b");
  browser.stream.send("image-waiting", told("b/a.png"), "e-1");
  browser.stream.send("image-classified", done("b/b.png", "tabby"), "e-2");
  browser.stream.send("image-failed", told("b/c.png", { state: "failed", reason: "no image" }), "e-3");

  assert.deepEqual(batch.images.counts, { queued: 0, uploading: 0, waiting: 1, done: 1, failed: 1, cancelled: 0 });
});

test("following goes on from the last news, also by polling", async () => {
  const { browser } = new View("b");
  browser.reply = async () => ({
    status: 200,
    body: { cursor: "e-9", counts: { waiting: 1 }, images: [told("b/a.png")] },
  });
  browser.stream.send("image-waiting", told("b/b.png"), "e-4");
  browser.stream.refuse();
  await settled();
  mock.timers.tick(2_000);
  await settled();

  assert.deepEqual(browser.polled, ["/api/batches/b?after=e-4", "/api/batches/b?after=e-9"]);
});

test("a batch that is complete is followed no more", async () => {
  const { browser, heard } = new View("b");
  browser.stream.send("image-classified", done("b/a.png", "tabby"), "e-1");
  browser.stream.send("done", { waiting: 0 });
  mock.timers.tick(60_000);
  await settled();

  assert.equal(browser.stream.closed, true);
  assert.deepEqual([browser.streams.length, browser.polled.length, heard], [1, 0, ["progress"]]);
});

test("a poll that finds the batch complete is the last", async () => {
  const { browser } = new View("b");
  browser.reply = async () => ({ status: 200, body: { cursor: "e-1", counts: { waiting: 0 }, images: [] } });
  browser.stream.refuse();
  await settled();
  mock.timers.tick(60_000);
  await settled();

  assert.deepEqual([browser.streams.length, browser.polled.length], [1, 1]);
});

test("an end that came while more was uploaded is none", async () => {
  const view = new View("b");
  view.batch.add([handed("a.png")]);
  await settled();
  view.browser.stream.send("done", { waiting: 0 });
  assert.equal(view.browser.stream.closed, true);
  mock.timers.tick(1_000);

  assert.deepEqual([view.browser.streams.length, view.browser.stream.closed], [2, false]);
});

test("an image that a complete batch does not have, read anew, is said to be lost", async () => {
  const view = new View("b");
  view.batch.add([handed("a.png"), handed("b.png")]);
  await settled();
  view.browser.stream.send("image-classified", done("b/a.png", "tabby"), "e-1");
  for (let end = 1; end < 3; end += 1) {
    view.browser.stream.send("done", { waiting: 0 });
    assert.equal(view.batch.images.counts.waiting, 1);
    mock.timers.tick(1_000);
  }
  const urls = view.browser.streams.map(({ url }) => url.split("=")[1]);
  assert.deepEqual(urls, ["", "e-1", ""]);
  view.browser.stream.send("done", { waiting: 0 });
  mock.timers.tick(60_000);

  assert.deepEqual([view.states, view.browser.streams.length], [["a.png done", "b.png failed"], 3]);
  assert.equal(view.batch.images.items[1]?.reason, "the server does not say what became of it");
});

test("more files make a complete batch be followed again", async () => {
  const view = new View("b");
  view.browser.stream.send("done", { waiting: 0 });
  view.batch.add([handed("a.png")]);
  await settled();

  assert.deepEqual([view.browser.streams.length, view.browser.stream.closed], [2, false]);
});

test("a batch that is not there says so", async () => {
  const { browser, heard } = new View("nonsense");
  browser.reply = async () => ({ status: 404, body: null });
  browser.stream.refuse();
  await settled();

  assert.deepEqual(heard, ["missing"]);
});

test("silence is known, and that it is over", () => {
  const { browser, batch, heard } = new View("b");
  browser.stream.breakOff();
  assert.equal(batch.silent, true);
  browser.stream.answer();

  assert.equal(batch.silent, false);
  assert.deepEqual(heard, ["progress", "progress"]);
});

test("what could not be uploaded is uploaded again when that is wanted", async () => {
  const view = new View("b");
  view.answer = { status: 400, text: "{}", retryAfterS: 0 };
  view.batch.add([handed("a.png")]);
  await settled();
  assert.deepEqual([view.states, view.batch.images.refused.length], [["a.png failed"], 1]);
  view.answer = null;
  view.batch.retry();
  await settled();

  assert.deepEqual([view.states, view.batch.images.refused.length], [["a.png waiting"], 0]);
});

test("a batch that was closed goes on uploading, and says and asks nothing more", async () => {
  const view = new View(null);
  view.hold = true;
  view.batch.add([handed("a.png")]);
  await settled();
  view.batch.close();
  view.heard.length = 0;
  view.held.shift()?.();
  await settled();
  mock.timers.tick(60_000);
  await settled();

  assert.deepEqual([view.states, view.heard, view.browser.streams.length], [["a.png waiting"], [], 0]);
});

test("a batch that is left before its upload ends goes on telling what is stored of it", async () => {
  const view = new View(null);
  view.hold = true;
  view.batch.add(Array.from({ length: FIRST_CHUNK_FILES + 1 }, (_, index) => handed(`${index}.png`)));
  await settled();
  view.held.shift()?.();
  await settled();
  assert.deepEqual(view.stored, [FIRST_CHUNK_FILES + 1]);
  view.batch.close();
  view.held.shift()?.();
  await settled();

  assert.equal(view.stored.length, 2);
});

test("what is read in when a batch is opened is no work that was watched", () => {
  const { browser, batch } = new View("b");
  const { stream } = browser;
  for (const key of ["b/a.png", "b/b.png", "b/c.png"]) stream.send("image-waiting", told(key), "e-1");
  stream.send("image-classified", done("b/a.png", "tabby"), "e-2");
  stream.send("image-failed", told("b/b.png", { state: "failed", reason: "no image" }), "e-3");
  assert.equal(batch.worked, 0);
  stream.send("current", { waiting: 1 });
  assert.equal(batch.worked, 0);
  stream.send("image-classified", done("b/c.png", "lynx"), "e-4");
  stream.send("current", { waiting: 0 });

  assert.equal(batch.worked, 1);
});

test("what the first poll brings is no work that was watched either", async () => {
  const { browser, batch } = new View("b");
  const images = [done("b/a.png", "tabby"), told("b/b.png")];
  browser.reply = async () => ({ status: 200, body: { cursor: "e-1", counts: { waiting: 1 }, images } });
  browser.stream.refuse();
  await settled();
  assert.equal(batch.worked, 0);
  images.splice(0, 2, done("b/b.png", "lynx"));
  mock.timers.tick(2_000);
  await settled();

  assert.equal(batch.worked, 1);
});

test("of a batch that is made here all work is watched", async () => {
  const view = new View(null);
  view.batch.add([handed("a.png")]);
  await settled();
  view.browser.stream.send("image-classified", done("b/a.png", "tabby"), "e-1");
  view.browser.stream.send("current", { waiting: 0 });

  assert.equal(view.batch.worked, 1);
});

test("what the images wait for is known while they wait, from a stream and from a poll", async () => {
  const waits = { code: "starting", says: "an instance is starting" };
  const { browser, batch, heard } = new View("b");
  assert.equal(batch.waits, null);
  browser.stream.send("waits", waits);
  assert.deepEqual([batch.waits, heard], [waits, ["progress"]]);
  browser.stream.send("done", { waiting: 0 });
  assert.equal(batch.waits, null);
  const polled = new View("b");
  polled.browser.reply = async () => ({
    status: 200,
    body: { cursor: "e-1", counts: { waiting: 1 }, waits, images: [] },
  });
  polled.browser.stream.refuse();
  await settled();

  assert.deepEqual(polled.batch.waits, waits);
});

test("a path names a batch, or none", () => {
  const names = ["/batches/b-1", "/batches/a%20b", "/", "/batches/", "/batches/a/b", "/monitor"].map(batchIn);

  assert.deepEqual(names, ["b-1", "a b", null, null, null, null]);
});

test("a path that is no UTF-8 names a batch that there is not", () => {
  assert.equal(batchIn("/batches/%E0%A4%A"), "%E0%A4%A");
  assert.deepEqual(["#day%202/a%23.png", "", "#%E0%A4%A"].map(imageIn), ["day 2/a#.png", "", ""]);
});

test("what the batch has from an earlier visit is not sent again, unless it has changed since", async () => {
  const view = new View("b");
  const stored = "2026-11-24T10:15:30+00:00";
  const files = ["same.png", "larger.png", "newer.png", "known.png"].map((path) => ({
    key: `b/${path}`,
    path,
    size: path === "larger.png" ? 2 : 1,
    stored_at: stored,
  }));
  view.says = (url) =>
    url.endsWith("after=")
      ? { status: 200, body: { files: files.slice(0, 2), next: "more" } }
      : { status: 200, body: { files: files.slice(2), next: null } };
  view.browser.stream.send("image-waiting", told("b/known.png"), "1");
  const handedIn = ["same.png", "larger.png", "newer.png", "known.png", "other.png"].map((path) => {
    const lastModified = Date.parse(stored) + (path === "newer.png" ? 1 : -1);
    return { path, file: new File(["x"], path, { lastModified }) };
  });
  await view.batch.add(handedIn);
  await settled();

  assert.deepEqual(view.asked, ["GET /api/batches/b/stored?after=", "GET /api/batches/b/stored?after=more"]);
  assert.deepEqual(
    view.heard.filter((heard) => heard.startsWith("had")),
    ["had 2 of 5"],
  );
  assert.deepEqual(view.sent, ["larger.png", "newer.png", "other.png"]);
  assert.deepEqual(view.states.toSorted(), handedIn.map(({ path }) => `${path} waiting`).toSorted());
  assert.ok(view.batch.images.items.every(({ file }) => file));
});

test("where the server does not tell what it has, all is sent", async () => {
  const view = new View("b");
  await view.batch.add([handed("a.png")]);
  await settled();

  assert.deepEqual(view.sent, ["a.png"]);
});

test("who cancels has the rest not sent, and the server drop what waits", async () => {
  const view = new View("b");
  view.says = () => ({ status: 200, body: {} });
  view.browser.stream.send("image-waiting", told("b/a.png"), "1");
  view.hold = true;
  await view.batch.add([handed("b.png")]);
  await settled();
  assert.deepEqual(view.states, ["a.png waiting", "b.png uploading"]);
  await view.batch.cancel();
  view.held.shift()?.(); // an answer that was on its way
  await settled();
  view.browser.stream.send("image-cancelled", told("b/a.png", { state: "cancelled" }), "2");

  assert.equal(view.asked.at(-1), "POST /api/batches/b/cancel");
  assert.deepEqual([view.states, view.batch.images.open, view.batch.uploader.busy], [["a.png cancelled"], 0, false]);
});

test("what failed on the server is tried again there, and what the server refuses to do is said", async () => {
  const view = new View("b");
  view.browser.stream.send("image-failed", told("b/a.png", { state: "failed", reason: "cut short" }), "1");
  await assert.rejects(view.batch.again(), /there is none/);
  assert.deepEqual(view.states, ["a.png failed"]);
  view.says = () => ({ status: 200, body: {} });
  await view.batch.again();
  assert.deepEqual([view.states, view.asked.at(-1)], [["a.png waiting"], "POST /api/batches/b/retry"]);
  view.browser.stream.send("image-classified", done("b/a.png", "tabby"), "2");
  assert.deepEqual(view.states, ["a.png done"]);
  await view.batch.remove();
  assert.equal(view.asked.at(-1), "DELETE /api/batches/b");
});

const PROGRESS = { state: "listing", published: 3, skipped: 0, problem: "", results: "s3://out/_batches/b/results/" };
const COUNTS = { total: 3, waiting: 1, done: 1, failed: 1, cancelled: 0 };

test("a batch with a source has the server's counts, and tiles of its first images", async () => {
  const view = new View("b");
  view.says = () => ({ status: 200, body: { images: [done("b/_source/a.png", "tabby")], record: { source: null } } });
  view.browser.stream.send("counts", COUNTS);
  view.browser.stream.send("progress", PROGRESS);
  await settled();

  assert.deepEqual(view.asked, ["GET /api/batches/b?limit=100"]);
  assert.deepEqual(view.states, ["a.png done"]);
  const { total, open, finished } = view.batch.images;
  assert.deepEqual([total, open, finished], [3, 1, 2]);
});

test("a batch with a source is not over while that is listed, though nothing waits", async () => {
  const view = new View("b");
  view.says = () => ({ status: 200, body: { images: [] } });
  view.browser.stream.refuse();
  view.browser.reply = async () => ({
    status: 200,
    body: { cursor: "", counts: { ...COUNTS, waiting: 0 }, images: [], progress: PROGRESS },
  });
  await settled();
  mock.timers.tick(2_000);
  await settled();
  assert.equal(view.batch.source?.open, true);
  const before = view.browser.polled.length;
  view.browser.reply = async () => ({
    status: 200,
    body: { cursor: "", counts: COUNTS, images: [], progress: { ...PROGRESS, state: "complete" } },
  });
  mock.timers.tick(2_000);
  await settled();
  mock.timers.tick(60_000);
  await settled();

  assert.equal(view.batch.source?.open, false);
  assert.equal(view.browser.polled.length, before + 1, "it is followed no further");
});
