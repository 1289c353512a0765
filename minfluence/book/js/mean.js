// Ten incomes and their mean, as a beam and its point of balance: what does it do without one of them?
// Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, axes, button, coordinates, GREY, HALO, INK, label, make, movable, PAPER, picture, RULE, set, show, signed, slider,
  through,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

const sum = (v) => v.reduce((s, x) => s + x, 0);

/** The mean in which number i counts `weight` times, and all others once. */
export function weighted(x, i, weight) {
  return (sum(x) + (weight - 1) * x[i]) / (x.length - 1 + weight);
}

/** Everything the picture shows. */
export function explore({ incomes, selected, weight }) {
  const n = incomes.length;
  const mean = sum(incomes) / n;
  const without = incomes.map((_, i) => weighted(incomes, i, 0));
  const slope = (incomes[selected] - mean) / n; // of the mean, in the weight, at weight 1
  const centre = sum(without) / n;
  const spread = sum(without.map((m) => (m - centre) ** 2));
  return {
    mean,
    slope,
    without, // the ten leave-one-out means
    exact: without[selected] - mean,
    first: -slope, // the tangent followed to weight 0
    now: weighted(incomes, selected, weight),
    tangent: mean + (weight - 1) * slope,
    error: Math.sqrt(((n - 1) / n) * spread), // the jackknife's standard error
    textbook: Math.sqrt(sum(incomes.map((x) => (x - mean) ** 2)) / (n - 1) / n),
  };
}

// --- The picture ----------------------------------------------------------------------------------

const ROW = 20;
const TOP = 14; // the middle of the first row
const HIGHEST = 100;
const WEIGHTS = Array.from({ length: 41 }, (_, k) => k / 20);
const PLOT = { width: 280, height: 250, margin: 46, x: [-0.15, 2.1] };

const sign = (v, digits = 2) => signed(v, digits);
const counted = (w) => `${w.toFixed(2)}${w === 0 ? " (gone)" : w === 1 ? " (as it is)" : w === 2 ? " (twice)" : ""}`;

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const names = model.get("names");
  const n = names.length;
  const state = { incomes: [...model.get("incomes")], selected: model.get("selected"), weight: model.get("weight") };
  let found;

  const BEAM = { width: 360, height: n * ROW + 76, x: [-4, 118], y: [0, 1] };
  const beam = coordinates(BEAM);
  const across = (x) => beam.toScreen([x, 0])[0];
  const ground = TOP + n * ROW; // where the beam lies
  const view = picture("plane", BEAM, {
    role: "group",
    "aria-label": `${n} incomes on a beam that balances at their mean. Arrow keys move the chosen one.`,
  });
  const plot = picture("plot", PLOT, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const rods = make("g");
  const below = make("g");
  view.append(rods, below);
  const marks = names.map((_, i) => view.appendChild(handle(i)));

  function update() {
    found = explore(state);
    drawBeam();
    drawPlot();
    speak();
  }

  function drawBeam() {
    const { incomes, selected, weight } = state;
    const tick = (x, from, to, attributes) => make("path", { d: `M${across(x)} ${from}V${to}`, ...attributes });
    rods.replaceChildren(
      tick(found.now, 4, ground, { stroke: INK, "stroke-dasharray": "2 4" }),
      ...incomes.map((x, i) => tick(x, TOP + i * ROW, ground, { stroke: i === selected ? INK : RULE })),
      make("path", { d: `M4 ${ground}H${BEAM.width - 4}`, stroke: INK, "stroke-width": 3 }),
    );
    const at = across(found.now);
    const [low, high] = [-1, 1].map((side) => across(found.mean + side * found.error));
    below.replaceChildren(
      make("path", { d: `M${at} ${ground + 2}l9 16h-18Z`, fill: INK }),
      ...[0, 20, 40, 60, 80, 100].flatMap((x) => (Math.abs(across(x) - at) < 16 ? [] : [
        tick(x, ground, ground + 4, { stroke: INK }),
        label(across(x), ground + 16, `${x}`, { "text-anchor": "middle" }),
      ])),
      ...found.without.map((m, i) =>
        tick(m, ground + 26, ground + 38, { stroke: i === selected ? INK : GREY, "stroke-width": i === selected ? 3 : 1 })),
      label(Math.max(...found.without.map(across)) + 8, ground + 36, "mean without each"),
      make("path", { d: `M${low} ${ground + 46}v8m0-4H${high}m0-4v8`, stroke: GREY, "stroke-width": 2, fill: "none" }),
      label(high + 8, ground + 55, "mean ± standard error"),
      ...incomes.map((x, i) => make("text", {
        x: across(x) + 13, y: TOP + i * ROW + 4, "font-weight": i === selected ? 700 : 400,
        ...HALO, "pointer-events": "none",
      }, `${names[i]} ${x}`)),
    );
    marks.forEach((g, i) => {
      const chosen = i === selected;
      const size = chosen ? weight : 1;
      set(g, {
        transform: `translate(${across(incomes[i])} ${TOP + i * ROW})`,
        class: `point movable${chosen ? " selected" : ""}`,
        tabindex: chosen ? 0 : -1,
        "aria-label": `Income of ${names[i]}`,
        "aria-valuenow": incomes[i],
        "aria-valuetext": `${incomes[i]} thousand`,
      });
      g.replaceChildren(
        make("circle", { class: "halo", r: 10 }),
        make("circle", {
          r: 7 * Math.sqrt(size || 1),
          fill: chosen ? INK : GREY,
          ...(size ? {} : { "fill-opacity": 0.15, stroke: INK, "stroke-dasharray": "2 2" }),
        }),
      );
    });
  }

  /** The mean against the weight of the chosen one, and its tangent at weight 1. */
  function drawPlot() {
    const reach = Math.max(6, 1.25 * Math.abs(found.exact));
    const y = [found.mean - reach, found.mean + reach];
    const at = coordinates({ ...PLOT, y });
    const curve = WEIGHTS.map((w) => at.toScreen([w, weighted(state.incomes, state.selected, w)]));
    const tangent = [0, 2].map((w) => at.toScreen([w, found.mean + (w - 1) * found.slope]));
    const dot = (w, m, attributes) => {
      const [cx, cy] = at.toScreen([w, m]);
      return make("circle", { cx, cy, r: 5, ...attributes });
    };
    const step = reach > 8 ? 10 : 5;
    const ticks = [];
    for (let v = Math.ceil(y[0] / step) * step; v <= y[1]; v += step) ticks.push([v, `${v}`]);
    plot.replaceChildren(
      make("path", { d: through([[1, y[0]], [1, y[1]]].map(at.toScreen)), stroke: RULE }),
      ...axes(PLOT, at, {
        across: `weight of ${names[state.selected]}`,
        up: "mean income, thousands",
        corner: [-0.15, y[0]],
        ticksAcross: [0, 1, 2].map((w) => [w, `${w}`]),
        ticksUp: ticks,
      }),
      make("path", { d: through(tangent), stroke: GREY, "stroke-width": 2, "stroke-dasharray": "6 4" }),
      make("path", { d: through(curve), stroke: INK, "stroke-width": 2, fill: "none" }),
      label(...at.toScreen([2.08, found.mean + 1.08 * found.slope]), "tangent", {
        "text-anchor": "end", class: "quiet", dy: found.slope > 0 ? -8 : 18,
      }),
      dot(0, found.mean - found.slope, { fill: PAPER, stroke: GREY, "stroke-width": 2 }),
      dot(0, found.without[state.selected], { fill: INK }),
      dot(state.weight, found.tangent, { fill: PAPER, stroke: GREY, "stroke-width": 2 }),
      dot(state.weight, found.now, { fill: INK }),
    );
    set(plot, { "aria-label": `The mean against the weight of ${names[state.selected]}, a curve, and its tangent at ` +
      `weight 1. At weight 0 the curve is at ${found.without[state.selected].toFixed(2)}, the tangent at ` +
      `${(found.mean - found.slope).toFixed(2)}.` });
  }

  function speak() {
    const { incomes, selected, weight } = state;
    const name = names[selected];
    const gap = sign(found.mean - incomes[selected], 1);
    const knob = weight === 1 ? "" : ` With weight ${weight.toFixed(2)} instead of 1 the mean is ` +
      `${found.now.toFixed(2)}; the tangent says ${found.tangent.toFixed(2)}.`;
    says.textContent = `${name} earns ${incomes[selected]}, the mean of all ${n} is ${found.mean.toFixed(2)}. Without ` +
      `${name} it changes by ${gap} / ${n - 1} = ${sign(found.exact)}; first order says ${gap} / ${n} = ` +
      `${sign(found.first)}.${knob} The means without each one lie between ` +
      `${Math.min(...found.without).toFixed(2)} and ${Math.max(...found.without).toFixed(2)}; ` +
      `the standard error from their spread is ${found.error.toFixed(2)}.`;
  }

  /** An income: it can be chosen, and moved along the beam. */
  function handle(i) {
    const g = make("g", { role: "slider", "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": HIGHEST });
    const where = (place) => {
      if (place) state.incomes[i] = Math.min(Math.max(Math.round(place[0]), 0), HIGHEST);
      return [state.incomes[i], 0];
    };
    const select = () => choose(i);
    g.addEventListener("keydown", (event) => { // up and down as in any slider
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      where([state.incomes[i] + by * (event.shiftKey ? 5 : 1)]);
      changed({});
    });
    movable(g, view, beam, { where, step: 1, select, update, done: tell });
    g.addEventListener("focus", () => i === state.selected || (select(), changed({})));
    return g;
  }
  function choose(i) {
    state.selected = (i + n) % n;
    state.weight = 1; // the others' weights are always 1
    weights.set(1);
  }
  function changed(change) {
    Object.assign(state, change);
    update();
    tell();
  }
  /** Let Python see what the reader did. */
  function tell() {
    model.set("incomes", state.incomes);
    model.set("selected", state.selected);
    model.set("weight", state.weight);
    model.set("without", found.without);
    model.save_changes();
  }

  const weights = slider("weight of the chosen one", WEIGHTS, counted, (weight) => changed({ weight }));
  weights.set(state.weight);
  const go = (by) => () => {
    choose(state.selected + by);
    changed({});
  };
  show(el, {
    intro: "The beam balances at the mean (triangle). Drag an income, or choose one and turn its weight: those right of " +
      "the triangle pull the mean up. The plot shows the mean as that weight changes, and its tangent, dashed.",
    stage: view, says, controls: [weights.element], plots: [plot],
    more: [button("previous person", go(-1)), button("next person", go(1))], reset,
  });
  update();
}

export default { render: again(render) };
