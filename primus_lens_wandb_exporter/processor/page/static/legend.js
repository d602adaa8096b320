// The lines below a chart: whose they are, and what they are worth.

import { h } from "./dom.js";
import { number } from "./format.js";

/** A piece of a line, as it is drawn; `index` is its colour's. */
export function swatch(index) {
  return h("span", { class: `swatch swatch-${index % 8} dash-${Math.floor(index / 8) % 3}` });
}

/** The last value of a line; `look` is `{index, label, last}`, `line` a line of a frame. */
export function lastRow(look, line) {
  const at = line.raw.findLastIndex((value) => value !== null && value !== undefined);
  return row(look, look.last ?? line.raw[at]);
}

/**
 * The value of a line at a place of its frame `{x, lines}`; of a line that has no others beside it with the
 * lowest and highest one that it stands for. Between two of its points the nearer one speaks.
 */
export function rowAt(look, line, place, { x, lines }) {
  const at = nearest(line.raw, place, x);
  const [low, high] = [line.min[at], line.max[at]];
  const isWide = lines.length === 1 && Number.isFinite(low) && Number.isFinite(high) && low !== high;
  return row(look, line.mean[at], isWide ? `(${number(low)} … ${number(high)})` : "");
}

/** The place of a column's value that is nearest to a place; the same one before its first and behind its last. */
function nearest(column, place, x) {
  const [before, after] = [-1, 1].map((turn) => {
    let at = place;
    while (at in x && column[at] === undefined) at += turn;
    return at;
  });
  if (!(before in x && after in x)) return place;
  return x[place] - x[before] <= x[after] - x[place] ? before : after;
}

/** What the triangles of a chart stand for, and whose they are if they have labels; null if there are none. */
export function marksRow(marks) {
  const [values, labels] = ["value", "label"].map((field) => [...new Set(marks.map((mark) => mark[field]))].join(", "));
  if (!values) return null;
  const whose = labels && h("span", { class: "label", title: labels }, labels);
  return h("li", { class: "marked" }, `▲ ${values}`, h("b", {}, `× ${marks.length}`), whose);
}

function row({ index, label }, value, spread) {
  return h("li", {}, swatch(index), label && h("span", { class: "label", title: label }, label), h("b", {}, number(value)), spread);
}
