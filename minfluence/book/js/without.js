// Tap training points away, one or several: what the sum of their scores says, and what a refit without
// them finds. Mathematics first, as in the book; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import { boundary, fit, loss, lossGradient, risk, weighted } from "./linear.js";
import {
  again, axes, button, coordinates, crossed, dot, GREY, HARMS, HELPS, INK, kind, label, make, mark, PAPER, picture, plus,
  pointsOf, RULE, set, show, signed, solve, testOf, through,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

/** The model with all points, and what influence says about each. */
export function prepare({ points, test, l2 }) {
  const weights = weighted(points);
  const theta = fit(points, weights, l2);
  const sTest = solve(risk(theta, points, weights, l2).H, lossGradient(theta, test));
  const predicted = points.map((p) => dot(sTest, plus(lossGradient(theta, p), l2, theta)) / points.length);
  return { points, test, l2, theta, predicted, before: loss(theta, test) }; // predicted: - I_up,loss / n
}

/** The change of the test loss without the points `gone`: the sum of their scores, and a refit. */
export function explore({ points, test, l2, theta, predicted, before }, gone) {
  const weights = points.map((_, i) => (gone.includes(i) ? 0 : 1 / points.length));
  const refit = gone.length ? fit(points, weights, l2, theta) : theta;
  return { refit, predicted: gone.reduce((sum, i) => sum + predicted[i], 0), actual: loss(refit, test) - before };
}

/** Which of the places lie within a closed way: a ray from each crosses it an odd number of times. */
export function within(way, places) {
  const crosses = ([u, v], [a, b], [c, d]) => b > v !== d > v && u < a + ((v - b) / (d - b)) * (c - a);
  const count = (place) => way.filter((corner, k) => crosses(place, corner, way.at(k - 1))).length;
  return places.flatMap((place, i) => (count(place) % 2 ? [i] : []));
}

/** The point that is nearest to `from` and still there. */
export function nextTo(points, gone, from) {
  const far = (i) => Math.hypot(...plus(points[i].x, -1, points[from].x));
  const left = [...points.keys()].filter((i) => !gone.includes(i));
  return left.reduce((a, b) => (far(b) < far(a) ? b : a));
}

// --- The picture ----------------------------------------------------------------------------------

const FEWEST = 4; // points that stay
const PLANE = { width: 380, height: 300, x: [-3.8, 3.8], y: [-3, 3] };
const BARS = { width: 280, height: 66 };
const PLOT = { width: 280, height: 250, margin: 46 };
const plane = coordinates(PLANE);
const drawn = (theta) => through(boundary(theta, PLANE).map(plane.toScreen));
const colour = (change) => (change < 0 ? HARMS : HELPS);

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const points = pointsOf(model);
  const n = points.length;
  const many = model.get("many");
  const fitted = prepare({ points, test: testOf(model), l2: model.get("l2") });
  const alone = points.map((_, i) => explore(fitted, [i]));
  const order = [...points.keys()].sort((a, b) => Math.abs(alone[b].actual) - Math.abs(alone[a].actual));
  const largest = Math.max(...alone.map(({ actual }) => Math.abs(actual)), 1e-12);
  const tried = new Map(); // what the reader saw: members -> prediction and truth
  let gone = model.get("gone");
  let here = gone.at(-1) ?? order[0]; // the last point that was tapped, or reached by keys
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": "Training points in the plane. Arrow keys go from one to the next, Enter takes it away or puts it back.",
  });
  const ground = make("rect", { class: "ground", width: PLANE.width, height: PLANE.height, fill: "transparent" });
  const before = make("path", { d: drawn(fitted.theta), stroke: GREY, "stroke-width": 1.5, "stroke-dasharray": "5 4" });
  const now = make("path", { stroke: INK, "stroke-width": 2, fill: "none" });
  const lasso = make("path", { fill: INK, "fill-opacity": 0.06, stroke: INK, "stroke-dasharray": "3 3", "pointer-events": "none" });
  const marks = points.map((_, i) => tap(i));
  view.append(ground, before, now, ...marks,
    crossed(8, { transform: `translate(${plane.toScreen(fitted.test.x)})`, "pointer-events": "none" }), lasso);
  const bars = picture("bars", BARS, { role: "img" });
  const plot = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });

  function update() {
    found = explore(fitted, gone);
    if (gone.length) tried.set([...gone].sort((a, b) => a - b).join(), { ...found, size: gone.length });
    drawPlane();
    drawBars();
    drawPlot();
    speak();
  }

  function drawPlane() {
    set(now, { d: drawn(found.refit) });
    points.forEach((point, i) => {
      const [away, seen] = [gone.includes(i), many || tried.has(`${i}`)];
      const effect = alone[i].actual;
      const radius = seen ? 3 + 10 * Math.sqrt(Math.abs(effect) / largest) : 5;
      const fill = seen ? colour(effect) : GREY;
      set(marks[i], {
        transform: `translate(${plane.toScreen(point.x)})`,
        class: `point tap${i === here ? " selected" : ""}`,
        tabindex: i === here ? 0 : -1,
        "aria-pressed": away,
        "aria-label": `Example ${i}, a ${kind(point.y)}, ${away ? "gone" : "there"}`,
      });
      const look = away
        ? { fill: PAPER, stroke: fill, "stroke-width": 2, "stroke-dasharray": "3 2" }
        : { fill, stroke: PAPER };
      marks[i].replaceChildren(make("circle", { class: "halo", r: Math.max(radius + 4, 12) }), mark(point.y, radius, look));
    });
  }

  /** Predicted above actual, at one scale. */
  function drawBars() {
    const most = Math.max(largest, ...[...tried.values()].flatMap((t) => [Math.abs(t.predicted), Math.abs(t.actual)]));
    const x = (v) => 146 + (v / most) * 66;
    const row = (name, value, y) => [
      label(0, y + 15, name),
      make("rect", { x: Math.min(x(0), x(value)), y, width: Math.max(Math.abs(x(value) - x(0)), 1), height: 20, fill: colour(value) }),
      label(BARS.width, y + 15, signed(value, 3), { "text-anchor": "end", "font-weight": 700 }),
    ];
    bars.replaceChildren(
      make("path", { d: `M${x(0)} 2V${BARS.height - 2}`, stroke: GREY }),
      ...row("predicted", found.predicted, 8),
      ...row("actual", found.actual, 38),
    );
    set(bars, { "aria-label": `Change of the loss at the cross: predicted ${signed(found.predicted, 3)}, ` +
      `actual ${signed(found.actual, 3)}.` });
  }

  /** All that was tried: predicted across, actual up. */
  function drawPlot() {
    const all = [...alone, ...tried.values()].flatMap(({ predicted, actual }) => [predicted, actual]);
    const [low, high] = [Math.min(...all, 0), Math.max(...all, 0)];
    const room = (high - low) / 12;
    const ends = [low - room, high + room];
    const at = coordinates({ ...PLOT, x: ends, y: ends });
    const [[u0, v0], [u, v]] = [[0, 0], [found.predicted, found.actual]].map(at.toScreen);
    const dots = [...tried].map(([members, t]) => {
      const only = t.size === 1 ? points[Number(members)].y : -1; // several: round
      const [a, b] = at.toScreen([t.predicted, t.actual]);
      return make("g", { transform: `translate(${a} ${b})` },
        mark(only, 3.5 + Math.sqrt(t.size - 1), { fill: colour(t.actual), stroke: PAPER, "fill-opacity": 0.75 }));
    });
    plot.replaceChildren(
      make("path", { d: `M${PLOT.margin} ${v0}H${PLOT.width - 8}M${u0} 8V${PLOT.height - PLOT.margin}`, stroke: RULE }),
      make("path", { d: through([[ends[0], ends[0]], [ends[1], ends[1]]].map(at.toScreen)), stroke: GREY, "stroke-dasharray": "4 4" }),
      ...axes(PLOT, at, {
        across: many ? "predicted: sum of the scores" : "predicted change of the loss",
        up: "actual change of the loss",
        corner: [ends[0], ends[0]],
        ticksAcross: [low, 0, high].map((t) => [t, t.toFixed(1).replace("-", "−")]),
        ticksUp: [low, 0, high].map((t) => [t, t.toFixed(1).replace("-", "−")]),
      }),
      ...dots,
      ...(gone.length ? [make("circle", { cx: u, cy: v, r: 9, fill: "none", stroke: INK, "stroke-width": 2 })] : []),
    );
    set(plot, { "aria-label": `Actual against predicted change of the loss for ${tried.size} ` +
      `${many ? "groups" : "examples"} that were taken away. ${change()}` });
  }

  const change = () => `Predicted ${signed(found.predicted, 3)}, actual ${signed(found.actual, 3)}.`;
  function speak() {
    const start = `The loss at the cross is ${fitted.before.toFixed(3)}`;
    const after = `${start}, without ${gone.length === 1 ? "it" : "them"} ${(fitted.before + found.actual).toFixed(3)}. `;
    const times = found.actual / found.predicted;
    const compared = times > 0 && times < 100
      ? `The truth is ${times.toFixed(2)} times the prediction.`
      : "Prediction and truth do not even agree in sign.";
    if (!gone.length) says.textContent = `${start}. Tap a point: it goes, and the line is fitted again.`;
    else if (gone.length > 1) {
      says.textContent = `${gone.length} of ${n} points are gone. ${after}The scores of the ${gone.length} add up to ` +
        `${signed(found.predicted, 3)}, the refit says ${signed(found.actual, 3)}. ${compared}`;
    } else {
      says.textContent = `Example ${gone[0]}, a ${kind(points[gone[0]].y)}, is gone: it was ` +
        `${found.actual < 0 ? "harmful" : "helpful"}. ${after}${change()} ${compared}`;
    }
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("gone", gone);
    model.set("predicted", [found.predicted]);
    model.set("actual", [found.actual]);
    model.save_changes();
  }
  function leave(members) {
    gone = members.slice(0, n - FEWEST);
    update();
    tell();
  }
  function toggle(i) {
    here = i;
    const others = many ? gone.filter((j) => j !== i) : [];
    leave(gone.includes(i) ? others : [...others, i]);
  }
  /** Another point goes as well. */
  function also(i) {
    if (gone.length === n - FEWEST) return;
    here = gone.length ? here : i;
    leave([...gone, i]);
  }

  /** A training point: a tap takes it away, another puts it back. */
  function tap(i) {
    const g = make("g", { role: "button" });
    g.addEventListener("click", () => toggle(i));
    g.addEventListener("focus", () => {
      if (here === i) return;
      here = i;
      drawPlane();
    });
    g.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!by && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (!by) return toggle(i);
      here = order[(order.indexOf(i) + by + n) % n];
      drawPlane();
      marks[here].focus({ preventScroll: true });
    });
    return g;
  }

  /** A line drawn around points takes them away. */
  let way = null;
  const place = (event) => {
    const box = view.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((v) => (v * PLANE.width) / box.width);
  };
  ground.addEventListener("pointerdown", (event) => {
    if (!many) return;
    event.preventDefault();
    ground.setPointerCapture(event.pointerId);
    way = [place(event)];
  });
  ground.addEventListener("pointermove", (event) => {
    if (!way) return;
    way.push(place(event));
    set(lasso, { d: `${through(way)}Z` });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    ground.addEventListener(end, () => {
      const caught = way ? within(way, points.map((p) => plane.toScreen(p.x))) : [];
      way = null;
      lasso.removeAttribute("d");
      if (caught.length) leave([...gone, ...caught.filter((i) => !gone.includes(i))]);
    });
  }
  if (many) set(ground, { style: "touch-action: none; cursor: crosshair" });

  const next = (by) => () => toggle(order[(order.indexOf(here) + by + n) % n]);
  const left = () => [...points.keys()].filter((i) => !gone.includes(i));
  const hands = many
    ? [
      button("a neighbour of it too", () => also(gone.length ? nextTo(points, gone, here) : here)),
      button("another at random", () => also(left()[Math.floor(Math.random() * left().length)])),
      button("put all back", () => leave([])),
    ]
    : [
      button("stronger example", next(-1)),
      button("weaker example", next(1)),
      button("put it back", () => leave([])),
    ];
  show(el, {
    intro: many
      ? "Tap points away, or draw a line around some. Blue ones help at the cross, orange ones harm; larger is more. " +
        "Dashed: the boundary with all points; solid: fitted again without those that are gone."
      : "Tap a training point: it goes. Tap it again, and it is back. Dashed: the boundary with all points; solid: " +
        "fitted again without it. Points that you tried show what they do: blue helps at the cross, orange harms.",
    stage: view, says: [bars, says], controls: hands, plots: [plot], reset,
  });
  update();
}

export default { render: again(render) };
