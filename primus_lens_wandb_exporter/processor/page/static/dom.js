// Elements, and small helpers around them.

/** Make an element: `on…` props are listeners, `class` and `data-…` attributes, the rest properties or attributes. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-") && name !== "list") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replace all that an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Make an element what `fresh` is, changing only what differs: what a reader has selected, or is on, stays.
 * Returns the element that is in its place.
 */
export function renew(element, fresh) {
  if (element.isEqualNode(fresh)) return element;
  const bare = (node) => node.cloneNode(false);
  const alike = element.nodeType === Node.ELEMENT_NODE && bare(element).isEqualNode(bare(fresh));
  if (!alike || element.childNodes.length !== fresh.childNodes.length) {
    element.replaceWith(fresh);
    return fresh;
  }
  const others = [...fresh.childNodes];
  [...element.childNodes].forEach((child, at) => renew(child, others[at]));
  return element;
}

/** Call `action` once it was not asked for during `wait` milliseconds; `.cancel()` forgets it. */
export function debounce(action, wait) {
  let timer = 0;
  const asked = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), wait);
  };
  asked.cancel = () => clearTimeout(timer);
  return asked;
}

/** Call `action` soon, but at most once in `wait` milliseconds; `.cancel()` forgets it. */
export function throttle(action, wait) {
  let timer = 0;
  let last = -Infinity;
  const asked = () => {
    if (timer) return;
    timer = setTimeout(() => {
      timer = 0;
      last = performance.now();
      action();
    }, Math.max(0, last + wait - performance.now()));
  };
  asked.cancel = () => {
    clearTimeout(timer);
    timer = 0;
  };
  return asked;
}

/** A paragraph that says, in plain words, what is empty or wrong; `again` makes it a button to try. */
export function notice(title, text, again) {
  return h(
    "section",
    { class: "notice" },
    h("h2", {}, title),
    text && h("p", {}, text),
    again && h("button", { type: "button", onclick: again }, "Try again"),
  );
}
