/**
 * Three lanes of bars (created, updated, deleted), one column per version. Heights are logarithmic, so that 3 changes show
 * beside 100,000. The names of the lanes do not scroll.
 */

import { h, svg } from "../dom.js";
import { count, plural, shortCount } from "../format.js";

const LANES = [
  ["created_count", "Created"],
  ["updated_count", "Updated"],
  ["deleted_count", "Deleted"],
];
const COLUMN = 44;
const BAR = 22;
const LANE = 52;
const TALLEST = 32;
const DATES = 24;

/** The chart of versions, oldest first. */
export function versionChart(versions) {
  const width = COLUMN * versions.length;
  const height = LANE * LANES.length + DATES;
  const most = Math.max(...versions.flatMap((version) => LANES.map(([key]) => version[key])));
  const names = LANES.map(([, label]) => h("span", {}, label));
  const bars = svg(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary(versions) },
    LANES.map(([key, label], index) => lane(versions, key, label.toLowerCase(), LANE * (index + 1), most)),
    dateLabels(versions, height - 4),
  );
  return h("div", { class: "chart" }, h("div", { class: "lanes", "aria-hidden": "true" }, names), scrolling(bars));
}

/** A strip that scrolls sideways, by keyboard too, and begins at its end: the latest version. */
function scrolling(content) {
  const strip = h("div", { class: "strip", role: "group", "aria-label": "Version history", tabindex: "0" }, content);
  new ResizeObserver(() => strip.scrollTo(strip.scrollWidth, 0)).observe(strip);
  return strip;
}

function lane(versions, key, name, floor, most) {
  return svg(
    "g",
    { class: name },
    svg("line", { x1: 0, x2: COLUMN * versions.length, y1: floor, y2: floor }),
    versions.map((version, index) => version[key] > 0 && bar(version[key], index, floor, most, name)),
  );
}

function bar(value, index, floor, most, name) {
  const tall = Math.max(3, Math.round((TALLEST * Math.log1p(value)) / Math.log1p(most)));
  const x = COLUMN * index + (COLUMN - BAR) / 2;
  return svg(
    "g",
    {},
    svg("title", {}, `${count(value)} ${name}`),
    svg("rect", { x, y: floor - tall, width: BAR, height: tall, rx: 2 }),
    svg("text", { class: "value", x: x + BAR / 2, y: floor - tall - 4 }, shortCount(value)),
  );
}

/** Dates under the columns, or times if all are of one day; repeated dates are left out. */
function dateLabels(versions, y) {
  const days = versions.map(({ created_at: timestamp }) => textOf(timestamp, { month: "short", day: "numeric" }));
  const times = versions.map(({ created_at: timestamp }) => textOf(timestamp, { timeStyle: "short", hour12: false }));
  const texts = new Set(days).size === 1 ? times : days;
  return texts.map((text, index) => {
    const x = COLUMN * index + COLUMN / 2;
    return text !== texts[index - 1] && svg("text", { class: "day", x, y }, text);
  });
}

function textOf(timestamp, style) {
  return new Intl.DateTimeFormat("en", style).format(new Date(timestamp));
}

function summary(versions) {
  const totals = LANES.map(([key, label]) => {
    const total = versions.reduce((sum, version) => sum + version[key], 0);
    return `${count(total)} ${label.toLowerCase()}`;
  });
  return `${plural(versions.length, "version")}, oldest first; examples: ${totals.join(", ")}. See the table below.`;
}
