// What the explorables share: a little linear algebra; pictures and coordinates; ways to move things
// by mouse, touch and keys.

import { button, FACE, GREY, INK, make, OWN_KEYS, PAPER, RULE, set, SOFT } from "./elements.js";
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

const STYLE = `
.explore { background: ${PAPER}; color: ${INK}; border: 1px solid ${RULE}; border-radius: 6px; padding: 0.6rem;
  font-family: ${FACE}; font-size: max(15px, 0.94em); line-height: 1.4; box-sizing: border-box;
  max-width: var(--live-width, 760px); container-type: inline-size; }
.explore p { margin: 0 0 0.4rem; }
.explore .stage { display: grid; gap: 0.4rem 1rem; align-items: start; }
.explore .beside { display: flex; flex-wrap: wrap; gap: 0.4rem 1rem; align-items: flex-start; margin-top: 0.4rem; }
.explore .controls, .explore .more { align-items: center; gap: 0.5rem; }
.explore .more { flex: 1 1 200px; }
.explore svg { display: block; width: 100%; height: auto; }
.explore .plane { width: min(100%, calc(var(--live-height, 45vh) * var(--ratio))); margin: 0 auto; touch-action: pan-y; }
.explore .panel { flex: 1 1 240px; min-width: 0; max-width: 24em; }
.explore .says { min-height: 7.2em; font-variant-numeric: tabular-nums; }
.explore .point { cursor: pointer; outline: none; }
.explore .movable { cursor: grab; touch-action: none; }
.explore .halo { fill: transparent; stroke: none; }
.explore .point:focus-visible .halo, .explore .selected .halo { stroke: ${INK}; stroke-width: 2; }
.explore .point:focus-visible .halo { stroke-width: 3; }
.explore button, .explore select { font: inherit; color: ${INK}; background: ${SOFT}; border: 1px solid ${GREY};
  border-radius: 4px; padding: 0.25rem 0.7rem; min-height: 44px; min-width: 44px; max-width: 100%; cursor: pointer; }
.explore :is(button, select, input):focus-visible { outline: 3px solid ${INK}; outline-offset: 1px; }
.explore .slider { display: flex; flex-wrap: wrap; align-items: center; column-gap: 0.5rem; flex: 1 1 150px; }
.explore .slider input { flex: 1 1 100%; width: 100%; min-height: 44px; margin: 0; accent-color: ${INK}; }
.explore text { font-family: ${FACE}; font-size: 13px; fill: ${INK}; }
.explore .quiet { fill: ${GREY}; }
@container (min-width: 560px) {
  .explore .stage { grid-template-columns: minmax(0, 1.25fr) minmax(0, 1fr); }
  .explore .plane { width: 100%; }
}
@media (pointer: coarse) { .explore .halo { r: 20px; } }
`;

/**
 * Put an explorable into its place on the page: how to read it; the `stage` picture with the sentence and
 * the controls beside it (on a phone below it); other pictures; and buttons that are less needed.
 */
export function show(el, { intro, stage, says, controls = [], plots = [], more = [], reset }) {
  const panels = plots.map((plot) => make("div", { class: "panel" }, ...[plot].flat()));
  el.append(make("style", {}, STYLE), make("div", { class: "explore", ...OWN_KEYS },
    make("p", {}, intro),
    make("div", { class: "stage" },
      make("div", {}, ...[stage].flat()),
      make("div", {}, ...[says].flat(), make("div", { class: "beside controls" }, ...controls))),
    make("div", { class: "beside" }, ...panels, make("div", { class: "beside more" }, ...more, button("reset", reset)))));
  for (const plane of el.querySelectorAll(".plane")) nearest(plane);
}

/** A title over a picture. */
export const titled = (title, svg) => [make("p", {}, make("strong", {}, title)), svg];

/** Draw a widget so that its reader can begin again: what Python gave at first is given once more. */
export const again = (render) => ({ model, el }) => {
  const given = new Map();
  const first = {
    get(name) {
      if (!given.has(name)) given.set(name, structuredClone(model.get(name)));
      return structuredClone(given.get(name));
    },
    set: (name, value) => model.set(name, value),
    save_changes: () => model.save_changes(),
  };
  const begin = () => {
    el.replaceChildren();
    render({ model: first, el, reset });
  };
  function reset() {
    begin();
    for (const [name, value] of given) model.set(name, structuredClone(value));
    model.save_changes();
    el.querySelector(".more button:last-child").focus({ preventScroll: true });
  }
  begin();
};

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
  const style = `--ratio: ${(width / height).toFixed(3)}`;
  return make("svg", { class: className, viewBox: `0 0 ${width} ${height}`, style, ...attributes });
}

/** Letters that can be read on lines. */
export const HALO = { stroke: PAPER, "stroke-width": 3, "paint-order": "stroke" };

/** Words in a picture. */
export const label = (u, v, words, attributes = {}) => make("text", { x: u, y: v, ...HALO, ...attributes }, words);

const rounded = (v) => Math.round(v * 10) / 10;

/** The `d` of a path through points on the screen. */
export const through = (points) => "M" + points.map(([u, v]) => `${rounded(u)} ${rounded(v)}`).join("L");

/** The two axes of a plot, with their names; `ticks` are [number, text] on the axis. */
export function axes({ width, height, margin }, at, { across, up, ticksAcross = [], ticksUp = [], corner = [0, 0] }) {
  const bottom = height - margin;
  return [
    make("path", { d: `M${margin} 4V${bottom}H${width - 4}`, fill: "none", stroke: GREY }),
    make("text", { x: (width + margin) / 2, y: Math.min(bottom + 32, height - 4), "text-anchor": "middle" }, across),
    make("text", { transform: `translate(11 ${bottom / 2}) rotate(-90)`, "text-anchor": "middle" }, up),
    ...ticksAcross.map(([value, text]) => {
      const [x] = at.toScreen([value, corner[1]]);
      const last = x > width - 14;
      return make("text", { x: last ? width : x, y: bottom + 15, "text-anchor": last ? "end" : "middle" }, text);
    }),
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

/** A finger is broad: of the marks in a plane, the one whose middle is nearest to the press gets it. */
function nearest(plane) {
  const middle = (mark) => {
    const { left, right, top, bottom } = mark.querySelector(".halo").getBoundingClientRect();
    return [(left + right) / 2, (top + bottom) / 2];
  };
  const direct = (event) => {
    const pressed = event.target.closest(".point");
    if (!pressed || (event.type === "click" && event.detail === 0)) return; // no pointer
    const far = (mark) => Math.hypot(...plus(middle(mark), -1, [event.clientX, event.clientY]));
    const marks = [...plane.querySelectorAll(".point")];
    const best = marks.reduce((a, b) => (far(b) < far(a) ? b : a), pressed);
    if (best === pressed) return;
    event.stopPropagation();
    event.preventDefault();
    best.dispatchEvent(new event.constructor(event.type, event));
  };
  for (const press of ["pointerdown", "click"]) plane.addEventListener(press, direct, true);
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
