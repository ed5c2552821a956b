/** The commands that empty pages show. */

import { serverAddress } from "../base.js";
import { hasAccounts } from "../session.js";

/** A curl command that uploads one example to the dataset `name`. */
export function uploadCommand(name, action) {
  const quoted = JSON.stringify(name).replaceAll("'", "'\\''");
  const key = hasAccounts() ? ['  -H "Authorization: Bearer $PHOENIX_API_KEY" \\'] : [];
  return [
    `curl "${serverAddress}/v1/datasets/upload?sync=true" \\`,
    ...key,
    '  -H "Content-Type: application/json" \\',
    `  -d '{"name": ${quoted}, "action": "${action}",`,
    '       "inputs": [{"question": "Capital of France?"}],',
    '       "outputs": [{"answer": "Paris"}]}\'',
  ].join("\n");
}

/** A curl command that lists datasets with a new key. */
export function listCommand(key) {
  return `curl "${serverAddress}/v1/datasets" \\\n  -H "Authorization: Bearer ${key}"`;
}
