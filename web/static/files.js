// Files from wherever people have them: dropped, chosen, pasted; folders are walked.

const IMAGE_NAME = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?)$/i;

/** Return what a drop holds: `files`, and how many in its folders are `skipped`, not being named like images. */
export async function dropped(transfer) {
  // Entries must be asked for before the first await: after it the list is gone.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return { files: loose, skipped: 0 };
  const found = { files: [], skipped: 0 };
  for (const entry of entries) await walk(entry, found, true);
  return found;
}

/** Return what a folder chooser holds, like `dropped`. */
export function chosenFolder(list) {
  const files = [...list];
  const images = files.filter((file) => IMAGE_NAME.test(file.name));
  return { files: images, skipped: files.length - images.length };
}

async function walk(entry, found, loose) {
  if (entry.isDirectory) {
    const reader = entry.createReader();
    for (;;) {
      // A folder is read some hundred entries at a time, until none come.
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const inner of some) await walk(inner, found, false);
    }
  } else if (loose || IMAGE_NAME.test(entry.name)) {
    found.files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else {
    found.skipped += 1;
  }
}
