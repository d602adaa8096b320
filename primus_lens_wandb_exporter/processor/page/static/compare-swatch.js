// The sign of a run: the colour and dashes of its lines.

import { h } from "./dom.js";

/** A piece of the line at `slot`, as it is drawn in the charts. */
export function swatch(slot) {
  return h("span", { class: `swatch swatch-${slot % 8} dash-${Math.floor(slot / 8) % 3}` });
}
