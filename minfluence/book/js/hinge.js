// The smooth hinge: a temperature spreads the curvature of a kink, and decides what influence predicts.
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, agreement, axes, button, coordinates, crossed, dot, GREY, HARMS, HELPS, INK, kind, label, make, mark, matrix,
  movable, PAPER, picture, set, show, signed, slider, solve, testOf, THIRD, through,
} from "./shared.js";

// --- The mathematics: a support vector machine in the plane ---------------------------------------
// A machine is {X: n points, y: -1 or +1, theta, without: n times theta, l2}; the last entry of theta
// is the intercept, and `without` are the exact refits. Only the temperature t is new each time.

const withOne = (x) => [x[0], x[1], 1];

/** The smooth hinge of a margin s: t log(1 + exp((1 - s) / t)), safe for any s. */
export function smoothHinge(s, t) {
  const u = (1 - s) / t;
  return t * (Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u))));
}

/** How much of the hinge's slope is used at the margin s, from 0 to 1. */
export const share = (s, t) => (1 + Math.tanh((1 - s) / (2 * t))) / 2;

/** The second derivative in the margin: a bump of area 1 around s = 1. */
export const curvature = (s, t) => (share(s, t) * (1 - share(s, t))) / t;

/** Everything the picture shows: predicted and actual change of the hinge loss at the test point. */
export function explore({ machine, test, temperature: t }) {
  const { X, y, theta, without, l2 } = machine;
  const n = X.length;
  const rows = X.map(withOne);
  const margins = rows.map((x, i) => y[i] * dot(theta, x));
  const resists = margins.map((s) => curvature(s, t));
  const H = matrix(3, (a, b) =>
    rows.reduce((sum, x, i) => sum + (resists[i] * x[a] * x[b]) / n, a === b ? l2 : 0));
  const z = withOne(test.x);
  const own = share(test.y * dot(theta, z), t);
  const sTest = solve(H, z.map((v) => -own * test.y * v));
  const predicted = rows.map((x, i) => {
    const g = x.map((v, a) => l2 * theta[a] - share(margins[i], t) * y[i] * v);
    return dot(sTest, g) / n; // - I_up,loss / n
  });
  const hinge = (theta) => Math.max(0, 1 - test.y * dot(theta, z));
  const before = hinge(theta);
  const actual = without.map((theta) => hinge(theta) - before);
  return { margins, resists, predicted, actual, before, ...agreement(predicted, actual) };
}

// --- The picture ----------------------------------------------------------------------------------

const TEMPERATURES = Array.from({ length: 61 }, (_, k) => 10 ** (-3 + k / 20)); // 0.001 to 1
const NEAR = 3; // temperatures: how far from the kink a point still resists
const PLANE = { width: 360, height: 300, x: [-3.6, 3.6], y: [-3, 3] };
const AXIS = { width: 270, height: 210, margin: 34, x: [-1.8, 3.8], y: [-0.3, 2.7] };
const PLOT = { width: 270, height: 250, margin: 46 };
const [plane, axis] = [coordinates(PLANE), coordinates(AXIS)];
const GRID = Array.from({ length: 141 }, (_, k) => AXIS.x[0] + (k / 140) * (AXIS.x[1] - AXIS.x[0]));
const BUMP = Array.from({ length: 81 }, (_, k) => (k - 40) / 5); // in temperatures, so that a needle is seen

const shown = (t) => t.toPrecision(2);

/** The line where a + (theta . x) is zero, across the plane. */
function across([a, b, c], level) {
  const ends = Math.abs(b) > Math.abs(a)
    ? PLANE.x.map((x) => [x, (level - a * x - c) / b])
    : PLANE.y.map((y) => [(level - b * y - c) / a, y]);
  return ends.map(plane.toScreen);
}

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const machine = Object.fromEntries(["X", "y", "theta", "without", "l2"].map((name) => [name, model.get(name)]));
  const n = machine.X.length;
  const test = testOf(model);
  const state = { machine, test, temperature: model.get("temperature") };
  let selected = model.get("selected");
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": "Training points of a support vector machine. Arrow keys move the cross, the test point.",
  });
  const losses = picture("plot", AXIS, { role: "img" });
  const plot = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const band = make("g");
  const marks = machine.X.map((x, i) => pick(i));
  const cross = make("g", { class: "point movable", role: "button", tabindex: 0 },
    make("circle", { class: "halo", r: 16 }),
    crossed());
  view.append(band, ...marks, cross);

  function update() {
    found = explore(state);
    drawPlane();
    drawLosses();
    drawPlot();
    speak();
  }

  function drawPlane() {
    const { theta, X, y } = machine;
    const t = state.temperature;
    const most = Math.max(...found.resists);
    const strip = (side) => {
      const [[a, b], [c, d]] = [1 - NEAR * t, 1 + NEAR * t].map((s) => across(theta, side * s));
      return make("path", { d: `${through([a, b, d, c])}Z`, fill: THIRD, "fill-opacity": 0.15 });
    };
    const kink = (side) => make("path", { d: through(across(theta, side)), stroke: THIRD, "stroke-dasharray": "3 3" });
    band.replaceChildren(
      strip(1), strip(-1), kink(1), kink(-1),
      make("path", { d: through(across(theta, 0)), stroke: INK, "stroke-width": 1.5 }),
    );
    marks.forEach((g, i) => {
      const part = found.resists[i] / most;
      set(g, {
        transform: `translate(${plane.toScreen(X[i])})`,
        class: `point${i === selected ? " selected" : ""}`,
        "aria-label": `Example ${i}, a ${kind(y[i])}, margin ${found.margins[i].toFixed(2)}`,
      });
      const fill = part > 0.02 ? THIRD : GREY;
      g.lastChild.replaceWith(mark(y[i], 3.5 + 4 * Math.sqrt(part), { fill, stroke: PAPER }));
    });
    set(cross, {
      transform: `translate(${plane.toScreen(state.test.x)})`,
      "aria-label": `Cross: the test point, a ${kind(state.test.y)}`,
    });
  }

  /** Loss, slope and curvature (as shares of their largest) over the margin, and everybody's margin. */
  function drawLosses() {
    const t = state.temperature;
    const line = (margins, f, attributes) => make("path", {
      d: through(margins.map((s) => axis.toScreen([s, f(s)]))), fill: "none", "stroke-width": 2, ...attributes,
    });
    const isSeen = (s) => s >= AXIS.x[0] && s <= AXIS.x[1];
    const fine = [...GRID, ...BUMP.map((u) => 1 + u * t)].filter(isSeen).sort((a, b) => a - b);
    const tick = (s, i) => {
      const [u, v] = axis.toScreen([s, -0.15]);
      const [stroke, width] = i === selected ? [INK, 4] : [GREY, 1];
      return make("path", { d: `M${u} ${v - 6}V${v + 6}`, stroke, "stroke-width": width });
    };
    losses.replaceChildren(
      line(fine, (s) => smoothHinge(s, t), { stroke: INK }),
      line(fine, (s) => share(s, t), { stroke: GREY, "stroke-dasharray": "5 4" }),
      line(fine, (s) => 4 * t * curvature(s, t), { stroke: THIRD }),
      ...found.margins.map(tick),
      label(...axis.toScreen([-0.75, 1.9]), "loss"),
      label(...axis.toScreen([-1.75, 1.12]), "slope", { class: "quiet" }),
      label(...axis.toScreen([1.35, 0.8]), "curvature", { style: `fill: ${THIRD}` }),
      ...axes(AXIS, axis, {
        across: "margin",
        up: "loss, or share",
        corner: [AXIS.x[0], AXIS.y[0]],
        ticksAcross: [-1, 0, 1, 2, 3].map((s) => [s, `${s}`]),
        ticksUp: [0, 1, 2].map((v) => [v, `${v}`]),
      }),
    );
    set(losses, { "aria-label": `Smooth hinge, its slope and its curvature at temperature ${shown(t)}; height of the ` +
      `curvature ${shown(1 / (4 * t))}. ${near()} of ${n} margins are within ${NEAR} temperatures of the kink.` });
  }

  function drawPlot() {
    const reach = 1.15 * Math.max(...found.actual.map(Math.abs), 0.01);
    const tick = 10 ** Math.floor(Math.log10(reach));
    const ticks = [-tick, 0, tick].map((v) => [v, `${v}`]);
    const at = coordinates({ ...PLOT, x: [-reach, reach], y: [-reach, reach] });
    const clipped = found.predicted.map((p) => Math.min(Math.max(p, -reach), reach));
    const dots = clipped.map((p, i) => make("g", { transform: `translate(${at.toScreen([p, found.actual[i]])})` },
      mark(machine.y[i], i === selected ? 6 : 3.2, { fill: p < 0 ? HARMS : HELPS, stroke: PAPER })));
    plot.replaceChildren(
      make("path", { d: through([[-reach, -reach], [reach, reach]].map(at.toScreen)), stroke: GREY }),
      ...axes(PLOT, at, {
        across: "predicted change of loss",
        up: "actual change of loss",
        corner: [-reach, -reach],
        ticksAcross: ticks,
        ticksUp: ticks,
      }),
      ...dots,
    );
    set(plot, { "aria-label": `Actual against predicted change of the loss for ${n} points: ${fit()}.` });
  }

  const near = () => found.margins.filter((s) => Math.abs(s - 1) < NEAR * state.temperature).length;
  const fit = () => `Pearson ${found.pearson.toFixed(2)}, slope ${found.slope.toFixed(2)}`;

  function speak() {
    const i = selected;
    says.textContent = `Temperature ${shown(state.temperature)}: ${near()} of ${n} margins are within ${NEAR} ` +
      `temperatures of the kink. The loss at the cross is ${found.before.toFixed(3)}. Without example ${i}, a ` +
      `${kind(machine.y[i])} with margin ${found.margins[i].toFixed(3)}, ` +
      `it changes by ${signed(found.predicted[i])} (predicted) or ${signed(found.actual[i])} ` +
      `(machine trained again). All ${n}: ${fit()}.`;
  }

  /** A training point: it can be chosen, but not moved. */
  function pick(i) {
    const g = make("g", { role: "img" }, make("circle", { class: "halo", r: 12 }), make("circle"));
    g.addEventListener("click", () => choose(i));
    return g;
  }
  function choose(i) {
    selected = (i + n) % n;
    update();
    tell();
  }
  /** Let Python see what the reader did. */
  function tell() {
    model.set("temperature", state.temperature);
    model.set("test", [...state.test.x, state.test.y]);
    model.set("selected", selected);
    model.set("predicted", found.predicted);
    model.set("actual", found.actual);
    model.save_changes();
  }

  movable(cross, view, plane, {
    where(place) {
      if (place) state.test.x = place;
      return state.test.x;
    },
    step: 0.1,
    update,
    done: tell,
  });
  const temperatures = slider("temperature", TEMPERATURES, shown, (temperature) => {
    state.temperature = temperature;
    update();
    tell();
  });
  temperatures.set(state.temperature);
  show(el, {
    intro: "Purple points hold the parameters back: their margin is near the kink (dotted lines), in the band that grows " +
      "with the temperature. Slope and curvature of the smooth hinge are drawn as shares of their largest. Tap a point " +
      "to see what it does; drag the cross, the test point.",
    stage: view, says,
    controls: [temperatures.element],
    plots: [losses, plot],
    more: [
      button("previous example", () => choose(selected - 1)),
      button("next example", () => choose(selected + 1)),
      button("other class", () => {
        state.test.y = -state.test.y;
        update();
        tell();
      }),
    ],
    reset,
  });
  update();
}

export default { render: again(render) };
