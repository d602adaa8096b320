// The configs of several runs, side by side: which keys differ.

import { asText, flatten } from "./tables.js";

/**
 * Return `[{key, values, differs}]` by key: `values` holds a text for each config, null where it has no such
 * key.
 */
export function compareConfigs(configs) {
  const known = configs.map((config) => new Map(flatten(config ?? {}).map(([path, value]) => [path, asText(value)])));
  const keys = [...new Set(known.flatMap((one) => [...one.keys()]))].filter(Boolean).sort((a, b) => a.localeCompare(b));
  return keys.map((key) => {
    const values = known.map((one) => one.get(key) ?? null);
    return { key, values, differs: values.some((value) => value !== values[0]) };
  });
}
