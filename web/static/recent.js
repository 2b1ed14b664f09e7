// The batches that this browser has seen, kept in the browser alone.

import { number, previewUrl } from "./show.js";

const STORE = "elastiq.recent";
const WHEN = { dateStyle: "medium", timeStyle: "short" };
const MOST = 12;
const PICTURES = 4;

export function read() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return []; // no storage, or not ours: then there are no recent batches
  }
}

/** Note a batch as it is now. */
export function remember(id, pile) {
  const keys = pile.items.filter((item) => previewUrl(item)).slice(0, PICTURES).map((item) => item.key);
  const labels = [...pile.labels].sort((a, b) => b[1].size - a[1].size).slice(0, 3).map(([label]) => label);
  const others = read().filter((batch) => batch.id !== id);
  const seen = read().find((batch) => batch.id === id)?.at ?? Date.now();
  const all = [{ id, at: seen, total: pile.total, keys, labels }, ...others].sort((a, b) => b.at - a.at);
  write(all.slice(0, MOST));
}

export function forget(id) {
  write(read().filter((batch) => batch.id !== id));
}

/** Fill `list` with a card for each. */
export function draw(list) {
  const batches = read();
  list.replaceChildren(...batches.map(card));
  return batches.length;
}

function card({ id, at, total, keys, labels }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/batches/${encodeURIComponent(id)}`;
  const mosaic = document.createElement("span");
  mosaic.className = "mosaic";
  for (const key of keys ?? []) {
    const url = previewUrl({ key });
    if (!url) continue;
    const picture = document.createElement("img");
    picture.alt = "";
    picture.loading = "lazy";
    picture.onerror = () => picture.remove();
    picture.src = url;
    mosaic.append(picture);
  }
  const title = document.createElement("b");
  title.textContent = labels?.length ? labels.join(", ") : "Batch";
  const text = document.createElement("span");
  text.textContent = `${number(total ?? 0)} ${total === 1 ? "image" : "images"} · ${new Date(at).toLocaleString(undefined, WHEN)}`;
  link.append(mosaic, title, text);
  item.append(link);
  return item;
}

function write(batches) {
  try {
    localStorage.setItem(STORE, JSON.stringify(batches));
  } catch {
    // A browser may refuse to keep anything; the page works without.
  }
}
