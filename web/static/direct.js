// Uploads that go straight to the bucket, where the server lets them: a way of sending that falls back to the server.

import { isLasting, pause, pauseMs } from "./patience.js";

/** @import { Answer, Post } from "./upload.js" */

/**
 * @typedef {{upload: string, bytes: number, fields: Record<string, string>}} Upload
 *
 * @typedef {typeof import("./upload.js").post} Send
 */

export const TRIES = 3;
// Of each of the uploader's chunks; browsers open six connections to a host.
const AT_ONCE = 2;
const LONGEST_PAUSE_MS = 4_000;

export class Direct {
  /** @param {Send} post sends to the server and to the bucket */
  constructor(post) {
    this._post = post;
    /** Whether the bucket has taken everything so far. */
    this.works = true;
  }

  /** Send as the uploader does; what the bucket does not take goes to the server. @type {Post} */
  send = async (url, body, onProgress, cut) => {
    if (this.works && url.endsWith("/images") && body instanceof FormData) {
      const files = /** @type {File[]} */ (body.getAll("files"));
      const answer = await this._straight(url.replace(/images$/, "uploads"), files, onProgress, cut);
      if (answer) return answer;
    }
    return this._post(url, body, onProgress, cut);
  };

  /**
   * Return what the server says in the end, an error that may pass too; null where the files have to go to it.
   * @param {string} url
   * @param {File[]} files
   * @param {(bytes: number) => void} onProgress
   * @param {AbortSignal} cut
   * @returns {Promise<Answer | null>}
   */
  async _straight(url, files, onProgress, cut) {
    const invited = await this._post(url, json({ sizes: files.map(({ size }) => size) }), () => {}, cut);
    if (isLasting(invited.status)) return null; // sent to the server, they are told why
    if (invited.status !== 201) return invited;
    /** @type {{bucket_url: string, uploads: Upload[]}} */
    const { bucket_url, uploads } = JSON.parse(invited.text);
    let next = 0;
    const lane = async () => {
      for (let at = next++; at < files.length && this.works && !cut.aborted; at = next++) {
        const [file, upload] = [files[at], uploads[at]];
        if (file && upload && !(await this._put(bucket_url, upload, file, onProgress, cut))) this.works = false;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    if (cut.aborted) return { status: 0, text: "", retryAfterS: 0 };
    if (!this.works) return null;
    const named = files.map(({ name }, at) => ({ upload: uploads[at]?.upload, path: name }));
    const answer = await this._persist(() => this._post(`${url}/complete`, json({ files: named }), () => {}, cut), cut);
    return isLasting(answer.status) ? null : answer;
  }

  /**
   * @param {string} url
   * @param {Upload} upload
   * @param {File} file
   * @param {(bytes: number) => void} onProgress
   * @param {AbortSignal} cut
   */
  async _put(url, { bytes, fields }, file, onProgress, cut) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", bytes < file.size ? file.slice(0, bytes) : file, "file"); // S3 takes nothing behind it
    const { status } = await this._persist(() => this._post(url, form, onProgress, cut), cut);
    return (status >= 200 && status < 300) || cut.aborted;
  }

  /**
   * Ask a few times while the answer is an error that may pass.
   * @param {() => Promise<Answer>} ask
   * @param {AbortSignal} cut
   */
  async _persist(ask, cut) {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await ask();
      const done = (answer.status >= 200 && answer.status < 300) || isLasting(answer.status);
      if (done || cut.aborted || attempt === TRIES) return answer;
      const limits = { longestMs: LONGEST_PAUSE_MS, retryAfterS: answer.retryAfterS };
      await pause(pauseMs(attempt, limits, Math.random()), cut);
    }
  }
}

/** @param {unknown} data */
function json(data) {
  return new Blob([JSON.stringify(data)], { type: "application/json" });
}
