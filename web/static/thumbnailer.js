// Draws small pictures of files, as a worker: no decoding of a photograph ever holds up the page.

const SIDE = 320; // of the shorter side, in pixels
const LONGEST = 1280;

addEventListener("message", async ({ data: { id, file, release } }) => {
  if (release) URL.revokeObjectURL(release);
  else postMessage({ id, url: await drawn(file) });
});

/**
 * Return the address of a small picture; null if the file is none that this browser can show.
 * @param {File} file
 */
async function drawn(file) {
  try {
    const picture = await createImageBitmap(file);
    const { width, height } = picture;
    const scale = Math.min(1, SIDE / Math.min(width, height), LONGEST / Math.max(width, height));
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
    const pen = canvas.getContext("2d");
    if (!pen) return null;
    pen.fillStyle = "#fff"; // what is transparent is shown on white, as the model sees it
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingQuality = "medium";
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    return URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 }));
  } catch {
    return null; // no image, or of a format that this browser does not know
  }
}
