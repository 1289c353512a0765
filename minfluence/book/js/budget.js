// How many labels to check? A budget that can be dragged: what each ranking has found by then, and which
// examples it took. Mathematics first; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

import {
  again, axes, choice, coordinates, GREY, INK, label, make, movable, picture, RULE, set, show, slider, THIRD, through,
} from "./shared.js";

// --- The mathematics ------------------------------------------------------------------------------

/** Share of the wrong labels that are found; `places` are theirs in a ranking of n, from 0. */
export const recall = (places, checked) => places.filter((place) => place < checked).length / places.length;

/** What every ranking of a case has found when `share` of n labels have been checked. */
export function explore({ n, rankings, share }) {
  const checked = Math.floor(share * n + 1e-9);
  return { checked, found: Object.fromEntries(Object.entries(rankings).map(([name, { wrong }]) => [name, recall(wrong, checked)])) };
}

// --- The picture ----------------------------------------------------------------------------------

const MOST = 0.5; // of the labels
const SHARES = Array.from({ length: 101 }, (_, k) => (k * MOST) / 100);
const MAP = { width: 320, height: 300, margin: 44, x: [-0.03, 1.03] };
const CURVE = { width: 360, height: 300, margin: 58, x: [0, 0.66], y: [0, 1.02] };
const DASHES = ["7 4", "2 3", "10 3 2 3"];
const curve = coordinates(CURVE);
const percent = (v) => `${(100 * v).toFixed(1).replace(/\.0$/, "")}\u00a0%`;

/** Many marks as one path: circles, or squares. */
const dots = (places, attributes) => make("path", {
  d: places.map((at) => `M${at.map((v) => v.toFixed(1))}h0`).join(""), fill: "none", ...attributes,
});

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el, reset }) {
  const [n, cases] = [model.get("n"), model.get("cases")];
  const axesOf = model.get("axes");
  const state = { share: model.get("share"), method: model.get("method"), of: model.get("case") };
  const names = Object.keys(cases);
  const methods = Object.keys(Object.values(cases)[0].rankings);
  const heights = Object.values(cases).flatMap(({ wrong, right }) => [...wrong, ...right]).map(([, q]) => Math.log10(q));
  const map = coordinates({ ...MAP, y: [Math.min(...heights) - 0.1, Math.max(...heights) + 0.1] });
  const tens = Array.from({ length: 12 }, (_, k) => k - 6).filter((k) => k >= Math.min(...heights) && k <= Math.max(...heights));
  let found;

  const view = picture("plane", CURVE, {
    role: "group", "aria-label": "Share of the wrong labels found against labels checked. Arrow keys move the budget.",
  });
  const cloud = picture("plot", MAP, { role: "img" });
  const says = make("p", { class: "says", "aria-live": "polite" });
  const lines = make("g");
  const rod = make("path", { stroke: INK, "stroke-width": 2 });
  const grip = make("g", {
    class: "point movable selected", role: "slider", tabindex: 0, "aria-orientation": "horizontal",
    "aria-label": "Budget", "aria-valuemin": 0, "aria-valuemax": 100 * MOST,
  }, make("circle", { class: "halo", r: 18 }), make("circle", { r: 8, fill: INK }));
  view.append(lines, rod, grip);

  function update() {
    found = explore({ n, rankings: cases[state.of].rankings, share: state.share });
    drawCurves();
    drawCloud();
    speak();
  }

  function drawCurves() {
    const { rankings } = cases[state.of];
    const others = methods.filter((name) => name !== state.method);
    const look = (name) => (name === state.method
      ? { stroke: INK, "stroke-width": 3 }
      : { stroke: GREY, "stroke-width": 1.75, "stroke-dasharray": DASHES[others.indexOf(name) % 3] });
    const points = (name) => SHARES.map((share) => [share, recall(rankings[name].wrong, Math.floor(share * n + 1e-9))]);
    const ends = methods.map((name) => ({ name, v: curve.toScreen(points(name).at(-1))[1] }));
    ends.sort((a, b) => a.v - b.v).forEach((end, k) => { // no name on another
      end.at = Math.max(end.v, k ? ends[k - 1].at + 15 : 14);
    });
    const row = (name) => curve.toScreen([state.share, found.found[name]]);
    lines.replaceChildren(
      make("path", { d: through([[0, 0], [MOST, MOST]].map(curve.toScreen)), stroke: RULE, "stroke-width": 1.5 }),
      label(...curve.toScreen([0.51, 0.485]), "random", { class: "quiet" }),
      ...[...others, state.method].map((name) => make("path", { d: through(points(name).map(curve.toScreen)), fill: "none", ...look(name) })),
      ...ends.map(({ name, at }) => label(curve.toScreen([0.51, 0])[0], at + 5, name, {
        ...(name === state.method ? { "font-weight": 700 } : { class: "quiet" }),
      })),
      ...axes(CURVE, curve, {
        across: "labels checked", up: "wrong labels found", corner: [0, 0],
        ticksAcross: [0, 0.1, 0.2, 0.3, 0.4, 0.5].map((v) => [v, percent(v)]),
        ticksUp: [0, 0.5, 1].map((v) => [v, percent(v)]),
      }),
      ...methods.map((name) => {
        const [cx, cy] = row(name);
        return make("circle", { cx, cy, r: name === state.method ? 6 : 4, fill: name === state.method ? INK : GREY });
      }),
    );
    const [u, bottom] = curve.toScreen([state.share, 0]);
    set(rod, { d: `M${u} 6V${bottom}` });
    set(grip, {
      transform: `translate(${u} ${bottom})`,
      "aria-valuenow": 100 * state.share,
      "aria-valuetext": `${percent(state.share)} checked`,
    });
  }

  /** Every label where it lies; those that the ranking takes within the budget stand out. */
  function drawCloud() {
    const { wrong, right, rankings } = cases[state.of];
    const of = rankings[state.method];
    const split = (places, ranks) => [true, false].map((taken) =>
      places.filter((_, i) => ranks[i] < found.checked === taken).map(([x, q]) => map.toScreen([x, Math.log10(q)])));
    const [rightIn, rightOut] = split(right, of.right);
    const [wrongIn, wrongOut] = split(wrong, of.wrong);
    cloud.replaceChildren(
      dots(rightOut, { stroke: GREY, "stroke-width": 3, "stroke-linecap": "round", "stroke-opacity": 0.35 }),
      dots(rightIn, { stroke: GREY, "stroke-width": 6, "stroke-linecap": "round" }),
      dots(wrongOut, { stroke: THIRD, "stroke-width": 4, "stroke-linecap": "square", "stroke-opacity": 0.55 }),
      dots(wrongIn, { stroke: THIRD, "stroke-width": 6, "stroke-linecap": "square" }),
      ...axes(MAP, map, {
        across: axesOf[0], up: axesOf[1], corner: [MAP.x[0], Math.min(...heights) - 0.1],
        ticksAcross: [0, 0.5, 1].map((v) => [v, `${v}`]),
        ticksUp: tens.map((k) => [k, `${10 ** k}`]),
      }),
    );
    set(cloud, { "aria-label": `${axesOf[1]} against ${axesOf[0]}, for the ${wrong.length} wrong labels and ${right.length} others. ` +
      `With ${percent(state.share)} checked by ${state.method}, ${wrongIn.length} wrong ones are taken.` });
  }

  function speak() {
    const others = methods.filter((name) => name !== state.method);
    const told = (name) => `${name} ${percent(found.found[name])}`;
    const where = names.length > 1 ? `${model.get("of")} ${state.of}: ` : "";
    says.textContent = `${where}${percent(state.share)} checked, ${found.checked} of ${n} labels. Ranked by ${state.method}, ` +
      `${percent(found.found[state.method])} of the wrong ones are found; by ${others.map(told).join(", ")}; ` +
      `at random ${percent(state.share)}.`;
  }

  /** Let Python see what the reader did. */
  function tell() {
    model.set("share", state.share);
    model.set("method", state.method);
    model.set("case", state.of);
    model.set("found", found.found);
    model.save_changes();
  }
  function changed(change) {
    Object.assign(state, change);
    update();
    tell();
  }
  function put(share) {
    state.share = Math.min(Math.max(Math.round(200 * share) / 200, 0), MOST);
    budgets.set(state.share);
  }
  grip.addEventListener("keydown", (event) => { // up and down as in any slider
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    put(state.share + by / 200);
    changed({});
  });
  movable(grip, view, curve, {
    where(to) {
      if (to) put(to[0]);
      return [state.share, 0];
    },
    step: 0.005,
    update,
    done: tell,
  });
  const budgets = slider("budget", SHARES, percent, (share) => changed({ share }));
  budgets.set(state.share);
  const rankings = choice("Ranked by: ", methods, (method) => changed({ method }));
  rankings.set(state.method);
  const which = choice(`${model.get("of")}: `, names, (of) => changed({ of }));
  which.set(state.of);
  show(el, {
    intro: "Drag the budget. Each line says how many of the wrong labels a ranking has found by then. In the second picture " +
      "squares are wrong labels and dots right ones; large ones are checked.",
    stage: view, says, controls: [budgets.element, rankings.element, ...(names.length > 1 ? [which.element] : [])],
    plots: [cloud], reset,
  });
  update();
}

export default { render: again(render) };
