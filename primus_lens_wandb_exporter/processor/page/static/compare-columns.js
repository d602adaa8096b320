// The columns of the table of runs: what stands in them, and how they sort.

import { SYSTEM } from "./compare-entries.js";
import { count, duration, gpus, number, runDuration, runName } from "./format.js";

const METRIC = "metric:";

/** Return `[{id, title, value, text}]`; `value` of an entry is what it sorts by, null: at the end. */
export function makeColumns(metrics) {
  return [
    column("name", "Run", ({ run }) => runName(run)),
    column("state", "State", ({ run }) => run.state),
    column("framework", "Framework", ({ run }) => run.framework || null),
    column("gpus", "GPUs", ({ run }) => run.gpu_count, ({ run }) => gpus(run)),
    column("duration", "Duration", ({ run }) => runDuration(run), ({ run }) => duration(runDuration(run))),
    column("step", "Last step", ({ run }) => run.last_step, ({ run }) => count(run.last_step)),
    ...metrics.map((name) => {
      const last = ({ values }) => values.get(name) ?? null;
      const title = name.startsWith(SYSTEM) ? name.slice(SYSTEM.length) : name;
      return column(METRIC + name, title, last, (entry) => number(last(entry)));
    }),
  ];
}

/** Return entries by a column, `-` in front of its id: falling; entries without a value come last. */
export function sortEntries(entries, columns, sort) {
  const falling = sort.startsWith("-");
  const by = columns.find((one) => one.id === sort.replace(/^-/, ""));
  if (!by) return entries;
  return [...entries].sort((a, b) => {
    const [left, right] = [by.value(a), by.value(b)];
    if (left === null || right === null) return (left === null) - (right === null);
    const order = typeof left === "string" ? left.localeCompare(right) : left - right;
    return falling ? -order : order;
  });
}

function column(id, title, value, text = (entry) => value(entry) ?? "–") {
  return { id, title, value, text, numeric: !["name", "state", "framework", "gpus"].includes(id) };
}
