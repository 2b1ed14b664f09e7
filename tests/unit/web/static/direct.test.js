// Uploads that go straight to the bucket: what is asked of the server, what of the bucket, and when none of it is done.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Direct, TRIES } from "../../../../web/static/direct.js";
import { answered, file, told } from "./support.js";

/** @import { Send } from "../../../../web/static/direct.js" */
/** @import { Answer } from "../../../../web/static/upload.js" */

const SERVER = "/api/batches/b/images";
const BUCKET = "https://bucket.example";

/** A server and a bucket that take files until told otherwise. */
class Site {
  constructor() {
    /** @type {string[]} where what went, and of the bucket which key */
    this.requests = [];
    /** @type {File[]} */
    this.stored = [];
    /** @type {unknown} */
    this.named = null;
    this.sent = 0;
    /** @type {(sizes: number[]) => Answer} */
    this.invite = (sizes) =>
      answered(201, {
        bucket_url: BUCKET,
        uploads: sizes.map((bytes, at) => ({ upload: `u${at}`, bytes, fields: { key: `_staged/b/u${at}` } })),
      });
    /** @type {() => Answer} */
    this.bucket = () => answered(204, "");
    /** @type {() => Answer} */
    this.complete = () => answered(201, { images: [told("b/0.png"), told("b/1.png"), told("b/2.png")] });
    this.direct = new Direct(this.post);
  }

  /** @type {Send} */
  post = async (url, body, onProgress) => {
    this.requests.push(url);
    if (url.endsWith("/uploads")) return this.invite(JSON.parse(await /** @type {Blob} */ (body).text()).sizes);
    if (url.endsWith("/complete")) {
      this.named = JSON.parse(await /** @type {Blob} */ (body).text()).files;
      return this.complete();
    }
    if (url !== BUCKET) return answered(201, { images: [] });
    const form = /** @type {FormData} */ (body);
    assert.deepEqual([...form.keys()], ["key", "file"]); // S3 takes nothing behind the file
    const content = /** @type {File} */ (form.get("file"));
    this.stored.push(content);
    onProgress(content.size);
    return this.bucket();
  };

  send(cut = new AbortController().signal) {
    const form = new FormData();
    for (const name of ["0.png", "a/1.png", "2.png"]) form.append("files", file("x"), name);
    const progress = (/** @type {number} */ bytes) => {
      this.sent += bytes;
    };
    return this.direct.send(SERVER, form, progress, cut);
  }
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

/** Let pauses pass, until it is done. @template T @param {Promise<T>} sending @returns {Promise<T>} */
async function passing(sending) {
  let done = false;
  void sending.finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    mock.timers.tick(10_000);
  }
  return sending;
}

test("each file goes to the bucket once, by its form, and the server says what became of them", async () => {
  const site = new Site();
  const answer = await site.send();

  assert.deepEqual(JSON.parse(answer.text).images.length, 3);
  assert.deepEqual(site.requests, [
    "/api/batches/b/uploads",
    BUCKET,
    BUCKET,
    BUCKET,
    "/api/batches/b/uploads/complete",
  ]);
  assert.deepEqual(site.named, [
    { upload: "u0", path: "0.png" },
    { upload: "u1", path: "a/1.png" },
    { upload: "u2", path: "2.png" },
  ]);
  assert.equal(
    site.sent,
    site.stored.reduce((all, { size }) => all + size, 0),
  );
});

test("of a file no more is sent than the form takes", async () => {
  const site = new Site();
  const { invite } = site;
  site.invite = (sizes) => invite(sizes.map(() => 2));
  const form = new FormData();
  form.append("files", new File(["12345"], "x.png"), "x.png");
  await site.direct.send(SERVER, form, () => {}, new AbortController().signal);

  assert.deepEqual(await Promise.all(site.stored.map((one) => one.text())), ["12"]);
});

test("where the server lets none straight through, they go to it", async () => {
  const site = new Site();
  site.invite = () => answered(404, { detail: "off" });
  await site.send();

  assert.deepEqual(site.requests, ["/api/batches/b/uploads", SERVER]);
});

test("a server that is busy is told so that it is asked again later", async () => {
  const site = new Site();
  site.invite = () => ({ ...answered(429, ""), retryAfterS: 30 });
  const { status, retryAfterS } = await site.send();

  assert.deepEqual([status, retryAfterS, site.requests.length], [429, 30, 1]);
});

test("a bucket that takes none is tried a few times, and then all goes to the server", async () => {
  const site = new Site();
  site.bucket = () => answered(0, "");
  await passing(site.send());
  const tries = site.requests.filter((url) => url === BUCKET).length;
  await site.send();

  assert.ok(tries >= TRIES);
  assert.equal(site.requests.filter((url) => url === BUCKET).length, tries);
  assert.equal(site.requests.filter((url) => url === SERVER).length, 2);
});

test("an answer that was lost is asked for again, and no file is sent twice", async () => {
  const site = new Site();
  const { complete } = site;
  site.complete = () => {
    site.complete = complete;
    return answered(0, "");
  };
  const { status } = await passing(site.send());

  assert.equal(status, 201);
  assert.equal(site.stored.length, 3);
  assert.equal(site.requests.filter((url) => url.endsWith("/complete")).length, 2);
});

test("what the server does not find goes to it", async () => {
  const site = new Site();
  site.complete = () => answered(409, { detail: "not there" });
  await site.send();

  assert.equal(site.requests.at(-1), SERVER);
  assert.ok(site.direct.works);
});

test("what is cut off sends no further file", async () => {
  const site = new Site();
  const cut = new AbortController();
  site.bucket = () => {
    cut.abort();
    return answered(0, "");
  };
  await site.send(cut.signal);

  assert.ok(site.stored.length < 3);
  assert.deepEqual(new Set(site.requests), new Set(["/api/batches/b/uploads", BUCKET]));
});

test("what is no upload goes to the server as it is", async () => {
  const site = new Site();
  await site.direct.send("/api/batches", null, () => {}, new AbortController().signal);

  assert.deepEqual(site.requests, ["/api/batches"]);
});
