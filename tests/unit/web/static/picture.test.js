// An image's picture: where it is, how it is asked for, and what is shown of it.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { AT_ONCE, drop, Previews, previewUrl, show, TRIES } from "../../../../web/static/picture.js";
import { file, settled } from "./support.js";

/** @import { Pictured } from "../../../../web/static/picture.js" */

const LONGEST_PAUSE = 5_200;
const STORED = { key: "b/a.png", file: null, unshowable: false };

/** A server that draws what it is asked for, until told otherwise. */
class Server {
  constructor() {
    /** @type {string[]} */
    this.asked = [];
    /** @type {AbortSignal[]} */
    this.cuts = [];
    /** @type {(url: string) => number | Promise<number>} the status it answers with */
    this.reply = () => 200;
    this.previews = new Previews((url, cut) => this._get(url, cut));
  }

  /**
   * @param {string} url
   * @param {AbortSignal} cut
   */
  async _get(url, cut) {
    this.asked.push(url);
    this.cuts.push(cut);
    /** @type {Promise<never>} */
    const off = new Promise((_, reject) => cut.addEventListener("abort", () => reject(cut.reason)));
    const status = await Promise.race([this.reply(url), off]);
    return { status, ok: status === 200, blob: async () => new Blob([url]) };
  }

  /** Hold every answer back; return what lets the oldest go. */
  hold() {
    /** @type {((status: number) => void)[]} */
    const held = [];
    this.reply = () => new Promise((resolve) => held.push(resolve));
    return (/** @type {number} */ status) => held.shift()?.(status);
  }
}

/** As much of an <img> as is used, and what was said of it. */
class Shown {
  /**
   * @param {Server} server
   * @param {Pictured} item
   */
  constructor(server, item) {
    this.server = server;
    this.item = item;
    /** @type {boolean[]} */
    this.said = [];
    /** @type {any} */
    this.picture = { src: "", onerror: null, removeAttribute: () => Object.assign(this.picture, { src: "" }) };
  }

  show(large = false) {
    const onShow = (/** @type {boolean} */ shown) => void this.said.push(shown);
    show(this.picture, this.item, { large, onShow, previews: this.server.previews });
    return this;
  }

  /** What is shown; null when nothing is. */
  async content() {
    const { src } = this.picture;
    return src ? (await fetch(src)).text() : null;
  }

  /** The browser cannot show it. */
  breakDown() {
    this.picture.onerror();
  }
}

/** @param {number} ms */
async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

/** @param {number} count */
function stored(count) {
  return Array.from({ length: count }, (_, index) => ({ ...STORED, key: `b/${index}.png` }));
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

test("a stored image has a picture, small or large, whatever its name is", () => {
  assert.equal(previewUrl("b-1/cat.png"), "/api/batches/b-1/images/cat.png");
  assert.equal(previewUrl("b-1/day 1/rejected/cat.png"), "/api/batches/b-1/images/day%201/rejected/cat.png");
  assert.equal(previewUrl('b-1/a "?#.png', true), "/api/batches/b-1/images/a%20%22%3F%23.png?size=large");
});

test("what is not stored has none", () => {
  for (const key of [null, "", "b-1", "b-1/", "b-1/rejected/0123456789ab/2023/cat.png"])
    assert.equal(previewUrl(key), null);
});

test("a stored image's picture is asked for once, and shown", async () => {
  const server = new Server();
  const shown = new Shown(server, STORED).show().show();
  await settled();
  shown.show();

  assert.equal(await shown.content(), "/api/batches/b/images/a.png");
  assert.deepEqual([server.asked.length, shown.said], [1, [true]]);
});

test("one's own file is shown, and nothing is asked for", async () => {
  const server = new Server();
  const shown = new Shown(server, { ...STORED, file: file("a.png", 3) }).show();
  await settled();

  assert.equal(await shown.content(), "\0\0\0");
  assert.deepEqual(server.asked, []);
});

test("a file that this browser cannot show is replaced by the server's picture, once it is stored", async () => {
  const server = new Server();
  const item = { ...STORED, key: /** @type {string | null} */ (null), file: file("a.tiff", 3) };
  const shown = new Shown(server, item).show();
  await settled();
  shown.breakDown();
  assert.deepEqual([shown.said, await shown.content()], [[true, false], null]);
  item.key = "b/a.tiff";
  shown.show();
  await settled();

  assert.equal(await shown.content(), "/api/batches/b/images/a.tiff");
});

test("a picture that finds no seat is asked for again, and shown in the end", async () => {
  const server = new Server();
  server.reply = () => (server.asked.length < 3 ? 503 : 200);
  for (const large of [false, true]) {
    server.asked.length = 0;
    const shown = new Shown(server, STORED).show(large);
    await settled();
    assert.equal(await shown.content(), null);
    for (let turn = 1; turn < 3; turn += 1) {
      assert.equal(server.asked.length, turn);
      await pass(LONGEST_PAUSE);
    }

    assert.ok(await shown.content());
    assert.deepEqual(shown.said, [true]);
  }
});

test("a picture is asked for again after a growing pause of about one to four seconds", async () => {
  const server = new Server();
  const chance = mock.method(Math, "random", () => 0.5);
  server.reply = () => 503;
  new Shown(server, STORED).show();
  await settled();
  for (const expected of [1_000, 2_000, 4_000, 4_000]) {
    const before = server.asked.length;
    await pass(expected - 1);
    assert.equal(server.asked.length, before);
    await pass(1);
    assert.equal(server.asked.length, before + 1);
  }
  chance.mock.restore();
});

test("a picture that is refused each time is done without for good", async () => {
  const server = new Server();
  server.reply = () => Promise.reject(new TypeError("no connection"));
  const shown = new Shown(server, STORED).show();
  for (let turn = 0; turn < TRIES * 2; turn += 1) {
    await settled();
    await pass(LONGEST_PAUSE);
    shown.show();
  }

  assert.deepEqual([server.asked.length, shown.said], [TRIES, [true, false]]);
});

test("a picture that cannot be drawn is asked for once", async () => {
  for (const status of [404, 422]) {
    const server = new Server();
    server.reply = () => status;
    const shown = new Shown(server, STORED).show();
    await settled();
    await pass(LONGEST_PAUSE);
    shown.show();
    await pass(LONGEST_PAUSE);

    assert.deepEqual([server.asked.length, shown.said], [1, [true, false]]);
  }
});

test("a picture of the server's that this browser cannot show is not asked for again", async () => {
  const server = new Server();
  const shown = new Shown(server, STORED).show();
  await settled();
  shown.breakDown();
  shown.show();
  await pass(LONGEST_PAUSE);

  assert.deepEqual([server.asked.length, shown.said], [1, [true, false]]);
});

test("a picture that is not answered in time is asked for again", async () => {
  const server = new Server();
  const letGo = server.hold();
  const shown = new Shown(server, STORED).show();
  await settled();
  await pass(30_000);
  assert.equal(server.cuts[0]?.aborted, true);
  await pass(LONGEST_PAUSE);
  letGo(0); // too late
  letGo(200);
  await settled();

  assert.ok(await shown.content());
});

test("who is dropped while asked for is cut off, and neither shown nor spoken of", async () => {
  const server = new Server();
  server.hold();
  const shown = new Shown(server, STORED).show();
  await settled();
  drop(shown.picture);
  await pass(60_000);

  assert.deepEqual([server.cuts[0]?.aborted, server.asked.length, shown.said], [true, 1, [true]]);
});

test("who is dropped while it waits to ask again asks no more", async () => {
  const server = new Server();
  server.reply = () => 503;
  const shown = new Shown(server, STORED).show();
  await settled();
  drop(shown.picture);
  await pass(60_000);

  assert.equal(server.asked.length, 1);
});

test("what was dropped can be shown again, and its data are let go", async () => {
  const server = new Server();
  const shown = new Shown(server, STORED).show();
  await settled();
  const { src } = shown.picture;
  drop(shown.picture);
  await assert.rejects(fetch(src));
  shown.show();
  await settled();

  assert.ok(await shown.content());
});

test("only a few pictures are asked for at once, in their order", async () => {
  const server = new Server();
  const letGo = server.hold();
  for (const item of stored(AT_ONCE + 2)) new Shown(server, item).show();
  await settled();
  assert.equal(server.asked.length, AT_ONCE);
  letGo(200);
  await settled();
  assert.equal(server.asked.at(-1), `/api/batches/b/images/${AT_ONCE}.png`);
  letGo(422);
  await settled();

  assert.equal(server.asked.length, AT_ONCE + 2);
});

test("while the server is busy the others wait, and when it is not all are shown", async () => {
  const server = new Server();
  server.reply = () => 503;
  const all = stored(AT_ONCE * 3).map((item) => new Shown(server, item).show());
  await settled();
  await pass(LONGEST_PAUSE);
  assert.equal(new Set(server.asked).size, AT_ONCE);
  server.reply = () => 200;
  await pass(LONGEST_PAUSE);

  assert.ok((await Promise.all(all.map((shown) => shown.content()))).every((content) => content !== null));
});

test("those that are dropped make room, whether they ask, pause or wait", async () => {
  const server = new Server();
  server.reply = () => 503;
  const many = stored(100).map((item) => new Shown(server, item).show());
  await settled();
  for (const { picture } of many) drop(picture);
  server.reply = () => 200;
  const shown = new Shown(server, STORED).show();
  await settled();

  assert.ok(await shown.content());
  assert.equal(server.asked.length, AT_ONCE + 1);
});

test("the large picture waits for no small one", async () => {
  const server = new Server();
  server.hold();
  for (const item of stored(AT_ONCE)) new Shown(server, item).show();
  new Shown(server, STORED).show(true);
  await settled();

  assert.equal(server.asked.at(-1), "/api/batches/b/images/a.png?size=large");
});
