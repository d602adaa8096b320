// The list of runs: found, filtered, chosen for comparison; it moves while they train.

import { get, stream } from "./api.js";
import { debounce, fill, h, notice, throttle } from "./dom.js";
import { ago, count, duration, gpus, moment, number, plural, runDuration, runName } from "./format.js";
import { link, remember } from "./router.js";
import { stateOf } from "./run-parts.js";

const PAGE = 100;
const MOST_CHOSEN = 20;
const STATES = ["running", "finished", "failed", "crashed"];
const PACE = 2000; // milliseconds between two looks at a list that changes
const BEAT = 20_000; // a run that falls silent sends no change: it is looked for
const COLUMNS = ["", "Run", "State", "Workload", "Framework", "GPUs and host", "Started", "Duration", "Last step", "Last loss", "Points"];
const NUMBERS = new Set(["Duration", "Last step", "Last loss", "Points"]);

/** Show the list; returns a function that ends it. */
export function show(host, { params }) {
  const list = new RunsView(host, params);
  return () => list.close();
}

class RunsView {
  #search;
  #states;
  #offset;
  #workload;
  #chosen = new Map(); // key -> name
  #rows = new Map(); // key -> row
  #loading = null;
  #body = h("tbody");
  #found = h("p", { class: "muted", role: "status" });
  #trouble = h("div", { role: "alert" });
  #list = h("div");
  #compare = h("a", { class: "button primary" });
  #clear = h("button", { type: "button", onclick: () => this.#choose([]) }, "Clear");
  #pages = h("nav", { class: "bar pages", "aria-label": "Pages" });
  #refresh = throttle(() => this.#load(true), PACE);

  constructor(host, params) {
    this.#search = params.get("search") ?? "";
    this.#states = new Set((params.get("state") ?? "").split(",").filter((state) => STATES.includes(state)));
    this.#offset = Number(params.get("offset")) || 0;
    this.#workload = params.get("workload") ?? "";
    document.title = "Training runs";
    host.append(h("h1", { class: "hidden" }, "Training runs"), this.#controls(), this.#trouble, this.#list, this.#pages);
    this.table = h("div", { class: "scroll" }, h("table", { class: "runs" }, head(), this.#body));
    this.#showChosen();
    this.end = stream([], { changed: () => this.#refresh(), reset: () => this.#refresh() });
    this.beat = setInterval(() => document.hidden || this.#refresh(), BEAT);
    this.#load();
  }

  close() {
    this.end();
    clearInterval(this.beat);
    this.#refresh.cancel();
    this.#loading?.abort();
  }

  #controls() {
    const search = h("input", { type: "search", value: this.#search, placeholder: "Search runs  /", "aria-label": "Search runs by name, project or workload" });
    const typed = debounce(() => {
      this.#search = search.value.trim();
      this.#again();
    }, 200);
    search.addEventListener("input", typed);
    const states = STATES.map((state) => {
      const box = h("input", { type: "checkbox", checked: this.#states.has(state) });
      box.addEventListener("change", () => {
        this.#states[box.checked ? "add" : "delete"](state);
        this.#again();
      });
      return h("label", {}, box, " ", stateOf({ state }));
    });
    const filter = h("fieldset", { class: "states" }, h("legend", { class: "hidden" }, "State"), states);
    const only = this.#workload && h("a", { class: "button chip", href: "#/", "aria-label": "Show the runs of all workloads" }, `${this.#workload}  ✕`);
    const bar = h("form", { class: "bar", onsubmit: (event) => event.preventDefault() }, search, only, filter, this.#found);
    bar.append(h("span", { class: "spacer" }), this.#clear, this.#compare);
    return bar;
  }

  #again() {
    this.#offset = 0;
    remember({ search: this.#search, state: [...this.#states].join(","), offset: "" });
    this.#load();
  }

  /** Load the page of the list; with `stay`, rows that are shown keep their place. */
  async #load(stay = false) {
    this.#loading?.abort();
    const loading = (this.#loading = new AbortController());
    const query = { search: this.#search, state: [...this.#states].join(","), workload: this.#workload, limit: PAGE, offset: this.#offset };
    try {
      const answer = await get("/runs", query, loading.signal);
      if (loading.signal.aborted) return;
      fill(this.#trouble);
      this.#show(answer, stay);
    } catch (error) {
      if (!loading.signal.aborted) fill(this.#trouble, notice("The runs could not be loaded", error.message, () => this.#load()));
    }
  }

  #show({ runs, total_count: total }, stay) {
    if (!runs.length && this.#offset) return this.#again(); // what was there has moved or is gone
    const narrowed = this.#search || this.#states.size || this.#workload;
    this.#found.textContent = plural(total, "run");
    if (runs.length) {
      if (this.table.parentNode !== this.#list) fill(this.#list, this.table);
      const places = new Map([...this.#body.children].map((row, at) => [row, at]));
      const rows = runs.map((run) => this.#row(run));
      // The latest seen is first: of several that train, this is another one each second.
      if (stay) rows.sort((one, other) => (places.get(one) ?? -1) - (places.get(other) ?? -1));
      if (rows.some((row, at) => row !== this.#body.children[at]) || rows.length !== this.#body.children.length) fill(this.#body, rows);
    } else {
      fill(this.#list, narrowed ? notice("No run is like that", "Search for less, or allow more states.") : welcome());
    }
    this.#turn(total);
  }

  #turn(total) {
    const to = (offset) => () => {
      this.#offset = offset;
      remember({ offset: offset || "" });
      this.#load();
      scrollTo(0, 0);
    };
    const last = Math.min(this.#offset + PAGE, total);
    this.#pages.hidden = total <= PAGE && !this.#offset;
    fill(
      this.#pages,
      h("button", { type: "button", disabled: !this.#offset, onclick: to(Math.max(0, this.#offset - PAGE)) }, "Newer"),
      h("span", { class: "muted" }, `${count(this.#offset + 1)} – ${count(last)} of ${count(total)}`),
      h("button", { type: "button", disabled: last >= total, onclick: to(this.#offset + PAGE) }, "Older"),
    );
  }

  #row(run) {
    if (!this.#rows.has(run.key)) {
      const box = h("input", { type: "checkbox", checked: this.#chosen.has(run.key), "aria-label": `Compare ${runName(run)}` });
      box.addEventListener("change", () => {
        const others = [...this.#chosen].filter(([key]) => key !== run.key);
        this.#choose(box.checked ? [...others, [run.key, runName(run)]] : others);
      });
      const cells = COLUMNS.map((label) => h("td", { class: NUMBERS.has(label) ? "number" : "", "data-label": label }));
      cells[0].append(box);
      cells[0].className = "pick";
      cells[1].className = "wrap";
      this.#rows.set(run.key, { row: h("tr", {}, cells), cells, box });
    }
    const { row, cells } = this.#rows.get(run.key);
    const loss = run.loss && [number(run.loss.value), h("span", { class: "sub" }, run.loss.name)];
    const contents = [
      [h("a", { href: link("run", run.key) }, runName(run)), run.project && h("span", { class: "sub" }, run.project)],
      stateOf(run),
      h("a", { class: "plain", href: link("", "", { workload: run.workload }) }, run.workload),
      run.framework || "–",
      [gpus(run), run.host && h("span", { class: "sub", title: run.host }, run.host.split(".")[0])],
      h("span", { title: moment(run.started) }, ago(run.started)),
      duration(runDuration(run)),
      count(run.last_step),
      loss || "–",
      count(run.points),
    ];
    contents.forEach((content, at) => refresh(cells[at + 1], content));
    return row;
  }

  #choose(chosen) {
    this.#chosen = new Map(chosen);
    for (const [key, { box }] of this.#rows) box.checked = this.#chosen.has(key);
    this.#showChosen();
  }

  #showChosen() {
    const full = this.#chosen.size >= MOST_CHOSEN;
    for (const { box } of this.#rows.values()) box.disabled = full && !box.checked;
    const enough = this.#chosen.size >= 2;
    this.#clear.hidden = !this.#chosen.size;
    this.#compare.textContent = this.#chosen.size ? `Compare ${this.#chosen.size}` : "Compare";
    this.#compare.title = full ? `At most ${MOST_CHOSEN} runs are compared at once` : enough ? "" : "Tick at least two runs";
    if (enough) this.#compare.href = link("compare", "", { runs: [...this.#chosen.keys()].join(",") });
    else this.#compare.removeAttribute("href");
    this.#compare.setAttribute("aria-disabled", String(!enough));
  }
}

/** Renew a cell, unless the reader is on a link in it. */
function refresh(cell, content) {
  const fresh = h("td", {}, content);
  if (fresh.innerHTML !== cell.innerHTML) cell.replaceChildren(...fresh.childNodes);
}

function head() {
  const cells = COLUMNS.map((label) =>
    label ? h("th", { scope: "col", class: NUMBERS.has(label) ? "number" : "" }, label) : h("td", {}, h("span", { class: "hidden" }, "Compare")),
  );
  return h("thead", {}, h("tr", {}, cells));
}

function welcome() {
  const base = new URL("api/v1", location.href.split("#")[0]).href;
  const code = `export PRIMUS_LENS_API_BASE_URL=${base}\nexport WORKLOAD_UID=my-training\npython train.py   # which uses wandb`;
  const element = notice("No runs yet", "Install the package where you train, set these two variables, and start the script as it is. Its runs appear here by themselves.");
  element.append(h("pre", {}, h("code", {}, code)));
  return element;
}
