/** Inspects a file before it is uploaded: format, compression, columns. Reads its beginning, or all of a JSON array. */

import { BrokenArray, arrayLines } from "./json_array.js";

const ENOUGH = 64 * 1024;
const LONGEST_LINE = 16 * 1024 * 1024;
const SAMPLED_LINES = 20;
const SAMPLE_LENGTH = 80;
const OTHER_FILES = [
  ["PAR1", "This is a Parquet file. Write it as CSV or JSON Lines, with pandas for example."],
  ["PK\x03\x04", "This is an Excel workbook or a zip archive. Save the workbook as CSV, or unpack the archive."],
  ["\xd0\xcf\x11\xe0", "This is an old Excel workbook. Save it as CSV."],
  ["ARROW1", "This is an Arrow file. Write it as CSV or JSON Lines, with pandas for example."],
  ["\x28\xb5\x2f\xfd", "This file is compressed with zstd. Decompress it first: unzstd FILE"],
  ["BZh", "This file is compressed with bzip2. Decompress it first: bunzip2 FILE"],
  ["\xfd7zXZ", "This file is compressed with xz. Decompress it first: unxz FILE"],
  ["\xff\xfe", "This file is UTF-16. Save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW"],
  ["\xfe\xff", "This file is UTF-16. Save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW"],
  ["%PDF", "This is a PDF file. Write what it holds as CSV or JSON Lines."],
];
const NO_RECORD = "There is no record in this file.";

/** The file cannot be uploaded; the message says why and what to do. */
export class UnfitFile extends Error {}

/** @typedef {"text"|"object"|"list"|"other"|"null"|"mixed"} Kind the type of the values, apart from nulls */
/** @typedef {{name: string, sample: string, kind: Kind}} Column */

/**
 * Inspects a file, as the Python client does.
 * @param {File} file
 * @returns {Promise<{content: Blob, format: "csv"|"jsonl", gzip: boolean, columns: Column[]}>} `content` is sent:
 *   the file, or the lines of its JSON array
 * @throws {UnfitFile}
 */
export async function inspect(file) {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 8).arrayBuffer()));
  const other = OTHER_FILES.find(([signature]) => head.startsWith(signature));
  if (other) throw new UnfitFile(other[1]);
  const gzip = head.startsWith("\x1f\x8b");
  const { text, complete } = await beginning(file, gzip);
  if (!text.trim()) throw new UnfitFile("This file is empty.");
  const name = file.name.replace(/\.gz$/i, "");
  if (text.trimStart().startsWith("[") && !/\.csv$/i.test(name)) return inspectArray(file, gzip);
  const format = formatOf(name, text.trimStart());
  const columns = format === "csv" ? csvColumns(text, complete) : jsonlColumns(text, complete);
  return { content: file, format, gzip, columns };
}

async function inspectArray(file, gzip) {
  const content = await lines(file, gzip);
  if (!content.size) throw new UnfitFile(NO_RECORD);
  const { text, complete } = await beginning(content, false);
  return { content, format: "jsonl", gzip: false, columns: jsonlColumns(text, complete) };
}

async function lines(file, gzip) {
  try {
    return await arrayLines(decompressed(file, gzip));
  } catch (failure) {
    throw failure instanceof BrokenArray ? new UnfitFile(failure.message) : unreadable(gzip);
  }
}

function formatOf(name, text) {
  if (/\.csv$/i.test(name)) return "csv";
  return text.startsWith("{") || /\.(jsonl|ndjson|json)$/i.test(name) ? "jsonl" : "csv";
}

function decompressed(file, gzip) {
  return gzip ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
}

function unreadable(gzip) {
  if (gzip) return new UnfitFile("This file is not whole: its gzip compression is broken.");
  return new UnfitFile("The browser cannot read this file. Was it moved or changed?");
}

async function beginning(file, gzip) {
  const reader = decompressed(file, gzip).getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  while (text.length < ENOUGH || (!text.includes("\n") && text.length < LONGEST_LINE)) {
    const { value, done } = await reader.read().catch(() => {
      throw unreadable(gzip);
    });
    text += decode(decoder, value, !done);
    if (done) return { text, complete: true };
  }
  await reader.cancel();
  return { text, complete: false };
}

function decode(decoder, bytes, stream) {
  try {
    return decoder.decode(bytes, { stream });
  } catch {
    throw new UnfitFile("This file is not UTF-8. Save it as UTF-8: iconv -f LATIN1 -t UTF-8 FILE > NEW");
  }
}

function jsonlColumns(text, complete) {
  const lines = text.split("\n");
  if (!complete) lines.pop();
  const numbered = lines.map((line, index) => [line, index + 1]).filter(([line]) => line.trim());
  const columns = new Map();
  for (const [line, number] of numbered.slice(0, SAMPLED_LINES)) {
    for (const [name, value] of Object.entries(recordOf(line, number))) addColumn(columns, name, value);
  }
  if (!columns.size) throw new UnfitFile(NO_RECORD);
  return [...columns.values()];
}

function recordOf(line, number) {
  try {
    const record = JSON.parse(line);
    if (typeof record === "object" && record !== null && !Array.isArray(record)) return record;
  } catch {
    throw new UnfitFile(`Line ${number} is not JSON. Every line must be one whole JSON object.`);
  }
  throw new UnfitFile(`Line ${number} is no JSON object. Every line must be one, such as {"question": "…"}.`);
}

function addColumn(columns, name, value) {
  const kind = kindOf(value);
  const known = columns.get(name);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (!known) columns.set(name, { name, kind, sample: text.slice(0, SAMPLE_LENGTH) });
  else if (known.kind === "null") known.kind = kind;
  else if (kind !== "null" && kind !== known.kind) known.kind = "mixed";
}

function kindOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  return { string: "text", object: "object" }[typeof value] ?? "other";
}

function csvColumns(text, complete) {
  const records = csvRecords(text, SAMPLED_LINES).filter((record) => record.length > 1 || record[0]);
  const [header, first] = records;
  const repeated = header.find((name, index) => header.indexOf(name) !== index);
  if (repeated !== undefined) throw new UnfitFile(`Two columns are called “${repeated}”. Each needs its own name.`);
  if (header.length === 1 && /[;\t]/.test(header[0])) throw new UnfitFile("Columns must be separated by commas.");
  if (!first && complete) throw new UnfitFile(NO_RECORD);
  const sample = (index) => (first?.[index] ?? "").slice(0, SAMPLE_LENGTH);
  return header.map((name, index) => ({ name, kind: "text", sample: sample(index) }));
}

/** The first `limit` records of CSV text (RFC 4180). */
function csvRecords(text, limit) {
  const records = [];
  let record = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    record.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    records.push(record);
    record = [];
    if (records.length === limit || end === "") break;
  }
  return records;
}
