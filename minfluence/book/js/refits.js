// The plane of theta in which steps to a refit are drawn, with level lines of the risk.

import { LOSSES, withOne } from "./linear.js";
import { dot, label, norm, plus } from "./shared.js";

export const STRETCH = 4; // across the step, or the bend of the way could not be seen

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
 * where. The direction across is drawn larger, so rays are even on the screen.
 */
export function levelLines(problem, minimum, { along, across }, heights) {
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
    const ray = [Math.cos(angle), Math.sin(angle) / STRETCH];
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

/** What of the plane is shown, in a box: the way from low to high along the step, with room around it. */
export function framed(along, middle, share, { width, height }) {
  const [low, high] = [Math.min(...along), Math.max(...along)];
  const room = share * (high - low);
  const half = ((high - low + 2 * room) * height) / width / STRETCH / 2;
  return { x: [low - room, high + room], y: [middle - half, middle + half] };
}

/** Says that the two directions are drawn differently. */
export const stretched = ({ width, height }) =>
  label(width - 4, height - 6, `upwards drawn ${STRETCH} times larger`, { "text-anchor": "end", class: "quiet" });
