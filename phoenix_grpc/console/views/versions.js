/** The history of a dataset: a chart that is read at a glance, and the same in a table. */

import { button } from "../actions.js";
import { call } from "../api.js";
import { h, table, tableRow } from "../dom.js";
import { count, when } from "../format.js";
import { versionChart } from "./version_chart.js";

const PAGE_SIZE = 20;
const FEW = 3;

/** The panel, or null without versions; `choose(versionId)` is called when one is picked ("" is the latest). */
export async function versionsPanel(datasetPath, choose) {
  const history = new VersionHistory(datasetPath, choose);
  await history.load();
  return history.versions.length > 0 ? history.panel() : null;
}

class VersionHistory {
  constructor(datasetPath, choose) {
    Object.assign(this, { datasetPath, choose, versions: [], cursor: null });
    this.chart = h("div", {});
    this.list = table("Versions", this.columns(), []);
    this.more = button("Show older versions", () => this.load());
  }

  async load() {
    const query = new URLSearchParams({ limit: PAGE_SIZE, ...(this.cursor && { cursor: this.cursor }) });
    const { data, next_cursor: next } = await call("GET", `${this.datasetPath}/versions?${query}`);
    this.versions.push(...data);
    this.cursor = next;
    this.more.hidden = !next;
    this.chart.replaceChildren(versionChart(this.versions.toReversed()));
    this.list.querySelector("tbody").append(...data.map((version) => tableRow(this.columns(), version)));
  }

  panel() {
    const summary = h("summary", {}, "All versions in a table");
    const details = h(
      "details",
      { class: "history", open: this.versions.length <= FEW },
      summary,
      this.list,
      this.more,
    );
    return h(
      "section",
      { class: "stack", "aria-labelledby": "versions" },
      h("h2", { id: "versions" }, "Versions"),
      h("div", { class: "panel" }, this.chart, details),
    );
  }

  columns() {
    return [
      { label: "Made", class: "when", cell: (version) => this.made(version) },
      { label: "Created", class: "number", cell: (version) => count(version.created_count) },
      { label: "Updated", class: "number", cell: (version) => count(version.updated_count) },
      { label: "Deleted", class: "number", cell: (version) => count(version.deleted_count) },
      { label: "Examples", class: "number", cell: (version) => count(version.example_count) },
      { label: "Description", cell: (version) => version.description || "–" },
      { label: "", class: "actions", cell: (version) => this.browse(version) },
    ];
  }

  made(version) {
    return [when(version.created_at), version === this.versions[0] && [" ", h("span", { class: "badge" }, "latest")]];
  }

  browse(version) {
    const chosen = version === this.versions[0] ? "" : version.version_id;
    const label = `Browse the version of ${new Date(version.created_at).toLocaleString("en")}`;
    return button("Browse", () => this.choose(chosen), { class: "quiet", "aria-label": label });
  }
}
