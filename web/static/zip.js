// Zip files, unpacked in the browser: as much of the format as holds photographs, within bounds.
// Source: PKWARE's APPNOTE.TXT, 4.3.

import { isImageName, loose } from "./files.js";

/** @import { Found } from "./files.js" */

/**
 * What one file in a zip is, as its directory says.
 * @typedef {object} Entry
 * @property {string} path
 * @property {number} flags
 * @property {number} method
 * @property {number} packed bytes
 * @property {number} size bytes
 * @property {number} at where its header begins
 */

export const MOST_FILES = 20_000;
export const MOST_BYTES = 1_000_000_000; // of all that is unpacked: a browser keeps it
const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const LONGEST_COMMENT = 65_535;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
const UTF_8 = 0x800;
const ZIP = /\.zip$/i;

/**
 * Return what was found, with what is in its zip files instead of these.
 * @param {Found} found
 * @param {number} maxFileBytes the server's limit of one file
 * @returns {Promise<Found>}
 */
export async function opened(found, maxFileBytes) {
  /** @type {Found} */
  const all = { files: [], skipped: [...found.skipped], unread: [...found.unread] };
  for (const handed of found.files) {
    const inside = ZIP.test(handed.path) ? await unpacked(handed.file, handed.path, maxFileBytes) : null;
    for (const file of inside?.files ?? [handed]) all.files.push(file);
    all.skipped.push(...(inside?.skipped ?? []));
    all.unread.push(...(inside?.unread ?? []));
  }
  return all;
}

/** Whether there is a zip among them. @param {Found} found */
export function hasZip({ files }) {
  return files.some(({ path }) => ZIP.test(path));
}

/**
 * @param {Blob} zip
 * @param {string} name its path, which is a folder for what is in it
 * @param {number} maxFileBytes
 */
async function unpacked(zip, name, maxFileBytes) {
  const found = loose([]);
  const folder = name.replace(ZIP, "");
  let left = MOST_BYTES;
  try {
    for (const entry of await directory(zip)) {
      if (entry.path.endsWith("/") || entry.path.startsWith("__MACOSX/")) continue;
      const path = `${folder}/${entry.path}`;
      if (!isImageName(entry.path)) {
        found.skipped.push(entry.path);
        continue;
      }
      // One byte too many is enough for the server to say so.
      const most = Math.min(entry.size, maxFileBytes + 1, left);
      const data = isWithin(entry.path) && left ? await content(zip, entry, most) : null;
      if (!data) found.unread.push(path);
      else {
        left -= data.size;
        found.files.push({ file: new File([data], path.split("/").at(-1) ?? "", { lastModified: 0 }), path });
      }
    }
  } catch {
    found.unread.push(name);
  }
  return found;
}

/** Whether a path stays in its folder. @param {string} path */
function isWithin(path) {
  return !path.includes("\\") && path.split("/").every((part) => part && part !== "." && part !== "..");
}

/**
 * Return what the zip's directory says.
 * @param {Blob} zip
 * @returns {Promise<Entry[]>}
 * @throws {Error} it has none that can be read.
 */
async function directory(zip) {
  const tail = await bytes(zip, Math.max(0, zip.size - END_BYTES - LONGEST_COMMENT), zip.size);
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw new Error("it is no zip");
  const [many, size, start] = [
    tail.getUint16(at + 10, true),
    tail.getUint32(at + 12, true),
    tail.getUint32(at + 16, true),
  ];
  // Those of more than four gigabytes, or 65,535 files, have another directory.
  if (many > MOST_FILES || start + size > zip.size) throw new Error("it is too large");
  const said = await bytes(zip, start, start + size);
  /** @type {Entry[]} */
  const entries = [];
  for (let place = 0; entries.length < many; ) {
    if (said.getUint32(place, true) !== ENTRY) throw new Error("it is damaged");
    const [named, extra, comment] = [28, 30, 32].map((offset) => said.getUint16(place + offset, true));
    const flags = said.getUint16(place + 8, true);
    entries.push({
      path: text(said, place + 46, named ?? 0, flags),
      flags,
      method: said.getUint16(place + 10, true),
      packed: said.getUint32(place + 20, true),
      size: said.getUint32(place + 24, true),
      at: said.getUint32(place + 42, true),
    });
    place += 46 + (named ?? 0) + (extra ?? 0) + (comment ?? 0);
  }
  return entries;
}

/**
 * Return a file's bytes, as many as `most` at the most; null if they cannot be had, or are more than the zip says.
 * @param {Blob} zip
 * @param {Entry} entry
 * @param {number} most
 * @returns {Promise<Blob | null>}
 */
async function content(zip, { flags, method, packed, size, at }, most) {
  if (flags & ENCRYPTED || (method !== STORED && method !== DEFLATED)) return null;
  try {
    const head = await bytes(zip, at, at + 30);
    if (head.getUint32(0, true) !== LOCAL) return null;
    const start = at + 30 + head.getUint16(26, true) + head.getUint16(28, true);
    const data = zip.slice(start, start + packed);
    if (method === STORED) return data.slice(0, most);
    return await inflated(data, most, size);
  } catch {
    return null;
  }
}

/**
 * @param {Blob} data
 * @param {number} most bytes that are kept
 * @param {number} size that the zip says; more is none of its making
 */
async function inflated(data, most, size) {
  const reader = data.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  for (let length = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return length === size ? new Blob(parts) : null;
    length += value.length;
    if (length > size) return null;
    parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (value));
    if (length >= most && most < size) {
      await reader.cancel();
      return new Blob(parts).slice(0, most);
    }
  }
}

/**
 * @param {Blob} zip
 * @param {number} start
 * @param {number} end
 */
async function bytes(zip, start, end) {
  return new DataView(await zip.slice(start, end).arrayBuffer());
}

/**
 * @param {DataView<ArrayBuffer>} said
 * @param {number} at
 * @param {number} length
 * @param {number} flags
 */
function text(said, at, length, flags) {
  const raw = new Uint8Array(said.buffer, said.byteOffset + at, length);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    if (flags & UTF_8) throw new Error("a name is damaged");
    return new TextDecoder("windows-1252").decode(raw); // of an older packer
  }
}
