// A linear model in the plane, for the pictures that fit it again while something is moved.
//
// An example is {x: [x1, x2], y: -1 or +1} and has a weight; theta has three entries, the last the intercept.

import { dot, matrix, norm, plus, solve } from "./shared.js";

export const withOne = ({ x }) => [x[0], x[1], 1];

/** log(1 + e^t), safe for any t. */
export const softplus = (t) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
export const sigmoid = (t) => (t >= 0 ? 1 / (1 + Math.exp(-t)) : Math.exp(t) / (1 + Math.exp(t)));

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

/** All weights 1/n, but that of an example i, if one is named, is w/n: 0 leaves it out, 2 doubles it. */
export const weighted = (points, i = -1, w = 1) => points.map((_, j) => (j === i ? w : 1) / points.length);

/** Where theta's score is zero: from one edge of the rectangle {x, y} to the other. */
export function boundary([a, b, c], { x, y }) {
  return Math.abs(b) > Math.abs(a)
    ? x.map((v) => [v, -(a * v + c) / b])
    : y.map((v) => [-(b * v + c) / a, v]);
}
