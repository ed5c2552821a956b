/** System keys, for administrators. */

import { adminPage } from "./admin.js";
import { keyManager } from "./keys.js";

/** The page. */
export async function systemKeysView() {
  const { action, list } = await keyManager(
    "/v1/system/api_keys",
    "Create one for a workload that belongs to nobody in particular, such as a pipeline.",
  );
  return adminPage({
    title: "System keys",
    lead: "Keys for workloads: they read and write data, never manage users, and keep working when people leave.",
    action,
    content: list,
  });
}
