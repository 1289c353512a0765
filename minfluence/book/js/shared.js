// What the explorables share: a little linear algebra; pictures and coordinates; ways to move things
// by mouse, touch and keys.

import { BLUE, GREY, INK, make, ORANGE, OWN_KEYS, set } from "./elements.js";
export * from "./elements.js";

// --- Linear algebra -------------------------------------------------------------------------------

export function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}
export const norm = (v) => Math.sqrt(dot(v, v));
export const plus = (a, step, b) => a.map((v, k) => v + step * b[k]);
export const times = (A, v) => A.map((row) => dot(row, v));

/** A square matrix of p rows from a function of row and column. */
export function matrix(p, entry) {
  return Array.from({ length: p }, (_, i) => Array.from({ length: p }, (_, j) => entry(i, j)));
}

/** Cholesky's factor of a positive semidefinite matrix: A = L Lᵀ. */
export function cholesky(A) {
  const L = matrix(A.length, () => 0);
  for (let i = 0; i < A.length; i++) {
    for (let j = 0; j <= i; j++) {
      let s = A[i][j];
      for (let k = 0; k < j; k++) s -= L[i][k] * L[j][k];
      L[i][j] = i === j ? Math.sqrt(Math.max(s, 0)) : s / L[j][j] || 0;
    }
  }
  return L;
}

/** Solve A v = b for a positive definite matrix. */
export function solve(A, b) {
  const L = cholesky(A);
  const v = [...b];
  for (let i = 0; i < v.length; i++) {
    for (let k = 0; k < i; k++) v[i] -= L[i][k] * v[k];
    v[i] /= L[i][i];
  }
  for (let i = v.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < v.length; k++) v[i] -= L[k][i] * v[k];
    v[i] /= L[i][i];
  }
  return v;
}

/** Pearson correlation, and the slope of actual over predicted. */
export function agreement(predicted, actual) {
  const mean = (v) => v.reduce((s, x) => s + x, 0) / v.length;
  const [p, a] = [mean(predicted), mean(actual)];
  let [pp, pa, aa] = [0, 0, 0];
  predicted.forEach((x, i) => {
    pp += (x - p) ** 2;
    pa += (x - p) * (actual[i] - a);
    aa += (actual[i] - a) ** 2;
  });
  return { pearson: pa / Math.sqrt(pp * aa) || 0, slope: pa / pp || 0 };
}

// --- Pictures and coordinates ---------------------------------------------------------------------

export const [HELPS, HARMS] = [BLUE, ORANGE];

const STYLE = `
.explore { background: #fff; color: #222; border: 1px solid #bbb; border-radius: 6px; padding: 0.6rem;
  font: 15px/1.4 system-ui, sans-serif; box-sizing: border-box; max-width: 720px; }
.explore .beside { display: flex; flex-wrap: wrap; gap: 0.4rem 1rem; align-items: flex-start; }
.explore svg { display: block; max-width: 100%; height: auto; }
.explore .plane { flex: 1 1 300px; max-width: 420px; touch-action: pan-y; }
.explore .plot { flex: 0 1 auto; }
.explore .point { cursor: pointer; outline: none; }
.explore .movable { cursor: grab; touch-action: none; }
.explore .point:focus-visible .halo, .explore .selected .halo { stroke: #222; stroke-width: 2; }
.explore .halo { fill: transparent; stroke: none; }
.explore button, .explore select { font: inherit; color: #222; background: #f4f4f4; border: 1px solid #767676;
  border-radius: 4px; padding: 0.25rem 0.6rem; min-height: 2.2rem; }
.explore :is(button, select, input):focus-visible { outline: 3px solid #0072B2; outline-offset: 1px; }
.explore .slider { display: flex; flex-wrap: wrap; align-items: center; column-gap: 0.5rem; flex: 1 1 150px; }
.explore .slider input { flex: 1 1 100%; width: 100%; min-height: 2rem; margin: 0; accent-color: #0072B2; }
.explore p { margin: 0.4rem 0; }
.explore .controls { margin: 0.4rem 0 0.8rem; align-items: center; }
.explore .says { min-height: 5.6em; }
.explore text { font: 12px system-ui, sans-serif; fill: #333; }
`;

/** Put an explorable, made of these children, into its place on the page. */
export function show(el, ...children) {
  el.append(make("style", {}, STYLE), make("div", { class: "explore", ...OWN_KEYS }, ...children));
}

/** From the numbers of the mathematics to the pixels of a picture, and back. */
export function coordinates({ width, height, x, y, margin = 0 }) {
  const across = (width - margin - Math.min(margin, 8)) / (x[1] - x[0]);
  const up = (height - margin - Math.min(margin, 8)) / (y[1] - y[0]);
  const within = (v, [low, high]) => {
    const edge = (high - low) / 60;
    return Math.min(Math.max(v, low + edge), high - edge);
  };
  return {
    toScreen: ([a, b]) => [margin + (a - x[0]) * across, height - margin - (b - y[0]) * up],
    toPlane: ([u, v]) => [x[0] + (u - margin) / across, y[0] + (height - margin - v) / up],
    inside: ([a, b]) => [within(a, x), within(b, y)],
  };
}

/** An svg with its own pixels, as wide as there is room. */
export function picture(className, { width, height }, attributes = {}) {
  return make("svg", { class: className, viewBox: `0 0 ${width} ${height}`, width, height, ...attributes });
}

const rounded = (v) => Math.round(v * 10) / 10;

/** The `d` of a path through points on the screen. */
export const through = (points) => "M" + points.map(([u, v]) => `${rounded(u)} ${rounded(v)}`).join("L");

/** The two axes of a plot, with their names; `ticks` are [number, text] on the axis. */
export function axes({ width, height, margin }, at, { across, up, ticksAcross = [], ticksUp = [], corner = [0, 0] }) {
  const bottom = height - margin;
  return [
    make("path", { d: `M${margin} 4V${bottom}H${width - 4}`, fill: "none", stroke: GREY }),
    make("text", { x: (width + margin) / 2, y: height - 4, "text-anchor": "middle" }, across),
    make("text", { transform: `translate(11 ${bottom / 2}) rotate(-90)`, "text-anchor": "middle" }, up),
    ...ticksAcross.map(([value, text]) =>
      make("text", { x: at.toScreen([value, corner[1]])[0], y: bottom + 14, "text-anchor": "middle" }, text)),
    ...ticksUp.map(([value, text]) =>
      make("text", { x: margin - 4, y: at.toScreen([corner[0], value])[1] + 4, "text-anchor": "end" }, text)),
  ];
}

/** The mark of a training point: its class by shape. */
export function mark(y, radius, attributes) {
  return y > 0
    ? make("rect", { x: -radius, y: -radius, width: 2 * radius, height: 2 * radius, ...attributes })
    : make("circle", { r: radius * 1.13, ...attributes });
}

/** The mark of a test point, and of other places: a cross. */
export const crossed = (radius = 8, attributes = {}) => make("path", {
  d: `M-${radius}-${radius}L${radius} ${radius}M-${radius} ${radius}L${radius}-${radius}`,
  stroke: INK,
  "stroke-width": 3,
  ...attributes,
});

/** The two paths of an arrow on the screen, `shaft` and `head`; the head is `size` long. */
export function arrow([u, v], [x, y], size, width = 0.5) {
  const length = Math.hypot(x - u, y - v) || 1;
  const [a, b] = [((x - u) / length) * size, ((y - v) / length) * size];
  const barb = (side) => [x - a - side * width * b, y - b + side * width * a];
  return {
    shaft: through([[u, v], [x, y]]),
    head: length > 1 ? through([barb(1), [x, y], barb(-1)]) : "",
  };
}

export const kind = (y) => (y > 0 ? "square" : "circle");
export const signed = (v, digits = 4) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(digits);

// --- What Python has ------------------------------------------------------------------------------

/** Training points as {x: [x1, x2], y: -1 or +1}, which may be moved. */
export const pointsOf = (model) => model.get("X").map((x, i) => ({ x: [...x], y: model.get("y")[i] }));

/** The test point, in the same form. */
export const testOf = (model) => ({ x: model.get("test").slice(0, 2), y: model.get("test")[2] });

// --- Hands ----------------------------------------------------------------------------------------

/** A choice among names, with its label before it; set to anything else it is blank. */
export function choice(label, names, change) {
  const list = make("select", {}, ...names.map((name) => make("option", { value: name }, name)));
  list.addEventListener("change", () => change(list.value));
  return { element: make("label", {}, label, list), set: (name) => { list.value = name; } };
}

/** A slider through a list of values. `words` says a value for eyes and ears. */
export function slider(label, values, words, change) {
  const input = make("input", { type: "range", min: 0, max: values.length - 1, step: 1, "aria-label": label });
  const output = make("output");
  const say = (value) => {
    output.textContent = words(value);
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    say(values[input.value]);
    change(values[input.value]);
  });
  return {
    element: make("label", { class: "slider" }, `${label}: `, output, input),
    set(value) {
      const distance = values.map((v) => Math.abs(v - value));
      input.value = distance.indexOf(Math.min(...distance));
      say(value);
    },
  };
}

/** Call `update` once for all that happens until the next frame. */
function onceAFrame(update) {
  let frame = 0;
  return () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      update();
    });
  };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * Let a mark in a plane be dragged, and moved by the arrow keys.
 *
 * `where` gets its place or, called with one, sets it; `update` draws; `done` follows a finished move.
 */
export function movable(mark, plane, at, { where, step, select = () => {}, update, done }) {
  const soon = onceAFrame(update);
  mark.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    mark.setPointerCapture(event.pointerId);
    select();
    update();
    mark.focus({ preventScroll: true });
  });
  mark.addEventListener("pointermove", (event) => {
    if (!mark.hasPointerCapture(event.pointerId)) return;
    const box = plane.getBoundingClientRect();
    const scale = plane.viewBox.baseVal.width / box.width;
    const pixel = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    where(at.inside(at.toPlane(pixel)));
    soon();
  });
  mark.addEventListener("pointerup", done);
  mark.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const size = event.shiftKey ? 5 * step : step;
    where(at.inside(where().map((v, k) => v + size * arrow[k])));
    update();
    done();
  });
}
