/** The list of datasets. */

import { call } from "../api.js";
import { command } from "../clipboard.js";
import { announce, attempt } from "../dialog.js";
import { button, h, table, tableRow } from "../dom.js";
import { count, plural, when } from "../format.js";
import { go, link } from "../router.js";
import { hasAccounts, mayWrite } from "../session.js";
import { uploadCommand } from "./commands.js";
import { acceptDrops, uploadDialog } from "./upload.js";

const PAGE_SIZE = 25;

const COLUMNS = [
  { label: "Name", cell: (dataset) => nameCell(dataset) },
  { label: "Examples", class: "number", cell: (dataset) => count(dataset.example_count) },
  { label: "Updated", class: "when", cell: (dataset) => when(dataset.updated_at) },
  { label: "Created", class: "when", cell: (dataset) => when(dataset.created_at) },
];

/** The page of all datasets, or of those whose name contains the query's `q`. */
export async function datasetsView(_params, query) {
  const results = h("div", { class: "stack", id: "results" });
  let latest = 0;
  const fill = async (text) => {
    const mine = ++latest;
    const found = await page(text);
    if (mine === latest) results.replaceChildren(...listing(found, text));
  };
  await fill(query.get("q") ?? "");
  const node = h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "page-head" },
      h(
        "div",
        {},
        h("h1", { tabindex: "-1" }, "Datasets"),
        h("p", { class: "lead" }, "Versioned examples to evaluate against."),
      ),
      mayWrite() &&
        h(
          "div",
          { class: "row" },
          button("Upload a dataset", () => upload(), { class: "primary" }),
        ),
    ),
    searchBox(query.get("q") ?? "", fill),
    results,
  );
  if (mayWrite()) acceptDrops(node, upload);
  return { title: "Datasets", node };
}

async function upload(file) {
  const result = await uploadDialog({ file });
  if (result) go(link(`/datasets/${encodeURIComponent(result.dataset_id)}`));
}

function page(text, cursor) {
  const query = new URLSearchParams({
    limit: PAGE_SIZE,
    ...(text && { name_contains: text }),
    ...(cursor && { cursor }),
  });
  return call("GET", `/v1/datasets?${query}`);
}

function searchBox(text, fill) {
  const input = h("input", {
    type: "search",
    value: text,
    placeholder: "Search by name",
    "aria-label": "Search datasets by name",
    "aria-controls": "results",
  });
  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      history.replaceState(null, "", link("/datasets", { q: input.value.trim() }));
      return attempt(() => fill(input.value.trim()));
    }, 200);
  });
  return h("div", { class: "search" }, input);
}

function listing({ data, next_cursor: next }, text) {
  if (!data.length) return [text ? nothingFound(text) : firstSteps()];
  const list = table("Datasets", COLUMNS, data);
  const more = button("Show more", () =>
    attempt(async () => {
      next = await append(list, more, text, next);
    }),
  );
  more.hidden = !next;
  return [list, h("div", { class: "row" }, more)];
}

async function append(list, more, text, cursor) {
  const { data, next_cursor: next } = await page(text, cursor);
  const rows = data.map((dataset) => tableRow(COLUMNS, dataset));
  list.querySelector("tbody").append(...rows);
  rows[0]?.querySelector("a").focus();
  more.hidden = !next;
  announce(`${plural(data.length, "more dataset")}.`);
  return next;
}

function nameCell({ id, name, description }) {
  return h(
    "div",
    {},
    h("a", { class: "name", href: link(`/datasets/${encodeURIComponent(id)}`) }, name),
    description && h("div", { class: "muted small clip" }, description),
  );
}

function nothingFound(text) {
  return h(
    "div",
    { class: "panel empty" },
    h("h2", {}, `No dataset has “${text}” in its name`),
    h(
      "p",
      { class: "muted" },
      "Search looks for the text anywhere in the name, in any case. Clear the search to see all.",
    ),
  );
}

function firstSteps() {
  if (!mayWrite())
    return h(
      "div",
      { class: "panel empty" },
      h("h2", {}, "No datasets yet"),
      h("p", { class: "muted" }, "Somebody with the role MEMBER can upload the first one."),
    );
  return h(
    "div",
    { class: "panel empty" },
    h("h2", {}, "Upload your first dataset"),
    h(
      "p",
      { class: "muted" },
      "Drop a JSONL or CSV file (also .gz) anywhere on this page, or send examples from a program:",
    ),
    command(uploadCommand("capitals", "create")),
    hasAccounts() && h("p", { class: "muted" }, "The key comes from ", h("a", { href: "#/settings" }, "Settings"), "."),
  );
}
