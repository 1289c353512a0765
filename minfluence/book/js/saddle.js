// A saddle that damping makes a bowl, and where one step leads from a point that can be dragged.
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, arrow, axes, coordinates, crossed, dot, GREY, INK, make, matrix, movable, norm, PAPER, picture, plus, RULE, set,
  show, slider, THIRD, through, times,
} from "./shared.js";

// --- The mathematics: the risk is tᵀHt / 2, seen from its level point -------------------------------

const TURN = 0.5; // radians, so that the valley lies askew
const AXES = [[Math.cos(TURN), Math.sin(TURN)], [-Math.sin(TURN), Math.cos(TURN)]]; // the eigenvectors

/** The matrix with these two eigenvalues. */
export const hessian = (mu) => matrix(2, (i, j) => mu[0] * AXES[0][i] * AXES[0][j] + mu[1] * AXES[1][i] * AXES[1][j]);

/** -(H + damping I)^-1 g, one eigenvector at a time; null where an eigenvalue is 0. */
export function damped(mu, damping, g) {
  const step = [0, 0];
  for (const k of [0, 1]) {
    const curvature = mu[k] + damping;
    if (Math.abs(curvature) < 1e-9) return null;
    for (const i of [0, 1]) step[i] -= (dot(g, AXES[k]) / curvature) * AXES[k][i];
  }
  return step;
}

/** Everything the picture shows: the step from a point, on the surface of H + damping I. */
export function explore({ mu, damping, point }) {
  const g = times(hessian(mu), point);
  const curvatures = mu.map((v) => v + damping);
  const lowest = Math.min(...curvatures);
  const kind = Math.abs(lowest) < 1e-9 ? "trough" : lowest > 0 ? "bowl" : "saddle";
  const step = damped(mu, damping, g);
  if (!step) return { g, curvatures, kind, step, length: null, change: null, angle: null };
  const cosine = -dot(step, g) / (norm(step) * norm(g)) || 0;
  return {
    g, curvatures, kind, step,
    length: norm(step),
    change: dot(g, step) / 2, // of the damped surface: g s + s (H + damping I) s / 2
    angle: (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI, // from straight downhill
  };
}

/** The damped surface: how much higher than at the point it is at t. */
export function surface({ mu, damping, point }) {
  const H = hessian(mu);
  const g = times(H, point);
  return (t) => {
    const s = plus(t, -1, point);
    return dot(g, s) + (dot(s, times(H, s)) + damping * dot(s, s)) / 2;
  };
}

/** Pieces of the line where f is `level`, from its values on a grid of points (marching squares). */
export function contour(points, values, level) {
  const pieces = [];
  for (let i = 0; i + 1 < points.length; i++) {
    for (let j = 0; j + 1 < points[i].length; j++) {
      const corners = [values[i][j], values[i + 1][j], values[i + 1][j + 1], values[i][j + 1]];
      const above = corners.map((v) => v >= level);
      if (above[0] === above[1] && above[1] === above[2] && above[2] === above[3]) continue; // most squares
      const at = [points[i][j], points[i + 1][j], points[i + 1][j + 1], points[i][j + 1]];
      const cuts = [];
      for (let k = 0; k < 4; k++) {
        const next = (k + 1) % 4;
        if (above[k] === above[next]) continue;
        const share = (level - corners[k]) / (corners[next] - corners[k]);
        cuts.push([0, 1].map((c) => at[k][c] + share * (at[next][c] - at[k][c])));
      }
      for (let k = 0; k < cuts.length; k += 2) pieces.push([cuts[k], cuts[k + 1]]);
    }
  }
  return pieces;
}

// --- The picture ----------------------------------------------------------------------------------

const DAMPINGS = [
  ...Array.from({ length: 31 }, (_, k) => k / 50), // 0, 0.02, ..., 0.6
  ...Array.from({ length: 14 }, (_, k) => (k + 7) / 10), // 0.7, ..., 2
];
const SWEPT = Array.from({ length: 101 }, (_, k) => 2 * (k / 100) ** 2); // denser where the pole is
const SECONDS = Array.from({ length: 11 }, (_, k) => (k - 5) / 10);
const LEVELS = [0.01, 0.04, 0.09, 0.16, 0.25, 0.36, 0.49, 0.64]; // above here, and below
const PLANE = { width: 400, height: 280, x: [-1.5, 1.5], y: [-1.05, 1.05] };
const GRID = [50, 35];
const LONGEST = 3;
const LENGTHS = { width: 270, height: 130, margin: 46, x: [0, 2], y: [0, LONGEST] };
const CHANGES = { width: 270, height: 150, margin: 46, x: [0, 2], y: [-0.3, 0.3] };
const [plane, lengths, changes] = [PLANE, LENGTHS, CHANGES].map(coordinates);

const points = Array.from({ length: GRID[0] + 1 }, (_, i) => Array.from({ length: GRID[1] + 1 }, (_, j) => [
  PLANE.x[0] + (i / GRID[0]) * (PLANE.x[1] - PLANE.x[0]),
  PLANE.y[0] + (j / GRID[1]) * (PLANE.y[1] - PLANE.y[0]),
]));
const pixels = points.map((column) => column.map(plane.toScreen));

/** Level lines of the damped surface: purple above where we stand, grey below, dots at its height. */
function levelLines(state) {
  const height = surface(state);
  const values = points.map((column) => column.map(height));
  const line = (level, attributes) => make("path", {
    d: contour(pixels, values, level).map(through).join(""),
    fill: "none",
    ...attributes,
  });
  return [
    ...LEVELS.map((level) => line(level, { stroke: THIRD, "stroke-opacity": 0.6 })),
    ...LEVELS.map((level) => line(-level, { stroke: GREY, "stroke-opacity": 0.7 })),
    line(0, { stroke: INK, "stroke-opacity": 0.6, "stroke-dasharray": "2 3" }),
  ];
}

/** An arrow from here to there, no longer than the picture is wide: its shaft and its head. */
function reaching(from, to, { dashed, ...attributes }) {
  const along = plus(to, -1, from);
  const far = norm(along);
  const { shaft, head } = arrow(from, far > 900 ? plus(from, 900 / far, along) : to, 10);
  const line = (d, more) => make("path", { d, fill: "none", ...attributes, ...more });
  return [line(shaft, dashed ? { "stroke-dasharray": "5 4" } : {}), line(far > 4 ? head : "")];
}

const short = (v) => (Math.abs(v) < 0.005 ? "0.00" : v.toFixed(2)).replace("-", "−");
const long = (v) => (v >= 100 ? "more than 100" : v.toFixed(2));

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const state = { mu: model.get("mu"), damping: model.get("damping"), point: model.get("point") };
  if (!state.point.length) state.point = [-0.12, 0.42];
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": "The damped surface from above. Arrow keys move where we stand.",
  });
  const lengthPlot = picture("plot", LENGTHS, { role: "img" });
  const changePlot = picture("plot", CHANGES, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const [background, arrows] = [make("g"), make("g", { "pointer-events": "none" })];
  const here = make("g",
    { class: "point movable selected", role: "button", tabindex: 0, "aria-label": "Where we stand" },
    make("circle", { class: "halo", r: 16 }), make("circle", { r: 7, fill: INK }));
  view.append(background, arrows, here);

  function update() {
    found = explore(state);
    drawPlane();
    drawPlots();
    speak();
  }

  const colour = () => (found.kind === "bowl" ? INK : THIRD);

  function drawPlane() {
    const [centre, at] = [[0, 0], state.point].map(plane.toScreen);
    background.replaceChildren(
      ...levelLines(state),
      crossed(6, { transform: `translate(${centre})`, stroke: GREY, "stroke-width": 2 }),
    );
    const down = plane.toScreen(plus(state.point, -0.45 / (norm(found.g) || 1), found.g));
    arrows.replaceChildren(
      ...reaching(at, down, { stroke: GREY, "stroke-width": 2, dashed: true }),
      ...(found.step
        ? reaching(at, plane.toScreen(plus(state.point, 1, found.step)), { stroke: colour(), "stroke-width": 3.5 })
        : []),
    );
    set(here, { transform: `translate(${at})` });
  }

  /** A quantity of the step against the damping, cut at the pole, and where we are on it. */
  function plotted(chart, box, at, up, ticksUp, all, quantity) {
    const [low, high] = box.y;
    const clip = (v) => Math.min(Math.max(v, low), high);
    const pole = -state.mu[1];
    const pieces = [[], []];
    for (const [damping, { [quantity]: value }] of all) {
      const piece = pieces[damping < pole ? 0 : 1];
      if (value !== null && value >= low && value <= high) piece.push(at.toScreen([damping, value]));
    }
    const parts = pieces.map((piece, k) => make("path", {
      d: piece.length ? through(piece) : "", fill: "none", stroke: [THIRD, INK][k], "stroke-width": 2,
    }));
    if (pole >= 0) {
      const d = through([[pole, low], [pole, high]].map(at.toScreen));
      parts.unshift(make("path", { d, stroke: GREY, "stroke-dasharray": "5 4" }));
    }
    if (low < 0) parts.unshift(make("path", { d: through([[0, 0], [2, 0]].map(at.toScreen)), stroke: RULE }));
    if (found[quantity] !== null) {
      const [u, v] = at.toScreen([state.damping, clip(found[quantity])]);
      parts.push(make("circle", { cx: u, cy: v, r: 6, fill: colour(), stroke: PAPER, "stroke-width": 1.5 }));
    }
    const ticksAcross = [0, 0.5, 1, 1.5, 2].map((v) => [v, `${v}`]);
    chart.replaceChildren(
      ...axes(box, at, { across: "damping γ", up, ticksAcross, ticksUp, corner: [0, low] }), ...parts,
    );
  }

  function drawPlots() {
    const whole = [0, 1, 2, 3].map((v) => [v, `${v}`]);
    const all = SWEPT.map((damping) => [damping, explore({ ...state, damping })]);
    plotted(lengthPlot, LENGTHS, lengths, "step length", whole, all, "length");
    plotted(changePlot, CHANGES, changes, "change", [[-0.3, "−0.3"], [0, "0"], [0.3, "+0.3"]], all, "change");
    const pole = state.mu[1] <= 0 ? ` Both grow without limit near γ = ${short(-state.mu[1])}.` : "";
    const values = found.step ? `${long(found.length)}` : "none";
    set(lengthPlot, { "aria-label": `Step length against damping. Now: ${values}.${pole}` });
    const change = found.step ? short(found.change) : "none";
    set(changePlot, { "aria-label": `Change of the damped surface by the step, against damping. Now: ${change}.${pole}` });
  }

  function speak() {
    const [first, second] = found.curvatures.map(short);
    const is = {
      saddle: "a saddle, which has no lowest point",
      trough: "a trough, straight along one direction",
      bowl: "a bowl",
    }[found.kind];
    const opening = `From (${state.point.map(short).join(", ")}). Damping γ = ${short(state.damping)}: H + γI has the ` +
      `eigenvalues ${first} and ${second}; it is ${is}.`;
    if (!found.step) {
      says.textContent = `${opening} γ is exactly −μ₂: the step would divide by 0, so there is none.`;
      return;
    }
    const where = found.kind === "bowl" ? "the lowest point" : "the saddle point";
    const change = found.change > 0 ? "uphill by" : "downhill by";
    const height = Math.abs(found.change) < 0.005 ? "hardly changes the height" :
      `leads ${change} ${long(Math.abs(found.change))}`;
    const end = plus(state.point, 1, found.step);
    const outside = end.some((v, k) => Math.abs(v) > [PLANE.x, PLANE.y][k][1]) ? ", outside the picture" : "";
    says.textContent = `${opening} The step leads to ${where} of this surface${outside}: it is ${long(found.length)} long, ` +
      `${height}, and points ${found.angle.toFixed(0)}° away from straight downhill.`;
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("mu", state.mu);
    model.set("damping", state.damping);
    model.set("point", state.point);
    model.set("step", found.step ?? []);
    model.save_changes();
  }
  function changed(change) {
    Object.assign(state, change);
    update();
    tell();
  }

  movable(here, view, plane, {
    where(place) {
      if (place) state.point = place;
      return state.point;
    },
    step: 0.05,
    update,
    done: tell,
  });
  const dampings = slider("damping γ", DAMPINGS, short, (damping) => changed({ damping }));
  const seconds = slider("eigenvalue μ₂ of H", SECONDS, short, (second) => changed({ mu: [state.mu[0], second] }));
  dampings.set(state.damping);
  seconds.set(state.mu[1]);
  show(el, {
    intro: "Lines of equal height of the damped surface: purple higher than where we stand (dot), grey lower. " +
      "Arrow: the step −(H + γI)⁻¹g. Dashed arrow: straight downhill. Cross: where the risk itself is level. " +
      "Drag the dot; raise the damping.",
    stage: view, says, controls: [dampings.element], plots: [lengthPlot, changePlot], more: [seconds.element], reset,
  });
  update();
}

export default { render: again(render) };
