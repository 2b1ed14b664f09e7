// One image, large, with its top five; the arrow keys go to its neighbours.

import { fillFive, previewUrl } from "./show.js";

export class Detail {
  /** @param {HTMLDialogElement} dialog @param {Tiles} tiles whose order the steps follow. */
  constructor(dialog, tiles) {
    this._dialog = dialog;
    this._tiles = tiles;
    this._item = null;
    dialog.addEventListener("click", (event) => this._click(event));
    dialog.addEventListener("keydown", (event) => this._key(event));
    dialog.addEventListener("close", () => this._closed());
  }

  open(item) {
    this._show(item);
    if (!this._dialog.open) this._dialog.showModal();
  }

  /** Draw again what changed while it was looked at. */
  refresh(items) {
    if (this._item && items.has(this._item)) this._show(this._item);
  }

  close() {
    this._dialog.close();
  }

  _show(item) {
    const dialog = this._dialog;
    if (this._item !== item) this._picture(item);
    this._item = item;
    dialog.dataset.state = item.state;
    dialog.querySelector("h2").textContent = { done: item.label, failed: "Not classified" }[item.state] ?? "Waiting…";
    dialog.querySelector(".reason").textContent = item.state === "failed" ? item.reason : "";
    dialog.querySelector(".filename").textContent = item.name;
    const five = dialog.querySelector(".five");
    five.hidden = item.state !== "done";
    if (item.state === "done") fillFive(five, item, "li");
  }

  _picture(item) {
    const picture = this._dialog.querySelector("img");
    const remote = previewUrl(item, true);
    const own = item.file?.size && !item.unshowable;
    this._dropPicture();
    picture.hidden = !(own || remote);
    picture.onerror = () => {
      if (picture.src.startsWith("blob:") && remote) picture.src = remote;
      else picture.hidden = true;
    };
    if (own) picture.src = URL.createObjectURL(item.file);
    else if (remote) picture.src = remote;
  }

  _dropPicture() {
    const picture = this._dialog.querySelector("img");
    if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
    picture.removeAttribute("src");
  }

  _step(by) {
    const next = this._tiles.neighbour(this._item, by);
    if (next) this._show(next);
  }

  _click(event) {
    const step = event.target.closest(".step");
    if (step) this._step(Number(step.dataset.step));
    // A click beside the picture is a click on the dialog itself.
    else if (event.target === this._dialog || event.target.closest(".close")) this.close();
  }

  _key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this._step(by);
  }

  _closed() {
    this._dropPicture();
    const item = this._item;
    this._item = null;
    if (item) this._tiles.focus(item);
  }
}
