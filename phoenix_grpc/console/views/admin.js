/** The frame of the administrators' pages. */

import { h } from "../dom.js";

const PAGES = [
  ["#/admin/users", "Users"],
  ["#/admin/keys", "System keys"],
  ["#/admin/audit", "Audit log"],
];

/** A page with the tabs of all of them; `action` stands beside the heading. */
export function adminPage({ title, lead, action = null, content }) {
  const tabs = PAGES.map(([href, label]) => h("a", { href, "aria-current": label === title ? "page" : null }, label));
  const node = h(
    "div",
    { class: "stack" },
    h("nav", { class: "tabs", "aria-label": "Administration" }, tabs),
    h(
      "div",
      { class: "page-head" },
      h("div", {}, h("h1", { tabindex: "-1" }, title), h("p", { class: "lead" }, lead)),
      action && h("div", { class: "row" }, action),
    ),
    content,
  );
  return { title, node };
}
