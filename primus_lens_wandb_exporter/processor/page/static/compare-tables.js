// Runs side by side: a row a run, and the configs with a column a run.

import { makeColumns, sortEntries } from "./compare-columns.js";
import { compareConfigs } from "./compare-config.js";
import { fill, h } from "./dom.js";
import { runName } from "./format.js";
import { swatch } from "./legend.js";
import { link } from "./router.js";
import { stateOf } from "./run-parts.js";

/** Show the table of runs: `entries` of `{run, values, slot}`; `turn` takes a column's id. */
export function fillRunsTable(host, entries, { metrics, sort, turn }) {
  const columns = makeColumns(metrics);
  const head = columns.map((column) => {
    const order = { [column.id]: "ascending", [`-${column.id}`]: "descending" }[sort];
    const button = { type: "button", class: "sort", "data-id": column.id, onclick: () => turn(column.id) };
    const cell = { scope: "col", class: column.numeric && "number", "aria-sort": order };
    return h("th", cell, h("button", button, column.title));
  });
  const rows = sortEntries(entries, columns, sort).map((entry) => {
    const [, ...rest] = columns;
    return h("tr", {}, runHead(entry, "row"), rest.map((column) => cell(column, entry)));
  });
  table(host, "Runs side by side", h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
}

/** Show the configs; what differs is marked, and with `only` nothing else is shown. */
export function fillConfigTable(host, entries, only) {
  const all = compareConfigs(entries.map(({ run }) => run.config));
  const rows = only ? all.filter((row) => row.differs) : all;
  if (!rows.length) {
    const text = all.length ? "The configs of these runs are the same." : "None of these runs has a config.";
    return fill(host, h("p", { class: "empty" }, text));
  }
  const head = [h("th", { scope: "col" }, "Key"), entries.map((entry) => runHead(entry, "col"))];
  const body = rows.map(({ key, values, differs }) =>
    h(
      "tr",
      { class: differs && "differs" },
      h("th", { scope: "row" }, key, differs && h("span", { class: "hidden" }, " (differs)")),
      values.map((value) => h("td", { class: "value" }, value === null ? h("span", { class: "none" }, "not set") : value)),
    ),
  );
  return table(host, "Configs side by side", h("thead", {}, h("tr", {}, head)), h("tbody", {}, body));
}

function cell(column, entry) {
  const text = column.id === "state" ? stateOf(entry.run) : column.text(entry);
  return h("td", { class: column.numeric && "number" }, text);
}

function runHead({ run, slot }, scope) {
  return h(
    "th",
    { scope, class: "run" },
    swatch(slot),
    h("a", { href: link("run", run.key), "data-id": `run:${run.key}` }, runName(run)),
  );
}

/**
 * Fill the host with a table; what had the focus has it again, what was scrolled to is still seen, and at
 * first the column by which it is sorted.
 */
function table(host, label, ...parts) {
  const focused = host.contains(document.activeElement) && document.activeElement.dataset.id;
  const left = host.firstElementChild?.scrollLeft;
  const scroller = h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": label }, h("table", {}, parts));
  fill(host, scroller);
  const sorted = scroller.querySelector("[aria-sort]");
  scroller.scrollLeft = left ?? (sorted ? sorted.offsetLeft + sorted.offsetWidth - scroller.clientWidth : 0);
  if (focused) host.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
