// Where a chart's values are: its scales, and the paths of its areas and lines. Pure; lengths are in pixels.

/**
 * @template T
 * @typedef {object} Series
 * @property {string} name
 * @property {string} of names its colour.
 * @property {(sample: T) => number | null} value null where it is not known
 * @property {boolean} [line] a line over the areas, which are stacked
 */

/**
 * @template T
 * @typedef {{sample: T, from: number, to: number}} Step a sample, and the time for which it held
 */

/**
 * @typedef {{width: number, height: number, letter: number}} Size `letter` is the height of one
 */

/**
 * @typedef {object} Scales
 * @property {{left: number, right: number, top: number, bottom: number}} edge around the values, each from its own side
 * @property {(at: number) => number} x of a time, in seconds
 * @property {(value: number) => number} y
 * @property {(x: number) => number | null} timeAt the opposite of `x`; null beside the chart
 */

export const SPAN_S = 900;
export const LONG_S = 3600;
// What is beside the values, in letters' heights.
const MARGIN = { left: 3.1, right: 0.5, top: 1.1, bottom: 1.8 };
const GAP_S = 30; // nothing was heard for so long: then nothing is drawn

/**
 * @param {Size} size
 * @param {number} now at the right end
 * @param {number} top the greatest value
 * @param {number} span seconds
 * @returns {Scales}
 */
export function scales({ width, height, letter }, now, top, span) {
  const { left, right, top: above, bottom } = MARGIN;
  const edge = { left: left * letter, right: right * letter, top: above * letter, bottom: bottom * letter };
  const [across, up] = [width - edge.left - edge.right, height - edge.top - edge.bottom];
  return {
    edge,
    x: (at) => edge.left + (1 - (now - at) / span) * across,
    y: (value) => height - edge.bottom - (value / top) * up,
    timeAt: (x) => {
      const share = (x - edge.left) / across;
      return share >= 0 && share <= 1 ? now - (1 - share) * span : null;
    },
  };
}

/**
 * Return the times that are named below a chart, in minutes ago: as many as find room.
 * @param {number} width
 * @param {number} letter the height of one
 * @param {number} span seconds
 */
export function named(width, letter, span) {
  const minutes = span / 60;
  return width / letter > 24 ? [minutes, (minutes * 2) / 3, minutes / 3] : [minutes];
}

/**
 * Return the greatest height of any sample, areas stacked; 1 at least.
 * @template T
 * @param {T[]} samples
 * @param {Series<T>[]} series
 */
export function peak(samples, series) {
  const areas = series.filter(({ line }) => !line);
  const heights = samples.flatMap((sample) => [
    areas.reduce((sum, { value }) => sum + (value(sample) ?? 0), 0),
    ...series.map(({ value }) => value(sample) ?? 0),
  ]);
  return Math.max(1, ...heights);
}

/** Return the next round number, which can be halved. @param {number} value above 0 */
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8].find((step) => step * power >= value) ?? 10) * power;
}

/**
 * Cut samples where nothing was heard; each holds until the next, and the last until now.
 * @template {{at: number}} T
 * @param {T[]} samples the oldest first
 * @param {number} now
 */
export function split(samples, now) {
  /** @type {Step<T>[][]} */
  const runs = [];
  samples.forEach((sample, index) => {
    const until = samples[index + 1]?.at ?? now;
    const step = { sample, from: sample.at, to: Math.min(until, sample.at + GAP_S) };
    const last = runs.at(-1);
    if ((last?.at(-1)?.to ?? Number.NEGATIVE_INFINITY) >= sample.at) last?.push(step);
    else runs.push([step]);
  });
  return runs;
}

/**
 * Return areas with what each stands on.
 * @template T
 * @param {Series<T>[]} areas the lowest first
 */
export function stacked(areas) {
  let below = /** @param {T} _sample */ (_sample) => 0;
  return areas.map((series) => {
    const under = below;
    const over = /** @param {T} sample */ (sample) => under(sample) + (series.value(sample) ?? 0);
    below = over;
    return { series, under, over };
  });
}

/**
 * Return the path of an area.
 * @template T
 * @param {Step<T>[]} run
 * @param {Scales} scales
 * @param {(sample: T) => number} under
 * @param {(sample: T) => number} over
 */
export function areaPath(run, { x, y }, under, over) {
  const edge = /** @param {(sample: T) => number} value */ (value) =>
    run.flatMap(({ sample, from, to }) => [`${x(from)} ${y(value(sample))}`, `${x(to)} ${y(value(sample))}`]);
  return `M${[...edge(over), ...edge(under).reverse()].join("L")}Z`;
}

/**
 * Return the path of a line, which is cut where the value is not known.
 * @template T
 * @param {Step<T>[]} run
 * @param {Scales} scales
 * @param {(sample: T) => number | null} value
 */
export function linePath(run, { x, y }, value) {
  let path = "";
  let drawing = false;
  for (const { sample, from, to } of run) {
    const height = value(sample);
    if (height !== null) path += `${drawing ? "L" : "M"}${x(from)} ${y(height)}L${x(to)} ${y(height)}`;
    drawing = height !== null;
  }
  return path;
}
