// A direction v that can be turned, and the product H v: an ellipse, and two directions that keep theirs.
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with NumPy's.

import {
  again, arrow, axes, button, coordinates, dot, GREY, INK, label, make, movable, norm, picture, RULE, set, show, slider,
  THIRD, through, times,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

const degrees = (radians) => (radians * 180) / Math.PI;
export const direction = (angle) => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];

/** Eigenvalues of a symmetric 2 x 2 matrix, the larger first, and the angle of each one's direction. */
export function eigen([[a, b], [, d]]) {
  const [middle, half] = [(a + d) / 2, Math.hypot((a - d) / 2, b)];
  const angle = degrees(Math.atan2(2 * b, a - d) / 2);
  return { values: [middle + half, middle - half], angles: [angle, angle + 90] };
}

/** The product for v at an angle: its length, how far it is turned, and the curvature along v, vᵀ H v. */
export function explore({ H, angle }) {
  const v = direction(angle);
  const product = times(H, v);
  const turned = degrees(Math.atan2(v[0] * product[1] - v[1] * product[0], dot(v, product)));
  return { v, product, length: norm(product), turned, curvature: dot(v, product) };
}

/** The angle of H v: what a step of the power method makes of v. */
export function multiplied(H, angle) {
  const [a, b] = times(H, direction(angle));
  return (degrees(Math.atan2(b, a)) + 360) % 360;
}

// --- The picture ----------------------------------------------------------------------------------

const PLANE = { width: 340, height: 300, x: [-1.36, 1.36], y: [-1.2, 1.2] };
const PLOT = { width: 280, height: 220, margin: 54, x: [0, 360] };
const CIRCLE = Array.from({ length: 73 }, (_, k) => 5 * k);
const ANGLES = Array.from({ length: 361 }, (_, k) => k);
const plane = coordinates(PLANE);
const degree = (angle) => `${Math.round(angle)}°`;

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const H = model.get("H");
  const { values, angles: own } = eigen(H);
  const state = { H, angle: model.get("angle") };
  const scaled = (product) => product.map((t) => t / values[0]);
  let found;

  const view = picture("plane", PLANE, { role: "group", "aria-label": "The direction v. Arrow keys turn it." });
  const chart = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const arrows = make("g", { "pointer-events": "none" });
  const tip = make("g", {
    class: "point movable selected", role: "slider", tabindex: 0,
    "aria-label": "Angle of v", "aria-valuemin": 0, "aria-valuemax": 360,
  }, make("circle", { class: "halo", r: 16 }), make("circle", { r: 6, fill: INK }));
  const ring = CIRCLE.map((angle) => explore({ H, angle }));
  const axis = (angle) => through([direction(angle), direction(angle + 180)].map((t) => plane.toScreen(t.map((s) => 1.3 * s))));
  view.append(
    ...own.map((angle) => make("path", { d: axis(angle), stroke: RULE, "stroke-dasharray": "2 4" })),
    make("path", { d: through(ring.map(({ v }) => plane.toScreen(v))), fill: "none", stroke: GREY }),
    make("path", { d: through(ring.map(({ product }) => plane.toScreen(scaled(product)))), fill: "none", stroke: THIRD, "stroke-dasharray": "5 4" }),
    arrows, tip,
  );

  function update() {
    found = explore(state);
    drawPlane();
    drawCurvature();
    speak();
  }

  function drawPlane() {
    const from = plane.toScreen([0, 0]);
    const line = (to, attributes) => {
      const { shaft, head } = arrow(from, plane.toScreen(to), 12);
      return make("path", { d: shaft + head, fill: "none", "stroke-width": 3, "stroke-linejoin": "round", ...attributes });
    };
    const name = (to, words) => {
      const [u, v] = plane.toScreen(to);
      return label(u, v + 4, words, { "text-anchor": "middle", "font-style": "italic" });
    };
    const product = scaled(found.product);
    const side = found.turned < 0 ? -1 : 1;
    const beside = ([a, b], by) => [0.6 * a - by * b, 0.6 * b + by * a];
    arrows.replaceChildren(
      line(found.v, { stroke: INK }),
      line(product, { stroke: THIRD }),
      name(beside(found.v, -side * 0.1), "v"),
      name(beside(product, side * 0.16), "Hv"),
    );
    set(tip, {
      transform: `translate(${plane.toScreen(found.v)})`,
      "aria-valuenow": Math.round(state.angle),
      "aria-valuetext": `${Math.round(state.angle)} degrees`,
    });
  }

  function drawCurvature() {
    const at = coordinates({ ...PLOT, y: [0, 1.12 * values[0]] });
    const [cx, cy] = at.toScreen([state.angle, found.curvature]);
    const level = (value) => make("path", { d: through([[0, value], [360, value]].map(at.toScreen)), stroke: RULE });
    chart.replaceChildren(
      ...values.map(level),
      make("path", { d: through(CIRCLE.map((angle, k) => at.toScreen([angle, ring[k].curvature]))), fill: "none", stroke: INK, "stroke-width": 2 }),
      ...axes(PLOT, at, {
        across: "angle of v", up: "curvature along v", corner: [0, 0],
        ticksAcross: [0, 90, 180, 270, 360].map((angle) => [angle, `${angle}°`]),
        ticksUp: [[0, "0"], ...values.map((value) => [value, value.toFixed(2)])],
      }),
      make("circle", { cx, cy, r: 6, fill: INK }),
    );
    set(chart, { "aria-label": `Curvature along v against its angle, between the eigenvalues ${values[1].toFixed(2)} and ` +
      `${values[0].toFixed(2)}. Here it is ${found.curvature.toFixed(3)}.` });
  }

  function speak() {
    const off = Math.abs(found.turned);
    const lean = off < 0.5
      ? "H v is parallel to v: an eigenvector, and the curvature along it is the eigenvalue."
      : `H v is turned by ${degree(off)} ${found.turned > 0 ? "to the left" : "to the right"} of v.`;
    says.textContent = `v at ${degree(state.angle)}: H v is ${found.length.toFixed(3)} long. ${lean} ` +
      `Curvature along v: vᵀHv = ${found.curvature.toFixed(3)}. The eigenvalues are ${values.map((t) => t.toFixed(3)).join(" and ")}.`;
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("angle", state.angle);
    model.set("product", found.product);
    model.save_changes();
  }
  function put(angle) {
    state.angle = ((angle % 360) + 360) % 360;
    turns.set(state.angle);
  }
  function turn(angle) {
    put(angle);
    update();
    tell();
  }
  tip.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    turn(Math.round(state.angle) + by * (event.shiftKey ? 15 : 3));
  });
  movable(tip, view, plane, {
    where(to) {
      if (to) put(Math.round(degrees(Math.atan2(to[1], to[0]))));
      return found.v;
    },
    step: 0.05,
    update,
    done: tell,
  });
  const turns = slider("angle of v", ANGLES, degree, turn);
  turns.set(state.angle);
  show(el, {
    intro: "Turn v: drag its tip. Solid circle: all v of length 1; dashed ellipse: their products H v, drawn in units of the " +
      "larger eigenvalue. Dotted: the eigenvectors.",
    stage: view, says,
    controls: [turns.element, button("v ← H v: multiply again", () => turn(multiplied(H, state.angle)))],
    plots: [chart], reset,
  });
  update();
}

export default { render: again(render) };
