/** Uploading a file: by drag and drop or by the file picker, with a choice of what its columns become. */

import { announce } from "../actions.js";
import { freshen } from "../api.js";
import { ROLES, guessRoles, mappingFields, mappingProblem } from "../column_mapping.js";
import { UnfitFile, inspect } from "../data_file.js";
import { formDialog } from "../dialog.js";
import { field, h, select } from "../dom.js";
import { FormProblem } from "../form.js";
import { bytes, count } from "../format.js";
import { sendUpload } from "../upload_request.js";

const NEW_DATASET = [
  ["create", "Create it", "Refused when a dataset with this name exists."],
  ["append", "Add to it", "Adds what is new and updates what has the same id. Creates it when missing."],
  [
    "update",
    "Make it equal to the file",
    "As adding, and examples that are not in the file are deleted. Older versions keep them.",
  ],
];

/**
 * Opens the upload dialog.
 * @param {{file?: File, dataset?: {name: string}}} options the file, when it was dropped already; the dataset it goes to
 * @returns {Promise<object|null>} the ids and counts of the server's answer, or null when cancelled
 */
export async function uploadDialog({ file = null, dataset = null }) {
  const form = new UploadForm(dataset);
  const opened = formDialog({
    title: dataset ? `Upload examples to ${dataset.name}` : "Upload a dataset",
    submit: "Upload",
    wide: true,
    content: form.content,
    onsubmit: (_element, signal) => form.send(signal),
  });
  if (file) form.take(file);
  const result = await opened;
  if (result)
    announce(
      `Uploaded: ${count(result.num_created_examples)} created, ${count(result.num_updated_examples)} updated, ${count(result.num_deleted_examples)} deleted.`,
    );
  return result;
}

class UploadForm {
  constructor(dataset) {
    this.file = null;
    this.shape = null;
    this.name = h("input", {
      name: "name",
      required: true,
      maxlength: 1000,
      autocomplete: "off",
      value: dataset?.name,
      readonly: Boolean(dataset),
    });
    this.actions = actionChoice(dataset ? NEW_DATASET.slice(1) : NEW_DATASET);
    this.problem = h("p", { class: "note bad", role: "alert", hidden: true });
    this.mapping = h("div", { class: "stack", hidden: true });
    this.progress = h("div", { hidden: true });
    this.picker = h("input", { type: "file", class: "visually-hidden", accept: ".csv,.jsonl,.ndjson,.gz,.json" });
    this.picker.addEventListener("change", () => this.picker.files[0] && this.take(this.picker.files[0]));
    this.chosen = h("span", { class: "muted small" }, "JSONL or CSV, also compressed as .gz");
    const zone = h(
      "label",
      { class: "drop" },
      this.picker,
      h("span", { class: "drop-title" }, "Drop a file here, or choose one"),
      this.chosen,
    );
    acceptDrops(zone, (dropped) => this.take(dropped));
    this.content = [
      zone,
      this.problem,
      !dataset && field("Name of the dataset", this.name),
      this.mapping,
      this.actions,
      this.progress,
    ];
  }

  async take(file) {
    this.problem.hidden = true;
    try {
      this.shape = await inspect(file);
    } catch (failure) {
      if (!(failure instanceof UnfitFile)) throw failure;
      return this.refuse(failure.message);
    }
    this.file = file;
    this.chosen.textContent = `${file.name} · ${bytes(file.size)} · ${this.shape.format.toUpperCase()}${this.shape.gzip ? ", gzip" : ""}`;
    this.name.value ||= file.name.replace(/(\.(csv|jsonl|ndjson|json|gz))+$/i, "");
    this.selects = guessRoles(this.shape.columns).map((role, index) =>
      select({ "aria-label": `What ${this.shape.columns[index].name} becomes` }, ROLES, role),
    );
    this.mapping.replaceChildren(mappingTable(this.shape.columns, this.selects));
    this.mapping.hidden = false;
    return null;
  }

  refuse(text) {
    this.problem.textContent = text;
    this.problem.hidden = false;
  }

  async send(signal) {
    if (!this.file) throw new FormProblem("Choose a file first.");
    const roles = this.selects.map((element) => element.value);
    const problem = mappingProblem(roles);
    if (problem) throw new FormProblem(problem);
    const action = this.actions.querySelector("input:checked").value;
    const fields = [["action", action], ["name", this.name.value], ...mappingFields(this.shape.columns, roles)];
    const bar = this.startProgress();
    try {
      await freshen();
      return await sendUpload({ file: this.file, ...this.shape, fields, signal, onprogress: bar });
    } finally {
      this.progress.hidden = true;
    }
  }

  startProgress() {
    const element = h("progress", { max: 1, value: 0, "aria-label": "Upload" });
    const text = h("p", { class: "muted small", "aria-live": "polite" }, "Sending…");
    this.progress.replaceChildren(element, text);
    this.progress.hidden = false;
    this.progress.scrollIntoView({ block: "nearest" });
    return (loaded, total) => {
      element.value = loaded / total;
      if (loaded < total) return;
      element.removeAttribute("value");
      text.textContent = "Sent. The server checks and stores the examples…";
    };
  }
}

function actionChoice(actions) {
  return h(
    "fieldset",
    {},
    h("legend", {}, "What to do"),
    actions.map(([value, label, text], index) =>
      h(
        "label",
        { class: "choice" },
        h("input", { type: "radio", name: "action", value, checked: index === 0 }),
        h("span", {}, label, h("span", { class: "muted small block" }, text)),
      ),
    ),
  );
}

function mappingTable(columns, selects) {
  const rows = columns.map(({ name, sample }, index) =>
    h(
      "li",
      {},
      h("div", {}, h("code", {}, name), h("div", { class: "muted small clip" }, sample || "–")),
      selects[index],
    ),
  );
  return h("fieldset", {}, h("legend", {}, "What the columns become"), h("ul", { class: "mapping" }, rows));
}

/** Calls `take` with a file that is dropped on `element`, which shows that it takes one. */
export function acceptDrops(element, take) {
  element.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    element.classList.add("dropping");
  });
  element.addEventListener("dragleave", (event) => {
    if (!element.contains(event.relatedTarget)) element.classList.remove("dropping");
  });
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    element.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
}
