/** Three lanes of bars (created, updated, deleted), a column a version. Heights are logarithmic: 3 changes show beside 100,000. */

import { svg } from "../dom.js";
import { count, shortCount } from "../format.js";

const LANES = [["created_count", "Created"], ["updated_count", "Updated"], ["deleted_count", "Deleted"]];
const LABEL_WIDTH = 72;
const COLUMN = 44;
const BAR = 22;
const LANE = 52;
const TALLEST = 32;

/** The chart of versions, oldest first. */
export function versionChart(versions) {
  const width = LABEL_WIDTH + COLUMN * versions.length;
  const height = LANE * LANES.length + 24;
  const most = Math.max(1, ...versions.flatMap((version) => LANES.map(([key]) => version[key])));
  const lanes = LANES.map(([key, label], index) => lane(versions, key, label, LANE * (index + 1), most, width));
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary(versions) },
    lanes, versions.map((version, index) => dateLabel(version, index, versions, height - 4)));
}

function lane(versions, key, label, floor, most, width) {
  const name = label.toLowerCase();
  return svg("g", { class: name },
    svg("text", { class: "lane", x: 0, y: floor - 6 }, label),
    svg("line", { x1: LABEL_WIDTH, x2: width, y1: floor, y2: floor }),
    versions.map((version, index) => version[key] > 0 && bar(version[key], index, floor, most, name)));
}

function bar(value, index, floor, most, name) {
  const tall = Math.max(3, Math.round((TALLEST * Math.log1p(value)) / Math.log1p(most)));
  const x = LABEL_WIDTH + COLUMN * index + (COLUMN - BAR) / 2;
  return svg("g", {}, svg("title", {}, `${count(value)} ${name}`),
    svg("rect", { x, y: floor - tall, width: BAR, height: tall, rx: 2 }),
    svg("text", { class: "value", x: x + BAR / 2, y: floor - tall - 4 }, shortCount(value)));
}

/** A date under the first version of each day, where there is room. */
function dateLabel(version, index, versions, y) {
  const day = dayOf(version);
  if (index > 0 && dayOf(versions[index - 1]) === day) return null;
  return svg("text", { class: "day", x: LABEL_WIDTH + COLUMN * index + COLUMN / 2, y }, day);
}

function dayOf({ created_at: timestamp }) {
  return new Date(timestamp).toLocaleDateString("en", { month: "short", day: "numeric" });
}

function summary(versions) {
  const total = (key) => count(versions.reduce((sum, version) => sum + version[key], 0));
  return `${versions.length} versions, oldest first: ${total("created_count")} examples created, ${total("updated_count")} updated, `
    + `${total("deleted_count")} deleted. The table below has the numbers of each.`;
}
