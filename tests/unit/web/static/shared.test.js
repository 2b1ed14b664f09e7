// Tabs that share a stream: their locks and channels, as a browser has them, and its streams in the test's hands.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedSource } from "../../../../web/static/shared.js";
import { Stream, settled } from "./support.js";

/** One browser: tabs that wait for a lock get it in their order. */
class Tabs {
  constructor() {
    /** @type {Stream[]} */
    this.streams = [];
    /** @type {Map<string, Promise<unknown>>} */
    this._held = new Map();
    /** @type {any[]} */
    this._channels = [];
  }

  /** @param {string} url */
  open(url) {
    /** @type {string[]} */
    const heard = [];
    let cursor = "0";
    const source = new SharedSource(
      () => `${url}?after=${cursor}`,
      ["news"],
      () => heard.push("behind"),
      this._outside(),
    );
    source.addEventListener("news", (event) => {
      const { data, lastEventId } = /** @type {MessageEvent} */ (event);
      cursor = lastEventId;
      heard.push(JSON.parse(data));
    });
    source.onopen = () => heard.push("open");
    source.onerror = () => heard.push("error");
    return { source, heard };
  }

  /** @returns {any} */
  _outside() {
    return {
      open: (/** @type {string} */ url) => {
        this.streams.push(new Stream(url));
        return this.streams.at(-1);
      },
      channel: (/** @type {string} */ name) => {
        /** @type {any} */
        const channel = { name, onmessage: null, close: () => (channel.closed = true) };
        channel.postMessage = (/** @type {unknown} */ data) => {
          for (const other of this._channels)
            if (other !== channel && other.name === name && !other.closed) other.onmessage({ data });
        };
        this._channels.push(channel);
        return channel;
      },
      locks: { request: this._request },
    };
  }

  /**
   * @param {string} name
   * @param {any} options
   * @param {(lock: unknown) => Promise<unknown>} act
   */
  _request = async (name, { ifAvailable, signal }, act) => {
    const before = this._held.get(name);
    if (ifAvailable && before) {
      await act(null);
      return;
    }
    const turn = (async () => {
      await before;
      if (signal?.aborted) return;
      await act({});
    })();
    this._held.set(name, turn);
    await turn;
    if (this._held.get(name) === turn) this._held.delete(name);
  };
}

test("ten tabs have one stream, all hear what comes, and the others are behind", async () => {
  const tabs = new Tabs();
  const all = Array.from({ length: 10 }, () => tabs.open("/api/b/events"));
  await settled();
  assert.equal(tabs.streams.length, 1);
  tabs.streams[0]?.answer();
  tabs.streams[0]?.send("news", "a", "1");

  assert.deepEqual(all[0]?.heard, ["open", "a"]);
  for (const { heard } of all.slice(1)) assert.deepEqual(heard, ["behind", "open", "a"]);
});

test("when the tab that has the stream goes, the next one goes on behind the last news", async () => {
  const tabs = new Tabs();
  const [first, second] = [tabs.open("/api/b/events"), tabs.open("/api/b/events")];
  await settled();
  tabs.streams[0]?.send("news", "a", "7");
  first?.source.close();
  await settled();

  assert.deepEqual([tabs.streams.length, tabs.streams[0]?.closed], [2, true]);
  assert.equal(tabs.streams[1]?.url, "/api/b/events?after=7");
  tabs.streams[1]?.send("news", "b", "8");
  assert.deepEqual([first?.heard, second?.heard], [["a"], ["behind", "a", "b"]]);
});

test("a tab that went before its turn opens nothing, and what others follow is not shared", async () => {
  const tabs = new Tabs();
  const [first, second] = [tabs.open("/api/b/events"), tabs.open("/api/b/events")];
  const other = tabs.open("/api/c/events");
  await settled();
  second?.source.close();
  first?.source.close();
  await settled();
  assert.equal(tabs.streams.length, 2);
  tabs.streams[1]?.send("news", "c", "1");

  assert.deepEqual([first?.heard, other?.heard], [[], ["c"]]);
});

test("a connection that breaks off is told to all, and a refusal only to who was refused", async () => {
  const tabs = new Tabs();
  const [first, second] = [tabs.open("/api/b/events"), tabs.open("/api/b/events")];
  await settled();
  tabs.streams[0]?.breakOff();
  tabs.streams[0]?.answer();
  tabs.streams[0]?.refuse();

  assert.deepEqual(first?.heard, ["error", "open", "error"]);
  assert.equal(first?.source.readyState, first?.source.CLOSED);
  assert.deepEqual(second?.heard, ["behind", "error", "open"]);
});
