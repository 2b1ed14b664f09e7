// Files from drops and choosers: folders are walked, and what is not named like an image is left out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chosenFolder, dropped, leftOut, loose } from "../../../../web/static/files.js";
import { file } from "./support.js";

const AT_ONCE = 2; // a browser gives a folder's entries in parts

/** @typedef {{[name: string]: Tree | null | Error}} Tree a folder's names; null is a file, and an error one that cannot be read */

/**
 * An entry as browsers have them.
 * @param {string} name
 * @param {Tree | null | Error} inside
 * @param {string} [folder] that it is in
 * @returns {FileSystemEntry}
 */
function entry(name, inside, folder = "") {
  const isFile = inside === null || inside instanceof Error;
  const common = { name, fullPath: `${folder}/${name}`, isFile, isDirectory: !isFile };
  if (isFile) {
    const get = (/** @type {(found: File) => void} */ give, /** @type {(why: Error) => void} */ refuse) =>
      inside ? refuse(inside) : give(file(name));
    return /** @type {any} */ ({ ...common, file: get });
  }
  const createReader = () => {
    const left = Object.entries(inside).map(([inner, more]) => entry(inner, more, common.fullPath));
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

/** @param {import("../../../../web/static/files.js").Found} found */
function summary({ files, skipped }) {
  return [files.map(({ path }) => path), skipped];
}

/**
 * A file as a folder chooser gives it.
 * @param {string} path
 */
function inFolder(path) {
  const found = file(path.split("/").at(-1) ?? "");
  Object.defineProperty(found, "webkitRelativePath", { value: path });
  return found;
}

test("files that are dropped are taken whatever their names are", async () => {
  assert.deepEqual(summary(await dropped(drop({ "cat.png": null, notes: null }))), [["cat.png", "notes"], []]);
});

test("of a folder's files, at any depth, those named like images are taken and the others told", async () => {
  const holiday = {
    "a.JPG": null,
    "b.txt": null,
    "c.webp": null,
    "day 2": { "d.tiff": null, deep: { "e.jfif": null } },
    iphone: { "1.HEIC": null, "2.heif": null, "3.hif": null, "4.avif": null },
  };

  assert.deepEqual(summary(await dropped(drop({ holiday }))), [
    [
      "holiday/a.JPG",
      "holiday/c.webp",
      "holiday/day 2/d.tiff",
      "holiday/day 2/deep/e.jfif",
      "holiday/iphone/1.HEIC",
      "holiday/iphone/2.heif",
      "holiday/iphone/3.hif",
      "holiday/iphone/4.avif",
    ],
    ["b.txt"],
  ]);
});

test("a folder's files are in the order of their paths, however a browser finds them", async () => {
  const tree = { photos: { 2024: { "10.png": null, "9.png": null }, 2023: { "9.png": null } } };
  const paths = ["photos/2023/9.png", "photos/2024/9.png", "photos/2024/10.png"];

  assert.deepEqual(summary(await dropped(drop(tree))), [paths, []]);
  assert.deepEqual(summary(chosenFolder([...paths].reverse().map(inFolder))), [paths, []]);
});

test("all of a folder is read, though a browser gives it in parts", async () => {
  const names = Array.from({ length: 7 }, (_, index) => `${index}.png`);
  const many = Object.fromEntries(names.map((name) => [name, null]));

  assert.deepEqual(summary(await dropped(drop({ many }))), [names.map((name) => `many/${name}`), []]);
});

test("files beside a folder are taken whatever their names are", async () => {
  assert.deepEqual(summary(await dropped(drop({ notes: null, holiday: { "a.png": null } }))), [
    ["notes", "holiday/a.png"],
    [],
  ]);
});

test("a file without an entry is taken too, also beside a folder", async () => {
  const found = await dropped(drop({ holiday: { "a.png": null } }, [file("stray.png")]));

  assert.deepEqual(summary(found), [["holiday/a.png", "stray.png"], []]);
});

test("what cannot be read is told, and costs nothing else of its folder", async () => {
  const denied = new DOMException("denied", "NotReadableError");
  const found = await dropped(drop({ holiday: { "a.png": null, "b.png": denied, "c.png": null } }));

  assert.deepEqual(summary(found), [["holiday/a.png", "holiday/c.png"], []]);
  assert.deepEqual(found.unread, ["holiday/b.png"]);
  assert.equal(leftOut(found), "holiday/b.png could not be read.");
});

test("of a chosen folder, what is not named like an image is told", () => {
  const found = chosenFolder(["f/a.png", "f/b.gif.txt", "f/c.bmp", "f/png"].map(inFolder));

  assert.deepEqual(summary(found), [
    ["f/a.png", "f/c.bmp"],
    ["b.gif.txt", "png"],
  ]);
});

test("what is left out is said with how many there are of each kind", () => {
  const skipped = ["a.txt", "b.TXT", "c.psd", "notes", ".DS_Store", "d.cr2", "e.svg", "f.mov"];

  assert.equal(
    leftOut({ skipped, unread: ["f/x", "f/y"] }),
    "8 files are not named like an image, and left out: 2 .txt, 2 without an ending, 1 .cr2, 1 .mov, others. " +
      "f/x and 1 more could not be read.",
  );
  assert.equal(leftOut({ skipped: ["a.txt"], unread: [] }), "1 file is not named like an image, and left out: 1 .txt.");
  assert.equal(leftOut(loose([file("a.txt")])), "");
});
