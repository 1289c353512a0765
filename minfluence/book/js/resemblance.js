// Chapter 4's explorable: which training points does the model take for similar to the test point?
// Mathematics first, as in the book; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import { boundary, fit, loss, risk, sigmoid, weighted, withOne } from "./linear.js";
import {
  again, agreement, axes, choice, coordinates, crossed, dot, GREY, HARMS, HELPS, INK, kind, make, mark, movable, norm,
  PAPER, picture, plus, pointsOf, RULE, set, show, slider, testOf, through, times,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

/**
 * x̃ᵀ M x̃' for points with a 1 appended, as `own` + (x - centre)ᵀ A (x' - centre) in the plane.
 *
 * With M = H⁻¹ this is Schur's complement: `own` is one over H's last diagonal entry, and the centre is
 * the mean of the points, each weighted by its curvature (and drawn a little to 0 by the penalty).
 */
export function planar(H) {
  const own = 1 / H[2][2];
  const centre = [H[0][2] * own, H[1][2] * own];
  const [a, b, d] = [[0, 0], [0, 1], [1, 1]].map(([i, j]) => H[i][j] - H[i][2] * centre[j]);
  const det = a * d - b * b;
  return { own, centre, A: [[d / det, -b / det], [-b / det, a / det]] };
}

/** The plain inner product of points with a 1 appended, in the same form. */
export const PLAIN = { own: 1, centre: [0, 0], A: [[1, 0], [0, 1]] };

/** How much x resembles the test point, to one of the two yardsticks. */
export function resemblance({ own, centre, A }, x, test) {
  return own + dot(times(A, plus(x, -1, centre)), plus(test, -1, centre));
}

/** A to the power t, for a symmetric 2 x 2 matrix with positive eigenvalues; and these. */
export function power([[a, b], [, d]], t) {
  const [middle, half] = [(a + d) / 2, Math.hypot((a - d) / 2, b)];
  const [high, low] = [middle + half, middle - half];
  const angle = Math.atan2(2 * b, a - d) / 2; // of the direction that belongs to `high`
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const [p, q] = [high ** t, low ** t];
  return { matrix: [[p * c * c + q * s * s, (p - q) * c * s], [(p - q) * c * s, p * s * s + q * c * c]], high, low };
}

/**
 * The plane, moved by a share t of the way to where the model's yardstick is the plain one: x goes to
 * centre + A^(t/2) (x - centre), with areas kept. At t = 1 the ellipse is a circle.
 */
export function whitened({ centre, A }, t) {
  const { matrix, high, low } = power(A, t / 2);
  const keep = (high * low) ** (t / 4);
  const W = matrix.map((row) => row.map((v) => v / keep));
  const back = power(A, -t / 2).matrix.map((row) => row.map((v) => v * keep));
  return {
    to: (x) => plus(centre, 1, times(W, plus(x, -1, centre))),
    from: (u) => plus(centre, 1, times(back, plus(u, -1, centre))),
  };
}

export const KEPT = {
  "all factors": { train: true, hessian: true },
  "no train loss": { train: false, hessian: true },
  "no inverse H": { train: true, hessian: false },
  neither: { train: false, hessian: false },
};

/** What does not depend on the test point: the model, its yardstick, and the model without each point. */
export function prepare({ points, l2 }) {
  const even = weighted(points);
  const theta = fit(points, even, l2);
  const without = points.map((_, i) => fit(points, weighted(points, i, 0), l2, theta));
  return { points, theta, without, model: planar(risk(theta, points, even, l2).H) };
}

/** Everything the picture shows, for one test point. */
export function explore({ points, theta, without, model }, test, kept) {
  const { train, hessian } = KEPT[kept];
  const yardstick = hessian ? model : PLAIN;
  const alike = points.map((p) => resemblance(yardstick, p.x, test.x));
  const common = sigmoid(-test.y * dot(theta, withOne(test)));
  const scores = points.map((p, i) =>
    -test.y * p.y * common * (train ? sigmoid(-p.y * dot(theta, withOne(p))) : 1) * alike[i]);
  const before = loss(theta, test);
  const actual = without.map((t) => loss(t, test) - before);
  const { pearson } = agreement(scores.map((s) => -s), actual);
  const self = resemblance(yardstick, test.x, test.x);
  return { yardstick, alike, scores, actual, pearson, self };
}

// --- The picture ----------------------------------------------------------------------------------

const PLANE = { width: 400, height: 370, x: [-4.4, 4.4], y: [-4.07, 4.07] };
const PLOT = { width: 280, height: 240, margin: 30 };
const plane = coordinates(PLANE);
const FAR = 40;

/** The ellipse through the test point, around the centre of a yardstick, as points of the plane. */
function ellipse({ centre, A }, test) {
  const away = plus(test, -1, centre);
  const size = Math.sqrt(dot(away, times(A, away)));
  const root = power(A, -0.5).matrix;
  return Array.from({ length: 73 }, (_, k) => {
    const angle = (2 * Math.PI * k) / 72;
    return plus(centre, size, times(root, [Math.cos(angle), Math.sin(angle)]));
  });
}

/** Where the resemblance is `level`: two points far out on that line, and the direction of more. */
function levelLine(yardstick, test, level) {
  const more = times(yardstick.A, plus(test, -1, yardstick.centre));
  const length = norm(more) || 1;
  const unit = more.map((v) => v / length);
  const foot = plus(yardstick.centre, (level - yardstick.own) / length, unit);
  const ends = [-FAR, FAR].map((far) => plus(foot, far, [-unit[1], unit[0]]));
  return { ends, unit };
}

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const [points, test] = [pointsOf(model), testOf(model)];
  const fitted = prepare({ points, l2: model.get("l2") });
  let [share, kept] = [model.get("whitening"), model.get("kept")];
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": "Training points in the plane. Arrow keys move the cross, the test point.",
  });
  const [alike, beyond] = [0.1, 0.16].map((opacity) => make("path", { fill: GREY, "fill-opacity": opacity }));
  const edge = make("path", { stroke: GREY, "stroke-width": 1.5, "stroke-dasharray": "5 4" });
  const tangent = make("path", { stroke: INK, "stroke-width": 1.5 });
  const oval = make("path", { stroke: INK, "stroke-width": 1.5, fill: "none" });
  const middle = make("path", { d: "M-5 0H5M0-5V5", stroke: INK, "stroke-width": 1.5 });
  const line = make("path", { stroke: INK, "stroke-width": 1.2, "stroke-dasharray": "1 3" });
  const marks = points.map(() => make("g", { class: "mark" }));
  const cross = make("g", { class: "point movable selected", role: "button", tabindex: 0 },
    make("circle", { class: "halo", r: 14 }),
    crossed());
  view.append(alike, beyond, edge, line, oval, tangent, middle, ...marks, cross);
  const plot = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });

  function update() {
    found = explore(fitted, test, kept);
    draw();
    drawPlot();
    says.textContent = words();
  }

  function draw() {
    const { to } = whitened(fitted.model, share);
    const at = (x) => plane.toScreen(to(x));
    const zero = levelLine(found.yardstick, test.x, 0);
    const own = levelLine(found.yardstick, test.x, found.self);
    const side = ({ ends: [a, b], unit }) => through([a, b, plus(b, FAR, unit), plus(a, FAR, unit)].map(at)) + "Z";
    set(alike, { d: side(zero) });
    set(beyond, { d: side(own) });
    set(edge, { d: through(zero.ends.map(at)) });
    set(tangent, { d: through(own.ends.map(at)) });
    set(oval, { d: through(ellipse(found.yardstick, test.x).map(at)) });
    set(line, { d: through(boundary(fitted.theta, { x: [-FAR, FAR], y: [-FAR, FAR] }).map(at)) });
    set(middle, { transform: `translate(${at(found.yardstick.centre)})` });
    const largest = Math.max(...found.scores.map(Math.abs), 1e-12);
    marks.forEach((g, i) => {
      const radius = 2 + 11 * Math.sqrt(Math.abs(found.scores[i]) / largest);
      set(g, { transform: `translate(${at(points[i].x)})` });
      g.replaceChildren(mark(points[i].y, radius, {
        fill: found.scores[i] < 0 ? HELPS : HARMS, stroke: PAPER, "fill-opacity": 0.8,
      }));
    });
    set(cross, { transform: `translate(${at(test.x)})`, "aria-label": `Cross: the test point, a ${kind(test.y)}` });
  }

  /** Every point: what the factors that are kept predict, and what a refit finds. */
  function drawPlot() {
    const n = points.length;
    const predicted = found.scores.map((s) => -s / n);
    const span = (values) => {
      const [low, high] = [Math.min(...values, 0), Math.max(...values, 0)];
      const room = (high - low || 1) / 12;
      return [low - room, high + room];
    };
    const [x, y] = [span(predicted), span(found.actual)];
    const at = coordinates({ ...PLOT, x, y });
    const [u, v] = at.toScreen([0, 0]);
    const ends = [Math.max(x[0], y[0]), Math.min(x[1], y[1])];
    plot.replaceChildren(
      make("path", { d: `M${PLOT.margin} ${v}H${PLOT.width - 8}M${u} 8V${PLOT.height - PLOT.margin}`, stroke: RULE }),
      make("path", { d: through(ends.map((end) => at.toScreen([end, end]))), stroke: GREY, "stroke-dasharray": "4 4" }),
      ...axes(PLOT, at, { across: "predicted by the factors kept", up: "actual change" }),
      ...points.map((point, i) => make("g", { transform: `translate(${at.toScreen([predicted[i], found.actual[i]])})` },
        mark(point.y, 3.5, { fill: predicted[i] < 0 ? HARMS : HELPS, stroke: PAPER }))),
    );
    set(plot, { "aria-label": `Actual change of the loss against the prediction by ${kept}, for ${n} points: Pearson ` +
      `${found.pearson.toFixed(2)}. Dashed: where the two are equal.` });
  }

  function words() {
    const own = points.map((p) => p.y === test.y);
    const count = (of) => points.filter((_, i) => of(i)).length;
    const near = count((i) => found.alike[i] > found.self);
    const same = count((i) => own[i] && found.alike[i] > 0);
    const other = count((i) => !own[i] && found.alike[i] < 0);
    const name = kind(test.y);
    const who = found.yardstick === PLAIN ? "The plain inner product" : "The model";
    const { high, low } = power(fitted.model.A, 1);
    const ratio = Math.sqrt(high / low) ** (1 - share);
    const shape = share === 1 ? "is a circle" : `is ${ratio.toFixed(2)} times as long as wide`;
    return `${who} finds ${same} of ${count((i) => own[i])} ${name}s like the cross, which is a ${name}: ` +
      `these help, the others harm. Of the ${kind(-test.y)}s ${other} help, being unlike it. ` +
      `${near} of ${points.length} points lie beyond the tangent. Scores with ${kept}: Pearson with ` +
      `${points.length} refits ${found.pearson.toFixed(2)}. In this plane the model's ellipse ${shape}.`;
  }

  movable(cross, view, plane, {
    where(place) {
      const { to, from } = whitened(fitted.model, share);
      if (place) test.x = from(place);
      return to(test.x);
    },
    step: 0.1,
    update,
    done: tell,
  });

  const tenths = Array.from({ length: 11 }, (_, k) => k / 10);
  const whitening = slider("whitening", tenths, (t) => t.toFixed(1), (t) => {
    share = t;
    update();
    tell();
  });
  whitening.set(share);
  const factors = choice("Factors kept: ", Object.keys(KEPT), (name) => {
    kept = name;
    update();
    tell();
  });
  factors.set(kept);

  /** Let Python see what the reader did. */
  function tell() {
    model.set("test", [...test.x, test.y]);
    model.set("whitening", share);
    model.set("kept", kept);
    model.set("predicted", found.scores.map((s) => -s / points.length));
    model.set("actual", found.actual);
    model.save_changes();
  }

  show(el, {
    intro: "Drag the cross. Blue points help it, orange points harm it; larger is more. Grey ground: what is like the " +
      "cross. The line through the cross touches the ellipse: darker ground beyond it is more like the cross than the " +
      "cross itself. Dots: the decision boundary.",
    stage: view, says, controls: [factors.element, whitening.element], plots: [plot], reset,
  });
  update();
}

export default { render: again(render) };
