// What can be ordered of the batch in view: that its upload pause, that it be cancelled, tried again, or deleted.

import { byId, say } from "./dom.js";

/** @import { Batch } from "./batch.js" */

export class Orders {
  /**
   * @param {{batch: () => Batch | null, onTrouble: (why: string) => void, onDeleted: (batch: Batch) => void,
   *   onChange: () => void}} page
   */
  constructor({ batch, onTrouble, onDeleted, onChange }) {
    this._batch = batch;
    this._onTrouble = onTrouble;
    this._pause = byId("pause", HTMLButtonElement);
    this._cancel = byId("cancel", HTMLButtonElement);
    this._again = byId("again", HTMLButtonElement);
    this._delete = byId("delete", HTMLButtonElement);
    this._sure = byId("sure", HTMLDialogElement);
    this._pause.addEventListener("click", () => this._turn(onChange));
    this._on(this._cancel, (batch) => batch.cancel());
    this._on(this._again, (batch) => batch.again());
    this._delete.addEventListener("click", () => this._sure.showModal());
    this._on(byId("delete-it", HTMLButtonElement), async (batch) => {
      this._sure.close();
      await batch.remove();
      onDeleted(batch);
    });
    byId("keep-it", HTMLButtonElement).addEventListener("click", () => this._sure.close());
  }

  /** Show what can be ordered now. @param {Batch} batch */
  draw({ id, images, uploader, source }) {
    const { counts, open, refused } = images;
    this._show(this._pause, uploader.busy);
    say(this._pause, uploader.paused ? "Go on uploading" : "Pause upload");
    this._show(this._cancel, open > 0 || source?.progress?.state === "listing");
    this._show(this._again, !open && (counts.cancelled > 0 || counts.failed > refused.length));
    say(this._again, counts.cancelled ? "Go on" : "Retry failed");
    this._show(this._delete, id !== null && (source ? !source.open : !open && images.total > 0));
  }

  /**
   * Who has pressed a button that goes has the next one that is there.
   * @param {HTMLButtonElement} button
   * @param {boolean} shown
   */
  _show(button, shown) {
    if (button.hidden === !shown) return;
    const held = document.activeElement === button;
    button.hidden = !shown;
    if (held && !shown) byId("images", HTMLElement).focus({ preventScroll: true });
  }

  /** @param {() => void} onChange */
  _turn(onChange) {
    const uploader = this._batch()?.uploader;
    if (uploader?.paused) uploader.resume();
    else uploader?.pause();
    onChange();
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {(batch: Batch) => Promise<void>} act
   */
  _on(button, act) {
    button.addEventListener("click", async () => {
      const batch = this._batch();
      if (!batch) return;
      button.disabled = true;
      try {
        await act(batch);
      } catch (error) {
        this._onTrouble(error instanceof Error ? error.message : String(error));
      } finally {
        button.disabled = false;
      }
    });
  }
}
