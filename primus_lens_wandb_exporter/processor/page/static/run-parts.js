// Small pieces that several views show of a run.

import { h } from "./dom.js";
import { duration, gpus, moment, runDuration } from "./format.js";

const CAUSES = { finish: "finished by the script", exit: "the script ended" };

/** The state as a word with a colour. */
export function stateOf({ state }) {
  return h("span", { class: `state state-${state}` }, state);
}

/** Why a run is in its state, in a few words; empty if there is nothing to say. */
export function reasonOf(run) {
  if (run.state === "crashed") return `nothing was heard of it since ${moment(run.last_seen)}`;
  if (run.state !== "failed") return "";
  const code = run.exit_code ? `exit code ${run.exit_code}` : "";
  return [run.cause, code].filter(Boolean).join(", ");
}

/** What is known of a run, as a list of terms; what is not known is left out. */
export function factsOf(run) {
  const facts = [
    ["Workload", run.workload],
    ["Project", run.project],
    ["Run id", run.run_id],
    ["Framework", run.framework],
    ["GPUs", run.gpu_count === null ? "" : gpus(run)],
    ["Host", run.host],
    ["Duration", runDuration(run) === null ? "" : duration(runDuration(run))],
    ["Started", run.started === null ? "" : moment(run.started)],
    ["Ended", run.ended === null ? "" : moment(run.ended)],
    ["Last heard of", run.ended === null ? moment(run.last_seen) : ""],
    ["Exit code", run.exit_code],
    ["Cause", CAUSES[run.cause] ?? run.cause],
    ["Tags", (run.tags ?? []).join(", ")],
  ];
  const known = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, String(value)))));
}
