// Zip files: real ones, made here, and such as want to do harm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";
import { loose } from "../../../../web/static/files.js";
import { hasZip, opened } from "../../../../web/static/zip.js";

/**
 * @typedef {object} Put
 * @property {string | Buffer} name
 * @property {Buffer} [data]
 * @property {number} [method] 8: deflated; 0: as it is
 * @property {number} [flags]
 * @property {number} [claimed] the size that the directory says
 */

/**
 * Make a zip.
 * @param {Put[]} files
 * @param {{comment?: string, many?: number}} [end]
 */
function zip(files, { comment = "", many = files.length } = {}) {
  /** @type {Buffer[]} */
  const parts = [];
  /** @type {Buffer[]} */
  const directory = [];
  let at = 0;
  for (const { name, data = Buffer.from("a cat"), method = 8, flags = 0x800, claimed = data.length } of files) {
    const packed = method === 8 ? deflateRawSync(data) : data;
    const named = Buffer.from(name);
    const head = Buffer.alloc(30);
    for (const [offset, value] of [
      [6, flags],
      [8, method],
      [26, named.length],
    ])
      head.writeUInt16LE(value ?? 0, offset);
    for (const [offset, value] of [
      [0, 0x04034b50],
      [14, crc32(data)],
      [18, packed.length],
      [22, claimed],
    ])
      head.writeUInt32LE(value ?? 0, offset);
    const entry = Buffer.alloc(46);
    for (const [offset, value] of [
      [8, flags],
      [10, method],
      [28, named.length],
    ])
      entry.writeUInt16LE(value ?? 0, offset);
    for (const [offset, value] of [
      [0, 0x02014b50],
      [20, packed.length],
      [24, claimed],
      [42, at],
    ])
      entry.writeUInt32LE(value ?? 0, offset);
    parts.push(head, named, packed);
    directory.push(entry, named);
    at += 30 + named.length + packed.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  for (const offset of [8, 10]) end.writeUInt16LE(many, offset);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment.length, 20);
  return new File([new Uint8Array(Buffer.concat([...parts, ...directory, end, Buffer.from(comment)]))], "trip.zip");
}

/**
 * @param {File} file
 * @param {number} [maxFileBytes]
 */
async function found(file, maxFileBytes = 1_000_000) {
  const { files, skipped, unread } = await opened(loose([file]), maxFileBytes);
  const texts = await Promise.all(files.map(async (one) => [one.path, (await one.file.text()).slice(0, 20)]));
  return { files: texts, skipped, unread };
}

test("a zip's images are taken with their paths, under its name, and others are not", async () => {
  const made = zip(
    [
      { name: "2023/" },
      { name: "2023/1.JPG", data: Buffer.from("one") },
      { name: "2024/é.png", data: Buffer.from("two"), method: 0 },
      { name: Buffer.from([0xe9, 0x2e, 0x67, 0x69, 0x66]), flags: 0 },
      { name: "notes.txt" },
      { name: "__MACOSX/2023/._1.JPG" },
    ],
    { comment: "made by hand" },
  );

  assert.deepEqual(await found(made), {
    files: [
      ["trip/2023/1.JPG", "one"],
      ["trip/2024/é.png", "two"],
      ["trip/é.gif", "a cat"],
    ],
    skipped: ["notes.txt"],
    unread: [],
  });
});

test("what is no zip, or one that is cut short or claims too much, is said to be unread", async () => {
  const whole = zip([{ name: "a.png" }]);
  const cut = new File([whole.slice(0, whole.size - 30)], "trip.zip");
  for (const broken of [new File(["no zip"], "trip.zip"), cut, zip([{ name: "a.png" }], { many: 60_000 })])
    assert.deepEqual(await found(broken), { files: [], skipped: [], unread: ["trip.zip"] });
});

test("a file that leads out of the zip's folder, is encrypted or packed in another way is left, its neighbours not", async () => {
  const made = zip([
    { name: "../a.png" },
    { name: "/etc/b.png" },
    { name: "c\\d.png" },
    { name: "e.png", flags: 0x801 },
    { name: "f.png", method: 12 },
    { name: "g.png" },
  ]);
  const { files, unread } = await found(made);

  assert.deepEqual(files, [["trip/g.png", "a cat"]]);
  assert.equal(unread.length, 5);
});

test("what unpacks to more than it says is left, and of what is too large only enough to be refused is unpacked", async () => {
  const large = Buffer.alloc(3_000_000);
  const bomb = await found(zip([{ name: "a.png", data: large, claimed: 1_000 }]));
  assert.deepEqual([bomb.files, bomb.unread], [[], ["trip/a.png"]]);
  const { files } = await opened(loose([zip([{ name: "a.png", data: large }])]), 100_000);

  assert.equal(files[0]?.file.size, 100_001);
});

test("without a zip nothing is done", async () => {
  const plain = loose([new File(["x"], "a.png")]);

  assert.deepEqual([hasZip(plain), hasZip(loose([zip([])]))], [false, true]);
  assert.deepEqual(await opened(plain, 10), plain);
});
