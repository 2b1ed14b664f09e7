// A picture of the last quarter of an hour: areas on top of each other, and lines over them. Time goes to the right.

const SVG = "http://www.w3.org/2000/svg";
const SPAN_S = 900;
const GAP_S = 30; // nothing was heard for so long: then nothing is drawn
const EDGE = { left: 34, right: 6, top: 12, bottom: 20 };

export class Chart {
  /**
   * @param {HTMLElement} figure
   * @param {{name: string, of: string, value: (sample: object) => ?number, line?: boolean}[]} series `of` is its colour.
   * @param {(value: number) => string} say puts a value into words.
   * @param {(at: ?number) => void} onPoint is told which time is pointed at.
   */
  constructor(figure, series, say, onPoint) {
    this._series = series;
    this._say = say;
    this._title = figure.querySelector("h2").textContent;
    this._legend = figure.querySelector(".legend");
    this._svg = node("svg", { role: "img" });
    figure.append(this._svg);
    this._samples = [];
    this._now = 0;
    this._at = null;
    this._svg.addEventListener("pointermove", (event) => onPoint(this._timeAt(event)));
    this._svg.addEventListener("pointerleave", () => onPoint(null));
    new ResizeObserver(() => this._draw()).observe(this._svg);
  }

  /** Show `samples`, oldest first, as they stand at `now`. */
  show(samples, now) {
    this._samples = samples;
    this._now = now;
    this._draw();
  }

  /** Tell the values at a time instead of the latest. */
  point(at) {
    this._at = at;
    this._draw();
  }

  _draw() {
    const { width, height } = this._svg.getBoundingClientRect();
    if (!width) return;
    this._width = width;
    const seen = this._samples.filter(({ at }) => at > this._now - SPAN_S);
    const areas = this._series.filter((series) => !series.line);
    const top = ceiling(Math.max(1, ...seen.map((sample) => this._peak(sample, areas))));
    const x = (at) => EDGE.left + (1 - (this._now - at) / SPAN_S) * (width - EDGE.left - EDGE.right);
    const y = (value) => height - EDGE.bottom - (value / top) * (height - EDGE.top - EDGE.bottom);
    this._svg.replaceChildren(...this._grid(x, y, top, width, height));
    const runs = split(seen, this._now);
    let below = () => 0;
    for (const series of areas) {
      const under = below;
      const over = (sample) => under(sample) + (series.value(sample) ?? 0);
      for (const run of runs) this._svg.append(area(run, x, y, under, over, series.of));
      below = over;
    }
    for (const series of this._series.filter(({ line }) => line))
      for (const run of runs) this._svg.append(line(run, x, y, series));
    if (!seen.length) this._svg.append(text("Nothing heard yet", width / 2, height / 2, "silent"));
    this._tell(seen, x, height);
  }

  _peak(sample, areas) {
    const stacked = areas.reduce((sum, series) => sum + (series.value(sample) ?? 0), 0);
    return Math.max(stacked, ...this._series.map((series) => series.value(sample) ?? 0));
  }

  _grid(x, y, top, width, height) {
    const made = [];
    for (const value of [0, top / 2, top]) {
      made.push(node("line", { x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value), class: "rule" }));
      const label = text(this._say(value), EDGE.left - 6, y(value) + 4);
      label.setAttribute("text-anchor", "end");
      made.push(label);
    }
    for (const minutes of [15, 10, 5]) {
      const label = text(`${minutes} min`, x(this._now - minutes * 60), height - 4);
      label.setAttribute("text-anchor", minutes === 15 ? "start" : "middle");
      made.push(label);
    }
    const now = text("now", width - EDGE.right, height - 4);
    now.setAttribute("text-anchor", "end");
    return [...made, now];
  }

  /** The legend has the values: those that are pointed at, or the latest. */
  _tell(seen, x, height) {
    const sample = this._at === null ? seen.at(-1) : seen.findLast(({ at }) => at <= this._at);
    if (this._at !== null)
      this._svg.append(node("line", { x1: x(this._at), x2: x(this._at), y1: EDGE.top, y2: height - EDGE.bottom, class: "cross" }));
    const values = this._series.map((series) => {
      const value = sample ? series.value(sample) : null;
      return [series, value === null || value === undefined ? "unknown" : this._say(value)];
    });
    this._legend.replaceChildren(
      ...values.map(([series, value]) => {
        const entry = document.createElement("span");
        const key = document.createElement("i");
        key.className = `c-${series.of}${series.line ? " line" : ""}`;
        entry.append(key, `${series.name} ${value}`);
        return entry;
      }),
    );
    if (this._at === null)
      this._svg.setAttribute("aria-label", `${this._title}, now: ${values.map(([series, value]) => `${series.name} ${value}`).join(", ")}`);
  }

  _timeAt(event) {
    const inner = this._width - EDGE.left - EDGE.right;
    const share = (event.clientX - this._svg.getBoundingClientRect().left - EDGE.left) / inner;
    return share >= 0 && share <= 1 ? this._now - (1 - share) * SPAN_S : null;
  }
}

/** Cut samples where nothing was heard; each holds until the next, and the last until now. */
function split(samples, now) {
  const runs = [];
  samples.forEach((sample, index) => {
    const until = samples[index + 1]?.at ?? now;
    const heard = Math.min(until, sample.at + GAP_S);
    const last = runs.at(-1);
    const step = { sample, from: sample.at, to: heard };
    if (last && last.at(-1).to >= sample.at) last.push(step);
    else runs.push([step]);
  });
  return runs;
}

function area(run, x, y, under, over, of) {
  const upper = run.flatMap(({ sample, from, to }) => [[x(from), y(over(sample))], [x(to), y(over(sample))]]);
  const lower = run.flatMap(({ sample, from, to }) => [[x(from), y(under(sample))], [x(to), y(under(sample))]]).reverse();
  return node("path", { d: `M${[...upper, ...lower].map((point) => point.join(" ")).join("L")}Z`, class: `c-${of}` });
}

function line(run, x, y, series) {
  let path = "";
  let drawing = false;
  for (const { sample, from, to } of run) {
    const value = series.value(sample);
    if (value === null || value === undefined) {
      drawing = false;
      continue;
    }
    path += `${drawing ? "L" : "M"}${x(from)} ${y(value)}L${x(to)} ${y(value)}`;
    drawing = true;
  }
  return node("path", { d: path, class: `line c-${series.of}` });
}

/** The next round number, which can be halved. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].find((step) => step * power >= value) * power;
}

function text(words, x, y, of = "") {
  const made = node("text", { x, y, class: of });
  made.textContent = words;
  return made;
}

function node(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
