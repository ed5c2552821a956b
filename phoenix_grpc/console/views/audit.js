/** The audit log, for administrators. */

import { call } from "../api.js";
import { attempt } from "../dialog.js";
import { button, field, h, table, tableRow } from "../dom.js";
import { count, moment } from "../format.js";
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
  const results = h("div", { class: "stack" });
  const action = h("input", { type: "search", name: "action", placeholder: "login", autocomplete: "off" });
  const fill = async () => results.replaceChildren(...listing(await page(action.value.trim()), action.value.trim()));
  const form = h(
    "form",
    { class: "row filter" },
    field("Only this action", action),
    h("button", { type: "submit" }, "Filter"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    return attempt(fill);
  });
  await fill();
  return adminPage({
    title: "Audit log",
    content: [form, results],
    lead: "What was done and what was refused, newest first. Refusals of unknown callers are counted by the minute.",
  });
}

function page(action, cursor) {
  const query = new URLSearchParams({ limit: PAGE_SIZE, ...(action && { action }), ...(cursor && { cursor }) });
  return call("GET", `/v1/audit_events?${query}`);
}

function listing({ data, next_cursor: next }, action) {
  if (!data.length)
    return [
      h(
        "div",
        { class: "panel empty" },
        h("h2", {}, "No events"),
        h("p", { class: "muted" }, action ? `Nothing was logged as “${action}”.` : "Nothing was logged yet."),
      ),
    ];
  const list = table("Audit events", COLUMNS, data);
  const more = button("Show older events", () =>
    attempt(async () => {
      const older = await page(action, next);
      list.querySelector("tbody").append(...older.data.map((event) => tableRow(COLUMNS, event)));
      next = older.next_cursor;
      more.hidden = !next;
    }),
  );
  more.hidden = !next;
  return [list, h("div", { class: "row" }, more)];
}

function outcomeCell({ allowed, reason, count: times }) {
  return h(
    "div",
    {},
    h("span", { class: allowed ? "badge good" : "badge bad" }, allowed ? "allowed" : "refused"),
    times > 1 && ` ${count(times)} times`,
    reason && h("div", { class: "muted small" }, reason.toLowerCase().replaceAll("_", " ")),
  );
}

function whoCell({ actor_email: email, actor_kind: kind }) {
  return h(
    "div",
    {},
    email || "unknown",
    kind && h("div", { class: "muted small" }, kind.toLowerCase().replaceAll("_", " ")),
  );
}
