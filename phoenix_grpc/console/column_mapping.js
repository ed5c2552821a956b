/** What each column of a file becomes, and how the server is told. */

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

/** Guesses a role for each column: by its name, else input before the first output and metadata after it. */
export function guessRoles(columns) {
  const roles = columns.map(({ name }) => BY_NAME[name.toLowerCase()] ?? namedPart(name));
  const firstOutput = columns.findIndex(({ name }, index) => !roles[index] && OUTPUT_NAME.test(name));
  return roles.map((role, index) => {
    if (role) return role;
    if (OUTPUT_NAME.test(columns[index].name)) return "output";
    return firstOutput >= 0 && index > firstOutput ? "metadata" : "input";
  });
}

function namedPart(name) {
  return PARTS.find((part) => name === part || name.startsWith(`${part}.`));
}

/** Why this choice of roles cannot be sent, or null. */
export function mappingProblem(roles) {
  for (const [role, { text }] of Object.entries(SINGLE)) {
    if (roles.filter((each) => each === role).length > 1) return `Only one column can be the ${text}.`;
  }
  return roles.includes("input") ? null : "Choose at least one column as input.";
}

/** The form fields that tell the server: [name, value]. An object called "input" is all of the input, no part of it. */
export function mappingFields(columns, roles) {
  const fields = [];
  columns.forEach(({ name, isObject }, index) => {
    const role = roles[index];
    if (role in SINGLE) fields.push([SINGLE[role].field, name]);
    else if (role !== "ignore") fields.push([`${role}_keys[]`, name]);
    if (isObject && name === role) fields.push(["flatten_keys[]", name]);
  });
  return fields;
}
