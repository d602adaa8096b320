// Nested JSON as flat, searchable tables.

import { fill, h } from "./dom.js";

/** Flatten nested JSON into `[[path, value]]`; lists of plain values stay one value. */
export function flatten(value, path = "") {
  const isPlain = (one) => one === null || typeof one !== "object";
  if (isPlain(value)) return [[path, value]];
  const entries = Object.entries(value);
  if (!entries.length || (Array.isArray(value) && value.every(isPlain))) return [[path, value]];
  const name = (key) => (Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key);
  return entries.flatMap(([key, nested]) => flatten(nested, name(key)));
}

/** A value as text: texts and lists of texts as they are, the rest as JSON. */
export function asText(value) {
  if (Array.isArray(value) && value.length && value.every((one) => typeof one === "string")) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A table of two columns; its label is for those who do not see it. */
export function flatTable(rows, label) {
  const body = rows.map(([path, value]) => h("tr", {}, h("th", { scope: "row", class: "wrap" }, path), h("td", { class: "wrap" }, asText(value))));
  const props = { class: "scroll", role: "region", "aria-label": label, tabIndex: 0 };
  return h("div", props, h("table", { class: "flat" }, h("tbody", {}, body)));
}

/** A table with a search box above it; `empty` is said when there is nothing at all. */
export function searchable(value, label, empty) {
  const rows = flatten(value ?? {}).filter(([path]) => path);
  if (!rows.length) return h("p", { class: "muted" }, empty);
  const found = h("p", { class: "muted", role: "status" });
  const place = h("div");
  const search = h("input", { type: "search", placeholder: `${label}  /`, "aria-label": label });
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    const kept = rows.filter(([path, one]) => `${path} ${asText(one)}`.toLowerCase().includes(wanted));
    found.textContent = kept.length === rows.length ? `${rows.length} values` : `${kept.length} of ${rows.length} values`;
    fill(place, kept.length ? flatTable(kept, "What was found") : h("p", { class: "muted" }, "Nothing holds that text."));
  };
  search.addEventListener("input", show);
  show();
  return h("div", {}, h("div", { class: "bar" }, search, found), place);
}

/** JSON as it came, made only when it is asked for. */
export function rawJson(value, label) {
  const details = h("details", { class: "raw" }, h("summary", {}, label));
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("pre")) details.append(h("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2)));
  });
  return details;
}
