/** The caller's sessions, and ending them. */

import { announce, button } from "../actions.js";
import { call } from "../api.js";
import { confirmDialog } from "../dialog.js";
import { h, quiet, table } from "../dom.js";
import { when } from "../format.js";

const PATH = "/v1/user/sessions";
const BROWSERS = { "Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari" };
const SYSTEMS = {
  Android: "Android",
  iPhone: "iPhone",
  iPad: "iPad",
  Windows: "Windows",
  "Mac OS": "macOS",
  Linux: "Linux",
};

/** The panel of the caller's sessions. */
export async function sessionsPanel() {
  const list = h("div", {});
  const reload = async () => list.replaceChildren(sessionTable((await call("GET", PATH)).data, reload));
  await reload();
  const about = quiet("Where you are signed in. End what you do not know, then change your password.");
  const head = h("div", {}, h("h2", { id: "sessions" }, "My sessions"), about);
  return h("section", { class: "stack", "aria-labelledby": "sessions" }, head, list);
}

function sessionTable(sessions, reload) {
  const columns = [
    { label: "Client", cell: clientCell },
    { label: "Address", cell: ({ address }) => address || "–" },
    { label: "Signed in", class: "when", cell: ({ created_at: begun }) => when(begun) },
    { label: "Last active", class: "when", cell: ({ refreshed_at: last, created_at: begun }) => when(last ?? begun) },
    { label: "", class: "actions", cell: (session) => !session.current && endButton(session, reload) },
  ];
  return table("My sessions", columns, sessions);
}

function clientCell({ user_agent: agent, current }) {
  const badge = current && [" ", h("span", { class: "badge good" }, "this one")];
  return h("div", {}, h("span", { class: "name", title: agent }, clientName(agent)), badge);
}

function endButton({ id, user_agent: agent }, reload) {
  const name = clientName(agent);
  const end = async () => {
    const ended = await confirmDialog({
      title: "End this session?",
      text: `${name} is signed out at its next call.`,
      submit: "End session",
      action: () => call("DELETE", `${PATH}/${encodeURIComponent(id)}`),
    });
    if (!ended) return;
    await reload();
    announce("The session has ended.");
  };
  return button("End", end, { class: "quiet danger", "aria-label": `End the session of ${name}` });
}

/** "Firefox on Linux", or the first word a program calls itself. */
function clientName(agent) {
  const nameIn = (names) => names[Object.keys(names).find((mark) => agent.includes(mark))];
  const browser = nameIn(BROWSERS);
  const system = nameIn(SYSTEMS);
  return browser && system ? `${browser} on ${system}` : agent.split(" ")[0] || "Unknown client";
}
