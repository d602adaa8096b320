// Numbers, durations and times as people read them. Times and durations are milliseconds.

const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 15, useGrouping: true });
const DIGITS = 5;
const WHOLE = new Intl.NumberFormat("en");
const NONE = "–";

/** A value of a metric: five digits, with a power of ten where it is very large or small. */
export function number(value, digits = DIGITS) {
  if (value === null || value === undefined) return NONE;
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(Math.min(digits, 15)));
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return rounded.toExponential().replace("e+", "e");
  return NUMBER.format(rounded);
}

/** A count: 12,345. */
export function count(value) {
  return value === null || value === undefined ? NONE : WHOLE.format(value);
}

/** `1 run`, `2 runs`. */
export function plural(value, word) {
  return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

/** A duration: `350 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(value) {
  if (value === null || value === undefined) return NONE;
  if (value < 1000) return `${Math.round(value)} ms`;
  const seconds = Math.round(value / 1000);
  const units = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const at = units.findIndex(([size]) => seconds >= size);
  const [size, unit] = units[at];
  const [small, smallUnit] = units[at + 1] ?? [];
  const rest = small ? Math.floor((seconds % size) / small) : 0;
  return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${smallUnit}` : ""}`;
}

/** A moment, by the reader's clock: `2026-11-21 14:05:09`. */
export function moment(value) {
  if (value === null || value === undefined) return NONE;
  const date = new Date(value);
  const two = (part) => String(part).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

/** How long ago: `just now`, `5 min ago`; beyond a week, the day. */
export function ago(value, now = Date.now()) {
  if (value === null || value === undefined) return NONE;
  const passed = now - value;
  if (passed < 5000) return "just now";
  if (passed > 7 * 86400_000) return moment(value).slice(0, 10);
  return `${duration(passed).split(" ").slice(0, 2).join(" ")} ago`;
}

/** How long a run took, or takes until now. */
export function runDuration(run, now = Date.now()) {
  if (run.started === null) return null;
  const end = run.ended ?? (run.state === "running" ? now : run.last_seen);
  return end === null ? null : Math.max(0, end - run.started);
}

/** What a run is called: its name, else its id. */
export function runName(run) {
  return run.name || run.run_id || run.key;
}

/** `8 × MI300X`, or nothing known. */
export function gpus(run) {
  if (!run.gpu_count) return run.gpu_count === 0 ? "none" : NONE;
  return `${run.gpu_count} × ${run.gpu_name || "GPU"}`;
}
