// Numbers, times and sizes in words. Pure.

const numbers = new Intl.NumberFormat("en");
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

/** Compare names, or paths, as people order them: 2 before 10. */
export const inOrder = new Intl.Collator(undefined, { numeric: true }).compare;

/** @param {number} value */
export function number(value) {
  return numbers.format(value);
}

/** With one decimal at most. @param {number} value */
export function tenths(value) {
  return number(Math.round(value * 10) / 10);
}

/** How many a second: the more, the coarser. @param {number} value */
export function rate(value) {
  return value >= 10 ? number(Math.round(value)) : String(Math.round(value * 10) / 10);
}

/** @param {number} score from 0 to 1; only these two are shown as 0% and 100%. */
export function percent(score) {
  if (score > 0 && score < 0.005) return "<1%";
  if (score >= 0.995 && score < 1) return "99%";
  return `${Math.round(score * 100)}%`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return "a moment";
  if (Math.round(seconds) < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Seconds that are measured: a short time has a decimal, and minutes are told from two on. @param {number} value */
export function seconds(value) {
  if (value < 10) return `${Math.round(value * 10) / 10} s`;
  return value < 120 ? `${Math.round(value)} s` : duration(value);
}

/** Say what o'clock it was. @param {number} at seconds since 1970 */
export function clock(at) {
  return time.format(at * 1000);
}

/** @param {number} value */
export function bytes(value) {
  return value >= 1e6 ? `${Number((value / 1e6).toPrecision(3))} MB` : `${Math.ceil(value / 1000)} kB`;
}

/**
 * @param {number} count
 * @param {string} one its singular; the plural ends in s.
 */
export function many(count, one) {
  return `${number(count)} ${one}${count === 1 ? "" : "s"}`;
}

/** Begin with a capital. @param {string} text */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
