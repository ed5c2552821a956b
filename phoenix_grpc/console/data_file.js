/** A first look into a file that is to be uploaded: format, compression, columns. Reads its beginning only. */

const ENOUGH = 64 * 1024;
const LONGEST_LINE = 16 * 1024 * 1024;
const SAMPLED_LINES = 20;
const SAMPLE_LENGTH = 80;
const OTHER_FORMATS = /\.(parquet|arrow|feather|xlsx?|ods|zip|7z|zst|pdf)$/i;
const ARRAY_ADVICE = "Write one object a line instead (JSONL): jq -c '.[]' file.json > file.jsonl";

/** The file cannot be uploaded; the message says why and what to do. */
export class UnfitFile extends Error {}

/** @typedef {{name: string, sample: string, isObject: boolean}} Column */

/**
 * Looks into a file.
 * @param {File} file
 * @returns {Promise<{format: "csv"|"jsonl", gzip: boolean, columns: Column[]}>}
 * @throws {UnfitFile}
 */
export async function inspect(file) {
  if (!file.size) throw new UnfitFile("This file is empty.");
  const gzip = await isGzip(file);
  const { text, complete } = await beginning(file, gzip);
  const trimmed = text.replace(/^\uFEFF/, "").trimStart();
  const format = formatOf(file.name.replace(/\.gz$/i, ""), trimmed);
  return { format, gzip, columns: format === "csv" ? csvColumns(trimmed) : jsonlColumns(trimmed, complete) };
}

function formatOf(name, text) {
  if (/\.csv$/i.test(name)) return "csv";
  if (text.startsWith("{")) return "jsonl";
  if (text.startsWith("[")) throw new UnfitFile(`This is one JSON array. ${ARRAY_ADVICE}`);
  if (OTHER_FORMATS.test(name)) throw new UnfitFile("Files of this kind cannot be read here. Save it as CSV or JSONL.");
  return "csv";
}

async function isGzip(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  return first === 0x1f && second === 0x8b;
}

async function beginning(file, gzip) {
  const stream = gzip ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  const reader = stream.getReader();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "";
  try {
    while (text.length < ENOUGH || (!text.includes("\n") && text.length < LONGEST_LINE)) {
      const { value, done } = await reader.read();
      if (done) return { text, complete: true };
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    if (gzip) throw new UnfitFile("This file is not whole: its gzip compression is broken.");
    throw new UnfitFile("The browser cannot read this file. Was it moved or changed?");
  }
  await reader.cancel();
  return { text, complete: false };
}

function jsonlColumns(text, complete) {
  const lines = text.split("\n");
  if (!complete) lines.pop();
  const filled = lines.filter((line) => line.trim()).slice(0, SAMPLED_LINES);
  const columns = new Map();
  filled.forEach((line, index) => {
    for (const [name, value] of Object.entries(recordOf(line, index + 1))) addColumn(columns, name, value);
  });
  if (!columns.size) throw new UnfitFile("No record was found at the beginning of this file.");
  return [...columns.values()];
}

function recordOf(line, number) {
  try {
    const record = JSON.parse(line);
    if (typeof record === "object" && record !== null && !Array.isArray(record)) return record;
  } catch {
    throw new UnfitFile(`Record ${number} is not JSON. Every line must be one whole JSON object.`);
  }
  throw new UnfitFile(`Record ${number} is no JSON object. Every line must be one, such as {"question": "…"}.`);
}

function addColumn(columns, name, value) {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const known = columns.get(name);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (known) known.isObject &&= isObject;
  else columns.set(name, { name, isObject, sample: text.slice(0, SAMPLE_LENGTH) });
}

function csvColumns(text) {
  const [header, first = []] = csvRecords(text, 2);
  const repeated = header.find((name, index) => header.indexOf(name) !== index);
  if (repeated !== undefined) throw new UnfitFile(`Two columns are called “${repeated}”. Each needs its own name.`);
  if (header.length === 1 && /[;\t]/.test(header[0])) throw new UnfitFile("Columns must be separated by commas.");
  return header.map((name, index) => ({ name, isObject: false, sample: (first[index] ?? "").slice(0, SAMPLE_LENGTH) }));
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
