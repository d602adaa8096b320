// What several runs are together.

import { count, duration, runDuration } from "./format.js";
import { h } from "./dom.js";

const ENDED = ["finished", "failed", "crashed"];

/** Return `{runs, metrics, duration, ended, finished}`; the mean duration in milliseconds, null of none. */
export function summarize(runs, metrics, now = Date.now()) {
  const durations = runs.map((run) => runDuration(run, now)).filter((one) => one !== null);
  const sum = durations.reduce((total, one) => total + one, 0);
  return {
    runs: runs.length,
    metrics,
    duration: durations.length ? sum / durations.length : null,
    ended: runs.filter((run) => ENDED.includes(run.state)).length,
    finished: runs.filter((run) => run.state === "finished").length,
  };
}

/** A list of a summary's facts. */
export function makeSummary({ runs, metrics, duration: mean, ended, finished }) {
  const rate = ended ? `${Math.round((100 * finished) / ended)} %` : "–";
  const why = ended ? `${finished} of ${ended} that ended` : "none has ended yet";
  return h(
    "dl",
    { class: "sums" },
    fact("Runs", count(runs)),
    fact("Metrics", count(metrics)),
    fact("Mean duration", duration(mean)),
    fact("Success rate", rate, why),
  );
}

function fact(name, value, more) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
}
