// The processor's API: questions, the live stream, and the token where one is asked for.

import { h } from "./dom.js";

const BASE = "api/v1"; // relative, so that the page works below any prefix
const TOKEN = "primus-lens-read-token";
const PATIENCE = 45_000; // milliseconds without a word, comments included, before a stream counts as cut
const SHORTEST_WAIT = 1000;
const LONGEST_WAIT = 30_000;
const BUSY = new Set([429, 503]);
const MOST_TRIES = 5;

/** What is said when no answer comes. */
export const AWAY = "The server does not answer. It may have been stopped, or the network is cut.";

/** What went wrong, in words for the reader; `status` 0: the server does not answer. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Return the data of an answer; query values that are lists are repeated. Throws ApiError, AbortError. */
export async function get(path, query = {}, signal = undefined) {
  for (let tries = 1; ; tries++) {
    const response = await request(address(path, query), { signal });
    if (response.ok) return (await response.json()).data;
    if (!BUSY.has(response.status) || tries === MOST_TRIES) throw await failure(response);
    await pause(tries * SHORTEST_WAIT, signal);
  }
}

/** The address of a path with its query, relative to the page. */
export function address(path, query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") search.append(name, one);
    }
  }
  const text = search.toString();
  return BASE + path + (text ? `?${text}` : "");
}

/**
 * Follow what changes, of these runs or (none) of all, until the returned function is called, which tells the
 * place where it ended: `after` which another stream may go on, that nothing is missed between the two.
 * `changed` takes `[{run, first_step, last_step}]`, none when it is connected again after a cut; `reset`: what
 * was missed is unknown, load all again.
 * While the page is hidden it is cut, since browsers allow few connections; it resumes without a loss.
 */
export function stream(runs, { changed, reset }, after = "") {
  const stopped = new AbortController();
  const place = { last: after };
  follow(runs, { changed, reset }, place, stopped.signal);
  newest = stopped;
  return () => {
    stopped.abort();
    // Where another takes its place at once the connection is as it was.
    queueMicrotask(() => newest === stopped && report(""));
    return place.last;
  };
}

/** Call `listener` with what the connection is: `live`, `cut`, or `` (none is wanted). */
export function onConnection(listener) {
  listeners.add(listener);
}

const listeners = new Set();
let newest = null; // of the streams

function report(state) {
  for (const listener of listeners) listener(state);
}

async function follow(runs, { changed, reset }, place, stopped) {
  let missed = false;
  let wait = SHORTEST_WAIT;
  while (!stopped.aborted) {
    await visible(stopped);
    const cut = cutWith(stopped);
    try {
      const headers = place.last ? { "Last-Event-ID": place.last } : {};
      const options = { signal: cut.signal, headers, cache: "no-store" };
      const response = await request(address("/stream", { runs: runs.join(",") }), options);
      if (!response.ok) throw await failure(response);
      report("live");
      if (missed && !place.last) reset();
      else if (missed) changed([]);
      wait = SHORTEST_WAIT;
      for await (const event of events(response.body, cut)) {
        place.last = event.id || place.last;
        if (event.name === "change") changed(JSON.parse(event.data).runs);
        else if (event.name === "reset") reset();
      }
    } catch (error) {
      if (stopped.aborted) return;
    } finally {
      cut.release();
    }
    missed = true;
    if (document.hidden) continue;
    report("cut");
    await pause(wait * (0.5 + Math.random() / 2), stopped).catch(() => {});
    wait = Math.min(2 * wait, LONGEST_WAIT);
  }
}

/** A controller that ends with another, and when the page is hidden. */
function cutWith(stopped) {
  const cut = new AbortController();
  const end = () => cut.abort();
  const hidden = () => document.hidden && end();
  stopped.addEventListener("abort", end);
  document.addEventListener("visibilitychange", hidden);
  cut.release = () => {
    end();
    stopped.removeEventListener("abort", end);
    document.removeEventListener("visibilitychange", hidden);
  };
  return cut;
}

function visible(stopped) {
  return new Promise((resolve) => {
    if (!document.hidden) return resolve();
    const listening = new AbortController();
    const seen = () => {
      listening.abort();
      resolve();
    };
    document.addEventListener("visibilitychange", seen, { signal: listening.signal });
    stopped.addEventListener("abort", seen, { signal: listening.signal });
  });
}

/** Read server-sent events (WHATWG HTML, 9.2.6), until they end or nothing comes for too long. */
async function* events(body, cut) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const timer = setTimeout(() => cut.abort(), PATIENCE);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const parts = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = { name: "message", id: "", data: "" };
      for (const line of part.split("\n")) {
        const [, field, text] = line.match(/^([^:]*):? ?(.*)$/s);
        if (field === "event") event.name = text;
        else if (field === "id") event.id = text;
        else if (field === "data") event.data += text;
      }
      yield event;
    }
  }
}

async function request(where, options) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    let response;
    try {
      response = await fetch(where, { ...options, headers });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiError(0, AWAY);
    }
    if (response.status !== 401) return response;
    if (token === sessionStorage.getItem(TOKEN)) await askForToken(Boolean(token));
  }
}

async function failure(response) {
  const said = await response.json().catch(() => ({}));
  return new ApiError(response.status, said.error ?? `The server answered with status ${response.status}.`);
}

let asking = null;

/** Ask the reader for the token, once for all requests that wait for it. */
function askForToken(refused) {
  asking ??= new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token", required: true, autocomplete: "current-password" });
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", {}, "This server asks for a token"),
      h("p", {}, refused ? "That token was not accepted." : "Whoever set it up can give it to you."),
      h("label", { htmlFor: "token" }, "Read token"),
      input,
      h("button", { type: "submit", class: "primary" }, "Continue"),
    );
    const dialog = h("dialog", { class: "token", oncancel: (event) => event.preventDefault() }, form);
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(TOKEN, input.value.trim());
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}
