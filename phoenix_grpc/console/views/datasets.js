/** The list of datasets. */

import { attempt, button } from "../actions.js";
import { call } from "../api.js";
import { command } from "../clipboard.js";
import { emptyPanel, h, pageHead, quiet } from "../dom.js";
import { count, when } from "../format.js";
import { pagedTable } from "../paged_table.js";
import { go, link } from "../router.js";
import { hasAccounts, mayWrite } from "../session.js";
import { uploadCommand } from "./commands.js";
import { acceptDrops, uploadDialog } from "./upload.js";

const PAGE_SIZE = 25;
const TYPING_PAUSE = 200;

const COLUMNS = [
  { label: "Name", cell: nameCell },
  { label: "Examples", class: "number", cell: (dataset) => count(dataset.example_count) },
  { label: "Updated", class: "when", cell: (dataset) => when(dataset.updated_at) },
  { label: "Created", class: "when", cell: (dataset) => when(dataset.created_at) },
];

/** The page of all datasets, or of those whose name contains the query's `q`. */
export async function datasetsView(_params, query) {
  const results = h("div", { id: "results" });
  let latest = 0;
  const fill = async (text) => {
    const mine = ++latest;
    const found = await listing(text);
    if (mine === latest) results.replaceChildren(found);
  };
  const wanted = query.get("q") ?? "";
  await fill(wanted);
  const actions = mayWrite() && button("Upload a dataset", () => upload(), { class: "primary" });
  const head = pageHead("Datasets", "Versioned examples to evaluate against.", actions);
  const node = h("div", { class: "stack" }, head, searchBox(wanted, fill), results);
  if (mayWrite()) acceptDrops(node, upload);
  return { title: "Datasets", node };
}

async function upload(file) {
  const result = await uploadDialog({ file });
  if (result) go(link(`/datasets/${encodeURIComponent(result.dataset_id)}`));
}

function searchBox(text, fill) {
  const input = h("input", { type: "search", value: text, placeholder: "Search by name", "aria-controls": "results" });
  input.setAttribute("aria-label", "Search datasets by name");
  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      history.replaceState(null, "", link("/datasets", { q: input.value.trim() }));
      return attempt(() => fill(input.value.trim()));
    }, TYPING_PAUSE);
  });
  return h("div", { class: "search" }, input);
}

async function listing(text) {
  const load = (cursor) => {
    const query = { limit: PAGE_SIZE, ...(text && { name_contains: text }), ...(cursor && { cursor }) };
    return call("GET", `/v1/datasets?${new URLSearchParams(query)}`);
  };
  const first = await load(null);
  if (first.data.length) return pagedTable("Datasets", COLUMNS, first, load);
  return text ? nothingFound(text) : firstSteps();
}

function nameCell({ id, name, description }) {
  const anchor = h("a", { class: "name", href: link(`/datasets/${encodeURIComponent(id)}`) }, name);
  return h("div", {}, anchor, description && h("div", { class: "muted small clip" }, description));
}

function nothingFound(text) {
  const hint = "Search looks for the text anywhere in the name, in any case. Clear the search to see all.";
  return emptyPanel(`No dataset has “${text}” in its name`, quiet(hint));
}

function firstSteps() {
  if (!mayWrite())
    return emptyPanel("No datasets yet", quiet("Somebody with the role MEMBER can upload the first one."));
  return emptyPanel(
    "Upload your first dataset",
    quiet("Drop a JSONL or CSV file (also .gz) anywhere on this page, or send examples from a program:"),
    command(uploadCommand("capitals", "create")),
    hasAccounts() && quiet("The key comes from ", h("a", { href: "#/settings" }, "Settings"), "."),
  );
}
