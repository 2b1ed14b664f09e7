// The monitor, put together: the fleet's news come in; figures, charts, instances and decisions show them.

import { naming } from "./bars.js";
import { Chart } from "./chart.js";
import { drawDecisions } from "./decisions.js";
import { byId, element, find, here, say } from "./dom.js";
import { drawFailures, sum } from "./failures.js";
import { figures } from "./figures.js";
import { Fleet } from "./fleet.js";
import { Machines } from "./machines.js";
import { News } from "./news.js";
import { LONG_S, SPAN_S } from "./plot.js";
import { many, rate, seconds, sentence, tenths } from "./words.js";

/** @import { Figure } from "./figures.js" */
/** @import { RatedSample, Swept, View } from "./fleet.js" */
/** @import { Series } from "./plot.js" */

const POLL_MS = 5_000;

const BACKLOG = [area("in flight", "in_flight"), area("visible", "visible"), area("delayed", "delayed")];
const RATES = [line("arriving", "arriving", "arrival_rate"), line("finished", "finished", "finish_rate")];
const HOSTS = [area("running", "running"), area("draining", "draining"), area("pending", "pending")];
const INSTANCES = [...HOSTS, line("wanted", "desired", "desired")];

const WAITS = [line("half within", "p50", "p50_s"), line("99 % within", "p99", "p99_s")];

class Monitor {
  constructor() {
    /** @type {Fleet | null} null until something is heard */
    this._fleet = null;
    this._silent = false; // whether the server cannot be reached
    const point = /** @param {number | null} at */ (at) => this._point(at);
    this._charts = [
      new Chart(byId("backlog", HTMLElement), BACKLOG, tenths, point),
      new Chart(byId("rates", HTMLElement), RATES, rate, point),
      new Chart(byId("fleet", HTMLElement), INSTANCES, tenths, point),
      new Chart(byId("waits", HTMLElement), [...WAITS, this._target()], seconds, point),
    ];
    this._machines = new Machines(byId("instances", HTMLElement), byId("doing", HTMLElement));
    this._span = SPAN_S;
    this._failures = "";
    this._decisions = "";
    this._news = new News({
      streamUrl: () => here("/api/fleet/events"),
      pollUrl: () => here("/api/fleet"),
      pollMs: POLL_MS,
      hiddenPollMs: null,
      events: {
        fleet: (event) => {
          const { whole, ...view } = JSON.parse(event.data);
          this._learn(view, whole);
        },
      },
      onAnswer: (view) => this._learn(view, true),
      onSilence: (silent) => {
        this._silent = silent;
        this._draw();
      },
    });
  }

  start() {
    this._news.start();
    const long = byId("long", HTMLInputElement);
    byId("span", HTMLElement).addEventListener("change", () => {
      this._span = long.checked ? LONG_S : SPAN_S;
      this._draw();
    });
    setInterval(() => this._draw(), 1_000); // ages change while nothing else does
  }

  /**
   * @param {View} view
   * @param {boolean} whole whether it has all of the history, and not only what is new
   */
  _learn(view, whole) {
    const here = Date.now() / 1000;
    if (whole || !this._fleet) this._fleet = new Fleet(view, here);
    else this._fleet.learn(view, here);
    this._silent = false;
    this._draw();
    const { decisions } = this._fleet;
    byId("undecided", HTMLElement).hidden = decisions.length > 0;
    byId("decisions", HTMLElement).hidden = !decisions.length;
    this._decide();
    this._fail();
  }

  /** Draw the decisions where they, or the names in them, are others. */
  _decide() {
    const { decisions, bars } = this._fleet ?? { decisions: [], bars: [] };
    const names = bars.map(({ id, number }) => `${id} ${number}`);
    const told = JSON.stringify([decisions.map(({ at, reason, held }) => [at, reason, held]), names]);
    if (told === this._decisions) return;
    this._decisions = told;
    drawDecisions(byId("decisions", HTMLElement), decisions, naming(bars));
  }

  /** Draw the failures where they are others: a link that is drawn anew loses the keyboard. */
  _fail() {
    const failures = this._fleet?.view.failures ?? [];
    const told = JSON.stringify(failures);
    if (told === this._failures) return;
    this._failures = told;
    say(byId("failed", HTMLElement), sum(failures));
    drawFailures(byId("failures", HTMLElement), failures);
  }

  /** What an image may wait, as a line. @returns {Series<RatedSample>} */
  _target() {
    return { name: "target", of: "target", value: () => this._fleet?.view.waits.target_s ?? null, line: true };
  }

  _draw() {
    this._pulse();
    if (!this._fleet) return;
    const { view, history } = this._fleet;
    const now = this._fleet.now(Date.now() / 1000);
    document.body.classList.toggle("stale", !view.autoscaler.heard && view.decision !== null);
    trouble(view);
    for (const [id, figure] of Object.entries(figures(view))) drawFigure(byId(id, HTMLElement), figure);
    find(byId("dead", HTMLElement), "strong", HTMLElement).classList.toggle("bad", Boolean(view.dead_letters));
    for (const one of this._charts) one.show(history, now, this._span);
    this._machines.show(this._fleet, now, this._span);
    if (view.swept) byId("swept", HTMLElement).textContent = swept(view.swept);
  }

  _pulse() {
    const pulse = byId("pulse", HTMLElement);
    const [state, said] = this._state();
    say(pulse, said);
    pulse.title = this._fleet?.view.decision ? `decided by ${this._fleet.view.decision.leader}` : "";
    if (pulse.dataset.state !== state) byId("announcer", HTMLElement).textContent = said;
    pulse.dataset.state = state;
  }

  /** @returns {[state: string, said: string]} */
  _state() {
    if (this._silent) return ["silent", "No connection; trying again…"];
    if (!this._fleet) return ["waiting", "Listening…"];
    const { heard, says } = this._fleet.view.autoscaler;
    return [heard ? "heard" : "silent", sentence(says)];
  }

  /** @param {number | null} at */
  _point(at) {
    for (const one of this._charts) one.point(at);
  }
}

/**
 * @param {string} name
 * @param {keyof RatedSample} field
 * @returns {Series<RatedSample>}
 */
function area(name, field) {
  return { name, of: field, value: (sample) => sample[field] };
}

/**
 * @param {string} name
 * @param {string} of
 * @param {keyof RatedSample} field
 * @returns {Series<RatedSample>}
 */
function line(name, of, field) {
  return { name, of, value: (sample) => sample[field], line: true };
}

/**
 * @param {HTMLElement} place
 * @param {Figure} figure
 */
function drawFigure(place, { value, more, unit }) {
  const small = element("small", "", unit ? ` ${unit}` : "");
  find(place, "strong", HTMLElement).replaceChildren(value, small);
  find(place, "span", HTMLElement).textContent = more;
}

/** @param {View} view */
function trouble({ queue_problem: problem, brakes }) {
  const line = byId("trouble", HTMLElement);
  const said = [problem, ...brakes].filter(Boolean).join(" ");
  line.hidden = !said;
  if (said) say(line, said);
}

/** @param {Swept} counts */
function swept({ listeners, republished, given_up: givenUp }) {
  const queues = `${many(listeners, "queue")} of dead listeners deleted`;
  const images = `${many(republished, "lost image")} published again, ${many(givenUp, "image")} given up`;
  return `Since the autoscaler's start: ${images}, ${queues}.`;
}

new Monitor().start();
