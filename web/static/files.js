// Files from wherever people have them: dropped, chosen, pasted; folders are walked. Pure but for reading folders.

/**
 * @typedef {object} Found
 * @property {File[]} files
 * @property {number} skipped how many in folders are not named like images
 */

const IMAGE_NAME = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?)$/i;

/**
 * Return what a drop holds.
 * @param {DataTransfer} transfer
 * @returns {Promise<Found>}
 */
export async function dropped(transfer) {
  // Both must be asked for before the first await: after it the list is gone.
  const held = [...transfer.items].map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const loose = [...transfer.files];
  if (!held.some(({ entry }) => entry?.isDirectory)) return { files: loose, skipped: 0 };
  /** @type {Found} */
  const found = { files: [], skipped: 0 };
  for (const { entry, file } of held) {
    if (entry) await walk(entry, found, true);
    else if (file) found.files.push(file);
  }
  return found;
}

/**
 * Return what a folder chooser holds.
 * @param {Iterable<File>} list
 * @returns {Found}
 */
export function chosenFolder(list) {
  const files = [...list];
  const images = files.filter((file) => IMAGE_NAME.test(file.name));
  return { files: images, skipped: files.length - images.length };
}

/**
 * @param {FileSystemEntry} entry
 * @param {Found} found
 * @param {boolean} loose whether it lies in no folder: then it is taken whatever its name is.
 */
async function walk(entry, found, loose) {
  if (isFolder(entry)) {
    for await (const inner of entriesOf(entry)) await walk(inner, found, false);
  } else if (isFile(entry) && (loose || IMAGE_NAME.test(entry.name))) {
    found.files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else {
    found.skipped += 1;
  }
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {AsyncGenerator<FileSystemEntry>}
 */
async function* entriesOf(folder) {
  const reader = folder.createReader();
  for (;;) {
    // A folder is read some hundred entries at a time, until none come.
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    yield* some;
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
