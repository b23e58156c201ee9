"""The script of every HTML page: filter, search, expand, light or dark, print. A constant.

The page is complete without it. The script adds no element and no text from outside to the page. It is ASCII, and has
nothing that a CI system or a terminal executes, because a page may be printed to a log.
"""

from typing import Final

SCRIPT: Final = """
"use strict";
(() => {
  const root = document.documentElement;
  const bar = document.querySelector(".controls");
  const find = (name) => bar.querySelector(`[data-do="${name}"]`);
  const search = find("search");
  const status = find("status");
  const clear = find("clear");
  const none = document.querySelector("[data-none]");
  const chips = [...bar.querySelectorAll("[data-show]")];
  const simplify = (text) => text.normalize("NFKC").toLowerCase();
  const entries = [...document.querySelectorAll("[data-kinds]")].map((element) => ({
    element,
    kinds: new Set(element.dataset.kinds.split(" ")),
    text: simplify(element.textContent),
    head: simplify((element.querySelector("summary") || element).textContent),
    byMatch: false,
  }));
  const folds = [...document.querySelectorAll("main details")];
  const sections = [...document.querySelectorAll("[data-part]")];
  bar.hidden = false;

  const readWords = () => (search ? simplify(search.value).split(/\\s+/).filter(Boolean) : []);
  const readKinds = () => {
    const groups = new Map();
    for (const chip of chips.filter((one) => one.getAttribute("aria-pressed") === "true")) {
      groups.set(chip.dataset.group, [...(groups.get(chip.dataset.group) || []), chip.dataset.show]);
    }
    return [...groups.values()];
  };

  // Open an entry whose match is inside; close it again with the match.
  const reveal = (entry, words) => {
    const inside = words.length > 0 && !words.every((word) => entry.head.includes(word));
    if (inside && !entry.element.open) {
      entry.element.open = true;
      entry.byMatch = true;
    } else if (!inside && entry.byMatch) {
      entry.element.open = false;
      entry.byMatch = false;
    }
  };

  const mark = (shown, words) => {
    if (!window.Highlight || !CSS.highlights) return;
    CSS.highlights.delete("found");
    if (!words.length) return;
    const ranges = [];
    for (const { element } of shown) {
      const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      while (walker.nextNode() && ranges.length < 2000) {
        const node = walker.currentNode;
        const text = node.data.toLowerCase();
        for (const word of words) {
          for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
            if (at + word.length > node.length) break;
            ranges.push(new StaticRange({
              startContainer: node, startOffset: at, endContainer: node, endOffset: at + word.length,
            }));
          }
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  };

  const update = () => {
    const words = readWords();
    const groups = readKinds();
    const shown = [];
    for (const entry of entries) {
      const fits = groups.every((kinds) => kinds.some((kind) => entry.kinds.has(kind)));
      const found = fits && words.every((word) => entry.text.includes(word));
      entry.element.hidden = !found;
      if (found) shown.push(entry);
      if ("open" in entry.element) reveal(entry, found ? words : []);
    }
    for (const section of sections) section.hidden = !section.querySelector("[data-kinds]:not([hidden])");
    mark(shown, words);
    const active = words.length > 0 || groups.length > 0;
    if (clear) clear.hidden = !active;
    if (none) none.hidden = shown.length > 0 || !entries.length;
    root.toggleAttribute("data-filtered", active);
    if (status) {
      status.textContent = active ? `${shown.length} of ${entries.length} ${bar.dataset.nouns} shown` : "";
    }
  };

  const reset = () => {
    if (search) search.value = "";
    for (const chip of chips) chip.setAttribute("aria-pressed", "false");
    update();
  };

  const setAll = (open) => {
    for (const fold of folds) if (!fold.closest("[hidden]")) fold.open = open;
    for (const entry of entries) entry.byMatch = false;
  };

  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      update();
    });
  }
  if (search) search.addEventListener("input", update);
  const onClick = (name, act) => {
    const button = find(name);
    if (button) button.addEventListener("click", act);
  };
  onClick("clear", () => {
    reset();
    search.focus();
  });
  onClick("expand", () => setAll(true));
  onClick("collapse", () => setAll(false));
  onClick("print", () => window.print());

  const theme = find("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  try {
    root.dataset.theme = window.localStorage.getItem("imagesync-theme") || "";
  } catch {
    // a page without an origin of its own has no storage
  }
  if (!["light", "dark"].includes(root.dataset.theme)) delete root.dataset.theme;
  dark.addEventListener("change", showTheme);
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
    try {
      window.localStorage.setItem("imagesync-theme", root.dataset.theme);
    } catch {
      // the choice lasts as long as the page
    }
  });
  showTheme();

  document.addEventListener("keydown", (event) => {
    if (!search || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && (document.activeElement === search || root.hasAttribute("data-filtered"))) {
      event.preventDefault();
      if (root.hasAttribute("data-filtered")) reset();
      else search.blur();
    }
  });

  const openTarget = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    if (target.closest("[hidden]")) reset();
    if ("open" in target) target.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", openTarget);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) openTarget();
  });
  openTarget();

  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    for (const fold of closed) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
    closed = [];
  });
})();
"""
