// Small pieces that several views show of a run.

import { h } from "./dom.js";

/** The state as a word with a colour. */
export function stateOf({ state }) {
  return h("span", { class: `state state-${state}` }, state);
}
