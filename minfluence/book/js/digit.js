// The first screen: one test image, the ten training images that its verdict rests on most, and what
// the model says without one or two of them. Nothing is computed here: predictions and retrained
// models come from Python.
//
// Node imports this file too: a test compares what it says with what was computed.

import {
  button, GREY, HARMS, HELPS, INK, make, OWN_KEYS, PAPER, RULE, set, SOFT, THIRD,
} from "./elements.js";

// --- The numbers ----------------------------------------------------------------------------------

export const MOST = 2; // images away at once: every pair was trained again, no three were

const away = (gone) => [...gone].sort((a, b) => a - b).join(" ");

/** Take image i away or put it back; with too many away, the first of them comes back. */
export function toggle(gone, i) {
  const left = gone.includes(i) ? gone.filter((k) => k !== i) : [...gone, i];
  return { gone: left.slice(-MOST), back: left.length > MOST ? left[0] : null };
}

/** The ten probabilities without the images `gone`: along the tangent, and trained again. */
export function outcome({ now, predicted, retrained }, gone) {
  return {
    predicted: now.map((p, k) => gone.reduce((sum, i) => sum + predicted[i][k], p)),
    retrained: gone.length ? retrained[away(gone)] : now,
  };
}

const PARTED = 1; // points of a hundred between prediction and truth that deserve a word
const points = (v) => Math.abs(100 * v).toFixed(1);
const percent = (p) => `${(100 * p).toFixed(1)} %`;

/** What happened, in words. */
export function sentence(found, gone, back = null) {
  const { images, verdict, labels, now } = found;
  if (!gone.length) {
    return `Of ${images.toLocaleString("en")} training images, the first of these does most to make it a ${verdict}. ` +
      "What would the model say without it? Guess, then tap.";
  }
  const { predicted, retrained } = outcome(found, gone);
  const [said, did] = [predicted, retrained].map((p) => p[verdict] - now[verdict]);
  const who = gone.length > 1 ? "Without these two" : `Without this one image, a ${labels[gone[0]]}`;
  const change = Math.abs(did) < 0.0005
    ? "hardly changes its mind"
    : `is ${points(did)} points ${did < 0 ? "less" : "more"} sure of its ${verdict}`;
  const sum = gone.length > 1 ? "The prediction, a sum of two," : "The prediction";
  const parted = Math.abs(100 * (said - did)) >= PARTED ? ": it is a straight line, and the truth bends" : "";
  return (back === null ? "" : `Two at most: image ${back} is back. `) +
    `${who}, the model ${change}. ${sum} misses that by ${points(said - did)}${parted}.`;
}

// --- The picture ----------------------------------------------------------------------------------

const STYLE = `
.digit { color: ${INK}; font-size: 15px; line-height: 1.4; container-type: inline-size; }
.digit p { margin: 0; }
.digit .case { display: flex; gap: 0.9rem; align-items: center; }
.digit .shown { margin: 0; flex: none; text-align: center; }
.digit .ink { display: block; width: 100%; aspect-ratio: 1; background: ${INK}; mask-size: 100% 100%;
  -webkit-mask-size: 100% 100%; forced-color-adjust: none; }
.digit .shown .ink { width: 116px; }
.digit .bars { flex: 1; min-width: 0; max-width: 30rem; font-size: 12px; line-height: 16px; }
.digit .bar { display: flex; gap: 0.5em; height: 16px; }
.digit .track { position: relative; flex: 1; margin-right: 7.5em; }
.digit .track > i { position: absolute; left: 0; top: 3px; bottom: 3px; transition: width 0.5s, left 0.5s; }
.digit .was { width: calc(100% * var(--was)); outline: 1px dashed ${GREY}; outline-offset: -1px; }
.digit .is { width: calc(100% * var(--is)); background: ${GREY}; }
.digit .verdict .is { background: ${INK}; }
.digit .track > .said { top: 0; bottom: 0; left: calc(100% * var(--said) - 1px); width: 2px;
  background: ${THIRD}; }
.digit .untouched :is(.was, .said) { visibility: hidden; }
.digit .number { position: absolute; left: calc(100% * max(var(--was), var(--is), var(--said)) + 6px); transition: left 0.5s;
  font-variant-numeric: tabular-nums; white-space: nowrap; color: ${GREY}; }
.digit :is(.verdict, .truth), .digit :is(.verdict, .truth) .number { color: ${INK}; font-weight: 600; }
.digit .groups { display: flex; flex-wrap: wrap; gap: 0.3rem 1.6rem; margin-top: 0.6rem; }
.digit .group { flex: 1 1 300px; border: 0; margin: 0; padding: 0; min-width: 0; }
.digit legend { float: none; width: auto; margin: 0 0 0.4rem; font-size: 14px; font-weight: 600; }
.digit legend { border-left: 0.3rem solid var(--side); padding-left: 0.4rem; }
.digit .five { display: grid; grid-template-columns: repeat(5, minmax(44px, 72px)); gap: 6px; }
.digit .five button { font: inherit; font-size: 12px; line-height: 16px; min-height: 44px; min-width: 44px; padding: 3px 3px 0;
  color: ${INK}; background: ${PAPER}; border: 1px solid ${RULE};
  border-bottom: 3px solid var(--side); border-radius: 6px; cursor: pointer; }
.digit .harms { --side: ${HARMS}; }
.digit .helps { --side: ${HELPS}; }
.digit .five button[aria-pressed="true"] { border-style: dashed; background: ${SOFT}; }
.digit .five button[aria-pressed="true"] .ink { opacity: 0.12; }
.digit .five button.lifted { translate: 0 -5px; box-shadow: 0 6px 10px rgb(0 0 0 / 0.28); border-color: var(--side); }
.digit button:focus-visible { outline: 3px solid ${HELPS}; outline-offset: 2px; }
.digit .change { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1.4rem; margin-top: 0.5rem;
  font-variant-numeric: tabular-nums; }
.digit .change b { font-size: 1.15em; white-space: nowrap; }
.digit .change .key { display: inline-block; vertical-align: -1px; margin-right: 0.35em; background: ${INK};
  width: 14px; height: 10px; }
.digit .change .line { width: 3px; height: 14px; background: ${THIRD}; }
.digit .again { font: inherit; font-size: 14px; min-height: 44px; margin-left: auto; padding: 0 0.9rem; color: ${INK};
  background: ${SOFT}; border: 1px solid ${RULE}; border-radius: 6px; }
.digit .again[aria-disabled="true"] { color: ${GREY}; border-style: dashed; }
.digit .says { min-height: 2.8em; }
@media (prefers-reduced-motion: no-preference) {
  .digit .five button { transition: translate 0.3s; }
  .digit .lifted { animation: digit-asks 1.2s ease-in-out 1.5s 2; }
  @keyframes digit-asks { 50% { translate: 0 -11px; } }
}
@media (prefers-reduced-motion: reduce) { .digit .track > * { transition: none; } }
@container (max-width: 520px) {
  .digit .case { gap: 0.6rem; }
  .digit .shown .ink { width: 84px; }
  .digit .bar { height: 14px; line-height: 14px; }
  .digit .track { margin-right: 7.8em; }
  .digit .bars { font-size: 11.5px; }
  .digit .track > i { top: 2px; bottom: 2px; }
  .digit .groups { margin-top: 0.4rem; }
  .digit legend { margin-bottom: 0.25rem; }
  .digit .group { flex-basis: 100%; }
  .digit .five { grid-template-columns: repeat(5, minmax(44px, 1fr)); }
  .digit .five button { display: flex; align-items: center; justify-content: center; gap: 1px; padding: 2px; }
  .digit .five .name { white-space: nowrap; }
  .digit .five button[aria-pressed="true"] .ink { display: none; }
  .digit .again { padding: 0 0.5rem; }
  .digit .five .ink { width: 36px; flex: none; }
  .digit .change { margin-top: 0.4rem; font-size: 14px; justify-content: space-between; gap: 0 0.5rem; }
  .digit .change p { line-height: 1.3; }
  .digit .change b { display: block; font-size: 1em; }
  .digit .says { font-size: 14px; min-height: 5.6em; }
}
`;

const SIDE = 28;

/** The images as pictures that are transparent where there is no ink. */
function pictures(bytes) {
  const all = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  const canvas = make("canvas", { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  return Array.from({ length: all.length / SIDE ** 2 }, (_, n) => {
    const image = context.createImageData(SIDE, SIDE);
    for (let k = 0; k < SIDE ** 2; k++) image.data[4 * k + 3] = all[n * SIDE ** 2 + k];
    context.putImageData(image, 0, 0);
    return `url(${canvas.toDataURL()})`;
  });
}

/** An image in the ink of the page, which may be light or dark. */
const drawn = (url, name) => make("span", {
  class: "ink",
  style: `mask-image: ${url}; -webkit-mask-image: ${url}`,
  ...(name ? { role: "img", "aria-label": name } : { "aria-hidden": "true" }),
});

// --- The hands ------------------------------------------------------------------------------------

/** Build the first screen in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el }) {
  const found = model.get("found");
  const { verdict, label, labels, now } = found;
  const [test, ...training] = pictures(model.get("pixels"));
  const longest = Math.max(...Object.values(found.retrained).flat(), ...now);
  let gone = model.get("gone");

  const bars = now.map((_, digit) => {
    const number = make("span", { class: "number" });
    const kind = digit === verdict ? "verdict" : digit === label ? "truth" : "";
    const element = make("div", { class: `bar ${kind}` }, `${digit}`,
      make("span", { class: "track" }, ...["was", "is", "said"].map((name) => make("i", { class: name })), number));
    return { element, number, note: { verdict: ", its verdict", truth: ", the truth" }[kind] ?? "" };
  });
  const chart = make("div", { class: "bars", role: "img" }, ...bars.map((bar) => bar.element));

  const tiles = new Map([...found.harmful, ...found.helpful].map((i, k) => {
    const harms = found.harmful.includes(i);
    const tile = button("", () => tap(i));
    set(tile, { "aria-label": `training image ${i}, a ${labels[i]}, ${harms ? "makes it worse" : "helps"}` });
    tile.append(drawn(training[k]), make("span", { class: "name" }, `a ${labels[i]}`));
    return [i, tile];
  }));
  const group = (kind, title, numbers) => make("fieldset", { class: `group ${kind}` }, make("legend", {}, title),
    make("div", { class: "five" }, ...numbers.map((i) => tiles.get(i))));
  const first = tiles.get(found.harmful[0]);
  if (!gone.length) first.classList.add("lifted");

  const numbers = { predicted: make("b"), retrained: make("b") };
  const again = button("put back", () => {
    if (gone.length) changed({ gone: [], back: null });
  });
  again.className = "again";
  const says = make("p", { class: "says", "aria-live": "polite" });

  function tap(i) {
    first.classList.remove("lifted");
    changed(toggle(gone, i));
  }
  function changed(next) {
    ({ gone } = next);
    draw(next.back);
    model.set("gone", gone); // let Python see what the reader did
    model.save_changes();
  }
  function draw(back = null) {
    const { predicted, retrained } = outcome(found, gone);
    chart.classList.toggle("untouched", !gone.length);
    bars.forEach(({ element, number, note }, k) => {
      const share = (p) => Math.max(p, 0) / longest;
      set(element, { style: `--was: ${share(now[k])}; --is: ${share(retrained[k])}; --said: ${share(predicted[k])}` });
      number.textContent = `${(100 * retrained[k]).toFixed(0)} %${note}`;
    });
    set(chart, { "aria-label": "What the model says, in per cent. " +
      retrained.map((p, k) => `${k}: ${(100 * p).toFixed(0)}`).join(", ") });
    for (const [i, tile] of tiles) {
      const isGone = gone.includes(i);
      set(tile, { "aria-pressed": isGone });
      tile.querySelector(".name").textContent = isGone ? "gone" : `a ${labels[i]}`;
    }
    for (const [name, element] of Object.entries(numbers)) {
      const after = gone.length ? percent({ predicted, retrained }[name][verdict]) : "?";
      element.textContent = `${percent(now[verdict])} → ${after}`;
    }
    set(again, { "aria-disabled": !gone.length });
    says.textContent = sentence(found, gone, back);
  }

  el.append(make("style", {}, STYLE), make("div", { class: "digit", ...OWN_KEYS },
    make("div", { class: "case" },
      make("figure", { class: "shown" }, drawn(test, `Test image ${found.test}: a handwritten ${label}`)), chart),
    make("div", { class: "groups" },
      group("harms", `Make it worse: towards ${verdict}`, found.harmful),
      group("helps", `Help: away from ${verdict}`, found.helpful)),
    make("div", { class: "change" },
      make("p", {}, make("i", { class: "key line" }), "predicted ", numbers.predicted),
      make("p", {}, make("i", { class: "key" }), "retrained ", numbers.retrained), again),
    says));
  draw();
}

export default { render };
