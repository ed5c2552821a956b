/** A table that grows page by page. */

import { announce, button } from "./actions.js";
import { h, table, tableRow } from "./dom.js";
import { plural } from "./format.js";

/**
 * The table of a first page, with a button for more while there is more.
 * @param {string} caption
 * @param {object[]} columns as for `table`
 * @param {{data: object[], next_cursor: string|null}} first
 * @param {(cursor: string) => Promise<{data: object[], next_cursor: string|null}>} load
 */
export function pagedTable(caption, columns, first, load) {
  const list = table(caption, columns, first.data);
  let next = first.next_cursor;
  const more = button("Show more", async () => {
    const page = await load(next);
    next = page.next_cursor;
    more.hidden = !next;
    list.querySelector("tbody").append(...page.data.map((row) => tableRow(columns, row)));
    announce(`${plural(page.data.length, "more row")}.`);
  });
  more.hidden = !next;
  return h("div", { class: "stack" }, list, h("div", { class: "row" }, more));
}
