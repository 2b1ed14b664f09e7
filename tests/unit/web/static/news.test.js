// News from the server: when they are streamed, when they are polled, and when nothing is asked at all.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { News } from "../../../../web/static/news.js";
import { FakeBrowser, settled } from "./support.js";

const POLL = 2_000;
const HIDDEN_POLL = 15_000;
const HIDDEN_AFTER = 60_000;
const STREAM_AGAIN = 30_000;
const POLL_TIMEOUT = 30_000;

/** News of something, and what was said of it. */
class Followed {
  /** @param {{hiddenPollMs?: number | null}} [options] */
  constructor({ hiddenPollMs = HIDDEN_POLL } = {}) {
    this.browser = new FakeBrowser();
    /** @type {unknown[]} */
    this.heard = [];
    this.news = new News(
      {
        streamUrl: () => "/stream",
        pollUrl: () => "/poll",
        pollMs: POLL,
        hiddenPollMs,
        events: { item: (event) => this.heard.push(JSON.parse(event.data)) },
        onAnswer: (answer) => this.heard.push(answer),
        onMissing: () => this.heard.push("missing"),
        onSilence: (silent) => this.heard.push(silent ? "silence" : "sound"),
      },
      this.browser,
    );
  }

  get polls() {
    return this.browser.polled.length;
  }
}

/** @param {number} ms */
async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

test("news come by a stream, and nothing is polled", async () => {
  const { browser, heard, news } = new Followed();
  news.start();
  browser.stream.answer();
  browser.stream.send("item", 7);
  await pass(STREAM_AGAIN * 10);

  assert.deepEqual(heard, ["sound", 7]);
  assert.deepEqual(browser.polled, []);
  assert.equal(browser.streams.length, 1);
});

test("starting what goes on opens no second stream", () => {
  const { browser, news } = new Followed();
  news.start();
  news.start();

  assert.equal(browser.streams.length, 1);
});

test("a stream that breaks off is the browser's to mend, and its silence is told", async () => {
  const { browser, heard, news } = new Followed();
  news.start();
  browser.stream.breakOff();
  await pass(STREAM_AGAIN * 2);
  browser.stream.answer();

  assert.deepEqual(heard, ["silence", "sound"]);
  assert.deepEqual([browser.streams.length, browser.polled.length], [1, 0]);
});

test("where a stream is refused the server is polled, until a stream is tried again", async () => {
  const followed = new Followed();
  const { browser, heard, news } = followed;
  browser.reply = async () => ({ status: 200, body: "answer" });
  news.start();
  browser.stream.refuse();
  await settled();
  assert.deepEqual(heard, ["sound", "answer"]);
  for (let passed = POLL; passed < STREAM_AGAIN; passed += POLL) await pass(POLL);
  assert.deepEqual([browser.streams.length, followed.polls], [1, STREAM_AGAIN / POLL]);
  await pass(POLL);

  assert.equal(browser.streams.length, 2);
  await pass(POLL * 3);
  assert.equal(followed.polls, STREAM_AGAIN / POLL);
});

test("a poll that fails is told as silence, and goes on", async () => {
  const { browser, heard, news } = new Followed();
  news.start();
  browser.stream.refuse();
  await settled();
  browser.reply = async () => ({ status: 500, body: "trouble" });
  await pass(POLL);
  browser.reply = async () => ({ status: 200, body: "answer" });
  await pass(POLL);

  assert.deepEqual(heard, ["silence", "silence", "sound", "answer"]);
});

test("a poll that is not answered is cut off and told as silence, and news are sought again", async () => {
  const followed = new Followed();
  const { browser, heard, news } = followed;
  browser.reply = () => new Promise(() => {});
  news.start();
  browser.stream.refuse();
  await pass(POLL_TIMEOUT - 1);
  assert.deepEqual([heard, followed.polls], [[], 1]);
  await pass(1);
  assert.deepEqual(heard, ["silence"]);
  await pass(POLL);

  assert.deepEqual([followed.polls, browser.streams.length], [1, 2]);
});

test("what is not there is not asked for again", async () => {
  const followed = new Followed();
  const { browser, heard, news } = followed;
  browser.reply = async () => ({ status: 404, body: null });
  news.start();
  browser.stream.refuse();
  await pass(STREAM_AGAIN * 2);

  assert.deepEqual(heard, ["missing"]);
  assert.deepEqual([browser.streams.length, followed.polls], [1, 1]);
});

test("what is stopped says nothing any more, and can be started again", async () => {
  const { browser, heard, news } = new Followed();
  news.start();
  browser.stream.refuse();
  browser.reply = async () => ({ status: 200, body: "answer" });
  news.stop();
  await pass(STREAM_AGAIN * 2);
  assert.deepEqual(heard, []);
  browser.page.turn(true);
  browser.page.turn(false);
  assert.equal(browser.streams.length, 1);
  news.start();

  assert.equal(browser.streams.length, 2);
});

test("what is stopped while nobody looks is not polled later", async () => {
  const followed = new Followed();
  followed.news.start();
  followed.browser.page.turn(true);
  followed.news.stop();
  await pass(HIDDEN_AFTER * 2);

  assert.equal(followed.polls, 0);
});

test("an answer that comes after the news were stopped is not told", async () => {
  const { browser, heard, news } = new Followed();
  /** @type {((reply: {status: number, body: unknown}) => void)[]} */
  const waiting = [];
  browser.reply = () => new Promise((resolve) => waiting.push(resolve));
  news.start();
  browser.stream.refuse();
  news.stop();
  for (const answer of waiting) answer({ status: 200, body: "late" });
  await pass(POLL * 2);

  assert.deepEqual(heard, []);
  assert.equal(waiting.length, 1);
});

test("a page that nobody looks at for a while lets its stream go and polls now and then", async () => {
  const followed = new Followed();
  const { browser, heard, news } = followed;
  browser.reply = async () => ({ status: 200, body: "answer" });
  news.start();
  browser.page.turn(true);
  await pass(HIDDEN_AFTER - 1);
  assert.equal(browser.stream.closed, false);
  await pass(1);
  assert.equal(browser.stream.closed, true);
  await pass(HIDDEN_POLL);

  assert.deepEqual(heard, ["sound", "answer", "sound", "answer"]);
  assert.deepEqual([browser.streams.length, followed.polls], [1, 2]);
});

test("a page that nobody looks at asks nothing, where that is wanted", async () => {
  const followed = new Followed({ hiddenPollMs: null });
  followed.news.start();
  followed.browser.page.turn(true);
  await pass(HIDDEN_AFTER * 5);

  assert.equal(followed.browser.stream.closed, true);
  assert.equal(followed.polls, 0);
});

test("a page that is looked at again streams at once", async () => {
  for (const hiddenPollMs of [HIDDEN_POLL, null]) {
    const followed = new Followed({ hiddenPollMs });
    const { browser, news } = followed;
    news.start();
    browser.page.turn(true);
    await pass(HIDDEN_AFTER);
    const { polls } = followed;
    browser.page.turn(false);
    await pass(HIDDEN_POLL * 2);

    assert.deepEqual([browser.streams.length, browser.stream.closed, followed.polls], [2, false, polls]);
  }
});

test("a page that is looked at again soon keeps its stream", async () => {
  const { browser, news } = new Followed();
  news.start();
  browser.page.turn(true);
  await pass(HIDDEN_AFTER - 1);
  browser.page.turn(false);
  await pass(HIDDEN_AFTER * 2);

  assert.deepEqual([browser.streams.length, browser.stream.closed], [1, false]);
});

test("a page that nobody has looked at yet holds no stream for long either", async () => {
  const { browser, news } = new Followed();
  browser.page.hidden = true;
  news.start();
  await pass(HIDDEN_AFTER);

  assert.equal(browser.stream.closed, true);
});

test("a stream that is refused while nobody looks does not make the page ask more often", async () => {
  const followed = new Followed();
  const { browser, news } = followed;
  browser.reply = async () => ({ status: 200, body: "answer" });
  news.start();
  browser.page.turn(true);
  browser.stream.refuse();
  await pass(0);
  for (let passed = 0; passed < HIDDEN_AFTER; passed += POLL) {
    await pass(POLL);
    if (!browser.stream.closed) browser.stream.refuse();
  }
  const before = followed.polls;
  for (let passed = 0; passed < HIDDEN_POLL * 4; passed += POLL / 2) await pass(POLL / 2);

  assert.equal(followed.polls - before, 4);
});

test("an error in what is done with an answer is no silence of the server's", async () => {
  const browser = new FakeBrowser();
  browser.reply = async () => ({ status: 200, body: "answer" });
  /** @type {boolean[]} */
  const silences = [];
  const trouble = new Error("a defect");
  const news = new News(
    {
      streamUrl: () => "/stream",
      pollUrl: () => "/poll",
      pollMs: POLL,
      hiddenPollMs: null,
      events: {},
      onAnswer: () => {
        throw trouble;
      },
      onSilence: (silent) => silences.push(silent),
    },
    browser,
  );
  await assert.rejects(news._poll(0, POLL), trouble);

  assert.deepEqual(silences, [false]);
});

test("where the stream is another tab's, what was told before is asked for, again until it is answered", async () => {
  const { browser, heard, news } = new Followed();
  browser.follows = true;
  news.start();
  await settled();
  assert.deepEqual([browser.polled, heard], [["/poll"], ["silence"]]);
  browser.reply = async () => ({ status: 200, body: "all so far" });
  await pass(POLL);
  browser.stream.send("item", 7);
  await pass(STREAM_AGAIN * 2);

  assert.deepEqual([browser.polled.length, heard], [2, ["silence", "sound", "all so far", 7]]);
});

test("where the stream is another tab's and there is no such thing, that is told", async () => {
  const { browser, heard, news } = new Followed();
  browser.follows = true;
  browser.reply = async () => ({ status: 404, body: {} });
  news.start();
  await pass(POLL * 5);

  assert.deepEqual([browser.polled.length, heard, browser.stream.closed], [1, ["missing"], true]);
});
