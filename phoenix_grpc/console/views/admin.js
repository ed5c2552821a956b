/** The frame of the administrators' pages. */

import { h, pageHead } from "../dom.js";

const PAGES = [
  ["#/admin/users", "Users"],
  ["#/admin/keys", "System keys"],
  ["#/admin/audit", "Audit log"],
];

/** A page with the tabs of all of them; `action` stands beside the heading. */
export function adminPage({ title, lead, action = [], content }) {
  const tabs = PAGES.map(([href, label]) => h("a", { href, "aria-current": label === title ? "page" : null }, label));
  const bar = h("nav", { class: "tabs", "aria-label": "Administration" }, tabs);
  return { title, node: h("div", { class: "stack" }, bar, pageHead(title, lead, action), content) };
}
