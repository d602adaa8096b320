// What was found out about a run: the verdict first, then what it rests on.

import { h } from "./dom.js";
import { flatTable, flatten, rawJson } from "./tables.js";

const PARTS = [
  ["wrapper_frameworks", "Wrapper frameworks"],
  ["base_frameworks", "Base frameworks"],
  ["pytorch", "PyTorch"],
  ["hardware", "Hardware"],
  ["git", "Git"],
  ["build", "Build"],
  ["environment", "Environment"],
  ["system", "System"],
  ["software", "Software"],
  ["wandb", "W&B"],
];

/** The evidence of a run, as `/runs/{run}` gives it. */
export function evidenceOf({ evidence, hints, verdict }) {
  if (!evidence) {
    return h("p", { class: "muted" }, "No detection record came with this run: it tells framework, hardware and environment.");
  }
  const known = new Set(PARTS.map(([name]) => name));
  const others = Object.keys(evidence).filter((name) => !known.has(name)).map((name) => [name, name]);
  const cards = [...PARTS, ...others].map(([name, title]) => card(title, within(name, evidence[name])));
  const raw = rawJson({ verdict, hints, evidence }, "The record as JSON");
  const first = [card("Verdict", verdictRows(verdict ?? {})), card("Hints", flatten(hints ?? {}))];
  return h("div", {}, h("div", { class: "cards" }, first, cards), raw);
}

function verdictRows(verdict) {
  const { confidence, ...rest } = verdict;
  if (!rest.framework) return [["framework", "none found"]];
  const sure = typeof confidence === "number" ? [["confidence", `${Math.round(confidence * 100)} %`]] : [];
  return [...flatten(rest), ...sure];
}

/** The config has a place of its own. */
function within(name, part) {
  if (name !== "wandb" || !part) return flatten(part ?? {});
  const { config, ...rest } = part;
  return flatten(rest);
}

function card(title, rows) {
  const isEmpty = (value) => value === null || value === "" || (typeof value === "object" && !Object.keys(value).length);
  const told = rows.filter(([path, value]) => path && !isEmpty(value));
  return told.length ? h("section", { class: "card" }, h("h2", {}, title), flatTable(told, title)) : null;
}
