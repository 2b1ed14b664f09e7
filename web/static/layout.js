// Where tiles are: how many fit side by side, and which are near the window. Pure; lengths are in pixels.

/**
 * @typedef {object} Layout
 * @property {number} columns
 * @property {number} gap
 * @property {number} rowHeight with its gap
 *
 * Rows, from `first` to before `last`.
 * @typedef {{first: number, last: number}} Rows
 */

// The smallest width of a tile by how many there are, as long as three fit side by side; in rem.
/** @type {[most: number, size: number][]} */
const SIZES = [
  [12, 14.4],
  [60, 10.6],
];
const SMALLEST = 8;
const NARROWEST = 4.5; // rather fewer than three
const ROUNDING = 0.01; // three times a third may be less than the whole
export const BEYOND = 700; // is drawn above and below the window

/**
 * @param {number} count of tiles
 * @param {number} width of them all
 * @param {{rem: number, caption: number}} letters `rem` as large as the reader has it; `caption` in rem, below a picture
 * @returns {Layout}
 */
export function layout(count, width, { rem, caption }) {
  const gap = width < 500 ? 8 : 13;
  const wanted = (SIZES.find(([most]) => count <= most)?.[1] ?? SMALLEST) * rem;
  const size = Math.max(NARROWEST * rem, Math.min(wanted, (width - 2 * gap) / 3));
  const columns = Math.max(1, Math.floor((width + gap + ROUNDING) / (size + gap)));
  return { columns, gap, rowHeight: (width - (columns - 1) * gap) / columns + caption * rem + gap };
}

/**
 * Return the rows near the window, from `first` to before `last`, of all `rows`.
 * @param {Layout} layout
 * @param {number} count of tiles
 * @param {number} top of the first row, from the window's top
 * @param {number} height of the window
 * @param {number} [beyond] how much above and below it is near
 * @returns {Rows & {rows: number}}
 */
export function near({ columns, rowHeight }, count, top, height, beyond = BEYOND) {
  const rows = Math.ceil(count / columns);
  const above = -top - beyond;
  const first = Math.max(0, Math.min(rows, Math.floor(above / rowHeight)));
  const last = Math.max(first, Math.min(rows, Math.ceil((above + height + 2 * beyond) / rowHeight)));
  return { rows, first, last };
}

/**
 * Return the rows to draw now: those that are seen, and around them as many of those near as have no more than `most`
 * new tiles. What follows is for the next frames: the page is never held up by many tiles at once.
 * @param {Rows} seen
 * @param {Rows} near
 * @param {number} most
 * @param {(row: number) => number} fresh how many of a row's tiles are new
 * @returns {Rows}
 */
export function drawable(seen, near, most, fresh) {
  let { first, last } = seen;
  let left = most;
  for (let grown = true; grown; ) {
    grown = false;
    if (last < near.last && fresh(last) <= left) {
      left -= fresh(last);
      last += 1;
      grown = true;
    }
    if (first > near.first && fresh(first - 1) <= left) {
      first -= 1;
      left -= fresh(first);
      grown = true;
    }
  }
  return { first, last };
}

/**
 * Return where a key leads from the tile at `at`; null for a key that leads nowhere.
 * @param {string} key
 * @param {number} at
 * @param {number} count of tiles
 * @param {number} columns
 */
export function led(key, at, count, columns) {
  const last = count - 1;
  /** @type {Record<string, number>} */
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: last - at };
  const step = steps[key];
  return at < 0 || step === undefined ? null : Math.max(0, Math.min(last, at + step));
}
