/** The examples of a dataset, page by page. */

import { callForText } from "../api.js";
import { command, copyButton } from "../clipboard.js";
import { attempt } from "../dialog.js";
import { button, h, select } from "../dom.js";
import { when } from "../format.js";
import { member, parse, stringify, textOf } from "../json.js";
import { mayWrite } from "../session.js";
import { uploadCommand } from "./commands.js";
import { jsonTree } from "./json_tree.js";

const PAGE_SIZES = [["10", "10 a page"], ["25", "25 a page"], ["50", "50 a page"], ["100", "100 a page"]];
const PARTS = [["input", "Input"], ["output", "Output"], ["metadata", "Metadata"]];

/**
 * The panel of examples, at `version` or ("") the latest.
 * @returns {Promise<{node: Node, version: () => string, choose: (version: string) => Promise<void>}>}
 */
export async function examplesPanel(dataset, path, version, upload) {
  const browser = new ExampleBrowser(dataset, path, version, upload);
  await browser.load(version, [""]);
  return { node: browser.node, version: () => browser.version, choose: (chosen) => browser.choose(chosen) };
}

class ExampleBrowser {
  constructor(dataset, path, version, upload) {
    Object.assign(this, { dataset, path, upload, version, cursors: [""], next: null });
    this.heading = h("h2", { id: "examples", tabindex: "-1" }, "Examples");
    this.list = h("div", { class: "examples" });
    this.notice = h("div", {});
    this.size = select({ "aria-label": "Examples a page" }, PAGE_SIZES, "10");
    this.size.addEventListener("change", () => attempt(() => this.choose(this.version)));
    this.previous = button("Previous", () => this.turn(-1));
    this.following = button("Next", () => this.turn(1));
    this.position = h("span", { class: "muted small", role: "status" });
    this.pager = h("nav", { class: "row spread", "aria-label": "Pages of examples" }, this.size,
      h("span", { class: "row" }, this.position, this.previous, this.following));
    this.node = h("section", { class: "stack", "aria-labelledby": "examples" }, this.heading, this.notice, this.list, this.pager);
  }

  /** Shows the first page of a version. */
  async choose(version) {
    await this.load(version, [""]);
    this.heading.scrollIntoView();
    this.heading.focus();
  }

  turn(step) {
    return attempt(async () => {
      await this.load(this.version, step > 0 ? [...this.cursors, this.next] : this.cursors.slice(0, -1));
      this.heading.scrollIntoView();
      this.heading.focus();
    });
  }

  async load(version, cursors) {
    const cursor = cursors.at(-1);
    const query = new URLSearchParams({ limit: this.size.value, ...(cursor && { cursor }), ...(version && { version_id: version }) });
    const page = parse(await callForText("GET", `${this.path}/examples?${query}`));
    Object.assign(this, { version, cursors });
    const examples = member(member(page, "data"), "examples").items;
    this.next = textOf(page, "next_cursor");
    this.list.replaceChildren(...(examples.length ? examples.map(exampleCard) : [this.empty()]));
    this.notice.replaceChildren(...this.versionNotice());
    this.position.textContent = `Page ${this.cursors.length}`;
    this.previous.disabled = this.cursors.length === 1;
    this.following.disabled = !this.next;
    this.pager.hidden = this.cursors.length === 1 && !this.next && examples.length < 10;
  }

  versionNotice() {
    if (!this.version) return [];
    return [h("p", { class: "note" }, "You see an earlier version. ", button("Back to the latest", () => {
      history.replaceState(null, "", location.hash.split("?")[0]);
      return attempt(() => this.choose(""));
    }, { class: "quiet" }))];
  }

  empty() {
    if (this.version || !mayWrite()) return h("div", { class: "panel empty" }, h("p", { class: "name" }, "This version has no examples"));
    return h("div", { class: "panel empty" }, h("p", { class: "name" }, "No examples yet"),
      h("p", { class: "muted" }, "Drop a JSONL or CSV file on this page, or append from a program:"), command(uploadCommand(this.dataset.name, "append")),
      h("div", { class: "row" }, button("Upload examples", this.upload, { class: "primary" })));
  }
}

function exampleCard(example) {
  const id = textOf(example, "id");
  const parts = PARTS.map(([key, label]) => [label, member(example, key)]).filter(([label, node]) => label !== "Metadata" || node.entries.length);
  return h("article", { class: "example", "aria-label": `Example ${id}` },
    h("header", { class: "row spread" }, h("code", { class: "muted" }, id),
      h("span", { class: "row muted small" }, when(textOf(example, "updated_at")), copyButton(stringify(example), "Copy JSON", { class: "quiet", "aria-label": `Copy example ${id} as JSON` }))),
    h("div", { class: "parts" }, parts.map(([label, node]) => h("div", { class: "part" }, h("h3", {}, label), jsonTree(node)))));
}
