/** Who is signed in, and what this person may do: the console offers nothing that would be refused. */

import { call, callOnce } from "./api.js";

/** The server's configuration and the signed-in user; filled by `loadConfig` and `loadUser`. */
export const session = { config: null, user: null };

/** Asks the server whether people sign in at all, and how. */
export async function loadConfig() {
  session.config = await callOnce("GET", "/v1/config");
}

/** Asks who is signed in. Raises SignedOut when nobody is. */
export async function loadUser() {
  session.user = session.config.authentication_enabled ? (await call("GET", "/v1/user")).data : null;
}

/** Whether authentication is on, and so accounts exist. */
export function hasAccounts() {
  return session.config.authentication_enabled;
}

/** Whether this person may change data. */
export function mayWrite() {
  return !hasAccounts() || ["ADMIN", "MEMBER"].includes(session.user.role);
}

/** Whether this person manages users. */
export function isAdmin() {
  return hasAccounts() && session.user.role === "ADMIN";
}
