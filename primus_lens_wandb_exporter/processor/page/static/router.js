// The address after `#` holds the view and all that was chosen in it: `#/run/KEY?axis=time`.

/** Return `{view, key, params}` of the address. */
export function readRoute() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, key = ""] = path.split("/");
  return { view, key: decoded(key), params: new URLSearchParams(query) };
}

/** A key as it is meant; one that was cut short in the middle of a character as it stands. */
function decoded(key) {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** The address of a view; empty values are left out. */
export function link(view, key = "", params = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) search.set(name, value);
  }
  // Keys are separated by commas, which may stand in a fragment as they are.
  const query = search.toString().replaceAll("%2C", ",");
  return `#/${view}${key && `/${encodeURIComponent(key)}`}${query && `?${query}`}`;
}

/** Change what was chosen, in the address alone: no view is shown anew. */
export function remember(changes) {
  const { view, key, params } = readRoute();
  history.replaceState(null, "", link(view, key, { ...Object.fromEntries(params), ...changes }));
}

/** Call `listener` when another address is gone to. */
export function onRoute(listener) {
  addEventListener("hashchange", listener);
}
