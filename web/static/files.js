// Files from wherever people have them: dropped, chosen, pasted; folders are walked. Pure but for reading folders.

import { inOrder, number } from "./words.js";

/**
 * A file, and its path within what was handed in: the folders that it lay in, and its name.
 * @typedef {{file: File, path: string}} Handed
 *
 * @typedef {object} Found
 * @property {Handed[]} files a folder's in the order of their paths
 * @property {string[]} skipped the names of those in folders that are not named like images
 * @property {string[]} unread the paths of folders and files that cannot be read
 */

// The command leaves out the same ones.
const IMAGE_NAME = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|hei[cf]|hif|avif)$/i;
const KINDS = 4;
const TOGETHER = 20;

/** Whether a file in a folder is taken. @param {string} path */
export function isImageName(path) {
  return IMAGE_NAME.test(path);
}

/**
 * Return what lies in no folder, or none that is known.
 * @param {Iterable<File>} files
 * @returns {Found}
 */
export function loose(files) {
  return { files: [...files].map((file) => ({ file, path: file.name })), skipped: [], unread: [] };
}

/**
 * Return what a drop holds.
 * @param {DataTransfer} transfer
 * @returns {Promise<Found>}
 */
export async function dropped(transfer) {
  // Both must be asked for before the first await: after it the list is gone.
  const held = [...transfer.items].map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = loose(transfer.files);
  if (!held.some(({ entry }) => entry?.isDirectory)) return found;
  found.files = [];
  for (const { entry, file } of held) {
    const inside = entry ? await within(entry) : loose(file ? [file] : []);
    for (const part of /** @type {const} */ (["skipped", "unread"])) found[part].push(...inside[part]);
    found.files.push(...sorted(inside.files));
  }
  return found;
}

/**
 * Return what a folder chooser holds.
 * @param {Iterable<File>} list
 * @returns {Found}
 */
export function chosenFolder(list) {
  const files = [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  const skipped = files.filter(({ path }) => !IMAGE_NAME.test(path)).map(({ file }) => file.name);
  return { files: sorted(files.filter(({ path }) => IMAGE_NAME.test(path))), skipped, unread: [] };
}

/**
 * Say what was left out; nothing if all was taken.
 * @param {Pick<Found, "skipped" | "unread">} found
 */
export function leftOut({ skipped, unread }) {
  const parts = [];
  if (skipped.length) {
    const are = skipped.length === 1 ? "file is" : "files are";
    parts.push(`${number(skipped.length)} ${are} not named like an image, and left out: ${kinds(skipped)}.`);
  }
  if (unread.length) {
    const others = unread.length > 1 ? ` and ${number(unread.length - 1)} more` : "";
    parts.push(`${unread[0]}${others} could not be read.`);
  }
  return parts.join(" ");
}

/**
 * Say of which kinds files are, the most frequent first.
 * @param {string[]} names
 */
function kinds(names) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const name of names) {
    const kind = name.match(/.(\.[^.]{1,10})$/)?.[1]?.toLowerCase() ?? "without an ending";
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const most = [...counts].sort(([a, many], [b, others]) => others - many || inOrder(a, b));
  const said = most.slice(0, KINDS).map(([kind, count]) => `${number(count)} ${kind}`);
  return [...said, ...(most.length > KINDS ? ["others"] : [])].join(", ");
}

/** @param {Handed[]} files */
function sorted(files) {
  return files.sort((a, b) => inOrder(a.path, b.path));
}

/**
 * Return what a dropped entry holds: a file that lies in no folder is taken whatever its name is.
 * @param {FileSystemEntry} entry
 */
async function within(entry) {
  const found = loose([]);
  await walk(entry, found, true);
  return found;
}

/**
 * @param {FileSystemEntry} entry
 * @param {Found} found
 * @param {boolean} alone whether it lies in no folder
 */
async function walk(entry, found, alone) {
  const path = entry.fullPath.replace(/^\/+/, "") || entry.name;
  try {
    if (isFolder(entry)) {
      for await (const some of slicesOf(entry)) {
        const [folders, others] = [some.filter(isFolder), some.filter((inner) => !isFolder(inner))];
        // Each file is a way to the browser's own process and back; all of a slice at once would hold the page up.
        for (let at = 0; at < others.length; at += TOGETHER)
          await Promise.all(others.slice(at, at + TOGETHER).map((inner) => walk(inner, found, false)));
        for (const inner of folders) await walk(inner, found, false);
      }
    } else if (isFile(entry) && (alone || IMAGE_NAME.test(entry.name))) {
      /** @type {File} */
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.files.push({ file, path });
    } else {
      found.skipped.push(entry.name);
    }
  } catch {
    found.unread.push(path); // the others can be read all the same
  }
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {AsyncGenerator<FileSystemEntry[]>}
 */
async function* slicesOf(folder) {
  const reader = folder.createReader();
  for (;;) {
    // A folder is read some hundred entries at a time, until none come.
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    yield some;
  }
}

/** @param {FileSystemEntry} entry @returns {entry is FileSystemDirectoryEntry} */
function isFolder(entry) {
  return entry.isDirectory;
}

/** @param {FileSystemEntry} entry @returns {entry is FileSystemFileEntry} */
function isFile(entry) {
  return entry.isFile;
}
