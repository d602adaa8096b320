// How the three axes are written: `step`, `time` (of day), `relative` (since the run's start).

import { count, duration, moment } from "./format.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const DURATIONS = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 15, 30].map((size) => size * SECOND),
  [1, 2, 5, 10, 15, 30].map((size) => size * MINUTE),
  [1, 2, 3, 6, 12].map((size) => size * HOUR),
  [1, 2, 5, 10, 20, 50, 100].map((size) => size * DAY),
);
const STEPS = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((size) => size * 10 ** power)).flat();

export const AXES = {
  step: {
    label: "Step",
    text: (x) => `step ${count(x)}`,
    options: { incrs: STEPS, values: (_, splits) => splits.map(short) },
  },
  time: { label: "Time of day", text: moment, options: { values: (_, splits, _axis, _space, step) => clock(splits, step) } },
  relative: {
    label: "Time since start",
    text: (x) => `after ${elapsed([Math.abs(x) < MINUTE ? x : Math.round(x / SECOND) * SECOND])[0]}`,
    options: { incrs: DURATIONS, values: (_, splits) => elapsed(splits) },
  },
};

/** Durations, all in one way: as a reader says them, else to the second or below it: `1.5 s`, `1:02:03`. */
export function elapsed(times) {
  if (times.every((x) => Math.abs(x) < MINUTE)) return times.map(seconds);
  const isShort = (x) => x >= 0 && x % (x < HOUR ? SECOND : x < DAY ? MINUTE : HOUR) === 0;
  return times.map((x) => (!x ? "0" : times.every(isShort) ? duration(x) : stopwatch(x)));
}

function seconds(x) {
  if (!x) return "0";
  return Math.abs(x) < SECOND ? `${Math.round(x)} ms` : `${Math.round(x) / SECOND} s`;
}

function stopwatch(x) {
  const passed = Math.abs(Math.round(x));
  const [hours, minutes, rest] = [Math.floor(passed / HOUR), Math.floor((passed % HOUR) / MINUTE), (passed % MINUTE) / SECOND];
  const two = (part) => String(part).padStart(2, "0");
  const [whole, fraction] = String(rest).split(".");
  return `${x < 0 ? "-" : ""}${hours}:${two(minutes)}:${two(whole)}${fraction ? `.${fraction}` : ""}`;
}

/** Times of day; the date stands below the first one of each day. */
function clock(splits, step) {
  let day = "";
  return splits.map((x) => {
    const [date, time] = moment(x).split(" ");
    const fraction = step < SECOND ? `.${String(x % SECOND).padStart(3, "0")}` : "";
    const text = step >= DAY ? date.slice(5) : step >= MINUTE ? time.slice(0, 5) : time + fraction;
    const below = date === day ? "" : `\n${step >= DAY ? date.slice(0, 4) : date.slice(5)}`;
    day = date;
    return text + below;
  });
}

function short(step) {
  if (step >= 1e6) return `${step / 1e6}M`;
  return step >= 1e4 ? `${step / 1e3}k` : String(step);
}
