// Tabs, as the ARIA practices describe them: arrows go from one to the next.

import { fill, h } from "./dom.js";

/**
 * Tabs as an element. `tabs` is `[[name, title, make]]`: `make()` is called when a tab is first shown and
 * returns what it holds. `chosen(name)` is called for each choice.
 */
export function makeTabs(tabs, first, chosen) {
  const panel = h("div", { role: "tabpanel", id: "panel" });
  const made = new Map();
  const buttons = tabs.map(([name, title]) => {
    const button = h("button", { type: "button", role: "tab", id: `tab-${name}`, onclick: () => choose(name) }, title);
    button.setAttribute("aria-controls", "panel");
    return button;
  });
  const list = h("div", { class: "tabs", role: "tablist" }, buttons);
  list.addEventListener("keydown", (event) => {
    const turn = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!turn) return;
    const at = (buttons.indexOf(document.activeElement) + turn + tabs.length) % tabs.length;
    choose(tabs[at][0]);
    buttons[at].focus();
  });

  function choose(name) {
    tabs.forEach(([one, , make], at) => {
      const selected = one === name;
      buttons[at].setAttribute("aria-selected", String(selected));
      buttons[at].tabIndex = selected ? 0 : -1;
      if (!selected) return;
      if (!made.has(one)) made.set(one, make());
      panel.setAttribute("aria-labelledby", buttons[at].id);
      fill(panel, made.get(one));
    });
    chosen(name);
  }

  choose(tabs.some(([name]) => name === first) ? first : tabs[0][0]);
  return h("div", {}, list, panel);
}
