// LiSSA's recursion: a solve in which every step sees one example, drawn by chance.
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, axes, button, cholesky, coordinates, dot, GREY, INK, make, matrix, norm, PAPER, picture, plus, RULE, set, show,
  slider, solve, THIRD, through, times,
} from "./shared.js";

// --- The mathematics: H x = b with H = mean of w_i x_i x_iᵀ + l2 I ---------------------------------
// A problem is {X: n rows of p numbers, w: n curvatures, b: p numbers, l2}.

/** The mean over the examples, without the penalty. */
function meanCurvature({ X, w }) {
  const mean = (i, j) => X.reduce((sum, x, k) => sum + w[k] * x[i] * x[j], 0) / X.length;
  return matrix(X[0].length, mean);
}

export function hessian(problem) {
  return meanCurvature(problem).map((row, i) => row.map((v, j) => v + (i === j ? problem.l2 : 0)));
}

/** The largest eigenvalue that any single example's Hessian has. */
export const mostCurved = ({ X, w, l2 }) => Math.max(...X.map((x, i) => w[i] * dot(x, x))) + l2;

/** Numbers between 0 and 1 that look random and depend on the seed alone ("mulberry32"). */
function random(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The examples that one run draws: more depth draws on, and other repeats draw others. */
export function draws({ seed, run, depth, n }) {
  const next = random(1_000_003 * seed + 7919 * run);
  const drawn = [];
  while (drawn.length < depth) drawn.push(Math.floor(n * next()));
  return drawn;
}

/**
 * One run: x = b + (I - H_i / scale) x for the drawn examples. Returns the estimates x / scale after
 * 0, 1, ... steps, and stops where the package's `lissa` would say that it diverged.
 */
export function sampled({ X, w, b, l2 }, scale, drawn) {
  const first = b.map((v) => v / scale);
  const [path, size, keep] = [[first], norm(first), 1 - l2 / scale];
  let x = first;
  for (const i of drawn) {
    const z = X[i];
    const slope = (w[i] * dot(z, x)) / scale;
    const next = new Array(b.length); // a loop, as there are many steps
    for (let k = 0; k < b.length; k++) next[k] = first[k] + keep * x[k] - slope * z[k];
    x = next;
    if (!(norm(x) <= 10 * (path.length + 1) * size)) break;
    path.push(x);
  }
  return path;
}

/** The truncated Neumann series, on which the runs are right on average. */
export function series(problem, scale, depth) {
  const H = hessian(problem);
  const first = problem.b.map((v) => v / scale);
  const path = [first];
  for (let j = 0; j < depth; j++) path.push(plus(plus(first, 1, path[j]), -1 / scale, times(H, path[j])));
  return path;
}

/**
 * The covariance of one run's estimate after 0, 1, ... steps, exactly: C becomes
 * E[A C A] + E[(A - E A) x xᵀ (A - E A)], where A = I - H_i / scale for a drawn i, and x is the series.
 */
export function covariances({ X, w, l2 }, scale, path) {
  const [p, keep] = [X[0].length, 1 - l2 / scale];
  const G = meanCurvature({ X, w }).map((row) => row.map((v) => v / scale)); // A = keep I - w z zᵀ / scale
  const all = [matrix(p, () => 0)];
  for (const x of path.slice(0, -1)) {
    const C = all.at(-1);
    const Gx = times(G, x);
    const GC = matrix(p, (i, j) => dot(G[i], C[j])); // C is symmetric
    const next = matrix(p, (i, j) => keep ** 2 * C[i][j] - keep * (GC[i][j] + GC[j][i]) - Gx[i] * Gx[j]);
    X.forEach((z, k) => {
      let square = dot(z, x) ** 2;
      for (let i = 0; i < p; i++) square += z[i] * dot(C[i], z);
      square *= (w[k] / scale) ** 2 / X.length;
      for (let i = 0; i < p; i++) for (let j = 0; j < p; j++) next[i][j] += square * z[i] * z[j];
    });
    all.push(next);
  }
  return all;
}

/** By what a step multiplies the noise in the long run: the largest eigenvalue of C -> E[A C A]. */
export function growth({ X, w, l2 }, scale) {
  const p = X[0].length;
  const A = X.map((z, n) => matrix(p, (i, j) => (i === j ? 1 - l2 / scale : 0) - (w[n] / scale) * z[i] * z[j]));
  const product = (r, c) => (a) => a[Math.floor(r / p)][Math.floor(c / p)] * a[r % p][c % p];
  const mean = (f) => A.reduce((sum, a) => sum + f(a), 0) / A.length;
  const K = matrix(p * p, (r, c) => mean(product(r, c)));
  let power = K;
  for (let k = 0; k < 10; k++) { // K^1024, of which only the largest eigenvalue is left
    const size = Math.max(...power.flat().map(Math.abs));
    const small = power.map((row) => row.map((v) => v / size));
    power = matrix(p * p, (i, j) => dot(small[i], small[j])); // symmetric
  }
  const v = times(power, power.map((row, i) => (i % (p + 1) === 0 ? 1 : 0))); // from the identity
  return dot(v, times(K, v)) / dot(v, v);
}

/** The mean of the runs after 0, 1, ... steps, up to the first that diverged. */
function meanOf(runs) {
  const steps = Math.min(...runs.map((path) => path.length));
  const sums = runs[0].slice(0, steps).map((x) => x.map(() => 0));
  for (const path of runs) {
    for (let j = 0; j < steps; j++) for (let k = 0; k < sums[j].length; k++) sums[j][k] += path[j][k];
  }
  return sums.map((x) => x.map((v) => v / runs.length));
}

const trace = (A) => A.reduce((sum, row, i) => sum + row[i], 0);

/** Everything the picture shows. Errors are relative to the length of the true solution. */
export function explore({ problem, scale, depth, repeats, seed }) {
  const H = hessian(problem);
  const truth = solve(H, problem.b);
  const error = (x) => norm(plus(x, -1, truth)) / norm(truth);
  const runs = Array.from({ length: repeats }, (_, run) =>
    sampled(problem, scale, draws({ seed, run, depth, n: problem.X.length })));
  const centre = series(problem, scale, depth);
  const noise = covariances(problem, scale, centre);
  const means = meanOf(runs);
  const bias = centre.map(error);
  const typical = bias.map((v, j) => Math.sqrt(v ** 2 + trace(noise[j]) / repeats / dot(truth, truth)));
  const last = runs.filter((path) => path.length > depth).map((path) => path.at(-1));
  const diverged = repeats - last.length;
  const estimate = diverged ? null : means[depth];
  return {
    truth, runs, last, diverged, growth: growth(problem, scale), means, centre, noise, bias, typical, estimate,
    errors: means.map(error),
    spread: diverged || repeats === 1 ? null : spreadOf(last, estimate),
    residual: diverged ? null : norm(plus(problem.b, -1, times(H, estimate))) / norm(problem.b),
  };
}

/** The standard error of the mean over the repeats, relative to its length. */
function spreadOf(last, estimate) {
  const squares = last.reduce((sum, x) => sum + norm(plus(x, -1, estimate)) ** 2, 0);
  return Math.sqrt(squares / (last.length - 1) / last.length) / norm(estimate);
}

// --- The picture ----------------------------------------------------------------------------------

const OCTAVES = Array.from({ length: 33 }, (_, k) => (k - 20) / 4); // the scale, over M, as a power of 2
const DEPTHS = [1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160];
const REPEATS = [1, 2, 3, 5, 10, 20, 50, 100];
const SHOWN = 8; // runs whose path is drawn
const PLANE = { width: 380, height: 300 };
const PLOT = { width: 290, height: 260, margin: 46, x: [0, Math.log10(160)], y: [-2, 1] };
const plot = coordinates(PLOT);

/** A number kept between two others; what overflowed is high. */
const within = (v, low, high) => (v < high ? Math.max(v, low) : high);

/** The first two components of s_test, around the truth and the origin. */
function window(truth) {
  const reach = 0.95 * Math.hypot(truth[0], truth[1]);
  const [a, b] = [truth[0] / 2, truth[1] / 2];
  return coordinates({ ...PLANE, x: [a - 1.2 * reach, a + 1.2 * reach], y: [b - reach, b + reach] });
}

/** The ellipse two standard deviations around a centre. */
function ring(centre, covariance, toScreen) {
  const L = cholesky(covariance.slice(0, 2).map((row) => row.slice(0, 2)));
  const turn = Array.from({ length: 49 }, (_, k) => (k * Math.PI) / 24);
  return through(turn.map((phi) => {
    const [c, s] = [2 * Math.cos(phi), 2 * Math.sin(phi)];
    return toScreen([centre[0] + L[0][0] * c, centre[1] + L[1][0] * c + L[1][1] * s]);
  }));
}

/** A curve of errors against steps on logarithmic axes, thinned where points come close. */
function curve(errors, attributes) {
  const points = [];
  let lastLog = -1;
  errors.forEach((v, j) => {
    const log = Math.log10(j);
    if (j < 1 || (log - lastLog < 0.02 && j < errors.length - 1)) return;
    lastLog = log;
    points.push(plot.toScreen([log, within(Math.log10(v), -2, 1.2)]));
  });
  return make("path", { d: points.length ? through(points) : "", fill: "none", ...attributes });
}

function short(v) {
  if (!(v <= 1e4)) return "more than 10,000"; // also what is no number any more
  if (v < 1e-3) return "less than 0.001";
  return v >= 100 ? v.toFixed(0) : String(Number(v.toPrecision(2)));
}

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const problem = { X: model.get("X"), w: model.get("curvature"), b: model.get("b"), l2: model.get("l2") };
  const M = mostCurved(problem);
  const knobs = ["scale", "depth", "repeats", "seed"];
  const state = { problem, ...Object.fromEntries(knobs.map((name) => [name, model.get(name)])) };
  state.scale ||= M;
  let found;

  const plane = picture("plane", PLANE, { role: "img" });
  const chart = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });

  function update() {
    found = explore(state);
    drawPlane();
    drawErrors();
    speak();
  }

  function drawPlane() {
    const { toScreen } = window(found.truth);
    const at = (x) => toScreen(x.map((v) => within(v, -1e4, 1e4)));
    const [cross, centre] = [at(found.truth), at(found.centre.at(-1))];
    const covariance = found.noise.at(-1).map((row) => row.map((v) => v / state.repeats));
    const dots = found.last.map((x) => `M${at(x)}h0`).join(""); // one element, however many there are
    const [[u0, v0], [width, height]] = [at([0, 0]), [PLANE.width, PLANE.height]];
    const parts = [
      make("path", { d: `M0 ${v0}H${width}M${u0} 0V${height}`, stroke: RULE }), // where a component is 0
      make("path", { d: through(found.runs[0].map(at)), fill: "none", stroke: GREY, "stroke-opacity": 0.6 }),
      make("path", { d: through(found.centre.map(at)), fill: "none", stroke: INK, "stroke-dasharray": "5 4" }),
      make("path", { d: dots, stroke: GREY, "stroke-width": 6, "stroke-linecap": "round", "stroke-opacity": 0.7 }),
      make("path", { d: ring(found.centre.at(-1), covariance, at), fill: "none", stroke: THIRD, "stroke-width": 2 }),
      make("path", { d: "M-6 0L0-6L6 0L0 6Z", transform: `translate(${centre})`, fill: PAPER, stroke: INK }),
      make("path", { d: "M-7-7L7 7M-7 7L7-7", transform: `translate(${cross})`, stroke: INK, "stroke-width": 2.5 }),
    ];
    if (found.estimate) {
      const [u, v] = at(found.estimate);
      parts.push(make("rect", { x: u - 5, y: v - 5, width: 10, height: 10, fill: INK, stroke: PAPER }));
    }
    plane.replaceChildren(...parts,
      make("text", { x: 6, y: PLANE.height - 6 }, "first two components of the estimate"));
    set(plane, { "aria-label": "Estimates of single runs around the truncated series, and the truth. " + words() });
  }

  function drawErrors() {
    const size = norm(found.truth);
    const single = (path) => path.map((x) => norm(plus(x, -1, found.truth)) / size);
    chart.replaceChildren(
      ...found.runs.slice(0, SHOWN).map((path) => curve(single(path), { stroke: RULE })),
      curve(found.typical, { stroke: THIRD, "stroke-width": 2 }),
      curve(found.errors, { stroke: INK, "stroke-width": 2.5 }),
      curve(found.bias, { stroke: INK, "stroke-dasharray": "5 4" }),
      ...axes(PLOT, plot, {
        across: "step",
        up: "relative error",
        corner: [0, -2],
        ticksAcross: [1, 3, 10, 30, 100].map((k) => [Math.log10(k), `${k}`]),
        ticksUp: [[1, "10"], [0, "1"], [-1, "0.1"], [-2, "0.01"]],
      }),
    );
    set(chart, { "aria-label": "Relative error against step, logarithmic axes. " + words() });
  }

  function multiple(scale) {
    const [over, under] = [short(scale / M), short(M / scale)];
    return `${scale.toPrecision(2)} (${over === "1" ? "M" : scale > M ? `${over} M` : `M / ${under}`})`;
  }

  function words() {
    const { bias, typical, diverged, errors, spread, residual } = found;
    const { scale, depth, repeats } = state;
    const ends = `Scale ${short(scale)}, depth ${depth}: ${short(bias.at(-1))} of the solution's length is ` +
      `missing on average (bias); the typical error of a mean over ${repeats} is ${short(typical.at(-1))}.`;
    const steps = found.means.length - 1;
    if (diverged) return `${ends} ${diverged} of ${repeats} runs diverged, the first after ${steps} steps.`;
    const bar = spread === null ? "" : `, which the spread takes for ${short(spread)}`;
    return `${ends} This mean: error ${short(errors.at(-1))}${bar}; residual ${short(residual)}.`;
  }

  function speak() {
    const remedy = found.growth < 1 ? "" : ` At this scale every step multiplies the variance by ` +
      `${found.growth.toFixed(2)}: some examples are too curved. Any scale above M / 2 = ${short(M / 2)} will do.`;
    says.textContent = words() + remedy;
  }

  /** Let Python see what the reader did. */
  function tell() {
    for (const name of knobs) model.set(name, state[name]);
    model.set("estimate", found.estimate ?? []);
    model.save_changes();
  }
  function changed(change) {
    Object.assign(state, change);
    update();
    tell();
  }

  const scales = slider("scale", OCTAVES.map((k) => M * 2 ** k), multiple, (scale) => changed({ scale }));
  const depths = slider("depth", DEPTHS, String, (depth) => changed({ depth }));
  const repeats = slider("repeats", REPEATS, String, (k) => changed({ repeats: k }));
  scales.set(state.scale);
  depths.set(state.depth);
  repeats.set(state.repeats);
  show(el, {
    intro: "Grey: single runs. Square and solid line: their mean. Dashed: the truncated series, on which they are right " +
      "on average. Purple: where such means lie (two standard deviations), and their typical error. Cross: the " +
      "solution. M is the largest curvature of any example.",
    stage: plane, says, controls: [scales.element], plots: [chart],
    more: [depths.element, repeats.element, button("draw again", () => changed({ seed: state.seed + 1 }))], reset,
  });
  update();
}

export default { render: again(render) };
