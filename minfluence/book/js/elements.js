// What all widgets share. Each widget is one file, so Python puts this text where a module imports it.

// The page's colours, and what they are where no page says it: minfluence/book/style.py tells their
// meaning, and a test compares the two.
export const [PAPER, INK, GREY, RULE, SOFT, HELPS, HARMS, THIRD] = [
  "var(--paper, #ffffff)",
  "var(--ink, #222222)",
  "var(--grey, #6b6b6b)",
  "var(--rule, #c8c8c8)",
  "var(--soft, #f3f4f5)",
  "var(--helps, #0072b2)",
  "var(--harms, #d55e00)",
  "var(--third, #7a5195)",
];

/** The page's typeface. */
export const FACE = "var(--pst-font-family-base, system-ui, sans-serif)";

/** JupyterLab leaves the keys to an element with this attribute. */
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

/** An element with attributes and children; SVG where the name is one of SVG's. */
export function make(name, attributes = {}, ...children) {
  const svg = /^(svg|g|path|circle|ellipse|rect|line|text)$/.test(name);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  set(element, attributes);
  element.append(...children);
  return element;
}

export function set(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
}

export function button(name, action) {
  const b = make("button", { type: "button" }, name);
  b.addEventListener("click", action);
  return b;
}
