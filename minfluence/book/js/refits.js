// The plane of theta in which steps to a refit are drawn, with level lines of the risk.

import { LOSSES, withOne } from "./linear.js";
import { dot, make, norm, plus, through } from "./shared.js";

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
