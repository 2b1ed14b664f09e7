// The monitor, put together: the fleet's news come in; figures, pictures, instances and decisions show them.

import { Chart } from "./chart.js";
import { FleetNews } from "./fleet.js";
import { duration, number } from "./show.js";

const $ = (id) => document.getElementById(id);
const STATES = { running: "Running", pending: "Starting", draining: "Leaving", other: "Not the autoscaler's" };
const WHY = {
  idle: "had no work",
  notice: "EC2 takes its host back",
  asked: "was asked to",
  signal: "was told to stop",
};
const HISTORY_S = 900;
const MOST_DECISIONS = 100;
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

let latest = null;
let cut = false; // whether the server cannot be reached
let heardAt = 0; // by this browser's clock; the server's may differ
let history = [];
let decisions = new Map(); // by when each was made

const charts = [
  new Chart($("backlog"), [area("in flight", "in_flight"), area("visible", "visible"), area("delayed", "delayed")], whole, point),
  new Chart($("rates"), [line("arriving", "arriving", "arrival_rate"), line("finished", "finished", "finish_rate")], rate, point),
  new Chart($("fleet"), [area("running", "running"), area("draining", "draining"), area("pending", "pending"), line("wanted", "desired", "desired")], whole, point),
];

new FleetNews({
  onNews: learn,
  onSilence: () => {
    cut = true;
    draw();
  },
});
setInterval(draw, 1_000); // ages change while nothing else does

// -- what is known

function learn(news) {
  if (news.whole) {
    history = [];
    decisions = new Map();
  }
  for (const sample of news.history) if (sample.at > (history.at(-1)?.at ?? 0)) history.push(sample);
  history = history.filter(({ at }) => at > news.now - HISTORY_S);
  for (const decision of news.decisions) decisions.set(decision.at, decision);
  const newest = [...decisions.values()].sort((a, b) => b.at - a.at).slice(0, MOST_DECISIONS);
  decisions = new Map(newest.map((decision) => [decision.at, decision]));
  latest = news;
  cut = false;
  heardAt = Date.now();
  draw();
  drawDecisions(newest);
}

/** The server's clock, as it is by now. */
function now() {
  return latest.now + (Date.now() - heardAt) / 1000;
}

/** The history with the rate at which images were finished before each point. */
function rated() {
  return history.map((sample, index) => {
    const before = history[index - 1];
    const seconds = before ? sample.at - before.at : 0;
    return { ...sample, finish_rate: seconds > 0 && seconds < 30 ? Math.max(0, sample.finished - before.finished) / seconds : null };
  });
}

// -- what is shown

function draw() {
  pulse();
  if (!latest) return;
  document.body.classList.toggle("stale", !latest.autoscaler.heard && latest.decision !== null);
  trouble();
  figures();
  for (const chart of charts) chart.show(rated(), now());
  instances();
  departures();
  swept();
}

function pulse() {
  const said = cut ? "No connection; trying again…" : latest ? sentence(latest.autoscaler.says) : "Listening…";
  const state = cut ? "silent" : !latest ? "waiting" : latest.autoscaler.heard ? "heard" : "silent";
  if ($("pulse").textContent !== said) $("pulse").textContent = said;
  if ($("pulse").dataset.state !== state) $("announcer").textContent = said;
  $("pulse").dataset.state = state;
}

function trouble() {
  const { queue_problem: problem } = latest;
  $("trouble").hidden = !problem;
  if (problem && $("trouble").textContent !== problem) $("trouble").textContent = problem;
}

function figures() {
  const { queue, dead_letters: dead, decision, instances: fleet } = latest;
  if (queue) {
    const { visible, in_flight: inFlight, delayed } = queue;
    figure("outstanding", number(visible + inFlight + delayed), `${number(visible)} visible · ${number(inFlight)} in flight${delayed ? ` · ${number(delayed)} delayed` : ""}`);
  } else figure("outstanding", "?", "SQS does not tell");
  const count = (state) => fleet.filter((instance) => instance.state === state).length;
  if (decision) {
    const others = [["pending", "starting"], ["draining", "leaving"]].filter(([state]) => count(state));
    const parts = [`${number(decision.desired)} wanted`, ...others.map(([state, words]) => `${count(state)} ${words}`)];
    figure("running", number(count("running")), parts.join(" · "), `of ${number(decision.ceiling)}`);
    figure("arriving", known(decision.arrival_rate, rate), known(decision.service_rate, (value) => `an instance does ${rate(value)} a second`, "service rate not known yet"), "a second");
    figure("oldest", known(decision.oldest_s, (value) => (value ? duration(value) : "none")), known(decision.boot_s, (value) => `an instance starts in ${duration(value)}`, "boot time not known yet"));
  } else {
    for (const id of ["running", "arriving", "oldest"]) figure(id, "–", "");
  }
  figure("dead", known(dead, number, "?"), dead ? "elastiq dead-letters list" : "");
  $("dead").firstElementChild.classList.toggle("bad", Boolean(dead));
}

function figure(id, value, more, unit = "") {
  const [strong, span] = $(id).children;
  const small = document.createElement("small");
  small.textContent = unit && ` ${unit}`;
  strong.replaceChildren(value, small);
  span.textContent = more;
}

function instances() {
  const groups = Object.groupBy(
    [...latest.instances, ...latest.other_workers.map((worker) => ({ ...worker, state: "other" }))],
    ({ state }) => state,
  );
  const made = Object.keys(STATES).filter((state) => groups[state]).map((state) => group(state, groups[state]));
  if (!made.length) made.push(element("p", "none", latest.autoscaler.heard ? "None: there is nothing to do." : "None heard of."));
  $("instances").replaceChildren(...made);
}

function group(state, hosts) {
  const box = element("section", "state");
  const list = document.createElement("ul");
  list.append(...hosts.map(tile));
  box.append(element("h3", "", `${STATES[state]} · ${number(hosts.length)}`), list);
  return box;
}

function tile({ id, state, launched_at: launched, active, processed, leaving }) {
  const item = element("li", "host");
  item.dataset.state = state;
  const name = element("b", "", id);
  name.title = id;
  const work = active === null ? (state === "pending" ? "not ready yet" : "not heard") : `${number(active)} in hand · ${number(processed)} done`;
  item.append(name, element("span", "", work));
  if (launched) item.append(element("span", "", `for ${duration(Math.max(1, now() - launched))}`));
  if (leaving) item.append(element("span", "", `leaves: ${WHY[leaving] ?? leaving}`));
  return item;
}

function departures() {
  const { departures: gone } = latest;
  $("departures").hidden = !gone.length;
  const said = gone.slice(0, 3).map(({ id, why, at }) => `${id} ${WHY[why] ?? why} (${CLOCK.format(at * 1000)})`);
  $("departures").textContent = `Lately left: ${said.join(" · ")}`;
}

function drawDecisions(newest) {
  $("undecided").hidden = newest.length > 0;
  $("decisions").hidden = !newest.length;
  $("decisions").replaceChildren(...newest.map(row));
}

function row({ at, desired, launch, drain, held, reason }) {
  const item = document.createElement("li");
  const time = element("time", "", CLOCK.format(at * 1000));
  time.dateTime = new Date(at * 1000).toISOString();
  const wanted = element("b", "", number(desired));
  wanted.title = `${number(desired)} wanted`;
  const why = document.createElement("p");
  if (launch) why.append(element("em", "out", `+${number(launch)}`));
  if (drain.length) why.append(element("em", "in", `−${number(drain.length)}`));
  if (held) why.append(element("em", "held", "held"));
  why.append(reason);
  item.append(time, wanted, why);
  return item;
}

function swept() {
  if (!latest.swept) return;
  const { listeners, republished, given_up: givenUp } = latest.swept;
  $("swept").textContent =
    `Since the autoscaler's start: ${many(republished, "lost image", "published again")}, ${many(givenUp, "image", "given up")}, ` +
    `${many(listeners, "queue", "of dead listeners deleted")}.`;
}

function point(at) {
  for (const chart of charts) chart.point(at);
}

// -- words

function area(name, of) {
  return { name, of, value: (sample) => sample[of] };
}

function line(name, of, field) {
  return { name, of, value: (sample) => sample[field], line: true };
}

function whole(value) {
  return number(Math.round(value * 10) / 10);
}

function rate(value) {
  return value >= 10 ? number(Math.round(value)) : String(Math.round(value * 10) / 10);
}

function known(value, say, otherwise = "–") {
  return value === null ? otherwise : say(value);
}

function many(count, one, what) {
  return `${number(count)} ${one}${count === 1 ? "" : "s"} ${what}`;
}

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1);
}

function element(name, of, text) {
  const made = document.createElement(name);
  if (of) made.className = of;
  if (text !== undefined) made.textContent = text;
  return made;
}
