/** Uploading a file: by drag and drop or by the file picker, with a role for each of its columns. */

import { announce } from "../actions.js";
import { freshen } from "../api.js";
import { ROLES, guessRoles, mappingFields, mappingProblem } from "../column_mapping.js";
import { UnfitFile, inspect } from "../data_file.js";
import { formDialog } from "../dialog.js";
import { field, h, radios, select } from "../dom.js";
import { FormProblem } from "../form.js";
import { bytes, count } from "../format.js";
import { sendUpload } from "../upload_request.js";

const ACTIONS = [
  ["create", "Create it", "Refused when a dataset with this name exists."],
  ["append", "Add to it", "Adds what is new and updates what has the same id. Creates it when missing."],
  ["update", "Make it equal to the file", "Also deletes examples that are not in the file. Older versions keep them."],
];

const UNKNOWN =
  "The connection broke while the server stored the file. It may be stored: look at the dataset before you try again.";

/**
 * Opens the upload dialog.
 * @param {object} options
 * @param {File} [options.file] the file, when it was dropped already
 * @param {{name: string}} [options.dataset] the dataset it goes to
 * @returns {Promise<object|null>} the ids and counts of the server's response, or null if it was cancelled
 */
export async function uploadDialog({ file = null, dataset = null }) {
  const form = new UploadForm(dataset);
  const opened = formDialog({
    title: dataset ? `Upload examples to ${dataset.name}` : "Upload a dataset",
    submit: "Upload",
    wide: true,
    content: form.body,
    status: form.progress,
    onsubmit: (_element, leaving) => form.send(leaving),
  });
  if (file) form.take(file);
  const result = await opened;
  if (result) announce(summary(result));
  return result;
}

function summary({ num_created_examples: created, num_updated_examples: updated, num_deleted_examples: deleted }) {
  return `Uploaded: ${count(created)} created, ${count(updated)} updated, ${count(deleted)} deleted.`;
}

class UploadForm {
  constructor(dataset) {
    this.guessedName = "";
    this.name = h("input", {
      name: "name",
      required: true,
      maxlength: 1000,
      autocomplete: "off",
      value: dataset?.name,
    });
    this.actions = radios("What to do", "action", dataset ? ACTIONS.slice(1) : ACTIONS);
    this.problem = h("p", { class: "note bad", role: "alert", hidden: true });
    this.mapping = h("div", { class: "stack", hidden: true });
    this.progress = h("div", { hidden: true });
    this.chosen = h("span", { class: "muted small" });
    const name = !dataset && field("Name of the dataset", this.name);
    this.body = h("div", { class: "stack" }, this.dropZone(), this.problem, name, this.actions, this.mapping);
    this.clear();
  }

  dropZone() {
    const picker = h("input", { type: "file", class: "visually-hidden", accept: ".csv,.jsonl,.ndjson,.gz,.json" });
    picker.addEventListener("change", () => {
      const [file] = picker.files;
      picker.value = ""; // so that the same file, mended, can be chosen again
      if (file) this.take(file);
    });
    const title = h("span", { class: "drop-title" }, "Drop a file here, or choose one");
    const zone = h("label", { class: "drop" }, picker, title, this.chosen);
    acceptDrops(zone, (dropped) => this.take(dropped));
    return zone;
  }

  /** Inspects a file, which replaces the earlier one even if it cannot be uploaded. */
  async take(file) {
    this.clear();
    this.taken = file;
    this.chosen.textContent = `${file.name}: looking into it…`;
    try {
      const shape = await inspect(file);
      if (this.taken === file) this.accept(file, shape);
    } catch (failure) {
      if (!(failure instanceof UnfitFile)) throw failure;
      if (this.taken === file) this.refuse(file, failure.message);
    }
  }

  clear() {
    this.file = null;
    this.shape = null;
    this.selects = [];
    this.mapping.hidden = true;
    this.problem.hidden = true;
    this.chosen.textContent = "CSV, JSON Lines or a JSON array, also compressed as .gz";
    if (this.name.value === this.guessedName) this.name.value = "";
  }

  accept(file, shape) {
    const { format, gzip, columns } = shape;
    this.file = file;
    this.shape = shape;
    this.chosen.textContent = `${file.name} · ${bytes(file.size)} · ${format.toUpperCase()}${gzip ? ", gzip" : ""}`;
    this.guessedName = file.name.replace(/(\.(csv|jsonl|ndjson|json|gz))+$/i, "");
    this.name.value ||= this.guessedName;
    this.selects = guessRoles(columns).map((role, index) => roleSelect(columns[index].name, role));
    this.mapping.replaceChildren(mappingTable(columns, this.selects));
    this.mapping.hidden = false;
  }

  refuse(file, text) {
    this.clear();
    this.problem.textContent = `${file.name}: ${text}`;
    this.problem.hidden = false;
  }

  async send(leaving) {
    const { file, shape } = this;
    if (!file) throw new FormProblem("Choose a file first.");
    const roles = this.selects.map((element) => element.value);
    const problem = mappingProblem(roles);
    if (problem) throw new FormProblem(problem);
    const action = this.actions.querySelector("input:checked").value;
    const fields = [["action", action], ["name", this.name.value], ...mappingFields(shape.columns, roles)];
    const progress = this.startProgress(leaving);
    this.body.inert = true;
    try {
      await freshen();
      return await sendUpload({ file, ...shape, fields, signal: leaving.signal, ...progress });
    } catch (failure) {
      throw this.stored && failure.status === 0 ? new FormProblem(UNKNOWN) : failure;
    } finally {
      this.body.inert = false;
      this.progress.hidden = true;
    }
  }

  /** Shows progress until the server has everything; from then on the upload cannot be cancelled. */
  startProgress(leaving) {
    const element = h("progress", { max: 1, value: 0, "aria-label": "Upload" });
    const text = h("p", { class: "muted small", "aria-live": "polite" }, "Sending the file…");
    this.progress.replaceChildren(element, text);
    this.progress.hidden = false;
    this.stored = false;
    const onprogress = (loaded, total) => {
      element.value = loaded / total;
    };
    const onsent = () => {
      this.stored = true;
      leaving.forbid();
      element.removeAttribute("value");
      text.textContent = "Sent. The server stores the examples: this can no longer be cancelled.";
    };
    return { onprogress, onsent };
  }
}

function roleSelect(column, role) {
  return select({ "aria-label": `What ${column} becomes` }, ROLES, role);
}

function mappingTable(columns, selects) {
  const rows = columns.map(({ name, sample }, index) => {
    const column = h("div", {}, h("code", {}, name), h("div", { class: "muted small clip" }, sample || "–"));
    return h("li", {}, column, selects[index]);
  });
  return h("fieldset", {}, h("legend", {}, "What the columns become"), h("ul", { class: "mapping" }, rows));
}

/** Calls `take` with a file that is dropped on `element`, which shows that it accepts one. */
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
