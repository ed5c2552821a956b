/** The role of each column of a file, and the form fields for it. */

const OUTPUT_NAME =
  /(^|[_ .-])(outputs?|answers?|responses?|expected|ideal|label|target|completion|reference|solution)$/i;
const BY_NAME = {
  id: "id",
  task_id: "id",
  example_id: "id",
  node_id: "ignore",
  split: "split",
  splits: "split",
  span_id: "span",
};
/** Roles that one column can have, and the form field that names it. */
const SINGLE = {
  id: { field: "example_id_key", text: "example id" },
  split: { field: "split_key", text: "split" },
  span: { field: "span_id_key", text: "span id" },
};
const PARTS = ["input", "output", "metadata"];
/** The type of values that a role requires. */
const FITTING = { id: ["text", "null"], split: ["text", "list", "null"], span: ["text", "null"] };
/** Columns besides input, output and metadata that the server reads without a mapping. */
const OWN = ["id", "node_id", "splits", "span_id"];

/** The choices for a column: [value, text]. */
export const ROLES = [
  ["input", "Input"],
  ["output", "Output"],
  ["metadata", "Metadata"],
  ["id", "Example id"],
  ["split", "Split"],
  ["span", "Span id"],
  ["ignore", "Leave out"],
];

/**
 * Guesses a role for each column: by its name, else input before the first output and metadata after it. Where there is
 * an object "input", or a column "input.…", that is the input, and columns of other names are metadata. The Python
 * client guesses the same.
 */
export function guessRoles(columns) {
  const roles = columns.map(({ name }) => namedPart(name));
  columns.forEach(({ name, kind }, index) => {
    const role = BY_NAME[name.toLowerCase()];
    if (role) roles[index] = roles.includes(role) || FITTING[role]?.includes(kind) === false ? "metadata" : role;
  });
  const isOutput = columns.map(({ name }, index) => !roles[index] && OUTPUT_NAME.test(name));
  const hasInput = columns.some(({ name, kind }) => (name === "input" && kind === "object") || /^input\./.test(name));
  const first = hasInput ? -1 : isOutput.includes(true) ? isOutput.indexOf(true) : columns.length;
  return roles.map((role, index) => role ?? (isOutput[index] ? "output" : index > first ? "metadata" : "input"));
}

function namedPart(name) {
  return PARTS.find((part) => name === part || name.startsWith(`${part}.`));
}

/** Whether the records have the shape that the server reads without a mapping, such as those of a download. */
function areOwn(columns) {
  const nested = columns.filter(({ name }) => !OWN.includes(name));
  return (
    nested.some(({ name }) => namedPart(name) === "input") &&
    nested.every(({ name, kind }) => namedPart(name) && (name.includes(".") || ["object", "null"].includes(kind)))
  );
}

/** Why this choice of roles cannot be sent, or null. */
export function mappingProblem(roles) {
  for (const [role, { text }] of Object.entries(SINGLE)) {
    if (roles.filter((each) => each === role).length > 1) return `Only one column can be the ${text}.`;
  }
  return roles.includes("input") ? null : "Choose at least one column as input.";
}

/**
 * The form fields of the mapping: [name, value]; none if the server reads the records without one.
 * An object called "input" is all of the input, no part of it.
 */
export function mappingFields(columns, roles) {
  if (areOwn(columns) && guessRoles(columns).every((role, index) => role === roles[index])) return [];
  const fields = [];
  columns.forEach(({ name, kind }, index) => {
    const role = roles[index];
    if (role in SINGLE) fields.push([SINGLE[role].field, name]);
    else if (role !== "ignore") fields.push([`${role}_keys[]`, name]);
    if (kind === "object" && name === role) fields.push(["flatten_keys[]", name]);
  });
  return fields;
}
