/** Numbers, sizes and times, as people read them. */

import { h } from "./dom.js";

const numbers = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** 12345 -> "12,345". */
export function count(number) {
  return numbers.format(number);
}

/** 12345 -> "12.3K". */
export function shortCount(number) {
  return compact.format(number);
}

/** "1 example", "2 examples". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** 1536 -> "1.5 KB". */
export function bytes(size) {
  if (size < 1000) return `${size} bytes`;
  const exponent = Math.min(Math.floor(Math.log10(size) / 3), 4);
  return `${(size / 1000 ** exponent).toFixed(1)} ${["", "KB", "MB", "GB", "TB"][exponent]}`;
}

/** A <time>: "3 hours ago", with the date and time on hover; `missing` when there is none. */
export function when(timestamp, missing = "never") {
  if (!timestamp) return missing;
  const date = new Date(timestamp);
  return h("time", { datetime: timestamp, title: dates.format(date) }, ago(date));
}

/** A <time> with the full date and time. */
export function moment(timestamp) {
  return h("time", { datetime: timestamp }, dates.format(new Date(timestamp)));
}

function ago(date) {
  const elapsed = (date.getTime() - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(elapsed) >= size) ?? ["second", 1];
  if (unit === "second" && elapsed <= 0) return "just now";
  return relative.format(Math.round(elapsed / length), unit);
}
