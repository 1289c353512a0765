// The front page's explorable: drag training points, and see at once what each of them does to the
// prediction at the cross. Mathematics first, as in the book; then the picture; then the hands.
//
// Node imports this file too: a test compares its numbers with those of the Python package.

// --- The mathematics: logistic regression in the plane -------------------------------------------
// A training point is {x: [x1, x2], y: -1 or +1}; theta has three entries, the last the intercept.

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const withOne = ({ x }) => [x[0], x[1], 1];

/** log(1 + e^t), safe for any t. */
const softplus = (t) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
const sigmoid = (t) => (t >= 0 ? 1 / (1 + Math.exp(-t)) : Math.exp(t) / (1 + Math.exp(t)));

/** Loss of one point, without penalty. */
export const loss = (theta, point) => softplus(-point.y * dot(theta, withOne(point)));

/** Gradient of one point's loss, without penalty. */
export function lossGradient(theta, point) {
  const x = withOne(point);
  const slope = -point.y * sigmoid(-point.y * dot(theta, x));
  return x.map((v) => slope * v);
}

/** Risk, gradient and Hessian; every point has its weight and its share of the penalty. */
export function risk(theta, points, weights, l2) {
  let [value, total] = [0, 0];
  const g = [0, 0, 0];
  const H = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  points.forEach((point, i) => {
    const w = weights[i];
    if (w === 0) return;
    const x = withOne(point);
    const p = sigmoid(-point.y * dot(theta, x));
    value += w * loss(theta, point);
    total += w;
    for (let a = 0; a < 3; a++) {
      g[a] -= w * point.y * p * x[a];
      for (let b = 0; b < 3; b++) H[a][b] += w * p * (1 - p) * x[a] * x[b];
    }
  });
  for (let a = 0; a < 3; a++) {
    g[a] += total * l2 * theta[a];
    H[a][a] += total * l2;
  }
  return { value: value + (total * l2 * dot(theta, theta)) / 2, g, H };
}

/** Solve H v = b for a positive definite 3 x 3 matrix, by Cholesky's factor. */
export function solve(H, b) {
  const L = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  for (let a = 0; a < 3; a++) {
    for (let c = 0; c <= a; c++) {
      let s = H[a][c];
      for (let k = 0; k < c; k++) s -= L[a][k] * L[c][k];
      L[a][c] = a === c ? Math.sqrt(s) : s / L[c][c];
    }
  }
  const v = [...b];
  for (let a = 0; a < 3; a++) {
    for (let k = 0; k < a; k++) v[a] -= L[a][k] * v[k];
    v[a] /= L[a][a];
  }
  for (let a = 2; a >= 0; a--) {
    for (let k = a + 1; k < 3; k++) v[a] -= L[k][a] * v[k];
    v[a] /= L[a][a];
  }
  return v;
}

/** Minimise the risk by Newton's method; a step that does not go downhill is halved. */
export function fit(points, weights, l2, theta = [0, 0, 0]) {
  let now = risk(theta, points, weights, l2);
  for (let step = 0; step < 100 && Math.hypot(...now.g) > 1e-13; step++) {
    const d = solve(now.H, now.g);
    let size = 1;
    let next;
    do {
      next = theta.map((t, a) => t - size * d[a]);
      size /= 2;
    } while (risk(next, points, weights, l2).value > now.value + 1e-15 && size > 1e-8);
    theta = next;
    now = risk(theta, points, weights, l2);
  }
  return theta;
}

/** Everything the picture shows: predicted and actual change of the loss at the cross. */
export function explore({ points, test, l2 }) {
  const n = points.length;
  const weights = points.map(() => 1 / n);
  const theta = fit(points, weights, l2);
  const sTest = solve(risk(theta, points, weights, l2).H, lossGradient(theta, test));
  const predicted = points.map((point) => {
    const g = lossGradient(theta, point).map((v, a) => v + l2 * theta[a]);
    return dot(sTest, g) / n; // - I_up,loss / n
  });
  const before = loss(theta, test);
  const actual = points.map((_, i) => {
    const without = weights.map((w, j) => (j === i ? 0 : w));
    return loss(fit(points, without, l2, theta), test) - before;
  });
  return { theta, predicted, actual, before, ...agreement(predicted, actual) };
}

/** Pearson correlation, and the slope of actual over predicted. */
export function agreement(predicted, actual) {
  const mean = (v) => v.reduce((s, x) => s + x, 0) / v.length;
  const [p, a] = [mean(predicted), mean(actual)];
  let [pp, pa, aa] = [0, 0, 0];
  predicted.forEach((x, i) => {
    pp += (x - p) ** 2;
    pa += (x - p) * (actual[i] - a);
    aa += (actual[i] - a) ** 2;
  });
  return { pearson: pa / Math.sqrt(pp * aa) || 0, slope: pa / pp || 0 };
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

const RANGE = { x: [-3.8, 3.8], y: [-3, 3] }; // of the plane
const PLANE = { width: 380, height: 300 };
const PLOT = { width: 260, height: 240, margin: 34 };
const HELPS = "#0072B2";
const HARMS = "#D55E00";
const STYLE = `
.explore { background: #fff; color: #222; border: 1px solid #bbb; border-radius: 6px; padding: 0.6rem;
  font: 15px/1.4 system-ui, sans-serif; box-sizing: border-box; max-width: 720px; }
.explore .beside { display: flex; flex-wrap: wrap; gap: 0.4rem 1rem; align-items: flex-start; }
.explore svg { display: block; max-width: 100%; height: auto; }
.explore .plane { flex: 1 1 300px; max-width: 420px; touch-action: none; }
.explore .plot { flex: 0 1 260px; }
.explore .point { cursor: grab; outline: none; }
.explore .point:focus-visible .halo, .explore .selected .halo { stroke: #222; stroke-width: 2; }
.explore .halo { fill: transparent; stroke: none; }
.explore button, .explore select { font: inherit; color: #222; background: #f4f4f4; border: 1px solid #767676;
  border-radius: 4px; padding: 0.25rem 0.6rem; min-height: 2.2rem; }
.explore button:focus-visible, .explore select:focus-visible { outline: 3px solid #0072B2; outline-offset: 1px; }
.explore p { margin: 0.4rem 0; }
.explore .says { min-height: 5.6em; }
.explore text { font: 12px system-ui, sans-serif; fill: #333; }
`;

const toScreen = ([x, y]) => [
  ((x - RANGE.x[0]) / (RANGE.x[1] - RANGE.x[0])) * PLANE.width,
  ((RANGE.y[1] - y) / (RANGE.y[1] - RANGE.y[0])) * PLANE.height,
];
const toPlane = ([u, v]) => [
  RANGE.x[0] + (u / PLANE.width) * (RANGE.x[1] - RANGE.x[0]),
  RANGE.y[1] - (v / PLANE.height) * (RANGE.y[1] - RANGE.y[0]),
];
const inside = ([x, y]) => [
  Math.min(Math.max(x, RANGE.x[0] + 0.1), RANGE.x[1] - 0.1),
  Math.min(Math.max(y, RANGE.y[0] + 0.1), RANGE.y[1] - 0.1),
];

/** An element with attributes and children; SVG where the name is one of SVG's. */
function make(name, attributes = {}, ...children) {
  const svg = /^(svg|g|path|circle|rect|line|text|title)$/.test(name);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const kind = (y) => (y > 0 ? "square" : "circle");
const signed = (v) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(4);

/** The mark of one training point: its class by shape, its effect by colour and size. */
function mark(point, radius, colour) {
  const common = { fill: colour, stroke: "#fff", "stroke-width": 1 };
  return point.y > 0
    ? make("rect", { x: -radius, y: -radius, width: 2 * radius, height: 2 * radius, ...common })
    : make("circle", { r: radius * 1.13, ...common });
}

/** Where the score is zero, from one edge of the plane to the other. */
function boundary([a, b, c]) {
  const ends = Math.abs(b) > Math.abs(a)
    ? RANGE.x.map((x) => [x, -(a * x + c) / b])
    : RANGE.y.map((y) => [-(b * y + c) / a, y]);
  return ends.map(toScreen);
}

// --- The hands ------------------------------------------------------------------------------------

/** Build the explorable in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el }) {
  const start = () => ({
    points: model.get("X").map((x, i) => ({ x: [...x], y: model.get("y")[i] })),
    test: { x: model.get("test").slice(0, 2), y: model.get("test")[2] },
    l2: model.get("l2"),
  });
  let state = start();
  let selected = 0; // -1 is the cross
  let found;

  const plane = make("svg", {
    class: "plane",
    viewBox: `0 0 ${PLANE.width} ${PLANE.height}`,
    width: PLANE.width,
    height: PLANE.height,
    role: "group",
    "aria-label": "Training points in the plane. Arrow keys move the selected one.",
  });
  const plot = make("svg", {
    class: "plot",
    viewBox: `0 0 ${PLOT.width} ${PLOT.height}`,
    width: PLOT.width,
    height: PLOT.height,
    role: "img",
  });
  const line = make("line", { stroke: "#222", "stroke-width": 1.5 });
  plane.append(line);
  const says = make("p", { class: "says", "aria-live": "polite" });
  const choose = make("select");
  choose.append(...Object.keys(SCENARIOS).map((name) => make("option", { value: name }, name)));
  const button = (name, action) => {
    const b = make("button", { type: "button" }, name);
    b.addEventListener("click", action);
    return b;
  };

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
    while (marks.length < state.points.length + 1) marks.push(plane.appendChild(handle(marks.length)));
    const [[u1, v1], [u2, v2]] = boundary(found.theta);
    for (const [key, value] of Object.entries({ x1: u1, y1: v1, x2: u2, y2: v2 })) {
      line.setAttribute(key, value);
    }
    marks.forEach((g, i) => {
      const isTest = i === state.points.length;
      const point = isTest ? state.test : state.points[i];
      const [u, v] = toScreen(point.x);
      const effect = isTest ? 0 : found.predicted[i];
      const radius = isTest ? 8 : 3 + 11 * Math.sqrt(Math.abs(effect) / largest);
      g.setAttribute("transform", `translate(${u} ${v})`);
      const isSelected = isTest ? selected === -1 : selected === i;
      g.setAttribute("class", `point${isSelected ? " selected" : ""}`);
      g.setAttribute("tabindex", isSelected ? 0 : -1);
      g.setAttribute("aria-label", isTest
        ? `Cross: the test point, a ${kind(point.y)}`
        : `Point ${i + 1}, a ${kind(point.y)}, ${effect < 0 ? "harmful" : "helpful"}`);
      const halo = make("circle", { class: "halo", r: Math.max(radius + 4, 12) });
      g.replaceChildren(halo, isTest
        ? make("path", { d: "M-8-8L8 8M-8 8L8-8", stroke: "#222", "stroke-width": 3 })
        : mark(point, radius, effect < 0 ? HARMS : HELPS));
    });
  }

  function drawPlot() {
    const { width, height, margin } = PLOT;
    const all = [...found.predicted, ...found.actual];
    const [low, high] = [Math.min(...all, 0), Math.max(...all, 1e-9)];
    const at = (v) => (v - low) / (high - low);
    const x = (v) => margin + at(v) * (width - margin - 8);
    const y = (v) => height - margin - at(v) * (height - margin - 8);
    const dots = state.points.map((point, i) => {
      const g = make("g", { transform: `translate(${x(found.predicted[i])} ${y(found.actual[i])})` });
      g.append(mark(point, i === selected ? 6 : 3.2, found.predicted[i] < 0 ? HARMS : HELPS));
      return g;
    });
    const words = `Actual against predicted change of the loss for ${state.points.length} points: ` +
      `Pearson ${found.pearson.toFixed(3)}, slope ${found.slope.toFixed(2)}.`;
    plot.setAttribute("aria-label", words);
    plot.replaceChildren(
      make("line", { x1: x(low), y1: y(low), x2: x(high), y2: y(high), stroke: "#777" }),
      make("path", { d: `M${margin} 4V${height - margin}H${width - 4}`, fill: "none", stroke: "#777" }),
      ...dots,
      make("text", { x: width / 2 - 58, y: height - 8 }, "predicted change of loss"),
      make("text", { transform: `translate(14 ${height / 2 + 46}) rotate(-90)` }, "actual change of loss"),
    );
  }

  function speak() {
    const i = selected;
    const one = i < 0
      ? `The cross is selected; its loss is ${found.before.toFixed(3)}.`
      : `Point ${i + 1}, a ${kind(state.points[i].y)}. If it is left out, the loss at the cross ` +
        `changes by ${signed(found.predicted[i])} (predicted) or ${signed(found.actual[i])} ` +
        "(trained again).";
    says.textContent = `${one} All ${state.points.length} points: Pearson ` +
      `${found.pearson.toFixed(3)}, slope ${found.slope.toFixed(2)}.`;
  }

  /** A mark that can be dragged, and moved by the arrow keys. */
  function handle(i) {
    const g = make("g", { role: "button" });
    const select = () => {
      selected = i === state.points.length ? -1 : i;
    };
    const point = () => (i === state.points.length ? state.test : state.points[i]);
    g.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      g.setPointerCapture(event.pointerId);
      select();
      update();
      g.focus({ preventScroll: true });
    });
    let frame = 0;
    g.addEventListener("pointermove", (event) => {
      if (!g.hasPointerCapture(event.pointerId)) return;
      const box = plane.getBoundingClientRect();
      const scale = PLANE.width / box.width;
      const to = toPlane([(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]);
      point().x = inside(to);
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        update();
      });
    });
    g.addEventListener("pointerup", tell);
    g.addEventListener("focus", () => {
      if (selected !== (i === state.points.length ? -1 : i)) {
        select();
        update();
      }
    });
    g.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const step = event.shiftKey ? 0.5 : 0.1;
      if (event.key in moves) {
        const [dx, dy] = moves[event.key];
        point().x = inside([point().x[0] + step * dx, point().x[1] + step * dy]);
        update();
        tell();
      } else if (event.key === "Delete" || event.key === "Backspace") remove();
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
    state.points.push({ x: inside([0.3, -0.2]), y: 1 });
    selected = state.points.length - 1;
    rebuild();
  }
  function rebuild() {
    const hadFocus = plane.contains(document.activeElement);
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
  choose.addEventListener("change", () => {
    const fresh = structuredClone(first);
    state = SCENARIOS[choose.value](fresh);
    selected = choose.value === "outlier" ? state.points.length - 1 : 0;
    rebuild();
  });
  const label = make("label", {}, "Break it: ", choose);
  el.append(
    make("style", {}, STYLE),
    make("div", { class: "explore" },
      make("p", {}, "Blue helps the prediction at the cross, orange harms it; larger is more. " +
        "Drag a point, or the cross. Which point matters most? Guess before you drag."),
      make("div", { class: "beside" }, plane, plot),
      says,
      make("div", { class: "beside" },
        button("previous point", () => next(-1)),
        button("next point", () => next(1)),
        button("other class", relabel),
        button("remove", remove),
        button("add", add),
        label,
      ),
    ),
  );
  update();
}

export default { render };
