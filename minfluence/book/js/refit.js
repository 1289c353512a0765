// Two ways from the model we have to a refit: chord steps, which keep the Hessian of all the data at the
// minimum, and Newton steps, which take that of the data as weighted, anew at every step.
// The first chord step is KL (1). For least squares the first Newton step arrives.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, axes, button, choice, coordinates, crossed, dot, INK, label, make, norm, picture, plus, pointsOf, RULE, set, show,
  slider, solve, THIRD, through, times, titled,
} from "./shared.js";
import { fit, LOSSES, lossGradient, risk, weighted } from "./linear.js";
import { framed, levelLines, planeOf, stretched } from "./refits.js";

// --- The mathematics ------------------------------------------------------------------------------

export const STEPS = 8; // as many as are shown

/** Where both walks start and end, for an example and the weight it gets, in units of 1/n. */
export function prepare({ points, l2, example, weight, model }) {
  const of = LOSSES[model];
  const theta = fit(points, weighted(points, example, 1), l2, undefined, of);
  const weights = weighted(points, example, weight);
  const refit = fit(points, weights, l2, theta, of);
  const { H } = risk(theta, points, weighted(points, example, 1), l2, of);
  const walk = (resist) => {
    const path = [theta];
    while (path.length <= STEPS) {
      const now = risk(path.at(-1), points, weights, l2, of);
      path.push(plus(path.at(-1), -1, solve(resist(now), now.g)));
    }
    return path;
  };
  const [chord, newton] = [walk(() => H), walk((now) => now.H)];
  const left = (path) => path.map((t) => norm(plus(t, -1, refit)) / norm(plus(theta, -1, refit)));
  return { theta, H, refit, weights, of, chord, newton, left: { chord: left(chord), newton: left(newton) } };
}

// --- The picture ----------------------------------------------------------------------------------

const FLOOR = -12; // of the plot, in powers of ten
const THETA = { width: 320, height: 260 };
const PLOT = { width: 320, height: 260, margin: 44, x: [0, STEPS], y: [FLOOR, 0.5] };
const WEIGHTS = [0, 0.25, 0.5, 0.75, 1.5, 2, 3, 4, 6];
const MODELS = { "logistic regression": "logistic", "least squares": "squared" };
const plot = coordinates(PLOT);

const line = (d, attributes) => make("path", { d, fill: "none", ...attributes });

/** A walk with its marks: chord steps are round and solid, Newton's square and dashed. */
function drawn(points, isNewton) {
  const colour = isNewton ? INK : THIRD;
  const marks = points.map(([u, v]) => isNewton
    ? make("rect", { x: u - 4, y: v - 4, width: 8, height: 8, fill: colour })
    : make("circle", { cx: u, cy: v, r: 4, fill: colour }));
  const dashes = isNewton ? { "stroke-dasharray": "6 4" } : {};
  return [line(through(points), { stroke: colour, "stroke-width": 2, ...dashes }), ...marks];
}

/** A name at the end of a curve. */
const named = ([u, v], name, below, attributes) =>
  label(Math.min(u + 6, PLOT.width - 48), Math.min(v + below, PLOT.height - 52), name, attributes);

const power = (v) => Math.min(Math.max(Math.log10(Math.max(v, 1e-300)), FLOOR), 0.4);
const small = (v) => (v < 1e-12 ? "below 1e-12" : v.toPrecision(2));

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const points = pointsOf(model);
  const l2 = model.get("l2");
  const state = { example: model.get("example"), weight: model.get("weight"), model: model.get("loss") };
  const taken = { chord: 1, newton: 0 };
  const { theta, H, of } = prepare({ points, l2, ...state });
  const far = points.map((p) => norm(solve(H, plus(lossGradient(theta, p, of), l2, theta)))); // of KL (1)
  const order = points.map((_, i) => i).sort((a, b) => far[b] - far[a]);
  let found;

  const space = picture("plane", THETA, { role: "img" });
  const chart = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });

  function update() {
    found = prepare({ points, l2, ...state });
    draw();
  }

  function draw() {
    drawTheta();
    drawDistances();
    speak();
  }

  function drawTheta() {
    const plane = planeOf(found.theta, plus(found.chord[1], -1, found.theta), found.refit);
    const shown = { chord: found.chord.slice(0, taken.chord + 1), newton: found.newton.slice(0, taken.newton + 1) };
    const places = [...found.chord.slice(0, 3), ...found.newton.slice(0, 3), found.refit].map((t) => plane.to(t));
    const [a, b] = plane.to(found.refit);
    const at = coordinates({ ...THETA, ...framed(places.map(([along]) => along), b / 2, 1 / 4, THETA) });
    const step = plus(found.refit, -1, found.theta);
    const top = dot(step, times(found.H, step)) / 2;
    const rings = levelLines({ points, weights: found.weights, l2, of: found.of }, found.refit, plane,
      [0.02, 0.15, 0.5, 1, 1.8].map((share) => share * top));
    const screen = (path) => path.map((t) => at.toScreen(plane.to(t)));
    const moved = (ring) => ring.map(([u, v]) => at.toScreen([u + a, v + b]));
    const [end, start] = [[a, b], [0, 0]].map(at.toScreen);
    space.replaceChildren(
      ...rings.map((ring) => line(`${through(moved(ring))}Z`, { stroke: RULE })),
      ...drawn(screen(shown.chord), false),
      ...drawn(screen(shown.newton), true),
      crossed(7, { transform: `translate(${end})`, "stroke-width": 2.5 }),
      make("circle", { cx: start[0], cy: start[1], r: 5, fill: INK }),
      stretched(THETA),
    );
    set(space, { "aria-label": `Level lines of the risk as weighted, and the steps to its minimum. ${distances()}` });
  }

  function drawDistances() {
    const curve = (values, k) => values.slice(0, k + 1).map((v, j) => plot.toScreen([j, power(v)]));
    chart.replaceChildren(
      ...axes(PLOT, plot, {
        across: "step",
        up: "",
        corner: [0, FLOOR],
        ticksAcross: [0, 2, 4, 6, 8].map((k) => [k, `${k}`]),
        ticksUp: [[0, "1"], [-4, "10⁻⁴"], [-8, "10⁻⁸"], [-12, "10⁻¹²"]],
      }),
      ...drawn(curve(found.left.chord, taken.chord), false),
      ...drawn(curve(found.left.newton, taken.newton), true),
      named(curve(found.left.chord, taken.chord).at(-1), "chord", -8, { style: `fill: ${THIRD}` }),
      named(curve(found.left.newton, taken.newton).at(-1), "Newton", 18),
    );
    set(chart, { "aria-label": `Distance to the refit against the step. ${distances()}` });
  }

  const walked = (name, k) => `${k} ${name} ${k === 1 ? "step" : "steps"}`;
  const distances = () => `After ${walked("chord", taken.chord)} ${small(found.left.chord[taken.chord])} of the way is ` +
    `left, after ${walked("Newton", taken.newton)} ${small(found.left.newton[taken.newton])}.`;
  function speak() {
    const rates = found.left.chord.slice(1, taken.chord + 1).map((v, k) => v / found.left.chord[k]);
    const last = rates.length > 1 ? ` The last chord step left ${rates.at(-1).toPrecision(2)} of what it found.` : "";
    const weight = state.weight === 0 ? "no weight" : `${state.weight} times its weight`;
    const loss = names.find((name) => MODELS[name] === state.model);
    says.textContent = `Example ${state.example} gets ${weight}, ${loss}. ${distances()}${last}`;
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("example", state.example);
    model.set("weight", state.weight);
    model.set("loss", state.model);
    model.set("chord", found.left.chord);
    model.set("newton", found.left.newton);
    model.save_changes();
  }
  function changed(change) {
    Object.assign(state, change);
    update();
    tell();
  }
  function step(name) {
    taken[name] = Math.min(taken[name] + 1, STEPS);
    draw();
  }
  function fromTheStart() {
    [taken.chord, taken.newton] = [0, 0];
    draw();
  }
  const next = (by) =>
    changed({ example: order[(order.indexOf(state.example) + by + order.length) % order.length] });

  const names = Object.keys(MODELS);
  const models = choice("Loss: ", names, (name) => changed({ model: MODELS[name] }));
  models.set(names.find((name) => MODELS[name] === state.model));
  const words = (w) => (w === 0 ? "0, gone" : w === 2 ? "2, twice" : `${w}`);
  const weights = slider("weight of the example", WEIGHTS, words, (weight) => changed({ weight }));
  weights.set(state.weight);
  show(el, {
    intro: "From the dot, the model we have, to the cross, the refit. Chord steps (purple, round) keep the old " +
      "Hessian; the first of them is influence. Newton steps (square, dashed) take the new one every time.",
    stage: titled("θ, and the risk as weighted", space),
    says,
    controls: [
      button("next chord step", () => step("chord")),
      button("next Newton step", () => step("newton")),
      button("start again", fromTheStart),
    ],
    plots: [titled("How much of the way is left", chart)],
    more: [
      weights.element, models.element,
      button("stronger example", () => next(-1)), button("weaker example", () => next(1)),
    ],
    reset,
  });
  update();
}

export default { render: again(render) };
