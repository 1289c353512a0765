// The picture of chapter 2: turn the weight of one example from nothing to double, and see the boundary,
// the loss at the cross and theta move; beside it, where the straight line's error comes from.
//
// With hat the model we have, w the weight in units of 1/n and eps = (w - 1)/n, from hat lead
//   the chord step   c = hat - eps H⁻¹ g_i             KL (1): Hessian of all the data
//   the Newton step  N = hat - eps (H + eps H_i)⁻¹ g_i  Hessian of the data as weighted, still at hat
//   the refit        r = argmin of the weighted risk
// and the change of the test loss L is a sum of four parts, exactly:
//   L(r) - L(hat) = g_testᵀ(c - hat)                        what influence says
//                 + L(c) - L(hat) - g_testᵀ(c - hat)        the test loss bends
//                 + L(N) - L(c)                             leverage: the example's own curvature
//                 + L(r) - L(N)                             what Newton leaves: curvature changes on the way
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, arrow, axes, button, coordinates, crossed, dot, GREY, HARMS, HELPS, INK, kind, label, make, mark, PAPER, picture,
  plus, pointsOf, RULE, set, show, signed, slider, solve, testOf, through, times, titled,
} from "./shared.js";
import { boundary, fit, loss, lossGradient, risk, weighted } from "./linear.js";
import { framed, levelLines, planeOf, stretched } from "./refits.js";

// --- The mathematics ------------------------------------------------------------------------------

export const KNOB = Array.from({ length: 41 }, (_, k) => k / 20); // weights, in units of an example's own

/** Everything that does not depend on the knob: the model, and a refit for each of its positions. */
export function prepare({ points, test, l2, example }) {
  const n = points.length;
  const same = weighted(points, example, 1);
  const theta = fit(points, same, l2);
  const { H } = risk(theta, points, same, l2);
  const gTest = lossGradient(theta, test);
  const gradient = ({ x, y }) => plus(lossGradient(theta, { x, y }), l2, theta);
  const sTest = solve(H, gTest);
  const predicted = points.map((point) => dot(sTest, gradient(point)) / n); // - I_up,loss / n
  const own = { g: gradient(points[example]), H: risk(theta, [points[example]], [1], l2).H };
  const pull = solve(H, own.g).map((v) => v / n); // the chord step that leaves it out
  const refits = [];
  for (const k of [...KNOB.keys()].sort((a, b) => Math.abs(a - 20) - Math.abs(b - 20))) {
    const near = refits[k + Math.sign(20 - k)] ?? theta;
    refits[k] = fit(points, weighted(points, example, KNOB[k]), l2, near);
  }
  const losses = refits.map((t) => loss(t, test));
  const plane = planeOf(theta, pull, refits[0]);
  const before = losses[20];
  return { points, test, l2, example, theta, H, gTest, predicted, own, pull, refits, losses, plane, before };
}

/** The two steps, the refit and the four parts for one position of the knob. */
export function explore(prepared, weight) {
  const { points, test, theta, H, gTest, own, pull, refits, before } = prepared;
  const eps = (weight - 1) / points.length;
  const chord = plus(theta, 1 - weight, pull);
  const reweighted = H.map((row, a) => plus(row, eps, own.H[a]));
  const newton = plus(theta, -eps, solve(reweighted, own.g));
  const refit = refits[Math.round(20 * weight)];
  const at = [chord, newton, refit].map((t) => loss(t, test) - before);
  const straight = dot(gTest, plus(chord, -1, theta));
  const parts = [straight, at[0] - straight, at[1] - at[0], at[2] - at[1]];
  return { chord, newton, refit, parts, change: at[2] };
}

/** Numbers with four decimals that add up as the numbers do: what is rounded are the sums. */
export function addingUp(parts) {
  let [sum, before] = [0, 0];
  return parts.map((part) => {
    sum += part;
    const now = Math.round(10000 * sum);
    const difference = now - before;
    before = now;
    return difference / 10000;
  });
}

// --- The picture ----------------------------------------------------------------------------------

const PLANE = { width: 320, height: 250, x: [-3.84, 3.84], y: [-3, 3] };
const CURVE = { width: 320, height: 250, margin: 38, x: [0, 2] };
const THETA = { width: 320, height: 250 };
const BARS = { width: 320, height: 250 };
const NAMES = [
  "straight line: what influence says",
  "the test loss bends",
  "leverage: its own curvature",
  "what Newton leaves: the rest",
];
const plane = coordinates(PLANE);
const drawn = (theta) => through(boundary(theta, PLANE).map(plane.toScreen));

const centred = (u, v, words, attributes = {}) => label(u, v, words, { "text-anchor": "middle", ...attributes });
const line = (d, attributes) => make("path", { d, fill: "none", ...attributes });

/** An arrow with round ends. */
function step(from, to, size, attributes) {
  const { shaft, head } = arrow(from, to, size);
  return line(shaft + head, { "stroke-linejoin": "round", "stroke-linecap": "round", ...attributes });
}

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const [points, test] = [pointsOf(model), testOf(model)];
  const l2 = model.get("l2");
  let weight = model.get("weight");
  let here = prepare({ points, test, l2, example: model.get("example") });
  const order = points.map((_, i) => i).sort((a, b) => Math.abs(here.predicted[b]) - Math.abs(here.predicted[a]));
  let [found, frame, largest] = [];

  const view = picture("plane", PLANE, { role: "group", "aria-label": "The examples in the plane. Choose one." });
  const curve = picture("plot", CURVE, { role: "img", style: "cursor: ew-resize; touch-action: pan-y" });
  const space = picture("plot", THETA, { role: "img" });
  const bars = picture("plot", BARS, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const colour = () => (here.predicted[here.example] < 0 ? HARMS : HELPS);

  const lines = make("g");
  const marks = points.map((point, i) => {
    const g = make("g", { role: "button", class: "point", transform: `translate(${plane.toScreen(point.x)})` });
    g.addEventListener("click", () => take(i));
    g.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      next(by);
      marks[here.example].focus({ preventScroll: true });
    });
    return g;
  });
  view.append(lines, ...marks, crossed(8, { transform: `translate(${plane.toScreen(test.x)})` }));

  /** What is drawn at the same scale wherever the knob stands. */
  function choose(example) {
    here = prepare({ points, test, l2, example });
    const all = KNOB.map((w) => explore(here, w));
    const sums = all.flatMap(({ parts: [a, b, c, d] }) => [a, a + b, a + b + c, a + b + c + d]);
    largest = Math.max(...sums.map(Math.abs), 1e-9);
    const along = all.flatMap(({ chord, newton, refit }) => [chord, newton, refit]).map((t) => here.plane.to(t)[0]);
    frame = framed(along, here.plane.to(here.refits[0])[1] / 2, 1 / 8, THETA);
    update();
  }

  function update() {
    found = explore(here, weight);
    drawPlane();
    drawCurve();
    drawTheta();
    drawBars();
    speak();
  }

  function drawPlane() {
    lines.replaceChildren(
      line(drawn(here.theta), { stroke: GREY, "stroke-width": 1.5 }),
      line(drawn(found.chord), { stroke: colour(), "stroke-width": 1.5, "stroke-dasharray": "5 4" }),
      line(drawn(found.refit), { stroke: INK, "stroke-width": 2 }),
    );
    points.forEach((point, i) => {
      const chosen = i === here.example;
      const [gone, radius] = [chosen && weight === 0, chosen ? Math.max(8 * Math.sqrt(weight), 3) : 3.5];
      set(marks[i], {
        class: `point${chosen ? " selected" : ""}`,
        tabindex: chosen ? 0 : -1,
        "aria-label": `Example ${i}, a ${kind(point.y)}${chosen ? ", chosen" : ""}`,
      });
      const look = gone
        ? { fill: PAPER, stroke: colour(), "stroke-dasharray": "2 2" }
        : { fill: chosen ? colour() : GREY, stroke: PAPER };
      marks[i].replaceChildren(make("circle", { class: "halo", r: Math.max(radius + 4, 12) }),
        mark(point.y, gone ? 5 : radius, look));
    });
  }

  function drawCurve() {
    const tangent = KNOB.map((w) => here.before + here.predicted[here.example] * (1 - w));
    const all = [...here.losses, ...tangent];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const scale = { ...CURVE, y: [low - (high - low) / 12, high + (high - low) / 12] };
    const at = coordinates(scale);
    const drawn = (values) => through(values.map((v, k) => at.toScreen([KNOB[k], v])));
    const [told, actual] = [found.parts[0], found.change].map((v) => at.toScreen([weight, here.before + v]));
    const side = weight < 1 ? 7 : -7;
    const bracket = Math.abs(told[1] - actual[1]) > 3
      ? [line(`M${told[0] + side} ${told[1]}h${side}V${actual[1]}h${-side}`, { stroke: INK, "stroke-width": 1.5 })]
      : [];
    curve.replaceChildren(
      ...axes(scale, at, {
        across: "weight of the example",
        up: "",
        corner: [0, scale.y[0]],
        ticksAcross: [[0, "0"], [1, "1"], [2, "2"]],
        ticksUp: [low, here.before, high].map((v) => [v, v.toFixed(2)]),
      }),
      line(`M${at.toScreen([weight, scale.y[0]])}V${at.toScreen([weight, scale.y[1]])[1]}`, { stroke: RULE }),
      line(drawn(tangent), { stroke: colour(), "stroke-width": 2, "stroke-dasharray": "5 4" }),
      line(drawn(here.losses), { stroke: INK, "stroke-width": 2 }),
      ...bracket,
      make("circle", { cx: at.toScreen([1, here.before])[0], cy: at.toScreen([1, here.before])[1], r: 3, fill: INK }),
      make("circle", { cx: told[0], cy: told[1], r: 5, fill: PAPER, stroke: colour(), "stroke-width": 2 }),
      make("circle", { cx: actual[0], cy: actual[1], r: 5, fill: INK }),
    );
    set(curve, { "aria-label": `Loss at the cross against the weight, with its tangent at 1. ${change()}` });
  }

  function drawTheta() {
    const { to } = here.plane;
    const [chord, newton, refit] = [found.chord, found.newton, found.refit].map(to);
    const at = coordinates({ ...THETA, ...frame });
    const problem = { points, weights: weighted(points, here.example, weight), l2 };
    const top = dot(here.pull, times(here.H, here.pull)) / 2; // the risk that the chord step would cost
    const heights = [0.03, 0.2, 0.6, 1.2].map((share) => share * top);
    const rings = levelLines(problem, found.refit, here.plane, heights);
    const moved = (ring) => ring.map(([a, b]) => at.toScreen([a + refit[0], b + refit[1]]));
    const start = at.toScreen([0, 0]);
    const end = at.toScreen(refit);
    const steps = weight === 1 ? [] : [
      step(start, at.toScreen(newton), 10, { stroke: GREY, "stroke-width": 2 }),
      step(start, at.toScreen(chord), 9, { stroke: colour(), "stroke-width": 3.5 }),
    ];
    space.replaceChildren(
      ...rings.map((ring) => line(`${through(moved(ring))}Z`, { stroke: RULE })),
      line(through(here.refits.map((t) => at.toScreen(to(t)))), { stroke: INK, "stroke-width": 1.5 }),
      ...steps,
      make("circle", { cx: start[0], cy: start[1], r: 3.5, fill: INK }),
      make("circle", { cx: end[0], cy: end[1], r: 5, fill: INK }),
      centred(start[0], start[1] + 18, "θ̂"),
      ...(Math.abs(end[0] - start[0]) < 70 ? [] : [
        centred(end[0], end[1] - 11, "refit"),
        centred(at.toScreen(chord)[0], start[1] + 19, "tangent", { fill: colour() }),
        centred(at.toScreen(newton)[0], start[1] + 33, "Newton"),
      ]),
      stretched(THETA),
    );
    set(space, {
      "aria-label": "Theta in its plane, with level lines of the risk: the path of refits, and two steps, " +
        "the tangent's and Newton's.",
    });
  }

  function drawBars() {
    const shown = addingUp(found.parts);
    const sums = found.parts.reduce((all, part) => [...all, all.at(-1) + part], [0]);
    const x = (v) => 130 + (v / largest) * 120;
    const row = (k, name, from, to, number, fill) => [
      label(4, 16 + 48 * k, name),
      make("rect", {
        x: Math.min(x(from), x(to)), y: 22 + 48 * k, width: Math.max(Math.abs(x(to) - x(from)), 1), height: 14, fill,
      }),
      label(BARS.width - 4, 34 + 48 * k, number, { "text-anchor": "end", "font-weight": k === 4 ? 700 : 400 }),
    ];
    const links = sums.slice(1).map((sum, k) =>
      line(`M${x(sum)} ${36 + 48 * k}v${k < 3 ? 34 : 48}`, { stroke: GREY, "stroke-dasharray": "2 2" }));
    bars.replaceChildren(
      line(`M${x(0)} 4V${BARS.height - 4}`, { stroke: RULE }),
      ...links,
      ...NAMES.flatMap((name, k) => row(k, name, sums[k], sums[k + 1], signed(shown[k]), k ? GREY : colour())),
      ...row(4, "all: the change after a refit", 0, found.change, signed(shown.reduce((s, v) => s + v, 0)), INK),
    );
    set(bars, { "aria-label": `${NAMES.map((name, k) => `${name} ${signed(shown[k])}`).join(", ")}. ${change()}` });
  }

  const change = () => `The tangent says ${signed(found.parts[0])}, the refit ${signed(found.change)}.`;
  function speak() {
    const [, bends, leverage, rest] = addingUp(found.parts);
    const it = `Example ${here.example}, a ${kind(points[here.example].y)},`;
    const [now, then] = [here.before, here.before + found.change].map((v) => v.toFixed(3));
    says.textContent = weight === 1
      ? `${it} has its own weight; the loss at the cross is ${now}. Turn the weight.`
      : `${it} ${weight === 0 ? "is gone" : `has ${weight.toFixed(2)} times its weight`}: the loss at the cross ` +
        `goes from ${now} to ${then}. ${change()} The difference: ${signed(bends)} because the test loss bends, ` +
        `${signed(leverage)} from the example's own curvature, ${signed(rest)} from curvature that changes on the way.`;
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("example", here.example);
    model.set("weight", weight);
    model.set("predicted", KNOB.map((w) => here.predicted[here.example] * (1 - w)));
    model.set("actual", here.losses.map((v) => v - here.before));
    model.save_changes();
  }
  function take(example) {
    choose(example);
    tell();
  }
  const next = (by) => take(order[(order.indexOf(here.example) + by + order.length) % order.length]);
  function turn(to) {
    weight = to;
    update();
    tell();
  }

  const words = (w) => (w === 0 ? "0, gone" : w === 1 ? "1, as it is" : w === 2 ? "2, twice" : w.toFixed(2));
  const knob = slider("weight of the example", KNOB, words, turn);
  knob.set(weight);
  /** The curve is a knob too, for mouse and finger. */
  function follow(event) {
    if (event.type === "pointerdown") curve.setPointerCapture(event.pointerId);
    else if (!curve.hasPointerCapture(event.pointerId)) return;
    const box = curve.getBoundingClientRect();
    const at = coordinates({ ...CURVE, y: [0, 1] });
    const [w] = at.toPlane([((event.clientX - box.left) * CURVE.width) / box.width, 0]);
    const nearest = KNOB[Math.min(Math.max(Math.round(20 * w), 0), 40)];
    if (nearest === weight) return;
    knob.set(nearest);
    turn(nearest);
  }
  curve.addEventListener("pointerdown", follow);
  curve.addEventListener("pointermove", follow);

  show(el, {
    intro: "Turn the weight. Dashed and coloured is the prediction: blue for an example that helps, orange for one that " +
      "harms. Solid is the truth, fitted again at every position. Tap another example to choose it.",
    stage: view,
    says,
    controls: [knob.element],
    plots: [
      titled("The loss at the cross", curve),
      titled("The change, taken apart", bars),
      titled("θ: its path, and two steps", space),
    ],
    more: [button("stronger example", () => next(-1)), button("weaker example", () => next(1))],
    reset,
  });
  choose(here.example);
}

export default { render: again(render) };
