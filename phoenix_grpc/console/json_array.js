/** A file that is one JSON array -> JSON Lines, byte by byte: every value keeps its bytes, so numbers stay exact. */

const [OPEN, CLOSE, OPEN_OBJECT, CLOSE_OBJECT, QUOTE, BACKSLASH, COMMA] = [...'[]{}"\\,'].map((mark) => mark.charCodeAt(0));
const [LINE_FEED, RETURN, SPACE, TAB] = [10, 13, 32, 9];
const MARK = [0xef, 0xbb, 0xbf];
const IN_MEMORY = 16 * 1024 * 1024;

/** The array cannot be cut into its elements; the message says why. */
export class BrokenArray extends Error {}

/** Cuts chunks of the array at the commas between its elements; line breaks within one become spaces. */
export class ArrayCutter {
  constructor() {
    this.depth = 0;
    this.quoted = false;
    this.escaped = false;
    this.empty = true; // no element has begun since the last comma
    this.complete = false; // the last element has ended
    this.ended = false;
    this.number = 1;
  }

  /** The lines in the next chunk of the file. */
  cut(chunk) {
    const lines = new Uint8Array(chunk.length);
    let size = 0;
    for (const byte of chunk) {
      const kept = this.quoted ? this.inString(byte) : this.outside(byte);
      if (kept !== null) lines[size++] = kept;
    }
    return lines.subarray(0, size);
  }

  /** Makes sure that the array has ended. */
  end() {
    if (this.depth || this.quoted || !this.ended) this.fail("is not JSON, or the array has no end");
  }

  inString(byte) {
    if (this.escaped) this.escaped = false;
    else if (byte === BACKSLASH) this.escaped = true;
    else if (byte === QUOTE) this.quoted = false;
    return byte;
  }

  outside(byte) {
    if (this.depth > 1) return this.within(byte);
    if (byte === LINE_FEED || byte === RETURN || byte === SPACE || byte === TAB) return null;
    if (this.depth === 1) return this.between(byte);
    if (byte === OPEN && !this.ended) this.depth = 1;
    else if (!MARK.includes(byte)) throw new BrokenArray("Something follows the end of the JSON array.");
    return null;
  }

  within(byte) {
    if (byte === LINE_FEED || byte === RETURN) return SPACE;
    if (byte === QUOTE) this.quoted = true;
    else if (byte === OPEN || byte === OPEN_OBJECT) this.depth += 1;
    else if (byte === CLOSE || byte === CLOSE_OBJECT) this.depth -= 1;
    this.complete = this.depth === 1;
    return byte;
  }

  between(byte) {
    if (byte === CLOSE) return this.close();
    if (byte === COMMA) return this.comma();
    if (byte !== OPEN_OBJECT) this.fail("is no JSON object; every element of the array must be one");
    if (this.complete) this.fail("must be followed by a comma or the end of the array");
    this.depth = 2;
    this.empty = false;
    return byte;
  }

  comma() {
    if (this.empty) this.fail("is missing: two commas follow each other");
    this.empty = true;
    this.complete = false;
    this.number += 1;
    return LINE_FEED;
  }

  close() {
    if (this.empty && this.number > 1) this.fail("is missing: a comma stands before the end of the array");
    this.depth = 0;
    this.ended = true;
    return this.empty ? null : LINE_FEED;
  }

  fail(text) {
    throw new BrokenArray(`Record ${this.number} ${text}.`);
  }
}

/**
 * The lines of an array as a Blob, which the browser keeps where it has room.
 * @param {ReadableStream<Uint8Array>} stream the file, decompressed
 * @throws {BrokenArray}
 */
export async function arrayLines(stream) {
  const cutter = new ArrayCutter();
  const blobs = [];
  let parts = [];
  let size = 0;
  const reader = stream.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    parts.push(cutter.cut(read.value));
    size += read.value.length;
    if (size < IN_MEMORY) continue;
    blobs.push(new Blob(parts));
    parts = [];
    size = 0;
  }
  cutter.end();
  return new Blob([...blobs, ...parts]);
}
