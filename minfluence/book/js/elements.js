// What all widgets share. Each widget is one file, so Python puts this text where a module imports it.

export const [BLUE, ORANGE, GREY, INK] = ["#0072B2", "#D55E00", "#777", "#222"];

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
