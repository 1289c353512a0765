// Logistic regression in the plane, for the pictures that fit it again while you move something.
//
// A training point is {x: [x1, x2], y: -1 or +1}; theta has three entries, the last the intercept.

import { dot, matrix, solve } from "./shared.js";

export const withOne = ({ x }) => [x[0], x[1], 1];

/** log(1 + e^t), safe for any t. */
export const softplus = (t) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
export const sigmoid = (t) => (t >= 0 ? 1 / (1 + Math.exp(-t)) : Math.exp(t) / (1 + Math.exp(t)));

/** Loss of one point, without penalty. */
export const loss = (theta, point) => softplus(-point.y * dot(theta, withOne(point)));

/** Gradient of one point's loss, without penalty. */
export function lossGradient(theta, point) {
  const x = withOne(point);
  const slope = -point.y * sigmoid(-point.y * dot(theta, x));
  return x.map((v) => slope * v);
}

/** Risk, gradient and Hessian; every point has its weight and its share of the penalty. */
export function risk(theta, points, weights, l2) {
  let [value, total] = [0, 0];
  const g = [0, 0, 0];
  const H = matrix(3, () => 0);
  points.forEach((point, i) => {
    const w = weights[i];
    if (w === 0) return;
    const x = withOne(point);
    const p = sigmoid(-point.y * dot(theta, x));
    value += w * loss(theta, point);
    total += w;
    for (let a = 0; a < 3; a++) {
      g[a] -= w * point.y * p * x[a];
      for (let b = 0; b < 3; b++) H[a][b] += w * p * (1 - p) * x[a] * x[b];
    }
  });
  for (let a = 0; a < 3; a++) {
    g[a] += total * l2 * theta[a];
    H[a][a] += total * l2;
  }
  return { value: value + (total * l2 * dot(theta, theta)) / 2, g, H };
}

/** Minimise the risk by Newton's method; a step that does not go downhill is halved. */
export function fit(points, weights, l2, theta = [0, 0, 0]) {
  let now = risk(theta, points, weights, l2);
  for (let step = 0; step < 100 && Math.hypot(...now.g) > 1e-13; step++) {
    const d = solve(now.H, now.g);
    let [size, next, then] = [1];
    do {
      next = theta.map((t, a) => t - size * d[a]);
      then = risk(next, points, weights, l2);
      size /= 2;
    } while (then.value > now.value + 1e-15 && size > 1e-8);
    [theta, now] = [next, then];
  }
  return theta;
}

/** Where theta's score is zero: from one edge of the rectangle {x, y} to the other. */
export function boundary([a, b, c], { x, y }) {
  return Math.abs(b) > Math.abs(a)
    ? x.map((v) => [v, -(a * v + c) / b])
    : y.map((v) => [-(b * v + c) / a, v]);
}
