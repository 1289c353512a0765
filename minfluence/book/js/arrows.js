// Chapter 3's explorable: move a training point, and compare the slope KL (5) with what training again
// finds. Mathematics first, as in the book; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import { boundary, fit, loss, lossGradient, risk, sigmoid, weighted, withOne } from "./linear.js";
import {
  again, arrow, axes, button, coordinates, crossed, dot, GREY, HARMS, HELPS, INK, kind, label, make, mark, movable, norm,
  PAPER, picture, plus, pointsOf, set, show, signed, solve, testOf, THIRD, through,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

/** H⁻¹ times the gradient of the test loss. */
function solved(theta, points, test, l2) {
  return solve(risk(theta, points, weighted(points), l2).H, lossGradient(theta, test));
}

/** KL (5) for one training point, its two features only: change of the test loss per unit of weight. */
export function pertLoss(theta, sTest, point) {
  const x = withOne(point);
  const s = point.y * dot(theta, x);
  const where = point.y * sigmoid(-s); // which way it pulls
  const hard = -sigmoid(s) * sigmoid(-s) * dot(sTest, x); // how hard
  return [0, 1].map((k) => where * sTest[k] + hard * theta[k]);
}

const STEPS = 24;

/**
 * Everything the picture shows. Point `moved` came from `home`, where the model was fitted: predictions
 * start there. The arrows belong to the model fitted again, with all points where they are now.
 */
export function explore({ points, test, l2, moved, home }) {
  const n = points.length;
  const even = weighted(points);
  const withMoved = (x) => points.map((p, i) => (i === moved ? { ...p, x } : p));
  const before = withMoved(home);
  const theta = fit(before, even, l2);
  const sTest = solved(theta, before, test, l2);
  const slope = pertLoss(theta, sTest, before[moved]);
  const lossBefore = loss(theta, test);
  const push = lossGradient(theta, before[moved]);

  /** KL (5), KL (3) and training again, for the point moved to x. */
  const compare = (x, start = theta) => {
    const again = fit(withMoved(x), even, l2, start);
    const change = plus(lossGradient(theta, { ...before[moved], x }), -1, push);
    return {
      kl5: dot(slope, plus(x, -1, home)) / n,
      kl3: -dot(sTest, change) / n,
      refit: loss(again, test) - lossBefore,
      theta: again,
    };
  };

  const now = compare(points[moved].x);
  const delta = plus(points[moved].x, -1, home);
  const distance = norm(delta);
  const along = distance > 1e-9 ? delta : slope; // not moved yet: along its arrow
  const unit = along.map((v) => v / (norm(along) || 1));
  const reach = Math.max(2, 1.25 * distance);
  const way = [{ far: 0, ...compare(home) }];
  for (let k = 1; k <= STEPS; k++) {
    const far = (reach * k) / STEPS;
    way.push({ far, ...compare(plus(home, far, unit), way[k - 1].theta) });
  }
  const off = way.findIndex(({ kl5, refit }, k) => k > 0 && Math.abs(kl5 - refit) > 0.1 * Math.abs(refit));
  const carries = way[off < 0 ? STEPS : off - 1].far;

  const sNow = solved(now.theta, points, test, l2);
  const arrows = points.map((point) => pertLoss(now.theta, sNow, point));
  return { ...now, slope, distance, reach, way, carries, carriesOn: off < 0, arrows, before: lossBefore };
}

// --- The picture ----------------------------------------------------------------------------------

const PLANE = { width: 380, height: 340, x: [-3.8, 3.8], y: [-3.4, 3.4] };
const PLOT = { width: 280, height: 250, margin: 48 };
const plane = coordinates(PLANE);
const SCALE = 8; // slope of the loss, per unit of weight, that is drawn one unit long
const LONGEST = 2.2;

/** An arrow from x, as a path with its head; none where it would be shorter than its head. */
function along(x, vector) {
  const length = Math.min(norm(vector) / SCALE, LONGEST);
  const ends = [x, plus(x, length / (norm(vector) || 1), vector)].map(plane.toScreen);
  const size = norm(plus(ends[1], -1, ends[0]));
  if (size < 3) return "";
  const { shaft, head } = arrow(...ends, Math.min(7, size / 2), 0.6);
  return shaft + head;
}

/** Three or four round numbers between `low` and `high`. */
function ticks(low, high) {
  const rough = (high - low) / 4;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((k) => k * ten >= rough) * ten;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => +((first + k) * step).toPrecision(6));
}

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const [points, test] = [pointsOf(model), testOf(model)];
  const moved = model.get("selected");
  const state = { points, test, l2: model.get("l2"), moved, home: [...points[moved].x] };
  const n = points.length;
  let selected = moved; // n is the cross
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": "Training points in the plane, each with an arrow. Arrow keys move the selected one.",
  });
  const line = make("path", { stroke: INK, "stroke-width": 1.5 });
  const path = make("path", { stroke: GREY, "stroke-dasharray": "4 3" });
  const start = make("circle", { r: 5, fill: "none", stroke: INK, "stroke-width": 1.5 });
  const up = make("path", { stroke: HARMS, fill: "none", "stroke-width": 2, "pointer-events": "none" });
  const down = make("path", { stroke: HELPS, fill: "none", "stroke-width": 2, "pointer-events": "none" });
  const marks = [...points.keys(), n].map(handle);
  view.append(line, path, start, ...marks, up, down);
  const plot = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });

  function update() {
    found = explore(state);
    drawPlane();
    drawPlot();
    says.textContent = words();
  }

  function drawPlane() {
    const here = points[state.moved].x;
    set(line, { d: through(boundary(found.theta, PLANE).map(plane.toScreen)) });
    set(path, { d: through([state.home, here].map(plane.toScreen)) });
    const [cx, cy] = plane.toScreen(state.home);
    set(start, { cx, cy });
    set(up, { d: points.map((p, i) => along(p.x, found.arrows[i])).join("") });
    set(down, { d: along(here, found.arrows[state.moved].map((v) => -v)) });
    marks.forEach((g, i) => {
      const point = i === n ? test : points[i];
      set(g, {
        transform: `translate(${plane.toScreen(point.x)})`,
        class: `point movable${i === selected ? " selected" : ""}`,
        tabindex: i === selected ? 0 : -1,
        "aria-label": i === n ? `Cross: the test point, a ${kind(point.y)}` : `Example ${i}, a ${kind(point.y)}`,
      });
    });
  }

  function drawPlot() {
    const { way, reach } = found;
    const inView = way.flatMap((w) => [w.kl3, w.refit]);
    const room = 0.25 * (Math.max(...inView) - Math.min(...inView)) + 1e-6;
    const [low, high] = [Math.min(...inView) - room, Math.max(...inView) + room];
    const at = coordinates({ ...PLOT, x: [0, reach], y: [low, high] });
    const curve = (name) => through(way.map((w) => at.toScreen([w.far, w[name]])));
    const lastInside = way.findLastIndex((w) => w.kl5 >= low && w.kl5 <= high);
    const tangent = way.slice(0, lastInside + 1).map((w) => at.toScreen([w.far, w.kl5]));
    const dots = [["kl5", THIRD], ["kl3", GREY], ["refit", INK]]
      .filter(([name]) => found[name] >= low && found[name] <= high)
      .map(([name, fill]) => {
        const [cx, cy] = at.toScreen([found.distance, found[name]]);
        return make("circle", { cx, cy, r: 4, fill });
      });
    set(plot, { "aria-label": "Change of the loss against the distance moved. " + words() });
    plot.replaceChildren(
      make("path", { d: curve("refit"), stroke: INK, "stroke-width": 2.5, fill: "none" }),
      make("path", { d: curve("kl3"), stroke: GREY, "stroke-width": 1.5, fill: "none" }),
      make("path", { d: through(tangent), stroke: THIRD, "stroke-width": 2, "stroke-dasharray": "5 3", fill: "none" }),
      ...dots,
      ...names(at, tangent),
      ...axes(PLOT, at, {
        across: "distance moved", up: "change of the loss", corner: [0, low],
        ticksAcross: [[0, "0"], [1, "1"], ...(reach > 2.2 ? [[2, "2"]] : [])],
        ticksUp: ticks(low, high).map((v) => [v, v === 0 ? "0" : String(v).replace("-", "−")]),
      }),
    );
  }

  /** The lines' names at their ends, none on another. */
  function names(at, tangent) {
    const last = found.way.at(-1);
    const end = (name) => at.toScreen([last.far, last[name]]);
    const places = [["again", ...end("refit"), INK], ["KL (3)", ...end("kl3"), GREY], ["KL (5)", ...tangent.at(-1), THIRD]];
    places.sort((a, b) => a[2] - b[2]);
    places.forEach((place, k) => { place[2] = Math.max(place[2] - 5, k ? places[k - 1][2] + 14 : 12); });
    return places.map(([name, u, v, fill]) => label(u - 2, v, name, { "text-anchor": "end", fill, style: `fill: ${fill}` }));
  }

  function words() {
    const i = state.moved;
    const by = plus(points[i].x, -1, state.home);
    const carry = found.carries === 0
      ? "In this direction KL (5) is more than a tenth off almost at once."
      : `In this direction KL (5) stays within a tenth of the truth up to a distance of ${found.carries.toFixed(1)}` +
        `${found.carriesOn ? " and farther" : ""}.`;
    const who = `Example ${i}, a ${kind(points[i].y)},`;
    const before = found.before.toFixed(3);
    if (found.distance < 1e-9) {
      return `${who} is where it was, and the loss at the cross is ${before}. Push it along its arrow. ${carry}`;
    }
    const way = by.map((v) => signed(v, 2)).join(", ");
    return `${who} was moved by (${way}). The loss at the cross, ${before} before, ` +
      `changes by ${signed(found.kl5, 3)} says KL (5), ${signed(found.kl3, 3)} says KL (3), ` +
      `${signed(found.refit, 3)} says training again. ${carry}`;
  }

  /** From now on this example is the one that moves; the others stay where they are. */
  function choose(i) {
    selected = i;
    if (i === n || i === state.moved) return;
    state.moved = i;
    state.home = [...points[i].x];
  }

  function handle(i) {
    const point = i === n ? test : points[i];
    const g = make("g", { role: "button" }, make("circle", { class: "halo", r: 13 }), i === n
      ? crossed()
      : mark(point.y, 4.5, { fill: GREY, stroke: PAPER }));
    movable(g, view, plane, {
      where(place) {
        if (place) point.x = place;
        return point.x;
      },
      step: 0.1,
      select: () => choose(i),
      update,
      done: tell,
    });
    g.addEventListener("focus", () => {
      if (selected === i) return;
      choose(i);
      update();
    });
    return g;
  }

  function next(by) {
    choose((selected + by + n + 1) % (n + 1));
    update();
    tell();
  }
  /** A quarter of a unit along the arrow, or against it. */
  function push(sign) {
    const i = selected = state.moved;
    const vector = found.arrows[i];
    points[i].x = plane.inside(plus(points[i].x, (sign * 0.25) / (norm(vector) || 1), vector));
    update();
    tell();
  }
  function back() {
    points[state.moved].x = [...state.home];
    update();
    tell();
  }
  /** Let Python see what the reader did. */
  function tell() {
    model.set("X", points.map((p) => p.x));
    model.set("test", [...test.x, test.y]);
    model.set("selected", state.moved);
    model.set("predicted", [found.kl5, found.kl3]);
    model.set("actual", [found.refit]);
    model.save_changes();
  }

  show(el, {
    intro: "Each orange arrow shows which way to push a training point to raise the loss at the cross; a long arrow " +
      "means much. The chosen point shows the way down too, in blue. Drag it, or the cross.",
    stage: view, says,
    controls: [button("push along the arrow", () => push(1)), button("push against it", () => push(-1))],
    plots: [plot],
    more: [
      button("put it back", back),
      button("previous example", () => next(-1)),
      button("next example", () => next(1)),
    ],
    reset,
  });
  update();
}

export default { render: again(render) };
