/** The examples of a dataset, page by page. */

import { attempt, button } from "../actions.js";
import { callForText } from "../api.js";
import { command, copyButton } from "../clipboard.js";
import { emptyPanel, h, quiet, select } from "../dom.js";
import { when } from "../format.js";
import { member, parse, stringify, textOf } from "../json.js";
import { mayWrite } from "../session.js";
import { uploadCommand } from "./commands.js";
import { jsonTree } from "./json_tree.js";

const SMALLEST_PAGE = 10;
const PAGE_SIZES = [SMALLEST_PAGE, 25, 50, 100].map((size) => [String(size), `${size} a page`]);
const PARTS = [
  ["input", "Input"],
  ["output", "Output"],
  ["metadata", "Metadata"],
];

/**
 * The panel of examples, at `version` or ("") the latest.
 * @returns {Promise<{node: Node, version: () => string, choose: (version: string) => Promise<void>}>}
 */
export async function examplesPanel(dataset, path, version, upload) {
  const browser = new ExampleBrowser(dataset, path, upload);
  await browser.load(version, [""]);
  return { node: browser.node, version: () => browser.version, choose: (chosen) => browser.choose(chosen) };
}

class ExampleBrowser {
  constructor(dataset, path, upload) {
    Object.assign(this, { dataset, path, upload, version: "", cursors: [""], next: null });
    this.heading = h("h2", { id: "examples", tabindex: "-1" }, "Examples");
    this.notice = h(
      "p",
      { class: "note" },
      "You see an earlier version. ",
      button("Back to the latest", () => this.leave()),
    );
    this.list = h("div", { class: "examples" });
    this.node = h(
      "section",
      { class: "stack", "aria-labelledby": "examples" },
      this.heading,
      this.notice,
      this.list,
      this.makePager(),
    );
  }

  makePager() {
    this.size = select({ "aria-label": "Examples a page" }, PAGE_SIZES);
    this.size.addEventListener("change", () => attempt(() => this.choose(this.version)));
    this.position = h("span", { class: "muted small", role: "status" });
    this.back = button("Previous", () => this.turn(this.cursors.slice(0, -1)));
    this.forth = button("Next", () => this.turn([...this.cursors, this.next]));
    const steps = h("span", { class: "row" }, this.position, this.back, this.forth);
    this.pager = h("nav", { class: "row spread", "aria-label": "Pages of examples" }, this.size, steps);
    return this.pager;
  }

  /** Shows the first page of a version. */
  choose(version) {
    return this.turn([""], version);
  }

  leave() {
    history.replaceState(null, "", location.hash.split("?")[0]);
    return this.choose("");
  }

  async turn(cursors, version = this.version) {
    await this.load(version, cursors);
    this.heading.scrollIntoView();
    this.heading.focus();
  }

  /** Loads the page at the last of `cursors`; those before it lead back. */
  async load(version, cursors) {
    const cursor = cursors.at(-1);
    const query = { limit: this.size.value, ...(cursor && { cursor }), ...(version && { version_id: version }) };
    const page = parse(await callForText("GET", `${this.path}/examples?${new URLSearchParams(query)}`));
    const examples = member(member(page, "data"), "examples").items;
    Object.assign(this, { version, cursors, next: textOf(page, "next_cursor") });
    this.list.replaceChildren(...(examples.length ? examples.map(exampleCard) : [this.empty()]));
    this.notice.hidden = !version;
    this.position.textContent = `Page ${cursors.length}`;
    this.back.disabled = cursors.length === 1;
    this.forth.disabled = !this.next;
    this.pager.hidden = cursors.length === 1 && !this.next && examples.length < SMALLEST_PAGE;
  }

  empty() {
    if (this.version) return emptyPanel("This version has no examples");
    if (!mayWrite()) return emptyPanel("No examples yet");
    return emptyPanel(
      "No examples yet",
      quiet("Drop a JSONL or CSV file on this page, or append from a program:"),
      command(uploadCommand(this.dataset.name, "append")),
      button("Upload examples", this.upload, { class: "primary" }),
    );
  }
}

function exampleCard(example) {
  const id = textOf(example, "id");
  const parts = PARTS.map(([key, label]) => [label, member(example, key)]).filter(
    ([label, node]) => label !== "Metadata" || node.entries.length > 0,
  );
  const copy = copyButton(stringify(example), "Copy JSON", {
    class: "quiet",
    "aria-label": `Copy example ${id} as JSON`,
  });
  return h(
    "article",
    { class: "example", "aria-label": `Example ${id}` },
    h(
      "header",
      { class: "row spread" },
      h("code", { class: "muted" }, id),
      h("span", { class: "row muted small" }, when(textOf(example, "updated_at")), copy),
    ),
    h(
      "div",
      { class: "parts" },
      parts.map(([label, node]) => h("div", { class: "part" }, h("h3", {}, label), jsonTree(node))),
    ),
  );
}
