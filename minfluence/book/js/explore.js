// The front page's explorable: drag training points, and see at once what each of them does to the
// prediction at the cross. Mathematics first, as in the book; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, agreement, axes, button, choice, coordinates, crossed, dot, GREY, HARMS, HELPS, INK, kind, make, mark, movable, PAPER,
  picture, pointsOf, set, show, signed, solve, testOf, through,
} from "./shared.js";
import { boundary, fit, loss, lossGradient, risk, weighted } from "./linear.js";

// --- The mathematics: what each point does, predicted and fitted again -----------------------------

/** Everything the picture shows: predicted and actual change of the loss at the cross. */
export function explore({ points, test, l2 }) {
  const n = points.length;
  const weights = weighted(points);
  const theta = fit(points, weights, l2);
  const sTest = solve(risk(theta, points, weights, l2).H, lossGradient(theta, test));
  const predicted = points.map((point) => {
    const g = lossGradient(theta, point).map((v, a) => v + l2 * theta[a]);
    return dot(sTest, g) / n; // - I_up,loss / n
  });
  const before = loss(theta, test);
  const actual = points.map((_, i) => loss(fit(points, weighted(points, i, 0), l2, theta), test) - before);
  return { theta, predicted, actual, before, ...agreement(predicted, actual) };
}

/** The point that matters most. */
export function strongest(state) {
  const sizes = explore(state).predicted.map(Math.abs);
  return sizes.indexOf(Math.max(...sizes));
}

/** Ways to break it, each made from the first state. */
export const SCENARIOS = {
  ordinary: (state) => state,
  "tiny penalty": (state) => ({ ...state, l2: 1e-4 }),
  "label noise": (state) => ({
    ...state,
    points: state.points.map((p, i) => (i % 5 === 2 ? { ...p, y: -p.y } : p)),
  }),
  outlier: (state) => ({ ...state, points: [...state.points, { x: [3.4, 2.6], y: -1 }] }),
};

// --- The picture ----------------------------------------------------------------------------------

const PLANE = { width: 380, height: 300, x: [-3.8, 3.8], y: [-3, 3] };
const PLOT = { width: 260, height: 240, margin: 34 };
const plane = coordinates(PLANE);

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const start = () => ({
    points: pointsOf(model),
    test: testOf(model),
    l2: model.get("l2"),
  });
  let state = start();
  let selected = strongest(state); // -1 is the cross
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": "Training points in the plane. Arrow keys move the selected one.",
  });
  const plot = picture("plot", PLOT, { role: "img" });
  const line = make("path", { stroke: INK, "stroke-width": 1.5 });
  view.append(line);
  const says = make("p", { class: "says", "aria-live": "polite" });

  /** Compute, then draw everything anew; with 60 points both take a few milliseconds. */
  function update() {
    found = explore(state);
    drawPlane();
    drawPlot();
    speak();
  }

  let marks = []; // one <g> for each point, and the last for the cross
  function drawPlane() {
    const largest = Math.max(...found.predicted.map(Math.abs), 1e-12);
    while (marks.length > state.points.length + 1) marks.pop().remove();
    while (marks.length < state.points.length + 1) marks.push(view.appendChild(handle(marks.length)));
    set(line, { d: through(boundary(found.theta, PLANE).map(plane.toScreen)) });
    marks.forEach((g, i) => {
      const isTest = i === state.points.length;
      const point = isTest ? state.test : state.points[i];
      const effect = isTest ? 0 : found.predicted[i];
      const radius = isTest ? 8 : 3 + 11 * Math.sqrt(Math.abs(effect) / largest);
      const isSelected = isTest ? selected === -1 : selected === i;
      set(g, {
        transform: `translate(${plane.toScreen(point.x)})`,
        class: `point movable${isSelected ? " selected" : ""}`,
        tabindex: isSelected ? 0 : -1,
        "aria-label": isTest
          ? `Cross: the test point, a ${kind(point.y)}`
          : `Example ${i}, a ${kind(point.y)}, ${effect < 0 ? "harmful" : "helpful"}`,
      });
      const halo = make("circle", { class: "halo", r: Math.max(radius + 4, 12) });
      g.replaceChildren(halo, isTest
        ? crossed()
        : mark(point.y, radius, { fill: effect < 0 ? HARMS : HELPS, stroke: PAPER }));
    });
  }

  function drawPlot() {
    const all = [...found.predicted, ...found.actual];
    const [low, high] = [Math.min(...all, 0), Math.max(...all, 1e-9)];
    const at = coordinates({ ...PLOT, x: [low, high], y: [low, high] });
    const dots = state.points.map((point, i) => make("g",
      { transform: `translate(${at.toScreen([found.predicted[i], found.actual[i]])})` },
      mark(point.y, i === selected ? 6 : 3.2, { fill: found.predicted[i] < 0 ? HARMS : HELPS, stroke: PAPER })));
    const words = `Actual against predicted change of the loss for ${state.points.length} points: ` +
      `Pearson ${found.pearson.toFixed(3)}, slope ${found.slope.toFixed(2)}.`;
    set(plot, { "aria-label": words });
    plot.replaceChildren(
      make("path", { d: through([[low, low], [high, high]].map(at.toScreen)), stroke: GREY }),
      ...axes(PLOT, at, { across: "predicted change of loss", up: "actual change of loss" }),
      ...dots,
    );
  }

  function speak() {
    const i = selected;
    const one = i < 0
      ? `The cross is selected; its loss is ${found.before.toFixed(3)}.`
      : `Example ${i}, a ${kind(state.points[i].y)}. If it is left out, the loss at the cross ` +
        `changes by ${signed(found.predicted[i])} (predicted) or ${signed(found.actual[i])} ` +
        "(trained again).";
    says.textContent = `${one} All ${state.points.length} points: Pearson ` +
      `${found.pearson.toFixed(3)}, slope ${found.slope.toFixed(2)}.`;
  }

  /** A mark that can be moved, removed and given the other label. */
  function handle(i) {
    const g = make("g", { role: "button" });
    const point = () => (i === state.points.length ? state.test : state.points[i]);
    const select = () => {
      selected = i === state.points.length ? -1 : i;
    };
    movable(g, view, plane, {
      where(place) {
        if (place) point().x = place;
        return point().x;
      },
      step: 0.1,
      select,
      update,
      done: tell,
    });
    g.addEventListener("focus", () => {
      if (selected !== (i === state.points.length ? -1 : i)) {
        select();
        update();
      }
    });
    g.addEventListener("keydown", (event) => {
      if (event.key === "Delete" || event.key === "Backspace") remove();
      else if (event.key === "Enter" || event.key === " ") relabel();
      else return;
      event.preventDefault();
    });
    return g;
  }

  const focusSelected = () => marks.at(selected < 0 ? -1 : selected).focus({ preventScroll: true });
  function next(by) {
    const k = state.points.length + 1;
    const at = (((selected < 0 ? k - 1 : selected) + by + k) % k);
    selected = at === k - 1 ? -1 : at;
    update();
  }
  function relabel() {
    const point = selected < 0 ? state.test : state.points[selected];
    point.y = -point.y;
    changed();
  }
  function remove() {
    if (selected < 0 || state.points.length <= 4) return;
    state.points.splice(selected, 1);
    selected = Math.min(selected, state.points.length - 1);
    rebuild();
  }
  function add() {
    state.points.push({ x: [0.3, -0.2], y: 1 });
    selected = state.points.length - 1;
    rebuild();
  }
  function rebuild() {
    const hadFocus = view.contains(document.activeElement);
    marks.forEach((g) => g.remove());
    marks = [];
    changed();
    if (hadFocus) focusSelected();
  }
  function changed() {
    update();
    tell();
  }
  /** Let Python see what the reader did. */
  function tell() {
    model.set("X", state.points.map((p) => p.x));
    model.set("y", state.points.map((p) => p.y));
    model.set("test", [...state.test.x, state.test.y]);
    model.set("l2", state.l2);
    model.set("predicted", found.predicted);
    model.set("actual", found.actual);
    model.save_changes();
  }

  const first = start();
  const scenario = choice("Break it: ", Object.keys(SCENARIOS), (name) => {
    state = SCENARIOS[name](structuredClone(first));
    selected = name === "outlier" ? state.points.length - 1 : strongest(state);
    rebuild();
  });
  show(el, {
    intro: "Blue helps the prediction at the cross, orange harms it; larger is more. " +
      "Drag a point, or the cross. Which point matters most? Guess before you drag.",
    stage: view, says,
    controls: [button("previous point", () => next(-1)), button("next point", () => next(1)), scenario.element],
    plots: [plot],
    more: [button("other class", relabel), button("remove", remove), button("add", add)],
    reset,
  });
  update();
}

export default { render: again(render) };
