// Files from drops and choosers: folders are walked, and what is not named like an image is left out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chosenFolder, dropped } from "../../../../web/static/files.js";
import { file } from "./support.js";

const AT_ONCE = 2; // a browser gives a folder's entries in parts

/** @typedef {{[name: string]: Tree | null}} Tree a folder's names; null is a file */

/**
 * An entry as browsers have them.
 * @param {string} name
 * @param {Tree | null} inside
 * @returns {FileSystemEntry}
 */
function entry(name, inside) {
  const common = { name, isFile: inside === null, isDirectory: inside !== null };
  if (inside === null)
    return /** @type {any} */ ({ ...common, file: (/** @type {(found: File) => void} */ give) => give(file(name)) });
  const createReader = () => {
    const left = Object.entries(inside).map(([inner, more]) => entry(inner, more));
    const readEntries = (/** @type {(some: FileSystemEntry[]) => void} */ give) => give(left.splice(0, AT_ONCE));
    return { readEntries };
  };
  return /** @type {any} */ ({ ...common, createReader });
}

/**
 * What a drop of these holds.
 * @param {Tree} tree
 * @param {File[]} [strays] files without an entry, as from another page
 * @returns {DataTransfer}
 */
function drop(tree, strays = []) {
  const items = Object.entries(tree).map(([name, inside]) => ({
    webkitGetAsEntry: () => entry(name, inside),
    getAsFile: () => file(name),
  }));
  const loose = strays.map((stray) => ({ webkitGetAsEntry: () => null, getAsFile: () => stray }));
  const files = [...Object.keys(tree).map((name) => file(name)), ...strays];
  return /** @type {any} */ ({ items: [...items, ...loose], files });
}

/** @param {{files: File[], skipped: number}} found */
function summary({ files, skipped }) {
  return [files.map(({ name }) => name), skipped];
}

test("files that are dropped are taken whatever their names are", async () => {
  assert.deepEqual(summary(await dropped(drop({ "cat.png": null, notes: null }))), [["cat.png", "notes"], 0]);
});

test("of a folder's files, at any depth, those named like images are taken and the others counted", async () => {
  const holiday = {
    "a.JPG": null,
    "b.txt": null,
    "c.webp": null,
    "day 2": { "d.tiff": null, deep: { "e.jfif": null } },
  };

  assert.deepEqual(summary(await dropped(drop({ holiday }))), [["a.JPG", "c.webp", "d.tiff", "e.jfif"], 1]);
});

test("all of a folder is read, though a browser gives it in parts", async () => {
  const names = Array.from({ length: 7 }, (_, index) => `${index}.png`);
  const many = Object.fromEntries(names.map((name) => [name, null]));

  assert.deepEqual(summary(await dropped(drop({ many }))), [names, 0]);
});

test("files beside a folder are taken whatever their names are", async () => {
  assert.deepEqual(summary(await dropped(drop({ notes: null, holiday: { "a.png": null } }))), [["notes", "a.png"], 0]);
});

test("a file without an entry is taken too, also beside a folder", async () => {
  const found = await dropped(drop({ holiday: { "a.png": null } }, [file("stray.png")]));

  assert.deepEqual(summary(found), [["a.png", "stray.png"], 0]);
});

test("of a chosen folder, what is not named like an image is counted", () => {
  const found = chosenFolder([file("a.png"), file("b.gif.txt"), file("c.bmp"), file("png")]);

  assert.deepEqual(summary(found), [["a.png", "c.bmp"], 2]);
});
