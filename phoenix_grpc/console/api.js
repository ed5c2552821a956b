/** Calls to the server, with the session's cookie. An expired access token is renewed once, by itself. */

import { serverUrl } from "./base.js";

const RENEWED_AT = "phoenix-grpc-session-renewed-at";

/** A refusal of the server, or no response (status 0). */
export class ApiError extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Raised if nobody is signed in any more; the router then shows the sign-in page. */
export class SignedOut extends Error {}

/**
 * Calls the server and returns the parsed JSON, or null if there is no body.
 * @param {string} method
 * @param {string} path path and query, such as "/v1/datasets?limit=10"
 * @param {object} [body] sent as JSON
 * @throws {ApiError|SignedOut}
 */
export async function call(method, path, body) {
  const text = await callForText(method, path, body);
  return text ? JSON.parse(text) : null;
}

/** Calls the server and returns the text of the body: for JSON whose numbers must stay exact. */
export async function callForText(method, path, body) {
  const startedAt = Date.now();
  let response = await send(method, path, body);
  if (response.status === 401) {
    if (!(await renew(startedAt))) throw new SignedOut();
    response = await send(method, path, body);
    if (response.status === 401) throw new SignedOut();
  }
  return answer(response);
}

/** Calls the server once, without renewing the session: for calls whose 401 is about a password. */
export async function callOnce(method, path, body) {
  const text = await answer(await send(method, path, body));
  return text ? JSON.parse(text) : null;
}

/** Makes sure that the access token is fresh, before an upload, a download or a password change. */
export async function freshen() {
  await callForText("GET", "/v1/user");
}

async function send(method, path, body) {
  const json =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  try {
    return await fetch(serverUrl(path), { method, credentials: "same-origin", cache: "no-store", ...json });
  } catch {
    throw new ApiError(0, "no answer");
  }
}

async function answer(response) {
  const text = await response.text();
  if (response.ok) return text;
  throw errorFrom(response.status, text, response.headers.get("retry-after"));
}

/** The error for a refusal; the text is plain, or FastAPI's {"detail": ...}. */
export function errorFrom(status, text, retryAfter) {
  return new ApiError(status, detailOf(text), Number(retryAfter) || null);
}

function detailOf(text) {
  if (!text.startsWith("{")) return text;
  try {
    const { detail } = JSON.parse(text);
    if (!Array.isArray(detail)) return String(detail ?? text);
    return detail.map(({ loc, msg }) => `${loc.slice(1).join(".")}: ${msg}`).join("; ");
  } catch {
    return text;
  }
}

let renewal = null;

/** Renews the session, once for concurrent calls and for all tabs. Returns whether a retry makes sense. */
function renew(callStartedAt) {
  renewal ??= inOneTab(() => renewOnce(callStartedAt)).finally(() => {
    renewal = null;
  });
  return renewal;
}

function inOneTab(action) {
  return navigator.locks ? navigator.locks.request("phoenix-grpc-renew", action) : action();
}

async function renewOnce(callStartedAt) {
  const renewedElsewhere = () => Number(localStorage.getItem(RENEWED_AT)) > callStartedAt;
  if (renewedElsewhere()) return true;
  const response = await send("POST", "/auth/refresh");
  if (response.ok) localStorage.setItem(RENEWED_AT, String(Date.now()));
  else if (response.status !== 401 && response.status !== 404) await answer(response);
  return response.ok || renewedElsewhere();
}

/** Explains an error to people, and what to do about it. */
export function explain(error) {
  if (!(error instanceof ApiError)) throw error;
  const { status, message, retryAfter } = error;
  if (status === 0) return "The server did not answer. Check that it runs and that you are connected, then try again.";
  if (status === 403) return `You may not do this. ${sentence(message)} An administrator can change your role.`;
  if (status === 404) return `${sentence(message)} It may have been deleted: go back and reload the list.`;
  if (status === 413) return `This is too large for the server. ${sentence(message)}`;
  if (status === 429)
    return retryAfter
      ? `Too many attempts. Try again in ${seconds(retryAfter)}.`
      : "Too many attempts. Try again in a few minutes.";
  if (status === 503) return "The server cannot reach its store right now. Nothing was changed; try again in a moment.";
  if (status === 507) return "The server's disk is full. Nothing was changed; free some space, then try again.";
  return sentence(message) || `The server answered with status ${status}. Try again, or look into its log.`;
}

function sentence(text) {
  const trimmed = text.trim().slice(0, 600);
  if (!trimmed) return "";
  const capital = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

function seconds(count) {
  return count < 90 ? `${count} seconds` : `${Math.ceil(count / 60)} minutes`;
}
