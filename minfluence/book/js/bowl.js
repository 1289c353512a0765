// Down a bowl in two ways: steepest descent and conjugate gradients, from a start that can be dragged.
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, axes, choice, coordinates, dot, INK, label, make, matrix, movable, norm, picture, plus, RULE, set, show, slider,
  THIRD, through, times,
} from "./shared.js";

// --- The mathematics: H t = 0, seen from the lowest point -----------------------------------------

const TURN = 0.5; // radians, so that the valley lies askew
export const turned = ([a, b]) => [
  Math.cos(TURN) * a - Math.sin(TURN) * b,
  Math.sin(TURN) * a + Math.cos(TURN) * b,
];

/** The bowl's Hessian: eigenvalue 1 along the valley, kappa across it. */
export function bowl(kappa) {
  const [along, across] = [turned([1, 0]), turned([0, 1])];
  return matrix(2, (i, j) => along[i] * along[j] + kappa * across[i] * across[j]);
}

const height = (H, t) => dot(t, times(H, t)) / 2;
const residual = (H, t) => times(H, t).map((v) => -v); // 0 - H t, straight downhill

/** Each step straight downhill, to the lowest point of that line. */
export function* steepestDescent(H, t) {
  for (;;) {
    yield t;
    const r = residual(H, t);
    t = plus(t, dot(r, r) / dot(r, times(H, r)) || 0, r); // 0: already at the lowest point
  }
}

/** The same, but each direction conjugate to the one before: the box of chapter 6. */
export function* conjugateGradients(H, t) {
  let r = residual(H, t);
  let d = r;
  for (;;) {
    yield t;
    const Hd = times(H, d);
    const alpha = dot(r, r) / dot(d, Hd) || 0;
    t = plus(t, alpha, d);
    const next = plus(r, -alpha, Hd);
    d = plus(next, dot(next, next) / dot(r, r) || 0, d);
    r = next;
  }
}

/** Everything the picture shows, for both methods. */
export function explore({ kappa, start, steps }) {
  const H = bowl(kappa);
  const length = (t) => norm(residual(H, t));
  const [full, whole] = [length(start) || 1, height(H, start) || 1]; // 1: it starts at the lowest point
  const measure = (method) => {
    const path = [];
    let [k, needed] = [0, -1]; // steps until the residual is a million times smaller
    for (const t of method(H, start)) {
      if (k <= steps) path.push(t);
      if (needed < 0 && length(t) <= 1e-6 * full) needed = k;
      if (k++ >= steps && needed >= 0) break;
    }
    const left = path.map((t) => height(H, t) / whole);
    return { path, left, residuals: path.map((t) => length(t) / full), needed };
  };
  return { H, descent: measure(steepestDescent), cg: measure(conjugateGradients) };
}

/** Where to start, along the valley and across it, for a bowl of condition number kappa. */
export const STARTS = {
  unlucky: (kappa) => turned([-1, 1 / kappa]),
  "on an axis": () => turned([-1, 0]),
  "near the floor": (kappa) => turned([-1, kappa ** -1.5]),
};

// --- The picture ----------------------------------------------------------------------------------

const KAPPAS = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100];
const STEPS = Array.from({ length: 13 }, (_, k) => k);
const LEVELS = [1, 0.55, 0.2, 0.03]; // heights of contours, as shares of the start's
const PLANE = { width: 400, height: 260, x: [-1.5, 1.5], y: [-0.975, 0.975] };
const FLOOR = -9; // of the plot, in powers of ten
const PLOT = { width: 270, height: 240, margin: 46, x: [0, 12], y: [FLOOR, 1] };
const plane = coordinates(PLANE);
const plot = coordinates(PLOT);

/** The contour of a height: an ellipse, longer along the valley by the root of kappa. */
function contour(H, kappa, h, attributes) {
  const pixels = PLANE.width / (PLANE.x[1] - PLANE.x[0]);
  const long = Math.sqrt(2 * h) * pixels;
  return make("ellipse", {
    rx: long,
    ry: long / Math.sqrt(kappa),
    transform: `translate(${plane.toScreen([0, 0])}) rotate(${(-TURN * 180) / Math.PI})`,
    fill: "none",
    ...attributes,
  });
}

function marks(points, colour, square) {
  const at = ([u, v]) => square
    ? make("rect", { x: u - 4, y: v - 4, width: 8, height: 8, fill: colour })
    : make("circle", { cx: u, cy: v, r: 4, fill: colour });
  return points.map(at);
}

/** A path with its marks: descent has round marks, CG squares and dashes. */
function drawn(points, isCG) {
  const dashes = isCG ? { "stroke-dasharray": "6 4" } : {};
  const colour = isCG ? INK : THIRD;
  const line = make("path", { d: through(points), fill: "none", stroke: colour, "stroke-width": 2, ...dashes });
  return [line, ...marks(points, colour, isCG)];
}

const percent = (share) => (share < 5e-4 ? "less than 0.1%" : `${(100 * share).toFixed(1)}%`);
const power = (v) => Math.max(Math.log10(Math.max(v, 1e-300)), FLOOR);

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const state = { kappa: model.get("kappa"), start: model.get("start"), steps: model.get("steps") };
  let preset = state.start.length ? "" : "unlucky"; // "" once the start has been dragged
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": "A bowl from above. Arrow keys move the start.",
  });
  const chart = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const background = make("g");
  const paths = make("g", { "pointer-events": "none" });
  const start = make("g", { class: "point movable selected", role: "button", tabindex: 0, "aria-label": "The start" },
    make("circle", { class: "halo", r: 16 }), make("circle", { r: 8, fill: INK }));
  view.append(background, start, paths);

  function update() {
    if (preset) state.start = STARTS[preset](state.kappa);
    found = explore(state);
    drawBowl();
    drawResiduals();
    speak();
  }

  function drawBowl() {
    const top = height(found.H, state.start);
    const now = height(found.H, found.descent.path.at(-1));
    const cross = plane.toScreen([0, 0]);
    background.replaceChildren(
      ...LEVELS.map((share) => contour(found.H, state.kappa, share * top, { stroke: RULE })),
      contour(found.H, state.kappa, now, { stroke: THIRD, "stroke-opacity": 0.6 }),
    );
    const screen = ({ path }) => path.map(plane.toScreen);
    paths.replaceChildren(
      ...drawn(screen(found.descent), false),
      ...drawn(screen(found.cg).slice(0, 3), true),
      make("path", { d: "M-7-7L7 7M-7 7L7-7", transform: `translate(${cross})`, stroke: INK, "stroke-width": 2.5 }),
    );
    set(start, { transform: `translate(${plane.toScreen(state.start)})` });
  }

  function drawResiduals() {
    const curve = ({ residuals }) => residuals.map((r, k) => plot.toScreen([k, power(r)]));
    chart.replaceChildren(
      make("path", { d: through([[0, 0], [12, 0]].map(plot.toScreen)), stroke: RULE }),
      ...axes(PLOT, plot, {
        across: "step",
        up: "relative residual",
        corner: [0, FLOOR],
        ticksAcross: [0, 4, 8, 12].map((k) => [k, `${k}`]),
        ticksUp: [[0, "1"], [-3, "10⁻³"], [-6, "10⁻⁶"], [-9, "10⁻⁹"]],
      }),
      ...drawn(curve(found.descent), false),
      ...drawn(curve(found.cg), true),
      ...names(curve(found.descent).at(-1), curve(found.cg).at(-1)),
    );
    set(chart, { "aria-label": `Relative residual against step. ${residualWords()}` });
  }

  /** The two names at the ends of their curves: the upper one above. */
  function names(descent, cg) {
    const above = descent[1] <= cg[1];
    const at = ([u, v], up) => [Math.min(u, PLOT.width - 34), up || v > PLOT.height - 80 ? v - 10 : v + 20];
    return [
      label(...at(descent, above), "descent", { "text-anchor": "middle", style: `fill: ${THIRD}` }),
      label(...at(cg, !above), "CG", { "text-anchor": "middle" }),
    ];
  }

  const residualWords = () => `Relative residual: descent ${found.descent.residuals.at(-1).toPrecision(2)}, ` +
    `conjugate gradients ${found.cg.residuals.at(-1) < 1e-9 ? "below 1e-9" : found.cg.residuals.at(-1).toPrecision(2)}.`;

  function speak() {
    const { descent, cg } = found;
    const steps = (k) => `${k} ${k === 1 ? "step" : "steps"}`;
    says.textContent = `Condition number ${state.kappa}, after ${steps(state.steps)}: descent still has ` +
      `${percent(descent.left.at(-1))} of the height to go, conjugate gradients ${percent(cg.left.at(-1))}. ` +
      `${residualWords()} To make the residual a million times smaller, descent takes ` +
      `${steps(descent.needed)}, conjugate gradients ${steps(cg.needed)}.`;
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("kappa", state.kappa);
    model.set("start", state.start);
    model.set("steps", state.steps);
    model.set("descent", found.descent.path);
    model.set("conjugate", found.cg.path);
    model.save_changes();
  }
  function changed(change) {
    Object.assign(state, change);
    update();
    tell();
  }

  const starts = choice("Start: ", Object.keys(STARTS), (name) => {
    preset = name;
    changed({});
  });
  movable(start, view, plane, {
    where(place) {
      if (place) {
        [state.start, preset] = [place, ""];
        starts.set(preset);
      }
      return state.start;
    },
    step: 0.05,
    update,
    done: tell,
  });
  const kappas = slider("condition number", KAPPAS, String, (kappa) => changed({ kappa }));
  const steps = slider("steps", STEPS, String, (k) => changed({ steps: k }));
  kappas.set(state.kappa);
  steps.set(state.steps);
  starts.set(preset);
  show(el, {
    intro: "Both want to reach the cross from the large dot: steepest descent with purple dots, conjugate gradients (CG) " +
      "with squares and dashes. Drag the dot. Is there a start from which descent is as quick?",
    stage: view, says, controls: [kappas.element, steps.element], plots: [chart], more: [starts.element], reset,
  });
  update();
}

export default { render: again(render) };
