// The ways in which people hand files in: choosers, drops on the page, and the clipboard.

import { byId } from "./dom.js";
import { chosenFolder, dropped, loose } from "./files.js";

/** @import { Found } from "./files.js" */

/**
 * Listen to all of them.
 * @param {(found: Found) => void} onFiles
 */
export function takeFiles(onFiles) {
  choose("files", ["choose-files", "add", "again-files"], (files) => onFiles(loose(files)));
  choose("folder", ["choose-folder", "again-folder"], (files) => onFiles(chosenFolder(files)));
  window.addEventListener("paste", ({ clipboardData }) => onFiles(loose(clipboardData?.files ?? [])));
  takeDrops(async (transfer) => onFiles(await dropped(transfer)));
}

/**
 * @param {string} id of the chooser
 * @param {string[]} buttons that open it
 * @param {(files: Iterable<File>) => void} act
 */
function choose(id, buttons, act) {
  const input = byId(id, HTMLInputElement);
  for (const button of buttons) byId(button, HTMLButtonElement).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    act([...(input.files ?? [])]);
    input.value = ""; // the same may be chosen again
  });
}

/** @param {(transfer: DataTransfer) => Promise<void>} act */
function takeDrops(act) {
  const veil = byId("veil", HTMLElement);
  let depth = 0; // a drag enters each element on its way
  window.addEventListener("dragenter", (event) => {
    if (!filesOf(event)) return;
    depth += 1;
    veil.hidden = false;
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    veil.hidden = depth === 0;
  });
  window.addEventListener("dragover", (event) => {
    if (filesOf(event)) event.preventDefault();
  });
  window.addEventListener("drop", (event) => {
    depth = 0;
    veil.hidden = true;
    const transfer = filesOf(event);
    if (!transfer) return;
    event.preventDefault();
    void act(transfer);
  });
}

/** @param {DragEvent} event */
function filesOf({ dataTransfer }) {
  return dataTransfer?.types.includes("Files") ? dataTransfer : null;
}
