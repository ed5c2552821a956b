/** The audit log, for administrators. */

import { attempt } from "../actions.js";
import { call } from "../api.js";
import { emptyPanel, field, h, quiet } from "../dom.js";
import { count, moment } from "../format.js";
import { pagedTable } from "../paged_table.js";
import { adminPage } from "./admin.js";

const PAGE_SIZE = 50;

const COLUMNS = [
  { label: "When", class: "when", cell: (event) => moment(event.created_at) },
  { label: "Action", cell: (event) => h("code", {}, event.action) },
  { label: "Outcome", cell: outcomeCell },
  { label: "Who", cell: whoCell },
  { label: "Target", cell: (event) => (event.target_id ? h("code", {}, event.target_id) : "–") },
  { label: "Address", cell: (event) => event.address || "–" },
];

/** The page. */
export async function auditView() {
  const results = h("div", {});
  const action = h("input", { type: "search", name: "action", placeholder: "login", autocomplete: "off" });
  const fill = async () => results.replaceChildren(await listing(action.value.trim()));
  const filter = h("button", { type: "submit" }, "Filter");
  const form = h("form", { class: "row filter" }, field("Only this action", action), filter);
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

async function listing(action) {
  const load = (cursor) => {
    const query = { limit: PAGE_SIZE, ...(action && { action }), ...(cursor && { cursor }) };
    return call("GET", `/v1/audit_events?${new URLSearchParams(query)}`);
  };
  const first = await load(null);
  if (first.data.length) return pagedTable("Audit events", COLUMNS, first, load);
  return emptyPanel("No events", quiet(action ? `Nothing was logged as “${action}”.` : "Nothing was logged yet."));
}

function outcomeCell({ allowed, reason, count: times }) {
  const badge = h("span", { class: allowed ? "badge good" : "badge bad" }, allowed ? "allowed" : "refused");
  return h("div", {}, badge, times > 1 && ` ${count(times)} times`, reason && words(reason));
}

function whoCell({ actor_email: email, actor_kind: kind }) {
  return h("div", {}, email || "unknown", kind && words(kind));
}

function words(constant) {
  return h("div", { class: "muted small" }, constant.toLowerCase().replaceAll("_", " "));
}
