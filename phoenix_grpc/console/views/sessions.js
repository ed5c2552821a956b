/** My sessions: where I am signed in, and ending that. */

import { call } from "../api.js";
import { announce, confirmDialog } from "../dialog.js";
import { button, h, table } from "../dom.js";
import { when } from "../format.js";

const PATH = "/v1/user/sessions";
const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
];
const SYSTEMS = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS", "macOS"],
  ["Linux", "Linux"],
];

/** The panel of the caller's sessions. */
export async function sessionsPanel() {
  const list = h("div", {});
  const reload = async () => list.replaceChildren(sessionTable((await call("GET", PATH)).data, reload));
  await reload();
  return h(
    "section",
    { class: "stack", "aria-labelledby": "sessions" },
    h(
      "div",
      {},
      h("h2", { id: "sessions" }, "My sessions"),
      h("p", { class: "muted" }, "Where you are signed in. End what you do not know, then change your password."),
    ),
    list,
  );
}

function sessionTable(sessions, reload) {
  return table(
    "My sessions",
    [
      {
        label: "Client",
        cell: (session) =>
          h(
            "div",
            {},
            h("span", { class: "name", title: session.user_agent }, clientName(session.user_agent)),
            session.current && [" ", h("span", { class: "badge good" }, "this one")],
          ),
      },
      { label: "Address", cell: (session) => session.address || "–" },
      { label: "Signed in", class: "when", cell: (session) => when(session.created_at) },
      { label: "Last active", class: "when", cell: (session) => when(session.refreshed_at ?? session.created_at) },
      { label: "", class: "actions", cell: (session) => !session.current && endButton(session, reload) },
    ],
    sessions,
  );
}

function endButton(session, reload) {
  const name = clientName(session.user_agent);
  return button(
    "End",
    async () => {
      const ended = await confirmDialog({
        title: "End this session?",
        text: `${name} is signed out at its next call.`,
        submit: "End session",
        action: () => call("DELETE", `${PATH}/${encodeURIComponent(session.id)}`),
      });
      if (!ended) return;
      await reload();
      announce("The session has ended.");
    },
    { class: "quiet danger", "aria-label": `End the session of ${name}` },
  );
}

/** "Firefox on Linux", or the first word a program calls itself. */
function clientName(agent) {
  const browser = BROWSERS.find(([mark]) => agent.includes(mark))?.[1];
  const system = SYSTEMS.find(([mark]) => agent.includes(mark))?.[1];
  if (browser && system) return `${browser} on ${system}`;
  return agent.split(" ")[0] || "Unknown client";
}
