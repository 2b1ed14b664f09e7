// The page, put together: files go in, the pile grows, the tiles and the deck show it.

import { Deck } from "./deck.js";
import { Detail } from "./detail.js";
import { chosenFolder, dropped } from "./files.js";
import { Follower } from "./follow.js";
import { Pile } from "./pile.js";
import * as recent from "./recent.js";
import { bytes, number } from "./show.js";
import { Tiles } from "./tiles.js";
import { Uploader } from "./upload.js";

const $ = (id) => document.getElementById(id);
const maxFileBytes = Number(document.querySelector('meta[name="max-file-bytes"]').content);

const tiles = new Tiles($("images"), (item) => detail.open(item));
const detail = new Detail($("detail"), tiles);
const deck = new Deck($("work"), { onShow: arrange });

let id = null;
let pile = null;
let uploader = null;
let follower = null;
let silent = false;

// -- the batch in view

function begin(batch) {
  follower?.close();
  follower = null;
  detail.close();
  tiles.clear();
  deck.reset();
  id = batch;
  silent = false;
  const current = new Pile((items) => current === pile && draw(items));
  pile = current;
  // An upload goes on when the page has gone to another batch; then it has nothing to say here.
  const ours = (act) => (value) => current === pile && act(value);
  uploader = new Uploader(pile, maxFileBytes, {
    onBatch: ours(named),
    onReceipt: ours(() => follower?.start()),
    onIdle: ours(uploaded),
  });
  uploader.id = batch;
  if (batch) follow();
  deck.draw(pile, uploader, silent);
}

function named(batch) {
  id = batch;
  history.pushState(null, "", `/batches/${batch}`);
  follow();
}

function follow() {
  const current = pile;
  follower = new Follower(id, {
    onImage: (image) => current.learn(image, uploader.busy),
    onDone: () => {
      draw(new Set());
      // An end that was on its way while more was uploaded is none.
      if (current === pile && current.counts.waiting) setTimeout(() => current === pile && follower.start(), 1_000);
    },
    onMissing: () => missing(current),
    onSilence: (on) => {
      silent = on;
      draw(new Set());
    },
  });
  $("csv").href = `/api/batches/${id}/results.csv`;
  // A new batch has nothing to follow before its first files are stored.
  if (!uploader.busy) follower.start();
}

function uploaded() {
  pile.settle();
  if (id) recent.remember(id, pile);
  deck.trouble(pile.items.filter((item) => item.again));
}

function missing(current) {
  if (current.total) return;
  recent.forget(id);
  view("missing");
}

function draw(items) {
  tiles.update(items);
  detail.refresh(items);
  deck.draw(pile, uploader, silent);
  if (items.size) arrangeSoon();
  document.title = pile.total && pile.open ? `${number(pile.total - pile.open)} of ${number(pile.total)} · Elastiq` : "Elastiq";
  if (id && !pile.open && pile.total && !uploader.busy) recent.remember(id, pile);
}

function take({ files, skipped }) {
  if (skipped) toast(`${number(skipped)} ${skipped === 1 ? "file is" : "files are"} not named like an image, and left out.`);
  if (!files.length) return;
  if (!pile) begin(null);
  view("work");
  uploader.add(files.map((file) => pile.add(file)));
}

// -- what is shown of it

function view(name) {
  for (const section of ["welcome", "work", "missing"]) $(section).hidden = section !== name;
  $("batch-actions").hidden = name !== "work";
  if (name === "welcome") $("recent").hidden = !recent.draw(document.querySelector(".recent"));
}

const names = new Intl.Collator(undefined, { numeric: true });
const ORDERS = {
  // One's own in the order in which they were given, others by name: the order in which they came tells nothing.
  added: (a, b) => !a.file - !b.file || (a.file ? a.number - b.number : names.compare(a.name, b.name)),
  label: (a, b) => (a.label ?? "\uffff").localeCompare(b.label ?? "\uffff") || b.score - a.score || a.number - b.number,
  unsure: (a, b) => (a.score ?? 2) - (b.score ?? 2) || a.number - b.number,
};
let arranging = null;

function arrange() {
  clearTimeout(arranging);
  arranging = null;
  if (!pile) return;
  const view = pile.items.filter((item) => deck.matches(item)).sort(ORDERS[deck.order]);
  tiles.show(view);
  $("nothing").hidden = view.length > 0 || !pile.total;
}

/** Arrange once, however much comes: the more there is to sort, the later. */
function arrangeSoon() {
  arranging ??= setTimeout(arrange, Math.min(500, pile.total / 10));
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => ($("toast").hidden = true), 5_000);
}

// -- what people do

function route() {
  const [, batch] = location.pathname.match(/^\/batches\/([^/]+)$/) ?? [];
  if (batch && batch === id) return;
  if (batch) {
    begin(decodeURIComponent(batch));
    view("work");
  } else {
    follower?.close();
    pile = follower = uploader = id = null;
    tiles.clear();
    document.title = "Elastiq";
    view("welcome");
  }
}

for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"], ["add", "files"]])
  $(button).addEventListener("click", () => $(input).click());
$("files").addEventListener("change", (event) => {
  take({ files: [...event.target.files], skipped: 0 });
  event.target.value = "";
});
$("folder").addEventListener("change", (event) => {
  take(chosenFolder(event.target.files));
  event.target.value = "";
});
$("retry").addEventListener("click", () => {
  const again = pile.items.filter((item) => item.again);
  for (const item of again) {
    item.again = false;
    pile.set(item, { state: "queued", reason: null });
  }
  deck.trouble([]);
  uploader.add(again);
});
$("share").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    toast("The batch's address is copied.");
  } catch {
    toast(`Copy it from here: ${location.href}`); // no clipboard without HTTPS or permission
  }
});

let depth = 0; // a drag enters each element on its way
const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
window.addEventListener("dragenter", (event) => {
  if (!holdsFiles(event)) return;
  depth += 1;
  $("veil").hidden = false;
});
window.addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  $("veil").hidden = depth === 0;
});
window.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
window.addEventListener("drop", async (event) => {
  depth = 0;
  $("veil").hidden = true;
  if (!holdsFiles(event)) return;
  event.preventDefault();
  try {
    take(await dropped(event.dataTransfer));
  } catch (error) {
    toast(`A folder could not be read: ${error.message}`);
  }
});
window.addEventListener("paste", (event) => take({ files: [...(event.clipboardData?.files ?? [])], skipped: 0 }));
window.addEventListener("popstate", route);
window.addEventListener("beforeunload", (event) => uploader?.busy && event.preventDefault());
// Rates and remaining times change while nothing else does.
setInterval(() => pile?.open && deck.draw(pile, uploader, silent), 1_000);

$("limit").textContent = bytes(maxFileBytes);
route();
