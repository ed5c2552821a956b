/** The audit log, for administrators. */

import { attempt } from "../actions.js";
import { call } from "../api.js";
import { emptyPanel, field, h, quiet, select } from "../dom.js";
import { count, moment } from "../format.js";
import { pagedTable } from "../paged_table.js";
import { adminPage } from "./admin.js";

const PAGE_SIZE = 50;

const OUTCOMES = [
  ["", "any"],
  ["allowed", "allowed"],
  ["denied", "refused"],
];

const TIMES = new Set(["since", "until"]);

const COLUMNS = [
  { label: "When", class: "when", cell: (event) => moment(event.created_at) },
  { label: "Action", cell: (event) => h("code", {}, event.action) },
  { label: "Outcome", cell: outcomeCell },
  { label: "Who", cell: whoCell },
  { label: "Target", cell: targetCell },
  { label: "Examples", cell: changesCell },
  { label: "Address", cell: (event) => event.address || "–" },
];

/** The page. */
export async function auditView() {
  const results = h("div", {});
  const text = (name, placeholder) => h("input", { type: "search", name, placeholder, autocomplete: "off" });
  const time = (name) => h("input", { type: "datetime-local", name, step: 1 });
  const outcome = select({ name: "outcome" }, OUTCOMES);
  const form = h(
    "form",
    { class: "row filter" },
    field("Only this action", text("action", "login")),
    field("By", text("user", "ada@example.com")),
    field("In dataset", text("dataset", "name or id")),
    field("Outcome", outcome),
    field("From", time("since")),
    field("Before", time("until")),
    h("button", { type: "submit" }, "Filter"),
  );
  const fill = async () => results.replaceChildren(await listing(wanted(form)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    return attempt(fill);
  });
  await fill();
  return adminPage({
    title: "Audit log",
    lead: "What was done and what was refused, newest first. Refusals of unknown callers are counted by the minute.",
    content: [form, results],
  });
}

/** The filters that are filled in; times are of this browser's zone. */
function wanted(form) {
  const given = [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
  return Object.fromEntries(given.map(([name, value]) => [name, TIMES.has(name) ? new Date(value).toISOString() : value]));
}

async function listing(filters) {
  const load = (cursor) => {
    const query = { limit: PAGE_SIZE, ...filters, ...(cursor && { cursor }) };
    return call("GET", `/v1/audit_events?${new URLSearchParams(query)}`);
  };
  const first = await load(null);
  if (first.data.length) return pagedTable("Audit events", COLUMNS, first, load);
  const filtered = Object.keys(filters).length > 0;
  return emptyPanel("No events", quiet(filtered ? "Nothing that was logged fits the filters." : "Nothing was logged yet."));
}

function outcomeCell({ allowed, reason, count: times }) {
  const badge = h("span", { class: allowed ? "badge good" : "badge bad" }, allowed ? "allowed" : "refused");
  return h("div", {}, badge, times > 1 && ` ${count(times)} times`, reason && words(reason));
}

function targetCell({ target_id: id, target_name: name, dataset_name: dataset }) {
  if (!id && !dataset) return "–";
  const inside = dataset && dataset !== name && h("div", { class: "muted small" }, "in ", dataset);
  return h("div", {}, name, id && h("div", { class: "small" }, h("code", {}, id)), inside);
}

function changesCell({ created_count: created, updated_count: updated, deleted_count: deleted, byte_count: bytes }) {
  const counts = [
    ["+", created],
    ["~", updated],
    ["−", deleted],
  ].filter(([, number]) => number);
  return counts.map(([sign, number]) => `${sign}${count(number)}`).join(" ") || (bytes ? `${count(bytes)} bytes` : "–");
}

function whoCell({ actor_email: email, actor_kind: kind }) {
  return h("div", {}, email || "unknown", kind && words(kind));
}

function words(constant) {
  return h("div", { class: "muted small" }, constant.toLowerCase().replaceAll("_", " "));
}
