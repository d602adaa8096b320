// What is known of the runs that are compared: each with its metrics and marks.

import { get } from "./api.js";
import { runName } from "./format.js";

export const SYSTEM = "primus_lens.";
const MOST_MARKS = 1000; // of one run

/**
 * Load a run: `{run, metrics, marks, values}`, the rows with `run`, its key; `values` maps a metric's name to
 * its last value. Throws ApiError, AbortError.
 */
export async function loadEntry(key, signal) {
  const path = `/runs/${encodeURIComponent(key)}`;
  const [run, { metrics }, { marks }] = await Promise.all([
    get(path, {}, signal),
    get(`${path}/metrics`, {}, signal),
    get(`${path}/marks`, { limit: MOST_MARKS }, signal),
  ]);
  const ours = (row) => ({ ...row, run: key });
  return { run, metrics: metrics.map(ours), marks: marks.map(ours), values: lastValues(metrics) };
}

/** The same entries, with names that tell their runs apart: one that several have is followed by the ids. */
export function tellApart(entries) {
  const names = entries.map(({ run }) => runName(run));
  const isShared = (name) => names.indexOf(name) !== names.lastIndexOf(name);
  return entries.map((entry, at) => {
    const { workload, run_id: id } = entry.run;
    return isShared(names[at]) ? { ...entry, run: { ...entry.run, name: `${names[at]} (${workload}/${id})` } } : entry;
  });
}

/** The names of all metrics of some entries: their losses first, what the system measures at the end. */
export function metricNames(entries) {
  const names = new Set(entries.flatMap(({ metrics }) => metrics.map((row) => row.name)));
  const losses = new Set(entries.map(({ run }) => run.loss?.name));
  const rank = (name) => (losses.has(name) ? 0 : name.startsWith(SYSTEM) ? 2 : 1);
  return [...names].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b, "en", { numeric: true }));
}

/** Of several series of a metric (by tags, or sources) the one that came furthest speaks. */
function lastValues(metrics) {
  const order = [...metrics].sort((a, b) => a.last_step - b.last_step || a.last_time - b.last_time);
  return new Map(order.map((row) => [row.name, row.last_value]));
}
