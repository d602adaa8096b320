// The configs of several runs, side by side: which keys differ.

/**
 * Return `[{key, values, differs}]` by key: `values` holds a text a config, null where it has no such key.
 * Nested keys are joined with `.`; lists are one value.
 */
export function compareConfigs(configs) {
  const flat = configs.map((config) => flatten(config ?? {}));
  const keys = [...new Set(flat.flatMap((one) => [...one.keys()]))].sort((a, b) => a.localeCompare(b));
  return keys.map((key) => {
    const values = flat.map((one) => one.get(key) ?? null);
    return { key, values, differs: values.some((value) => value !== values[0]) };
  });
}

function flatten(config, prefix = "", into = new Map()) {
  for (const [name, value] of Object.entries(config)) {
    const key = prefix + name;
    const nested = value !== null && typeof value === "object" && !Array.isArray(value);
    if (nested && Object.keys(value).length) flatten(value, `${key}.`, into);
    else into.set(key, typeof value === "string" ? value : JSON.stringify(value));
  }
  return into;
}
