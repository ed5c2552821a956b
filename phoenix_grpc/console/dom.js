/** Elements from data. Text only ever becomes text nodes, never markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an HTML element. Properties that begin with "on" are listeners; true sets an empty attribute; null, undefined
 * and false set none. Children are nodes, text, or lists of these; null and false are left out.
 */
export function h(tag, properties = {}, ...children) {
  return furnish(document.createElement(tag), properties, children);
}

/** Makes an SVG element, as `h` does. */
export function svg(tag, properties = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), properties, children);
}

function furnish(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

let fields = 0;

/** A labelled form control; `hint` describes the expected value. */
export function field(label, control, hint) {
  const id = `field-${++fields}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  const name = h("label", { class: "label", for: id }, label);
  return h("div", { class: "field" }, name, control, hint && h("span", { class: "hint", id: `${id}-hint` }, hint));
}

/** A select with `options` as [value, text] pairs. */
export function select(properties, options, chosen) {
  return h(
    "select",
    properties,
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
}

/** A choice of one of [value, label, explanation]; the first is chosen. */
export function radios(legend, name, choices) {
  const choice = ([value, label, text], index) => {
    const input = h("input", { type: "radio", name, value, checked: index === 0 });
    return h(
      "label",
      { class: "choice" },
      input,
      h("span", {}, label, h("span", { class: "muted small block" }, text)),
    );
  };
  return h("fieldset", {}, h("legend", {}, legend), choices.map(choice));
}

/** A table in a card; `columns` are {label, class?, cell(row)}. Rows become cards on a phone. */
export function table(caption, columns, rows) {
  const body = h(
    "tbody",
    {},
    rows.map((row) => tableRow(columns, row)),
  );
  const head = columns.map(({ label, class: name }) =>
    h("th", { scope: "col", class: name }, label || hidden("Actions")),
  );
  return h(
    "div",
    { class: "card" },
    h(
      "table",
      { class: "table" },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, head)),
      body,
    ),
  );
}

/** One row of such a table. */
export function tableRow(columns, row) {
  return h(
    "tr",
    {},
    columns.map(({ label, class: name, cell }) => h("td", { class: name, "data-label": label }, cell(row))),
  );
}

/** Text for screen readers only. */
export function hidden(text) {
  return h("span", { class: "visually-hidden" }, text);
}

/** The head of a page: its heading, a sentence about it, and its actions. */
export function pageHead(title, lead, actions = []) {
  const about = h("div", {}, h("h1", { tabindex: "-1" }, title), lead && h("p", { class: "lead" }, lead));
  return h("div", { class: "page-head" }, about, h("div", { class: "row" }, actions));
}

/** The content of an empty page, which says how to begin. */
export function emptyPanel(title, ...content) {
  return h("div", { class: "panel empty" }, h("p", { class: "name" }, title), content);
}

/** A paragraph in a quiet colour. */
export function quiet(...content) {
  return h("p", { class: "muted" }, content);
}
