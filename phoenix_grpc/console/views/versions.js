/** The history of a dataset: a chart that is read at a glance, and the same in a table. */

import { call } from "../api.js";
import { attempt } from "../dialog.js";
import { button, h, table, tableRow } from "../dom.js";
import { count, when } from "../format.js";
import { versionChart } from "./version_chart.js";

const PAGE_SIZE = 20;

/** The panel; `choose(versionId)` is called when a version is picked. */
export async function versionsPanel(datasetPath, choose) {
  const versions = [];
  const chart = h("div", { class: "chart", role: "group", "aria-label": "Version history", tabindex: "0" });
  const list = h("div", {});
  const more = button("Show older versions", () => attempt(load));
  let cursor = null;
  new ResizeObserver(() => { chart.scrollLeft = chart.scrollWidth; }).observe(chart);

  async function load() {
    const query = new URLSearchParams({ limit: PAGE_SIZE, ...(cursor && { cursor }) });
    const { data, next_cursor: next } = await call("GET", `${datasetPath}/versions?${query}`);
    const latest = versions.length ? versions[0] : data[0];
    versions.push(...data);
    cursor = next;
    more.hidden = !next;
    chart.replaceChildren(versionChart(versions.toReversed()));
    const columns = columnsFor(choose, latest);
    if (list.firstChild) list.querySelector("tbody").append(...data.map((version) => tableRow(columns, version)));
    else list.append(table("Versions", columns, data));
  }

  await load();
  if (!versions.length) return null;
  return h("section", { class: "stack", "aria-labelledby": "versions" }, h("h2", { id: "versions" }, "Versions"),
    h("div", { class: "panel" }, chart, h("details", { class: "history", open: versions.length <= 3 }, h("summary", {}, "All versions in a table"), list, more)));
}

function columnsFor(choose, latest) {
  return [
    { label: "Made", class: "when", cell: (version) => [when(version.created_at), version === latest && [" ", h("span", { class: "badge" }, "latest")]] },
    { label: "Created", class: "number", cell: (version) => count(version.created_count) },
    { label: "Updated", class: "number", cell: (version) => count(version.updated_count) },
    { label: "Deleted", class: "number", cell: (version) => count(version.deleted_count) },
    { label: "Examples", class: "number", cell: (version) => count(version.example_count) },
    { label: "Description", cell: (version) => version.description || "–" },
    { label: "", class: "actions", cell: (version) => browseButton(version, latest, choose) },
  ];
}

function browseButton(version, latest, choose) {
  const browse = () => attempt(() => choose(version === latest ? "" : version.version_id));
  return button("Browse", browse, { class: "quiet", "aria-label": `Browse the version of ${new Date(version.created_at).toLocaleString("en")}` });
}
