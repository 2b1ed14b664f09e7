// How things are put into words and pictures.

const numbers = new Intl.NumberFormat("en");

export const number = (value) => numbers.format(value);

export function percent(score) {
  if (score > 0 && score < 0.005) return "<1%";
  if (score >= 0.995 && score < 1) return "99%";
  return `${Math.round(score * 100)}%`;
}

export function duration(seconds) {
  if (seconds < 1) return "a moment";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(value) {
  return value >= 1e6 ? `${Number((value / 1e6).toPrecision(3))} MB` : `${Math.ceil(value / 1000)} kB`;
}

/** The server's small picture of an image; nothing when it has none. */
export function previewUrl({ key }, large = false) {
  const [batch, name, inner] = key?.split("/") ?? [];
  // A refused file was not stored: its key has a folder of its own.
  if (!name || inner !== undefined) return null;
  return `/api/batches/${batch}/images/${encodeURIComponent(name)}${large ? "?size=large" : ""}`;
}

/** Fill `list` with an image's top five as bars. */
export function fillFive(list, item, tag) {
  const rows = item.top5?.length ? item.top5 : [item];
  list.replaceChildren(
    ...rows.map(({ label, score }) => {
      const row = document.createElement(tag);
      const text = document.createElement("span");
      text.textContent = label;
      const value = document.createElement("b");
      value.textContent = percent(score);
      row.append(text, value);
      row.style.setProperty("--score", score);
      return row;
    }),
  );
}
