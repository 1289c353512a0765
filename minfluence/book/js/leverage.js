// One point is pulled away from all others: the line follows it, its residual vanishes, and what influence
// says about it with the residual, although the line rests on it more and more.
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import { fit, height } from "./regression.js";
import {
  again, axes, coordinates, GREY, INK, label, make, movable, picture, RULE, set, show, signed, slider, THIRD, through,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

/**
 * The last point stands at `place`, `miss` above the line of all others. Change of the line under it when
 * it is left out: predicted - h e by influence, actual - h e / (1 - h); so the others' line is e / (1 - h) off.
 */
export function explore({ x, y, place, miss }) {
  const [others, heights] = [x.slice(0, -1), y.slice(0, -1)];
  const without = fit(others, heights).theta;
  const [all, up] = [[...others, place], [...heights, height(without, place) + miss]];
  const { theta, x0, xx } = fit(all, up);
  const leverage = 1 / all.length + (place - x0) ** 2 / xx;
  const residual = up.at(-1) - height(theta, place);
  return {
    y: up.at(-1), theta, without, leverage, residual,
    predicted: -leverage * residual,
    actual: height(without, place) - height(theta, place),
  };
}

// --- The picture ----------------------------------------------------------------------------------

const FAR = 40;
const PLACES = Array.from({ length: 71 }, (_, k) => 5 + k / 2); // 5, 5.5, ..., 40
const PLANE = { width: 380, height: 300, margin: 36 };
const PLOT = { width: 300, height: 260, margin: 44, x: [0, 1.02] };
const SHARES = Array.from({ length: 100 }, (_, k) => k / 100);

const sign = (v) => signed(v, 2);

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const [x, y, miss] = [model.get("x"), model.get("y"), model.get("miss")];
  const state = { place: model.get("place") };
  const reach = Math.abs(miss);
  const ends = [0, FAR].flatMap((place) => [place, ...(place ? [] : x)].map((v) =>
    height(explore({ x, y, miss, place: FAR }).without, v)));
  const [low, high] = [Math.min(...y, ...ends) - reach - 1, Math.max(...y, ...ends) + reach + 1];
  const window = { ...PLANE, x: [-1, FAR + 2], y: [low, high] };
  const plane = coordinates(window);
  const plot = coordinates({ ...PLOT, y: [-0.02 * reach, 1.08 * reach] });
  let found;

  const view = picture("plane", PLANE, { role: "group", "aria-label": "Points and their line. Arrow keys move the last point." });
  const chart = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const lines = make("g");
  const mark = make("g", {
    class: "point movable selected", role: "slider", tabindex: 0, "aria-orientation": "horizontal",
    "aria-label": "Place of the last point", "aria-valuemin": PLACES[0], "aria-valuemax": FAR,
  }, make("circle", { class: "halo", r: 16 }), make("circle", { r: 7, fill: INK }));
  view.append(lines, mark);

  function update() {
    found = explore({ x, y, miss, place: state.place });
    drawPlane();
    drawParts();
    speak();
  }

  const across = (theta) => through(window.x.map((v) => plane.toScreen([v, height(theta, v)])));
  function drawPlane() {
    const at = [state.place, found.y];
    const string = (theta, shift) => {
      const [u, v] = plane.toScreen(at);
      return `M${u + shift} ${v}V${plane.toScreen([state.place, height(theta, state.place)])[1]}`;
    };
    const [u, bottom] = plane.toScreen([state.place, low]);
    lines.replaceChildren(
      ...axes(PLANE, plane, { across: "place", up: "", corner: [0, low], ticksAcross: [0, 10, 20, 30, 40].map((v) => [v, `${v}`]) }),
      make("path", { d: across(found.without), stroke: GREY, "stroke-width": 1.5, "stroke-dasharray": "6 4" }),
      make("path", { d: across(found.theta), stroke: INK, "stroke-width": 2 }),
      make("path", { d: string(found.without, 3), stroke: GREY, "stroke-width": 2 }),
      make("path", { d: string(found.theta, -3), stroke: THIRD, "stroke-width": 4 }),
      ...x.slice(0, -1).map((v, i) => {
        const [cx, cy] = plane.toScreen([v, y[i]]);
        return make("circle", { cx, cy, r: 4, fill: GREY });
      }),
      label(u, bottom - 8, `h = ${found.leverage.toFixed(2)}`, { "text-anchor": u > 320 ? "end" : "middle" }),
    );
    set(mark, {
      transform: `translate(${plane.toScreen(at)})`,
      "aria-valuenow": state.place,
      "aria-valuetext": `${state.place}, leverage ${found.leverage.toFixed(2)}`,
    });
  }

  /** Size of the change without the point, against its leverage: h times, and h (1 - h) times the miss. */
  function drawParts() {
    const curve = (f) => through([...SHARES, 1].map((h) => plot.toScreen([h, f(h) * reach])));
    const dot = (value, fill) => {
      const [cx, cy] = plot.toScreen([found.leverage, Math.abs(value)]);
      return make("circle", { cx, cy, r: 6, fill });
    };
    const [u, from] = plot.toScreen([found.leverage, Math.abs(found.predicted)]);
    const to = plot.toScreen([found.leverage, Math.abs(found.actual)])[1];
    const [a, b] = [plot.toScreen([0.5, 0.5 * reach]), plot.toScreen([0.55, 0.2475 * reach])];
    chart.replaceChildren(
      make("path", { d: `M${u} ${from}V${to}`, stroke: RULE, "stroke-width": 3 }),
      make("path", { d: curve((h) => h), fill: "none", stroke: INK, "stroke-width": 2 }),
      make("path", { d: curve((h) => h * (1 - h)), fill: "none", stroke: THIRD, "stroke-width": 2, "stroke-dasharray": "6 4" }),
      ...axes(PLOT, plot, {
        across: "leverage h", up: "size of the change", corner: [0, -0.02 * reach],
        ticksAcross: [0, 0.5, 1].map((v) => [v, `${v}`]),
        ticksUp: [0, reach].map((v) => [v, v.toFixed(0)]),
      }),
      label(a[0] - 10, a[1] - 6, "actual", { "text-anchor": "end" }),
      label(b[0], b[1] + 26, "predicted", { "text-anchor": "middle" }),
      dot(found.predicted, THIRD), dot(found.actual, INK),
    );
    set(chart, { "aria-label": `Size of the change of the line against leverage. ${parts()}` });
  }

  const parts = () => `Predicted ${sign(found.predicted)}, actual ${sign(found.actual)}: ` +
    `1 / (1 − h) = ${(1 / (1 - found.leverage)).toFixed(2)} times as much.`;
  function speak() {
    says.textContent = `At ${state.place} the point has leverage ${found.leverage.toFixed(2)}. It lies ${sign(miss)} from the ` +
      `line of the others, but only ${sign(found.residual)} from the line that it helps to draw. Without it the line ` +
      `under it changes. ${parts()}`;
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("place", state.place);
    model.set("predicted", [found.predicted]);
    model.set("actual", [found.actual]);
    model.save_changes();
  }
  function put(place) {
    state.place = Math.min(Math.max(Math.round(2 * place) / 2, PLACES[0]), FAR);
    places.set(state.place);
  }
  mark.addEventListener("keydown", (event) => { // up and down as in any slider
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    put(state.place + by);
    update();
    tell();
  });
  movable(mark, view, plane, {
    where(to) {
      if (to) put(to[0]);
      return [state.place, found.y];
    },
    step: 1,
    update,
    done: tell,
  });
  const places = slider("place of the point", PLACES, String, (place) => {
    state.place = place;
    update();
    tell();
  });
  places.set(state.place);
  show(el, {
    intro: "Drag the large point to the right. It stays as far from the line of the others (dashed), and the line (solid) " +
      "follows it. Purple is what influence sees: the residual, and the change that it predicts.",
    stage: view, says, controls: [places.element], plots: [chart], reset,
  });
  update();
}

export default { render: again(render) };
