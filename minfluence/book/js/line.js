// Points and their regression line: what does one of them do to it? Leverage, residual, Cook's distance.
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, axes, button, coordinates, GREY, INK, label, make, movable, PAPER, picture, RULE, set, show, signed, slider,
  through,
} from "./shared.js";
import { fit, height } from "./regression.js";

// --- The mathematics: least squares with an intercept ---------------------------------------------

/** Everything the picture shows; null where all points stand one above the other. */
export function explore({ x, y, place }) {
  const n = x.length;
  const all = fit(x, y);
  if (!all) return null;
  const { theta, x0, xx } = all;
  const leverage = x.map((v) => 1 / n + (v - x0) ** 2 / xx);
  const residual = x.map((v, i) => y[i] - height(theta, v));
  const s2 = residual.reduce((s, e) => s + e * e, 0) / (n - 2);
  const cook = residual.map((e, i) => (e * e * leverage[i]) / (2 * s2 * (1 - leverage[i]) ** 2) || 0);
  const others = (v, i) => v.filter((_, j) => j !== i);
  const without = x.map((_, i) => fit(others(x, i), others(y, i))?.theta ?? null); // fitted again
  const reach = (v) => 1 / n + ((v - x0) * (place - x0)) / xx; // how far the line at `place` follows a point at v
  const predicted = residual.map((e, i) => -reach(x[i]) * e);
  const actual = without.map((t) => (t ? height(t, place) - height(theta, place) : null));
  return { theta, leverage, residual, cook, without, predicted, actual };
}

/** Point i as far above the line of all others as `distance`, at a new place. */
export function outlier({ x, y }, i, place, distance) {
  const others = fit(x.filter((_, j) => j !== i), y.filter((_, j) => j !== i));
  const put = (v, value) => v.map((old, j) => (j === i ? value : old));
  return { x: put(x, place), y: put(y, height(others.theta, place) + distance) };
}

// --- The picture ----------------------------------------------------------------------------------

const PLANE = { width: 360, height: 320, x: [-0.6, 10.6], y: [-3, 11] };
const PLOT = { width: 280, height: 260, margin: 48 };
const PLACES = Array.from({ length: 21 }, (_, k) => k / 2);
const FLOOR = -2.9; // where the bars of leverage stand
const FULL = 2.6; // and how high a leverage of 1 is
const plane = coordinates(PLANE);

const sign = (v) => signed(v, 2);

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const first = { x: [...model.get("x")], y: [...model.get("y")] };
  const n = first.x.length;
  const state = { x: [...first.x], y: [...first.y], place: model.get("place"), selected: model.get("selected") };
  let found;

  const view = picture("plane", PLANE, {
    role: "group",
    "aria-label": `${n} points and their regression line. Arrow keys move the chosen point.`,
  });
  const plot = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const lines = make("g");
  view.append(lines);
  const marks = first.x.map((_, i) => view.appendChild(handle(i)));

  function update() {
    found = explore(state) ?? found; // keep the last line there was
    drawPlane();
    drawPlot();
    speak();
  }

  const across = (theta) => through(PLANE.x.map((v) => plane.toScreen([v, height(theta, v)])));

  function drawPlane() {
    const { x, y, place, selected } = state;
    const bar = (i) => {
      const [u, bottom] = plane.toScreen([x[i], FLOOR]);
      const top = plane.toScreen([x[i], FLOOR + FULL * found.leverage[i]])[1];
      const fill = i === selected ? INK : RULE;
      return make("rect", { x: u - 4, y: top, width: 8, height: Math.max(bottom - top, 1), fill });
    };
    const string = (i) => make("path", {
      d: through([[x[i], y[i]], [x[i], height(found.theta, x[i])]].map(plane.toScreen)),
      stroke: i === selected ? INK : GREY, "stroke-width": 2,
    });
    const [markedX, floor] = plane.toScreen([place, FLOOR + FULL]);
    const gone = found.without[selected];
    lines.replaceChildren(
      make("path", { d: `M0 ${floor}H${PLANE.width}`, stroke: RULE }),
      label(4, floor + 14, "leverage 1"),
      label(4, PLANE.height - 4, "0"),
      make("path", { d: `M${markedX} 0V${floor}`, stroke: GREY, "stroke-dasharray": "2 4" }),
      ...x.map((_, i) => bar(i)),
      ...x.map((_, i) => string(i)),
      ...(gone ? [make("path", { d: across(gone), stroke: INK, "stroke-width": 1.5, "stroke-dasharray": "6 4" })] : []),
      make("path", { d: across(found.theta), stroke: INK, "stroke-width": 2 }),
    );
    marks.forEach((g, i) => {
      const chosen = i === selected;
      const r = 4 + 8 * Math.sqrt(Math.min(found.cook[i], 2));
      set(g, {
        transform: `translate(${plane.toScreen([x[i], y[i]])})`,
        class: `point movable${chosen ? " selected" : ""}`,
        tabindex: chosen ? 0 : -1,
        "aria-label": `Point ${i + 1}, leverage ${found.leverage[i].toFixed(2)}, residual ${sign(found.residual[i])}`,
      });
      const fill = chosen ? INK : GREY;
      g.replaceChildren(make("circle", { class: "halo", r: Math.max(r + 4, 12) }),
        make("circle", { r, fill, stroke: PAPER }));
    });
  }

  /** Predicted and actual change of the line at the marked place, without each point, on its ray. */
  function drawPlot() {
    const { selected } = state;
    const seen = found.actual.map((a, i) => [found.predicted[i], a, i]).filter(([, a]) => a !== null);
    const reach = 1.15 * Math.max(0.5, ...seen.flatMap(([p, a]) => [Math.abs(p), Math.abs(a)]));
    const at = coordinates({ ...PLOT, x: [-reach, reach], y: [-reach, reach] });
    const ray = (slope) => {
      const end = reach / Math.max(slope, 1);
      return through([[-end, -end * slope], [end, end * slope]].map(at.toScreen));
    };
    const steep = (i) => 1 / (1 - found.leverage[i]);
    const tick = reach > 2 ? Math.floor(reach / 1.15) : 0.5;
    const ticks = [-tick, 0, tick].map((v) => [v, `${v}`]);
    plot.replaceChildren(
      ...seen.map(([, , i]) => make("path", { d: ray(steep(i)), stroke: RULE })),
      make("path", { d: ray(1), stroke: GREY, "stroke-dasharray": "4 4" }),
      ...(found.without[selected] ? [make("path", { d: ray(steep(selected)), stroke: INK, "stroke-width": 1.5 })] : []),
      ...axes(PLOT, at, {
        across: "predicted change of the line",
        up: "actual change, fitted again",
        corner: [-reach, -reach],
        ticksAcross: ticks,
        ticksUp: ticks,
      }),
      ...[...seen].sort((a, b) => (a[2] === selected) - (b[2] === selected)).map(([p, a, i]) => {
        const [cx, cy] = at.toScreen([p, a]);
        const fill = i === selected ? INK : GREY;
        return make("circle", { cx, cy, r: i === selected ? 7 : 4, fill, stroke: PAPER });
      }),
    );
    set(plot, { "aria-label": `Change of the line at ${state.place} without each of ${n} points, actual against ` +
      `predicted. Each point lies on a ray of slope 1 / (1 − h); that of point ${selected + 1} is ` +
      `${steep(selected).toFixed(2)}.` });
  }

  function speak() {
    const i = state.selected;
    const [h, e] = [found.leverage[i], found.residual[i]];
    const start = `Point ${i + 1}: leverage ${h.toFixed(2)}, residual ${sign(e)}, Cook's distance ` +
      `${found.cook[i].toFixed(2)}.`;
    says.textContent = found.actual[i] === null
      ? `${start} All other points stand one above the other: without this one there is no line.`
      : `${start} Without it the line at ${state.place} changes by ${sign(found.predicted[i])} (predicted) or ` +
        `${sign(found.actual[i])} (fitted again): 1 / (1 − h) = ${(1 / (1 - h)).toFixed(2)} times as much. From the ` +
        `line of the others the point is ${sign(e / (1 - h))} away. Slope of the line: ${found.theta[1].toFixed(2)} ` +
        `with it, ${found.without[i][1].toFixed(2)} without.`;
  }

  function handle(i) {
    const g = make("g", { role: "button" });
    movable(g, view, plane, {
      where(place) {
        if (place) {
          [state.x[i], state.y[i]] = place.map((v) => Math.min(Math.max(Math.round(10 * v) / 10, 0), 10));
        }
        return [state.x[i], state.y[i]];
      },
      step: 0.1,
      select: () => { state.selected = i; },
      update,
      done: tell,
    });
    g.addEventListener("focus", () => i === state.selected || changed({ selected: i }));
    return g;
  }
  function changed(change) {
    Object.assign(state, change);
    update();
    tell();
  }
  /** Let Python see what the reader did. */
  function tell() {
    for (const name of ["x", "y", "place", "selected"]) model.set(name, state[name]);
    model.set("predicted", found.predicted);
    model.set("actual", found.actual);
    model.save_changes();
  }

  const at = slider("place we look at", PLACES, String, (place) => changed({ place }));
  at.set(state.place);
  const last = first.x.indexOf(Math.max(...first.x));
  const middle = (Math.max(...first.x) + Math.min(...first.x)) / 2;
  const put = (place) => () => changed({ ...outlier(first, last, place, -4), selected: last });
  const go = (by) => () => changed({ selected: (state.selected + by + n) % n });
  show(el, {
    intro: "Drag a point. Its string to the line is the residual e, the bar under it the leverage h, its size " +
      "Cook's distance. Dashed: the line without the chosen point. The plot shows for each point how far the line " +
      "at the dotted place moves without it.",
    stage: view, says,
    controls: [button("outlier in the middle", put(middle)), button("outlier at the end", put(first.x[last]))],
    plots: [plot],
    more: [at.element, button("previous point", go(-1)), button("next point", go(1))],
    reset,
  });
  update();
}

export default { render: again(render) };
