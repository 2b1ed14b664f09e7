// The machines' bars over time: their order, where their pieces are, and what is said of each. Pure; times in seconds.

import { clock, duration, number } from "./words.js";

/** @import { Bar, Instance, Worker } from "./fleet.js" */

/** @type {Record<string, string>} what a machine does, in words */
const DOING = {
  pending: "asked for",
  booting: "starting",
  working: "working",
  idle: "idle",
  draining: "leaving",
  lost: "not heard",
  gone: "gone",
};

/** @type {Record<string, string>} */
const WHY = {
  idle: "had no work",
  notice: "EC2 takes its host back",
  asked: "was asked to",
  signal: "was told to stop",
};

/** Say why a worker leaves. @param {string} why */
export function reason(why) {
  return WHY[why] ?? why;
}

/** Say what a machine does. @param {string} doing */
export function doingWords(doing) {
  return DOING[doing] ?? doing;
}

/** Say which machine it is. @param {Pick<Bar, "number" | "own">} bar */
export function name({ number: which, own }) {
  return own ? `machine ${which}` : `worker ${which}`;
}

const MARK_S = 20; // how wide the end of a machine is that was lost

/**
 * Return the bars of a window: those that are there, the oldest first, and then those that have gone, the latest first.
 * @param {Bar[]} bars
 * @param {number} from when the window begins
 */
export function ordered(bars, from) {
  const there = bars.filter(({ ended }) => !ended).sort((a, b) => a.began_at - b.began_at || a.number - b.number);
  const gone = bars.filter(({ ended, until }) => ended && until > from).sort((a, b) => b.until - a.until);
  return [...there, ...gone];
}

/**
 * Return a bar's pieces within a window, each with its place in seconds from the window's beginning.
 * @param {Bar} bar
 * @param {number} from
 * @param {number} to where a bar ends that goes on
 */
export function pieces({ pieces: all, ended }, from, to) {
  const seen = ended && all.at(-1)?.doing === "gone" ? all.slice(0, -1) : all;
  return seen.flatMap(({ doing, at }, index) => {
    const begin = Math.max(at, from);
    const end = ended && index === all.length - 1 ? at + MARK_S : Math.min(all[index + 1]?.at ?? to, to);
    return end > begin ? [{ doing, at: begin - from, lasts: end - begin }] : [];
  });
}

/**
 * Say what a bar shows, for who does not see it.
 * @param {Bar} bar
 * @param {number} from
 * @param {number} to
 */
export function story(bar, from, to) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const { doing, lasts } of pieces(bar, from, to)) sums.set(doing, (sums.get(doing) ?? 0) + lasts);
  const parts = [...sums].map(([doing, lasts]) => `${doingWords(doing)} ${duration(lasts)}`);
  return parts.join(", ") || "nothing in this time";
}

/**
 * Say what a machine does now, or how it ended.
 * @param {Bar} bar
 * @param {(Worker & Partial<Instance>) | undefined} worker what its worker says of itself
 * @param {number} now
 */
export function state(bar, worker, now) {
  const last = bar.pieces.at(-1);
  const doing = last?.doing ?? "pending";
  const why = bar.why ? `: ${reason(bar.why)}` : "";
  if (bar.ended) return `${doing === "lost" ? "lost" : "gone"} at ${clock(bar.until)}${why}`;
  const since = ` for ${duration(Math.max(1, now - (last?.at ?? now)))}`;
  const inHand = worker?.active ? `, ${number(worker.active)} in hand` : "";
  return `${doingWords(doing)}${doing === "draining" ? why : since}${inHand}`;
}

/**
 * Return a function that says "machine 3" for each id that a text has in it.
 * @param {Bar[]} bars
 * @returns {(text: string) => string}
 */
export function naming(bars) {
  const names = new Map(bars.map((bar) => [bar.id, name(bar)]));
  const ids = [...names.keys()].filter(Boolean).sort((a, b) => b.length - a.length);
  if (!ids.length) return (text) => text;
  const escaped = ids.map((id) => id.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  const any = new RegExp(`(?<![\\w:.-])(?:${escaped.join("|")})(?![\\w:-])`, "g");
  return (text) => text.replace(any, (id) => names.get(id) ?? id);
}
