// One label is dragged: what does it do to the line? With the squared loss ever more, with Huber's no more
// beyond a residual of delta. Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import { height } from "./regression.js";
import {
  again, axes, button, choice, coordinates, GREY, INK, label, make, movable, picture, RULE, set, show, signed, THIRD, through,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

/** Slope and curvature of a loss in the score, from the residual: Huber's with a corner at delta. */
const slope = (r, delta) => Math.min(Math.max(r, -delta), delta);
const curvature = (r, delta) => (Math.abs(r) <= delta ? 1 : 0);
const value = (r, delta) => (Math.abs(r) <= delta ? (r * r) / 2 : delta * (Math.abs(r) - delta / 2));

const L2 = 1e-6; // so that the line is one also where all are beyond their corner

/** Gradient and Hessian of the mean loss. */
function derivatives(x, y, [a, b], delta) {
  let [ga, gb, haa, hab, hbb] = [L2 * a, L2 * b, L2, 0, L2];
  x.forEach((v, i) => {
    const r = a + b * v - y[i];
    const [s, c] = [slope(r, delta) / x.length, curvature(r, delta) / x.length];
    ga += s;
    gb += s * v;
    haa += c;
    hab += c * v;
    hbb += c * v * v;
  });
  return { g: [ga, gb], H: [[haa, hab], [hab, hbb]] };
}

function solved([[a, b], [, d]], [u, v]) {
  const det = a * d - b * b;
  return [(d * u - b * v) / det, (a * v - b * u) / det];
}

const risk = (x, y, theta, delta) =>
  x.reduce((sum, v, i) => sum + value(height(theta, v) - y[i], delta), 0) / x.length +
  (L2 * (theta[0] ** 2 + theta[1] ** 2)) / 2;

/** The line of the smallest mean loss: Newton's steps, halved where they do not go down. */
export function lineOf(x, y, delta, theta = [0, 0]) {
  for (let step = 0; step < 200; step++) {
    const { g, H } = derivatives(x, y, theta, delta);
    if (Math.hypot(...g) < 1e-12) break;
    const d = solved(H, g);
    const now = risk(x, y, theta, delta);
    const ends = (size) => theta.map((t, k) => t - size * d[k]);
    let size = 1;
    while (size > 1e-9 && risk(x, y, ends(size), delta) > now - 1e-4 * size * (g[0] * d[0] + g[1] * d[1])) size /= 2;
    theta = ends(size);
  }
  return theta;
}

/**
 * The line, and its height at `place` against the label of `selected`: fitted again at each of `labels`, and
 * the slope that influence says. Besides, what leaving each point out does there, to first order.
 */
export function explore({ x, y, first, delta, place, selected, labels }) {
  const n = x.length;
  const with_ = (v) => y.map((old, i) => (i === selected ? v : old));
  const recorded = with_(first);
  const home = lineOf(x, recorded, delta);
  const { H } = derivatives(x, recorded, home, delta);
  const [a, b] = solved(H, [1, place]); // H⁻¹ of where we look
  const own = curvature(height(home, x[selected]) - first, delta);
  const rate = (own * (a + b * x[selected])) / n;
  const theta = lineOf(x, y, delta, home);
  const now = derivatives(x, y, theta, delta);
  const [c, d] = solved(now.H, [1, place]);
  const influence = x.map((v, i) => (slope(height(theta, v) - y[i], delta) * (c + d * v)) / n);
  let near = home;
  const refits = labels.map((v) => {
    near = lineOf(x, with_(v), delta, near);
    return height(near, place) - height(home, place);
  });
  return { home, theta, rate, refits, influence, change: height(theta, place) - height(home, place) };
}

// --- The picture ----------------------------------------------------------------------------------

const PLANE = { width: 380, height: 320, margin: 38, x: [-0.6, 10.6], y: [-6, 16] };
const PLOT = { width: 300, height: 260, margin: 44, x: [-6, 16] };
const LABELS = Array.from({ length: 89 }, (_, k) => -6 + k / 4);
const plane = coordinates(PLANE);
const sign = (v) => signed(v, 2);

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const delta = model.get("delta");
  const losses = { squared: Infinity, Huber: delta, "Huber, delta / 4": delta / 4 };
  const x = model.get("x");
  const start = model.get("y");
  const state = { x, y: [...start], place: model.get("place"), labels: LABELS, selected: model.get("selected") };
  const use = (name) => Object.assign(state, { name, delta: losses[name] });
  use(model.get("loss"));
  let found;

  const view = picture("plane", PLANE, {
    role: "group", "aria-label": "Points and their line. Up and down arrow keys move the label of the chosen point.",
  });
  const chart = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const lines = make("g");
  view.append(lines);
  const marks = x.map((_, i) => view.appendChild(handle(i)));

  function update() {
    found = explore({ ...state, first: start[state.selected] });
    drawPlane();
    drawCurve();
    speak();
  }

  const across = (theta) => through(PLANE.x.map((v) => plane.toScreen([v, height(theta, v)])));
  function drawPlane() {
    const { y, place, selected } = state;
    const [u] = plane.toScreen([place, 0]);
    const held = found.influence.map(Math.abs);
    const band = (side) => across([found.theta[0] + side * state.delta, found.theta[1]]);
    lines.replaceChildren(
      make("path", { d: `M${u} 4V${PLANE.height - PLANE.margin}`, stroke: GREY, "stroke-dasharray": "2 4" }),
      ...(Number.isFinite(state.delta) ? [-1, 1].map((side) => make("path", { d: band(side), stroke: RULE, "stroke-dasharray": "3 3" })) : []),
      make("path", { d: across(found.home), stroke: GREY, "stroke-width": 1.5, "stroke-dasharray": "6 4" }),
      make("path", { d: across(found.theta), stroke: INK, "stroke-width": 2 }),
      make("circle", {
        cx: plane.toScreen([x[selected], 0])[0], cy: plane.toScreen([0, start[selected]])[1], r: 6, fill: "none", stroke: GREY,
        "stroke-dasharray": "2 2",
      }),
      ...axes(PLANE, plane, {
        across: "x", up: "label y", corner: [PLANE.x[0], PLANE.y[0]],
        ticksAcross: [0, 5, 10].map((v) => [v, `${v}`]), ticksUp: [-5, 0, 5, 10, 15].map((v) => [v, `${v}`.replace("-", "−")]),
      }),
    );
    marks.forEach((g, i) => {
      const chosen = i === selected;
      set(g, {
        transform: `translate(${plane.toScreen([x[i], y[i]])})`,
        class: `point movable${chosen ? " selected" : ""}`,
        tabindex: chosen ? 0 : -1,
        "aria-label": `Label of point ${i + 1}`,
        "aria-valuenow": y[i],
      });
      const r = 3 + 5 * Math.sqrt(held[i]);
      g.replaceChildren(make("circle", { class: "halo", r: Math.max(r + 4, 13) }),
        make("circle", { r, fill: chosen ? INK : GREY }));
    });
  }

  function drawCurve() {
    const { y, selected } = state;
    const first = start[selected];
    const told = (v) => found.rate * (v - first);
    const all = [...found.refits, told(PLOT.x[0]), told(PLOT.x[1])];
    const room = 0.1 * (Math.max(...all) - Math.min(...all)) + 0.3;
    const at = coordinates({ ...PLOT, y: [Math.min(...all) - room, Math.max(...all) + room] });
    const step = Math.max(...all) - Math.min(...all) > 6 ? 5 : 1;
    const ticks = [-2, -1, 0, 1, 2].map((k) => k * step).filter((v) => v >= Math.min(...all) - room && v <= Math.max(...all) + room);
    const [a, b] = at.toScreen([y[selected], found.change]);
    const [c, d] = at.toScreen([first, 0]);
    const dashed = [PLOT.x[0], PLOT.x[1]].map((v) => at.toScreen([v, told(v)]));
    const last = at.toScreen([PLOT.x[1], found.refits.at(-1)]);
    const apart = Math.abs(last[1] - dashed[1][1]) > 18;
    chart.replaceChildren(
      make("path", { d: through(dashed), stroke: THIRD, "stroke-width": 2, "stroke-dasharray": "6 4" }),
      make("path", { d: through(LABELS.map((v, k) => at.toScreen([v, found.refits[k]]))), fill: "none", stroke: INK, "stroke-width": 2 }),
      ...axes(PLOT, at, {
        across: "its label", up: "change of the line", corner: [PLOT.x[0], Math.min(...all) - room],
        ticksAcross: [-5, 0, 5, 10, 15].map((v) => [v, `${v}`.replace("-", "−")]), ticksUp: ticks.map((v) => [v, `${v}`.replace("-", "−")]),
      }),
      label(last[0] - 2, last[1] + (last[1] < dashed[1][1] ? -8 : 18), "fitted again", { "text-anchor": "end" }),
      label(dashed[1][0] - 2, dashed[1][1] + (last[1] < dashed[1][1] || !apart ? 18 : -8), "slope by influence", { "text-anchor": "end", fill: THIRD }),
      make("circle", { cx: c, cy: d, r: 5, fill: "none", stroke: GREY, "stroke-width": 1.5 }),
      make("circle", { cx: a, cy: b, r: 6, fill: INK }),
    );
    set(chart, { "aria-label": `Change of the line against the label of point ${selected + 1}: fitted again, and the slope ` +
      `by influence. ${words()}` });
  }

  function words() {
    const { y, selected } = state;
    return `Influence says ${sign(found.rate * (y[selected] - start[selected]))}, fitting again ${sign(found.change)}.`;
  }
  function speak() {
    const { y, selected, name, place } = state;
    const r = y[selected] - height(found.theta, x[selected]);
    const beyond = Math.abs(r) > state.delta ? ", beyond the corner: it pushes no harder than at it" : "";
    says.textContent = `Loss: ${name}. Point ${selected + 1} has the label ${y[selected].toFixed(1)}, at first ` +
      `${start[selected].toFixed(1)}; it lies ${sign(r)} from the line${beyond}. Change of the line at ${place}: ${words()} ` +
      `Slope at the first label: ${found.rate.toFixed(3)}.`;
  }

  function handle(i) {
    const g = make("g", {
      role: "slider", "aria-orientation": "vertical", "aria-valuemin": PLANE.y[0], "aria-valuemax": PLANE.y[1],
    });
    const [low, high] = PLOT.x;
    movable(g, view, plane, {
      where(to) {
        if (to) state.y[i] = Math.min(Math.max(Math.round(2 * to[1]) / 2, low + 0.5), high - 0.5);
        return [x[i], state.y[i]];
      },
      step: 0.5,
      select: () => choose(i),
      update,
      done: tell,
    });
    g.addEventListener("focus", () => i === state.selected || (choose(i), update()));
    return g;
  }
  /** From now on this label is the one that moves; the others are as recorded. */
  function choose(i) {
    if (i === state.selected) return;
    state.selected = i;
    state.y = [...start];
  }
  const go = (by) => () => {
    choose((state.selected + by + x.length) % x.length);
    update();
    tell();
  };
  /** Let Python see what the reader did. */
  function tell() {
    model.set("loss", state.name);
    model.set("selected", state.selected);
    model.set("label", state.y[state.selected]);
    model.set("predicted", [found.rate * (state.y[state.selected] - start[state.selected])]);
    model.set("actual", [found.change]);
    model.save_changes();
  }

  const names = choice("Loss: ", Object.keys(losses), (name) => {
    use(name);
    update();
    tell();
  });
  names.set(state.name);
  show(el, {
    intro: "Drag a point up or down: only its label changes, and the line (solid) is fitted again. Dashed: the line as " +
      "recorded. A point is as large as its influence on the line at the dotted place.",
    stage: view, says, controls: [names.element], plots: [chart],
    more: [button("previous point", go(-1)), button("next point", go(1))], reset,
  });
  update();
}

export default { render: again(render) };
