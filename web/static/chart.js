// A picture of the last quarter of an hour, or of all of it: areas on top of each other, and lines over them. Time goes to the right.

import { element, find } from "./dom.js";
import { areaPath, ceiling, linePath, named, peak, SPAN_S, scales, split, stacked } from "./plot.js";
import { drawn as node } from "./svg.js";

/** @import { Scales, Series, Size } from "./plot.js" */

/** @template {{at: number}} T what is known of one moment */
export class Chart {
  /**
   * @param {HTMLElement} figure
   * @param {Series<T>[]} series
   * @param {(value: number) => string} say puts a value into words.
   * @param {(at: number | null) => void} onPoint is told which time is pointed at.
   */
  constructor(figure, series, say, onPoint) {
    this._series = series;
    this._say = say;
    this._title = find(figure, "h2", HTMLElement).textContent;
    this._legend = find(figure, ".legend", HTMLElement);
    this._svg = node("svg", { role: "img" });
    figure.append(this._svg);
    /** @type {T[]} */
    this._samples = [];
    this._now = 0;
    this._span = SPAN_S;
    this._width = 0; // as it was drawn last
    /** @type {number | null} */
    this._at = null;
    this._svg.addEventListener("pointermove", (event) => onPoint(this._timeAt(event)));
    this._svg.addEventListener("pointerleave", () => onPoint(null));
    new ResizeObserver(() => this._draw()).observe(this._svg);
  }

  /**
   * Show `samples` as they stand at `now`.
   * @param {T[]} samples the oldest first
   * @param {number} now
   * @param {number} span seconds
   */
  show(samples, now, span) {
    const pixel = span / (this._width || 1);
    const same = samples.at(-1) === this._samples.at(-1) && samples.length === this._samples.length;
    // Less than a pixel on there is nothing to be seen.
    if (same && span === this._span && Math.abs(now - this._now) < pixel) return;
    this._samples = samples;
    this._now = now;
    this._span = span;
    this._draw();
  }

  /** Tell the values at a time; null for the latest. @param {number | null} at */
  point(at) {
    this._at = at;
    this._draw();
  }

  _draw() {
    const size = this._size();
    const { width, height } = size;
    if (!width) return;
    this._width = width;
    const seen = this._samples.filter(({ at }) => at > this._now - this._span);
    const top = ceiling(peak(seen, this._series));
    const scale = scales(size, this._now, top, this._span);
    const cross = this._at === null ? [] : [vertical("cross", scale.x(this._at), scale, height)];
    const silent = seen.length ? [] : [text("Nothing heard yet", width / 2, height / 2, "silent")];
    this._svg.replaceChildren(
      ...this._rules(scale, top, size),
      ...this._times(scale, size),
      ...this._shapes(seen, scale),
      ...silent,
      ...cross,
    );
    this._tell(seen);
  }

  /** @returns {Size} */
  _size() {
    const { width, height } = this._svg.getBoundingClientRect();
    return { width, height, letter: Number.parseFloat(getComputedStyle(this._svg).fontSize) };
  }

  /**
   * @param {Scales} scale
   * @param {number} top
   * @param {Size} size
   */
  _rules({ edge, y }, top, { width, letter }) {
    return [0, top / 2, top].flatMap((value) => [
      node("line", { x1: edge.left, x2: width - edge.right, y1: y(value), y2: y(value), class: "rule" }),
      text(this._say(value), edge.left - letter / 2, y(value) + letter / 3, "", "end"),
    ]);
  }

  /**
   * @param {Scales} scale
   * @param {Size} size
   */
  _times({ edge, x }, { width, height, letter }) {
    const foot = height - letter / 3;
    const ago = named(width, letter, this._span).map((minutes, index) => {
      const at = x(this._now - minutes * 60);
      return text(`${minutes} min`, at, foot, "", index ? "middle" : "start");
    });
    return [...ago, text("now", width - edge.right, foot, "", "end")];
  }

  /**
   * @param {T[]} seen
   * @param {Scales} scale
   */
  _shapes(seen, scale) {
    const runs = split(seen, this._now);
    const areas = stacked(this._series.filter(({ line }) => !line)).flatMap(({ series, under, over }) =>
      runs.map((run) => node("path", { d: areaPath(run, scale, under, over), class: `c-${series.of}` })),
    );
    const lines = this._series
      .filter(({ line }) => line)
      .flatMap(({ of, value }) =>
        runs.map((run) => node("path", { d: linePath(run, scale, value), class: `line c-${of}` })),
      );
    return [...areas, ...lines];
  }

  /** The legend has the values: those that are pointed at, or the latest. @param {T[]} seen */
  _tell(seen) {
    const { _at: at } = this;
    const sample = at === null ? seen.at(-1) : seen.findLast((one) => one.at <= at);
    const entries = this._series.map((series) => {
      const value = sample ? series.value(sample) : null;
      return { series, words: `${series.name} ${value === null ? "unknown" : this._say(value)}` };
    });
    this._legend.replaceChildren(...entries.map(({ series, words }) => entry(series, words)));
    const now = entries.map(({ words }) => words).join(", ");
    if (at === null) this._svg.setAttribute("aria-label", `${this._title}, now: ${now}`);
  }

  /** @param {MouseEvent} event */
  _timeAt(event) {
    const { left } = this._svg.getBoundingClientRect();
    return scales(this._size(), this._now, 1, this._span).timeAt(event.clientX - left);
  }
}

/**
 * @param {{of: string, line?: boolean}} series
 * @param {string} words
 */
function entry({ of, line }, words) {
  const made = element("span");
  made.append(element("i", `c-${of}${line ? " line" : ""}`), words);
  return made;
}

/**
 * @param {string} className
 * @param {number} x
 * @param {Scales} scale
 * @param {number} height of the picture
 */
function vertical(className, x, { edge }, height) {
  return node("line", { x1: x, x2: x, y1: edge.top, y2: height - edge.bottom, class: className });
}

/**
 * @param {string} words
 * @param {number} x
 * @param {number} y
 * @param {string} className
 * @param {"start" | "middle" | "end"} [anchor]
 */
function text(words, x, y, className, anchor) {
  const made = node("text", { x, y, class: className });
  if (anchor) made.setAttribute("text-anchor", anchor);
  made.textContent = words;
  return made;
}
