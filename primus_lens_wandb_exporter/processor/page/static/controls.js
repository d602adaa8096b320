// What can be chosen for charts: axis, smoothing, log scale, names, range; kept in the address.

import { AXES } from "./axes.js";
import { debounce, h } from "./dom.js";
import { remember } from "./router.js";

/** Read the options of a board from an address' params. */
export function readOptions(params) {
  const range = params.get("range")?.split("..").map(Number);
  const smoothing = Number(params.get("smooth"));
  return {
    axis: Object.hasOwn(AXES, params.get("axis")) ? params.get("axis") : "step",
    smoothing: smoothing >= 0 && smoothing < 1 ? smoothing : 0,
    log: params.get("log") === "1",
    filter: params.get("metric") ?? "",
    range: range?.length === 2 && range.every(Number.isSafeInteger) && range[0] < range[1] ? range : null,
  };
}

/**
 * The controls of a board as an element: each choice goes into the address, then to `chosen(changes)`.
 * `.zoomed(range)` tells them of a range that was dragged in a chart.
 */
export class Controls {
  #chosen;
  #options;
  #reset;

  constructor(options, chosen) {
    this.#options = options;
    this.#chosen = chosen;
    const filter = h("input", { type: "search", placeholder: "Filter metrics  /", value: options.filter, "aria-label": "Filter metrics by name" });
    const typed = debounce(() => this.#choose({ filter: filter.value.trim() }), 150);
    filter.addEventListener("input", typed);
    this.#reset = h("button", { type: "button", class: "chip", onclick: () => this.zoomed(null) });
    this.element = h("form", { class: "controls", onsubmit: (event) => event.preventDefault() });
    this.element.append(filter, this.#axis(), this.#smoothing(), this.#log(), this.#reset);
    this.#showRange();
  }

  /** Take a range of the axis, or null for all of it. */
  zoomed(range) {
    this.#choose({ range });
  }

  #choose(changes) {
    this.#options = { ...this.#options, ...changes };
    const { axis, smoothing, log, filter, range } = this.#options;
    remember({
      axis: axis === "step" ? "" : axis,
      smooth: smoothing || "",
      log: log ? "1" : "",
      metric: filter,
      range: range ? range.join("..") : "",
    });
    this.#showRange();
    this.#chosen(changes);
  }

  #showRange() {
    const { range, axis } = this.#options;
    this.#reset.hidden = !range;
    if (range) this.#reset.textContent = `${range.map(AXES[axis].text).join(" – ")}  ✕`;
    this.#reset.setAttribute("aria-label", "Show the whole range again");
  }

  #axis() {
    const options = Object.entries(AXES).map(([value, { label }]) =>
      h("option", { value, selected: value === this.#options.axis }, label),
    );
    const select = h("select", {}, options);
    select.addEventListener("change", () => this.#choose({ axis: select.value, range: null }));
    return h("label", {}, "Axis ", select);
  }

  #smoothing() {
    const shown = h("output", {}, this.#options.smoothing.toFixed(2));
    const slider = h("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: this.#options.smoothing });
    slider.addEventListener("input", () => {
      shown.textContent = Number(slider.value).toFixed(2);
      this.#chosen({ smoothing: Number(slider.value) });
    });
    // Browsers let the address change a few times a second only, and some throw.
    slider.addEventListener("change", () => this.#choose({ smoothing: Number(slider.value) }));
    return h("label", {}, "Smoothing ", slider, shown);
  }

  #log() {
    const box = h("input", { type: "checkbox", checked: this.#options.log });
    box.addEventListener("change", () => this.#choose({ log: box.checked }));
    return h("label", {}, box, " Log scale");
  }
}
