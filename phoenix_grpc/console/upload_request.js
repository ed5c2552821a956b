/** Sends a file as multipart/form-data, with progress. The body is a Blob of the file itself, so memory stays flat. */

import { ApiError, SignedOut, errorFrom } from "./api.js";
import { serverUrl } from "./base.js";

const MEDIA_TYPES = { csv: "text/csv", jsonl: "application/jsonl" };

/**
 * Uploads a file.
 * @param {object} upload
 * @param {File} upload.file
 * @param {Blob} upload.content the bytes to send
 * @param {"csv"|"jsonl"} upload.format
 * @param {boolean} upload.gzip the file is compressed: said in the part's header, which the browser's FormData cannot
 * @param {[string, string][]} upload.fields the other form fields
 * @param {(loaded: number, total: number) => void} upload.onprogress
 * @param {() => void} upload.onsent called when the server has all of it, and stores it
 * @param {AbortSignal} upload.signal
 * @returns {Promise<object>} the ids and counts of the server's response
 * @throws {ApiError|SignedOut}
 */
export function sendUpload({ file, content, format, gzip, fields, onprogress, onsent, signal }) {
  signal.throwIfAborted();
  const boundary = `phoenix-grpc-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  const request = new XMLHttpRequest();
  request.open("POST", serverUrl("/v1/datasets/upload?sync=true"));
  request.setRequestHeader("content-type", `multipart/form-data; boundary=${boundary}`);
  request.upload.addEventListener("progress", ({ loaded, total }) => onprogress(loaded, total));
  request.upload.addEventListener("load", onsent);
  signal.addEventListener("abort", () => request.abort());
  const result = new Promise((resolve, reject) => {
    request.addEventListener("load", () => settle(request, resolve, reject));
    request.addEventListener("error", () => reject(new ApiError(0, "no answer")));
    request.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
  });
  request.send(body(boundary, fields, file.name, content, MEDIA_TYPES[format], gzip));
  return result;
}

function settle(request, resolve, reject) {
  if (request.status === 200) resolve(JSON.parse(request.responseText).data);
  else if (request.status === 401) reject(new SignedOut());
  else reject(errorFrom(request.status, request.responseText, request.getResponseHeader("retry-after")));
}

function body(boundary, fields, name, content, mediaType, gzip) {
  const part = (field, extra, headers) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${quote(field)}"${extra}\r\n${headers}\r\n`;
  const plain = fields.map(([field, value]) => `${part(field, "", "")}${value}\r\n`);
  const headers = `Content-Type: ${mediaType}\r\n${gzip ? "Content-Encoding: gzip\r\n" : ""}`;
  return new Blob([
    ...plain,
    part("file", `; filename="${quote(name)}"`, headers),
    content,
    `\r\n--${boundary}--\r\n`,
  ]);
}

/** Escapes a name in a part's header, as HTML's multipart encoding does. */
function quote(text) {
  return text.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
}
