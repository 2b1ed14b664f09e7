// The fleet as a timeline: a table with a row for each machine, a bar of what it did, and the same in words.

import { doingWords, name, ordered, pieces, state, story } from "./bars.js";
import { dollars } from "./cost.js";
import { arrange, element, find, say } from "./dom.js";
import { drawn } from "./svg.js";
import { number } from "./words.js";

/** @import { Bar, Fleet } from "./fleet.js" */

const HEADS = ["Machine", "", "Now", "Images", "Cost"];
const LEGEND = ["pending", "booting", "working", "idle", "draining", "lost"];
const HEIGHT = 10; // of a bar, in the picture's own units; across, one is a second

export class Machines {
  /**
   * @param {HTMLElement} box where the table goes
   * @param {HTMLElement} legend
   */
  constructor(box, legend) {
    this._none = element("p", "none");
    this._table = element("table");
    this._table.setAttribute("role", "table"); // as what it looks like on a narrow screen it is none
    this._body = element("tbody");
    this._body.setAttribute("role", "rowgroup");
    this._table.append(element("caption", "unseen", "What each machine did"), head(), this._body);
    box.replaceChildren(this._none, this._table);
    legend.replaceChildren(...LEGEND.map(key));
    /** @type {Map<string, Row>} by id */
    this._rows = new Map();
  }

  /**
   * Show the machines as they stand.
   * @param {Fleet} fleet
   * @param {number} now seconds since 1970, by the server's clock
   * @param {number} span seconds
   */
  show(fleet, now, span) {
    const { autoscaler } = fleet.view;
    const bars = ordered(fleet.bars, now - span);
    const workers = new Map([...fleet.view.other_workers, ...fleet.view.instances].map((one) => [one.id, one]));
    this._table.hidden = !bars.length;
    this._none.hidden = bars.some(({ ended }) => !ended);
    say(this._none, autoscaler.heard ? "None at work: there is nothing to do." : "None heard of.");
    say(find(this._table, "th:nth-child(2)", HTMLElement), span > 900 ? "The last hour" : "The last 15 minutes");
    const rows = bars.map((bar) => {
      const row = this._rows.get(bar.id) ?? new Row(bar.id);
      row.show(bar, workers.get(bar.id), { now, span, heard: autoscaler.heard });
      return row;
    });
    this._rows = new Map(rows.map((row) => [row.id, row]));
    arrange(
      this._body,
      rows.map(({ row }) => row),
    );
  }
}

/** One machine's row: its words are set where they differ, its bar is drawn anew where its pieces do. */
class Row {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.row = element("tr");
    this.row.setAttribute("role", "row");
    this._name = cell("th", "rowheader");
    this._name.scope = "row";
    this._name.title = id;
    this._svg = drawn("svg", { role: "img", preserveAspectRatio: "none" });
    const bar = cell("td", "cell", "bar");
    bar.append(this._svg);
    this._now = cell("td", "cell", "now");
    this._done = cell("td", "cell", "done");
    this._cost = cell("td", "cell", "cost");
    this.row.append(this._name, bar, this._now, this._done, this._cost);
    /** @type {string | null} */
    this._shown = null;
  }

  /**
   * @param {Bar} bar
   * @param {import("./fleet.js").Worker | undefined} worker
   * @param {{now: number, span: number, heard: boolean}} at `heard`: whether bars that have not ended go on till now
   */
  show(bar, worker, { now, span, heard }) {
    const to = bar.ended || !heard ? Math.min(now, bar.until) : now;
    say(this._name, name(bar));
    say(this._now, state(bar, worker, now));
    say(this._done, bar.done ? number(bar.done) : "");
    say(this._cost, bar.usd === null ? "" : dollars(bar.usd));
    this.row.dataset.doing = bar.pieces.at(-1)?.doing ?? "";
    this.row.classList.toggle("ended", bar.ended);
    // As wide as a picture is at most, each pixel is about so long.
    const step = span / 800;
    const shown = `${span} ${Math.floor(now / step)} ${Math.floor(to / step)} ${bar.pieces.map(({ at }) => at).join()}`;
    if (shown === this._shown) return;
    this._shown = shown;
    const seen = pieces(bar, now - span, to);
    this._svg.setAttribute("viewBox", `0 0 ${span} ${HEIGHT}`);
    this._svg.setAttribute("aria-label", story(bar, now - span, to));
    this._svg.replaceChildren(
      ...seen.map(({ doing, at, lasts }) =>
        drawn("rect", { class: `d-${doing}`, x: at, width: lasts, y: 0, height: HEIGHT }),
      ),
    );
  }
}

function head() {
  const made = element("thead");
  made.setAttribute("role", "rowgroup");
  const row = element("tr");
  row.setAttribute("role", "row");
  row.append(
    ...HEADS.map((words) => {
      const one = cell("th", "columnheader");
      one.scope = "col";
      one.textContent = words;
      return one;
    }),
  );
  made.append(row);
  return made;
}

/**
 * @template {"th" | "td"} K
 * @param {K} tag
 * @param {string} role
 * @param {string} [className]
 */
function cell(tag, role, className) {
  const made = element(tag, className);
  made.setAttribute("role", role);
  return made;
}

/** @param {string} doing */
function key(doing) {
  const made = element("span");
  const swatch = drawn("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
  swatch.append(drawn("rect", { class: `d-${doing}`, x: 0, y: 0, width: 10, height: 10 }));
  made.append(swatch, doingWords(doing));
  return made;
}
