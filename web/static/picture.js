// An image's picture: the user's own file while there is one, and the small one that the server draws otherwise.

import { here } from "./dom.js";

/** @import { Item } from "./images.js" */

/**
 * The server's picture of an image; null when it has none.
 * @param {string | null} key
 * @param {boolean} [large]
 */
export function previewUrl(key, large = false) {
  const [batch, name, inner] = key?.split("/") ?? [];
  // A refused file was not stored: its key has a folder of its own.
  if (!batch || !name || inner !== undefined) return null;
  return here(`/api/batches/${batch}/images/${encodeURIComponent(name)}${large ? "?size=large" : ""}`);
}

/**
 * Show an item's picture, if none is shown yet and there is one.
 * @param {HTMLImageElement} picture
 * @param {Item} item
 * @param {{large?: boolean, onShow: (shown: boolean) => void}} options `onShow` is told whether there is one.
 */
export function show(picture, item, { large = false, onShow }) {
  if (picture.hasAttribute("src")) return;
  const own = item.file?.size && !item.unshowable ? item.file : null;
  const remote = previewUrl(item.key, large);
  picture.onerror = () => {
    if (!isOwn(picture)) return onShow(false);
    // Not a format of this browser's, or no image at all; once it is stored, the server can tell.
    item.unshowable = true;
    drop(picture);
    show(picture, item, { large, onShow });
  };
  if (own) picture.src = URL.createObjectURL(own);
  else if (remote) picture.src = remote;
  onShow(Boolean(own ?? remote));
}

/** Show nothing. @param {HTMLImageElement} picture */
export function drop(picture) {
  if (isOwn(picture)) URL.revokeObjectURL(picture.src);
  picture.removeAttribute("src");
}

/** @param {HTMLImageElement} picture */
function isOwn(picture) {
  return picture.src.startsWith("blob:");
}
