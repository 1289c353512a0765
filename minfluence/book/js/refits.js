// Refits in the plane: a model of two features and an intercept, fitted again with one example's
// weight changed; steps on the way there, and the plane of theta in which they are drawn.

import { dot, make, matrix, norm, plus, solve, through } from "./shared.js";

// --- A model whose examples have weights -----------------------------------------------------------
// An example is {x: [x1, x2], y: -1 or +1}; theta has three entries, the last the intercept.

export const withOne = ({ x }) => [x[0], x[1], 1];

/** log(1 + e^t), safe for any t. */
const softplus = (t) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
const sigmoid = (t) => (t >= 0 ? 1 / (1 + Math.exp(-t)) : Math.exp(t) / (1 + Math.exp(t)));

/** Losses of a score, with their slope and curvature in it. */
export const LOSSES = {
  logistic: {
    value: (score, y) => softplus(-y * score),
    slope: (score, y) => -y * sigmoid(-y * score),
    curvature: (score) => sigmoid(score) * sigmoid(-score),
  },
  squared: {
    value: (score, y) => (score - y) ** 2 / 2,
    slope: (score, y) => score - y,
    curvature: () => 1,
  },
};

/** Loss of one point, without penalty. */
export const loss = (theta, point, of = LOSSES.logistic) => of.value(dot(theta, withOne(point)), point.y);

/** Gradient of one point's loss, without penalty. */
export function lossGradient(theta, point, of = LOSSES.logistic) {
  const x = withOne(point);
  const slope = of.slope(dot(theta, x), point.y);
  return x.map((v) => slope * v);
}

/** Risk, gradient and Hessian; every point has its weight and its share of the penalty. */
export function risk(theta, points, weights, l2, of = LOSSES.logistic) {
  let [value, total] = [0, 0];
  const g = [0, 0, 0];
  const H = matrix(3, () => 0);
  points.forEach((point, i) => {
    const w = weights[i];
    if (w === 0) return;
    const x = withOne(point);
    const score = dot(theta, x);
    const [slope, curvature] = [of.slope(score, point.y), of.curvature(score, point.y)];
    value += w * of.value(score, point.y);
    total += w;
    for (let a = 0; a < 3; a++) {
      g[a] += w * slope * x[a];
      for (let b = 0; b < 3; b++) H[a][b] += w * curvature * x[a] * x[b];
    }
  });
  for (let a = 0; a < 3; a++) {
    g[a] += total * l2 * theta[a];
    H[a][a] += total * l2;
  }
  return { value: value + (total * l2 * dot(theta, theta)) / 2, g, H };
}

/** Minimise the risk by Newton's method; a step that does not go downhill is halved. */
export function fit(points, weights, l2, theta = [0, 0, 0], of = LOSSES.logistic) {
  let now = risk(theta, points, weights, l2, of);
  for (let step = 0; step < 100 && norm(now.g) > 1e-13; step++) {
    const d = solve(now.H, now.g);
    let [size, next, then] = [1];
    do {
      next = plus(theta, -size, d);
      then = risk(next, points, weights, l2, of);
      size /= 2;
    } while (then.value > now.value + 1e-15 && size > 1e-8);
    [theta, now] = [next, then];
  }
  return theta;
}

/** All weights 1/n, but that of example i is w/n: 0 leaves it out, 2 doubles it. */
export const weighted = (points, i, w) => points.map((_, j) => (j === i ? w : 1) / points.length);

// --- The plane of theta ----------------------------------------------------------------------------

/** A unit vector along v, made orthogonal to `other`; any such one where nothing is left of v. */
function direction(v, other = null) {
  const apart = (u) => (other ? plus(u, -dot(u, other), other) : u);
  const rest = apart(v);
  if (norm(rest) > 1e-9) return rest.map((t) => t / norm(rest));
  const axis = other.map((t) => (Math.abs(t) === Math.min(...other.map(Math.abs)) ? 1 : 0));
  return direction(axis, other);
}

/** The plane through theta in which the `step` lies, and how the `refit` deviates from it. */
export function planeOf(theta, step, refit) {
  const along = direction(step);
  const across = direction(plus(refit, -1, theta), along);
  const to = (t) => [dot(along, plus(t, -1, theta)), dot(across, plus(t, -1, theta))];
  return { along, across, to };
}

/**
 * Level lines of the risk around its minimum, as points of the plane relative to it.
 *
 * The risk is convex: on each ray from the minimum it reaches a height once, and Newton's method finds
 * where. `stretch` is how much larger the direction across is drawn, so that rays are even on the screen.
 */
export function levelLines(problem, minimum, { along, across }, heights, stretch) {
  const { points, weights, l2, of = LOSSES.logistic } = problem;
  const scores = points.map((p) => dot(minimum, withOne(p)));
  const total = weights.reduce((s, w) => s + w, 0);
  const sum = (term) => points.reduce((s, p, i) => (weights[i] ? s + weights[i] * term(p.y, i) : s), 0);
  const bottom = sum((y, i) => of.value(scores[i], y));
  const rise = (r, d, rates) => sum((y, i) => of.value(scores[i] + r * rates[i], y)) - bottom +
    total * l2 * (r * dot(minimum, d) + (r * r * dot(d, d)) / 2);
  const steepness = (r, d, rates) => sum((y, i) => rates[i] * of.slope(scores[i] + r * rates[i], y)) +
    total * l2 * (dot(minimum, d) + r * dot(d, d));
  const bend = (d, rates) => sum((y, i) => rates[i] ** 2 * of.curvature(scores[i], y)) + total * l2 * dot(d, d);
  const lines = heights.map(() => []);
  for (let k = 0; k < 72; k++) {
    const angle = (2 * Math.PI * k) / 72;
    const ray = [Math.cos(angle), Math.sin(angle) / stretch];
    const d = plus(along.map((v) => v * ray[0]), ray[1], across);
    const rates = points.map((p) => dot(d, withOne(p)));
    let r = 0;
    heights.forEach((height, line) => {
      for (let step = 0; step < 20; step++) {
        const by = r === 0 // there is no slope at the minimum: begin with the parabola
          ? Math.sqrt((2 * height) / bend(d, rates))
          : (height - rise(r, d, rates)) / steepness(r, d, rates);
        r += by;
        if (Math.abs(by) < 1e-3 * r) break;
      }
      lines[line].push([r * ray[0], r * ray[1]]);
    });
  }
  return lines;
}

/** An arrow on the screen. */
export function arrow([u, v], [x, y], attributes, size = 8) {
  const length = Math.hypot(x - u, y - v) || 1;
  const [a, b] = [((x - u) / length) * size, ((y - v) / length) * size];
  const head = [[x - a - b / 2, y - b + a / 2], [x, y], [x - a + b / 2, y - b - a / 2]];
  const d = length > 1 ? through([[u, v], [x, y]]) + through(head) : through([[u, v], [x, y]]);
  return make("path", { d, fill: "none", "stroke-linejoin": "round", "stroke-linecap": "round", ...attributes });
}
