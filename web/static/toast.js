// A line at the page's edge that says something once, and goes; empty, it is still there for who has the page read out.

const SHOWN_MS = 5_000;

export class Toast {
  /** @param {HTMLElement} line */
  constructor(line) {
    this._line = line;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
  }

  /** @param {string} text */
  say(text) {
    this._line.textContent = text;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this._line.textContent = "";
    }, SHOWN_MS);
  }
}
