/** One dataset: what it is, its versions, its examples. */

import { announce, button } from "../actions.js";
import { call, callForText, freshen } from "../api.js";
import { serverUrl } from "../base.js";
import { copyButton } from "../clipboard.js";
import { confirmDialog, formDialog } from "../dialog.js";
import { h, radios } from "../dom.js";
import { count, plural, when } from "../format.js";
import { member, parse } from "../json.js";
import { go, link, show } from "../router.js";
import { mayWrite } from "../session.js";
import { examplesPanel } from "./examples.js";
import { jsonTree } from "./json_tree.js";
import { acceptDrops, uploadDialog } from "./upload.js";
import { versionsPanel } from "./versions.js";

const DOWNLOADS = [
  ["jsonl", "JSONL", "One example a line with input, output, metadata and splits; can be uploaded again."],
  ["csv", "CSV", "One column a field, for spreadsheets and data frames."],
  ["jsonl/openai_ft", "OpenAI fine-tuning", "The messages of input and output, as fine-tuning jobs take them."],
  ["jsonl/openai_evals", "OpenAI evals", "The input messages, and the last output message as the ideal answer."],
];

/** The page of the dataset `id`; the query's `version` chooses a version, else it is the latest. */
export async function datasetView({ id }, query) {
  const path = `/v1/datasets/${encodeURIComponent(id)}`;
  const text = await callForText("GET", path);
  const dataset = JSON.parse(text).data;
  const metadata = member(member(parse(text), "data"), "metadata");
  const version = query.get("version") ?? "";
  const choose = (chosen) => {
    history.replaceState(null, "", link(`/datasets/${encodeURIComponent(id)}`, { version: chosen }));
    return examples.choose(chosen);
  };
  const [examples, versions] = await Promise.all([
    examplesPanel(dataset, path, version, () => upload(dataset)),
    versionsPanel(path, choose),
  ]);
  const node = h(
    "div",
    { class: "stack" },
    head(dataset, path, examples),
    facts(dataset),
    versions,
    metadata.entries.length > 0 && metadataPanel(metadata),
    examples.node,
  );
  if (mayWrite()) acceptDrops(node, (file) => upload(dataset, file));
  return { title: dataset.name, node };
}

function head(dataset, path, examples) {
  const about = h(
    "div",
    {},
    h("p", { class: "small" }, h("a", { href: "#/datasets" }, "Datasets")),
    h("h1", { tabindex: "-1" }, dataset.name),
    dataset.description && h("p", { class: "lead" }, dataset.description),
  );
  const actions = [button("Download", () => download(dataset, path, examples.version()))];
  if (mayWrite()) {
    actions.unshift(button("Upload examples", () => upload(dataset), { class: "primary" }));
    actions.push(button("Delete", () => remove(dataset, path), { class: "danger" }));
  }
  return h("div", { class: "page-head" }, about, h("div", { class: "row" }, actions));
}

function facts({ id, example_count: examples, created_at: created, updated_at: updated }) {
  const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "facts" },
    fact("Examples", count(examples)),
    fact("Updated", when(updated)),
    fact("Created", when(created)),
    fact("Id", h("code", {}, id), copyButton(id, "Copy", { class: "quiet", "aria-label": "Copy the id" })),
  );
}

function metadataPanel(metadata) {
  return h("details", { class: "panel fold" }, h("summary", {}, "Metadata"), jsonTree(metadata));
}

async function upload(dataset, file) {
  if (await uploadDialog({ file, dataset })) show();
}

async function remove({ name, example_count: examples }, path) {
  const removed = await confirmDialog({
    title: "Delete this dataset?",
    submit: "Delete dataset",
    typed: name,
    action: () => call("DELETE", path),
    text: `All versions, splits and ${plural(examples, "example")} of it go with it. This cannot be undone.`,
  });
  if (!removed) return;
  announce(`Deleted ${name}.`);
  go("#/datasets");
}

function download(dataset, path, version) {
  const legend = version ? "Format, of the version that is shown" : "Format, of the latest version";
  const query = version ? `?version_id=${encodeURIComponent(version)}` : "";
  return formDialog({
    title: `Download ${dataset.name}`,
    submit: "Download",
    content: radios(legend, "format", DOWNLOADS),
    onsubmit: async (form) => {
      await freshen();
      // The server's Content-Disposition names the file.
      h("a", { href: serverUrl(`${path}/${form.elements.format.value}${query}`), download: "" }).click();
      announce("The download begins.");
    },
  });
}
