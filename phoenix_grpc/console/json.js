/**
 * JSON without loss. JSON.parse turns 9007199254740993 into ...992, 1.0 into 1, and sorts keys that look like numbers;
 * here a number keeps its text and an object its order.
 *
 * A node is {type: "object", entries: [[key, node]]}, {type: "array", items: [node]}, {type: "string", value},
 * {type: "number", text} or {type: "literal", value}.
 */

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERALS = { t: ["true", true], f: ["false", false], n: ["null", null] };

/**
 * Parses a JSON document.
 * @param {string} text
 * @throws {SyntaxError}
 */
export function parse(text) {
  const reader = new Reader(text);
  const node = reader.value();
  reader.space();
  if (reader.at < text.length) reader.fail();
  return node;
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  value() {
    this.space();
    const first = this.text[this.at];
    if (first === "{") return { type: "object", entries: this.members("}", () => this.entry()) };
    if (first === "[") return { type: "array", items: this.members("]", () => this.value()) };
    if (first === '"') return { type: "string", value: this.string() };
    if (first in LITERALS) return this.literal(first);
    return { type: "number", text: this.number() };
  }

  members(end, read) {
    const members = [];
    this.at += 1;
    this.space();
    if (this.text[this.at] === end) {
      this.at += 1;
      return members;
    }
    for (;;) {
      members.push(read());
      this.space();
      const mark = this.text[this.at++];
      if (mark === end) return members;
      if (mark !== ",") this.fail();
    }
  }

  entry() {
    this.space();
    const key = this.string();
    this.space();
    if (this.text[this.at++] !== ":") this.fail();
    return [key, this.value()];
  }

  string() {
    if (this.text[this.at] !== '"') this.fail();
    let end = this.at;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) this.fail();
    } while (this.isEscaped(end));
    const literal = this.text.slice(this.at, end + 1);
    this.at = end + 1;
    return JSON.parse(literal);
  }

  isEscaped(position) {
    let backslashes = 0;
    while (this.text[position - 1 - backslashes] === "\\") backslashes += 1;
    return backslashes % 2 === 1;
  }

  literal(first) {
    const [word, value] = LITERALS[first];
    if (!this.text.startsWith(word, this.at)) this.fail();
    this.at += word.length;
    return { type: "literal", value };
  }

  number() {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (!match) this.fail();
    this.at = NUMBER.lastIndex;
    return match[0];
  }

  space() {
    while (" \n\r\t".includes(this.text[this.at] ?? "x")) this.at += 1;
  }

  fail() {
    throw new SyntaxError(`not JSON at character ${this.at}`);
  }
}

/** The member of an object node under `key`, or undefined. */
export function member(node, key) {
  return node.entries.find(([name]) => name === key)?.[1];
}

/** The text of a string or number member, or null. */
export function textOf(node, key) {
  const found = member(node, key);
  return found?.value ?? found?.text ?? null;
}

/** Writes a node as indented JSON, its numbers as they came. */
export function stringify(node, indent = "") {
  const deeper = `${indent}  `;
  const wrap = (open, lines, close) =>
    lines.length ? `${open}\n${lines.join(",\n")}\n${indent}${close}` : open + close;
  if (node.type === "object") {
    return wrap(
      "{",
      node.entries.map(([key, value]) => `${deeper}${JSON.stringify(key)}: ${stringify(value, deeper)}`),
      "}",
    );
  }
  if (node.type === "array")
    return wrap(
      "[",
      node.items.map((item) => deeper + stringify(item, deeper)),
      "]",
    );
  return node.type === "number" ? node.text : JSON.stringify(node.value);
}
