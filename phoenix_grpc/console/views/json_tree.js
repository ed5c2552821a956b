/** JSON as a tree a person reads: keys, exact values, and objects that fold. */

import { button } from "../actions.js";
import { h } from "../dom.js";
import { count } from "../format.js";

const LONG_TEXT = 600;
const MANY_MEMBERS = 50;
const SHORT_LIST = 8;
const SHORT_TEXT = 24;
const OPEN_DEPTH = 2;

/** The tree of a node made by json.js. */
export function jsonTree(node) {
  return isBranch(node) ? branch(node, 0) : leaf(node);
}

function isBranch(node) {
  return node.type === "object" || node.type === "array";
}

function membersOf(node) {
  return node.type === "object" ? node.entries : node.items.map((item, index) => [index, item]);
}

function branch(node, depth) {
  const members = membersOf(node);
  if (!members.length) return h("span", { class: "json-empty" }, node.type === "object" ? "{ }" : "[ ]");
  const list = h("ul", { class: "json" });
  const rest = more(list, members, depth);
  rest();
  return list;
}

function more(list, members, depth) {
  let shown = 0;
  const next = () => {
    list.append(...members.slice(shown, shown + MANY_MEMBERS).map(([key, value]) => item(key, value, depth)));
    shown += MANY_MEMBERS;
    const left = members.length - shown;
    if (left > 0) list.append(moreItem(left, next));
  };
  return next;
}

function moreItem(left, next) {
  const entry = h(
    "li",
    {},
    button(
      `Show ${count(Math.min(left, MANY_MEMBERS))} of ${count(left)} more`,
      () => {
        entry.remove();
        next();
      },
      { class: "quiet" },
    ),
  );
  return entry;
}

function item(key, value, depth) {
  const name = h("span", { class: "json-key" }, key);
  if (isShortList(value)) return h("li", {}, name, " ", shortList(value));
  if (!isBranch(value) || !membersOf(value).length)
    return h("li", {}, name, " ", isBranch(value) ? branch(value, depth) : leaf(value));
  return h("li", {}, folding(name, value, depth + 1));
}

/** A part that folds; its content is made when it is first opened, so that a big example costs little. */
function folding(name, value, depth) {
  const size = membersOf(value).length;
  const details = h(
    "details",
    {},
    h(
      "summary",
      {},
      name,
      " ",
      h("span", { class: "json-size" }, value.type === "object" ? `{${count(size)}}` : `[${count(size)}]`),
    ),
  );
  const fill = () => details.childElementCount === 1 && details.append(branch(value, depth));
  details.addEventListener("toggle", () => details.open && fill());
  if (depth <= OPEN_DEPTH && size <= MANY_MEMBERS) {
    fill();
    details.open = true;
  }
  return details;
}

/** A short list of plain values stands on one line. */
function isShortList(node) {
  return (
    node.type === "array" &&
    node.items.length <= SHORT_LIST &&
    node.items.every((item) => !isBranch(item) && String(item.value ?? "").length <= SHORT_TEXT)
  );
}

function shortList({ items }) {
  return h(
    "span",
    { class: "json-list" },
    "[",
    items.map((item, index) => [index > 0 && ", ", leaf(item)]),
    "]",
  );
}

function leaf(node) {
  if (node.type === "number") return h("span", { class: "json-number" }, node.text);
  if (node.type === "literal") return h("span", { class: "json-literal" }, String(node.value));
  const look = node.value.includes("\n") ? "json-text" : "json-string";
  const text = h("span", { class: look }, node.value.slice(0, LONG_TEXT));
  if (node.value.length <= LONG_TEXT) return text;
  const whole = button(
    `Show all ${count(node.value.length)} characters`,
    () => {
      text.textContent = node.value;
      whole.remove();
    },
    { class: "quiet" },
  );
  return h("span", { class: "json-long" }, text, whole);
}
