// What is known of the fleet, put together from the news of it. Pure: times come in, in seconds since 1970.

/**
 * @typedef {object} Sample one point of the pictures over time
 * @property {number} at
 * @property {number} visible
 * @property {number} in_flight
 * @property {number} delayed
 * @property {number} pending
 * @property {number} running
 * @property {number} draining
 * @property {number} desired
 * @property {number | null} arrival_rate images a second
 * @property {number} finished images, since the server's start
 * @property {number | null} p50_s seconds that half of the images waited that were done since the point before
 * @property {number | null} p99_s
 */

/**
 * @typedef {object} Decision
 * @property {number} at
 * @property {number} desired
 * @property {number} launch
 * @property {string[]} drain
 * @property {boolean} held
 * @property {string} reason
 */

/**
 * @typedef {object} Worker what a worker says of itself; all null where none has been heard
 * @property {number | null} active
 * @property {number | null} processed
 * @property {string | null} leaving why
 */

/**
 * The newest decision, with what it was made on; null is what is not known.
 * @typedef {Decision & {ceiling: number, oldest_s: number | null, arrival_rate: number | null,
 *   service_rate: number | null, boot_s: number | null, leader: string, spent_h: number, budget_h: number}} LatestDecision
 *
 * @typedef {Worker & {id: string, state: string, launched_at: number}} Instance
 * @typedef {Worker & {id: string}} OtherWorker
 * @typedef {{id: string, why: string, at: number}} Departure
 * @typedef {{listeners: number, republished: number, given_up: number}} Swept
 * @typedef {{visible: number, in_flight: number, delayed: number}} Depth
 * @typedef {{now_usd_per_hour: number, hosts_today_usd: number, thousand_images_usd: number | null,
 *   priced_as: string}} Cost in dollars
 */

/**
 * One machine over the last hour.
 * @typedef {object} Bar
 * @property {string} id
 * @property {number} number
 * @property {boolean} own whether it is the autoscaler's
 * @property {number} began_at
 * @property {number} until when it was last told of; its end, if it has ended
 * @property {boolean} ended
 * @property {number | null} usd
 * @property {number} done images
 * @property {string | null} why it leaves
 * @property {{doing: string, at: number}[]} pieces
 *
 * @typedef {{target_s: number, p50_s: number | null, p99_s: number | null, hour_images: number,
 *   hour_late: number}} Waits how long images waited, in seconds
 * @typedef {{reason: string, count: number, last_at: number, images: {key: string, at: number}[]}} Failed
 */

/**
 * What `GET /api/fleet` answers.
 * @typedef {object} View
 * @property {number} now by the server's clock
 * @property {{heard: boolean, says: string}} autoscaler
 * @property {LatestDecision | null} decision
 * @property {string[]} brakes what holds launches back, in words
 * @property {Instance[]} instances
 * @property {OtherWorker[]} other_workers
 * @property {Departure[]} departures the newest first
 * @property {Swept | null} swept
 * @property {Decision[]} decisions
 * @property {Sample[]} history the oldest first
 * @property {Bar[]} timeline
 * @property {Waits} waits
 * @property {Failed[]} failures
 * @property {Depth | null} queue
 * @property {number | null} dead_letters
 * @property {string | null} queue_problem
 * @property {Cost | null} cost
 */

/** @typedef {Sample & {finish_rate: number | null}} RatedSample */

const HISTORY_S = 3600;
const MOST_DECISIONS = 100;
const LONGEST_STEP_S = 30; // between two samples that tell a rate

export class Fleet {
  /**
   * @param {View} view all of it
   * @param {number} heardAt by this browser's clock; the server's may differ.
   */
  constructor(view, heardAt) {
    this.view = view;
    this._heardAt = heardAt;
    /** @type {Sample[]} */
    this._history = [];
    /** @type {RatedSample[]} the history, with the rate at which images were finished before each point */
    this.history = [];
    /** @type {Map<number, Decision>} by when each was made */
    this._decisions = new Map();
    /** @type {Map<string, Bar>} by id */
    this._bars = new Map();
    this.learn(view, heardAt);
  }

  /**
   * Take in what is new: the whole of what is so now, and the history and the decisions since the last time.
   * @param {View} view
   * @param {number} heardAt by this browser's clock
   */
  learn(view, heardAt) {
    const latest = this._history.at(-1)?.at ?? 0;
    const samples = [...this._history, ...view.history.filter(({ at }) => at > latest)];
    this._history = samples.filter(({ at }) => at > view.now - HISTORY_S);
    this.history = this._history.map((one, index) => ({ ...one, finish_rate: rateTo(one, this._history[index - 1]) }));
    for (const decision of view.decisions) this._decisions.set(decision.at, decision);
    this._decisions = new Map(this.decisions.map((decision) => [decision.at, decision]));
    for (const bar of view.timeline) this._bars.set(bar.id, bar);
    for (const { id, ended, until } of this.bars) if (ended && until < view.now - HISTORY_S) this._bars.delete(id);
    this.view = view;
    this._heardAt = heardAt;
  }

  /** Each machine of the last hour. */
  get bars() {
    return [...this._bars.values()];
  }

  /** The newest decisions, the latest first. */
  get decisions() {
    return [...this._decisions.values()].sort((a, b) => b.at - a.at).slice(0, MOST_DECISIONS);
  }

  /** The server's clock, as it is by now. @param {number} here this browser's clock */
  now(here) {
    return this.view.now + here - this._heardAt;
  }
}

/**
 * @param {Sample} sample
 * @param {Sample | undefined} before
 */
function rateTo(sample, before) {
  const seconds = before ? sample.at - before.at : 0;
  if (!before || seconds <= 0 || seconds >= LONGEST_STEP_S) return null;
  // The server counts from 0 again when it has started anew.
  return Math.max(0, sample.finished - before.finished) / seconds;
}
