// Use every explorable of the built book as readers do: by mouse, by touch and by keyboard.
//
//   node tests/browser/explorables.mjs _build/html [--only TEXT] [--screenshots DIR]
//
// Fails if a way of moving something changes neither the pictures nor the words, if a control has no
// name or is too small for a thumb, if an explorable is wider than a narrow phone, cannot be reset, has a
// ground of its own, small letters, or a picture that leaves no room for its sentence and controls; if one
// move takes longer than a thirtieth of a second, or if the browser reports an error. How fast it moves on a processor four times slower is
// printed, not judged: that depends on the machine.

import path from "node:path";
import { mkdir, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { DESKTOP, drag, eventually, open, pagesOf, PHONE, start, twoAtATime } from "./site.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", default: "" }, screenshots: { type: "string" } },
});
const site = path.resolve(positionals[0] ?? "_build/html");
const NARROW = { width: 320, height: 700 };
const LOOKS = [["light", DESKTOP, false], ["dark", NARROW, true]];
const THUMB = 44; // px: the least of a control
const LETTERS = 10; // px: the least of words in a picture on a phone
const SLOWEST = 33; // ms for one move: 30 frames a second

/** Pages that carry the state of an explorable. */
async function pagesWithExplorables() {
  const names = await pagesOf(site, options.only);
  const texts = await Promise.all(names.map((name) => readFile(path.join(site, name), "utf-8")));
  return names.filter((_, k) => /"_anywidget_id": *"minfluence\.book\.explorables\./.test(texts[k]));
}

// --- one explorable -------------------------------------------------------------------------------

/** The words and the pictures, to be compared before and after. */
const seen = (root) => root.evaluate((e) => ({
  words: e.querySelector(".says").textContent,
  pictures: [...e.querySelectorAll("svg, .bars")].map((picture) => picture.innerHTML).join(),
}));

async function act(root, problems, what, action) {
  const before = await seen(root);
  await action();
  const changed = await eventually(async () => {
    const after = await seen(root);
    return after.words !== before.words && after.pictures !== before.pictures;
  });
  if (!changed) problems.add(`${what} changes nothing`);
}

async function useMovable(page, root, touch, problems) {
  const mark = root.locator(".movable[tabindex='0']");
  if ((await mark.count()) === 0) return;
  const line = await mark.getAttribute("aria-orientation"); // none: it moves in the plane
  const ways = [["vertical", "up", [0, -24]], ["horizontal", "to the side", [30, 0]]];
  for (const [, what, by] of ways.filter(([along]) => !line || line === along)) {
    await mark.scrollIntoViewIfNeeded();
    const box = await mark.boundingBox();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await act(root, problems, `dragging ${what}`, () => drag(page, [x, y], [x + by[0], y + by[1]], touch));
  }
  await act(root, problems, "an arrow key", async () => {
    await mark.focus();
    await page.keyboard.press("ArrowUp");
  });
}

/** Points that are tapped away, by mouse or finger and by keys; and several by a line around them. */
async function useTaps(page, root, touch, problems) {
  const mark = root.locator(".tap[tabindex='0']");
  if ((await mark.count()) === 0) return;
  await mark.scrollIntoViewIfNeeded();
  for (const what of ["a tap", "a second tap"]) {
    await act(root, problems, what, () => (touch ? mark.tap() : mark.click()));
  }
  await act(root, problems, "Enter", async () => {
    await mark.focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
  });
  await root.locator(".plane").evaluate((e) => e.scrollIntoView({ block: "center" }));
  const plane = await root.locator(".plane").boundingBox();
  const at = ([u, v]) => [plane.x + u * plane.width, plane.y + v * plane.height];
  const ground = root.locator(".ground[style]");
  if ((await ground.count()) === 0 || touch) return; // a line that is not straight needs a mouse
  await act(root, problems, "a line around points", async () => {
    await page.mouse.move(...at([0.05, 0.98]));
    await page.mouse.down();
    for (const corner of [[0.05, 0.4], [0.45, 0.4], [0.45, 0.98]]) await page.mouse.move(...at(corner), { steps: 3 });
    await page.mouse.up();
  });
}

/** On a phone: the picture leaves room for its sentence and controls, and all can be read and touched. */
function roomy(root, { height }, [thumb, letters]) {
  return root.evaluate((e, [height, thumb, letters]) => {
    const found = [];
    const boxes = (selector) => [...e.querySelectorAll(selector)].map((element) => element.getBoundingClientRect());
    const plane = boxes(".plane, .case")[0];
    if (plane.height > 0.45 * height) found.push(`its picture takes ${Math.round(plane.height)} of ${height} px`);
    const ends = Math.max(...boxes(".says, .controls").map(({ bottom }) => bottom)) - plane.top;
    if (ends > height) found.push(`picture, sentence and controls take ${Math.round(ends)} of ${height} px`);
    for (const hand of e.querySelectorAll("button, select, input")) {
      const { width, height: tall } = hand.getBoundingClientRect();
      if (Math.min(width, tall) < thumb - 0.5) found.push(`${hand.textContent || hand.ariaLabel} is ${Math.round(tall)} px high`);
    }
    for (const text of e.querySelectorAll("svg text")) {
      const svg = text.ownerSVGElement;
      const size = (parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width) / svg.viewBox.baseVal.width;
      if (size < letters) found.push(`"${text.textContent}" has letters of ${size.toFixed(1)} px`);
    }
    return found;
  }, [height, thumb, letters]);
}

async function useSlider(page, root, slider, touch, problems) {
  const name = await slider.getAttribute("aria-label");
  if (!name) problems.add("a slider has no name");
  const said = () => slider.getAttribute("aria-valuetext");
  const at = () => slider.evaluate((e) => Number(e.value) / Number(e.max));
  const before = await said();
  await act(root, problems, `slider "${name}" by keyboard`, async () => {
    await slider.focus();
    await page.keyboard.press((await at()) < 1 ? "ArrowRight" : "ArrowLeft");
  });
  if ((await said()) === before) problems.add(`slider "${name}" does not say its new value`);
  await act(root, problems, `dragging slider "${name}"`, async () => {
    await slider.scrollIntoViewIfNeeded();
    const box = await slider.boundingBox();
    const thumb = (share) => [box.x + 8 + share * (box.width - 16), box.y + box.height / 2];
    const from = await at();
    await drag(page, thumb(from), thumb(from < 0.5 ? 0.8 : 0.2), touch);
  });
}

const RESET = /^(reset|put back)$/;

/** One button brings back what was there at first. */
async function reset(root, problems, atFirst) {
  const button = root.locator("button").filter({ hasText: RESET });
  if ((await button.count()) === 0) return problems.add("cannot be reset");
  if ((await button.getAttribute("aria-disabled")) === "true") await root.locator("button[aria-pressed]").first().click();
  await button.click();
  const same = await eventually(async () => {
    const now = await seen(root);
    return now.words === atFirst.words && now.pictures === atFirst.pictures;
  });
  if (!same) problems.add("reset does not bring back what was there at first");
}

/** Of the first screen's images two are away at most: a third brings the first back. */
async function twoAtMost(root, problems) {
  const tiles = await root.locator("button[aria-pressed]").all();
  if (tiles.length === 0) return;
  const gone = () => root.evaluate((e) => [...e.querySelectorAll("button[aria-pressed]")]
    .flatMap((b, k) => (b.getAttribute("aria-pressed") === "true" ? [k] : [])).join());
  for (const [k, expected] of [[0, "0"], [6, "0,6"], [3, "3,6"], [3, "6"], [6, ""]]) {
    await tiles[k].press("Space");
    if ((await gone()) !== expected) problems.add(`image ${k}: away are ${await gone()}, expected ${expected}`);
  }
}

async function use(page, root, touch, problems) {
  const atFirst = await seen(root);
  const hands = await root.locator(".movable, .tap, input[type=range], button[aria-pressed]").count();
  if (hands === 0) problems.add("has nothing to move");
  await useMovable(page, root, touch, problems);
  await useTaps(page, root, touch, problems);
  for (const slider of await root.locator("input[type=range]").all()) {
    await useSlider(page, root, slider, touch, problems);
  }
  await twoAtMost(root, problems);
  await reset(root, problems, atFirst);
  for (const button of await root.locator("button").filter({ hasNotText: RESET }).all()) {
    await act(root, problems, `button "${await button.innerText()}"`, () => button.click());
  }
  for (const list of await root.locator("select").all()) {
    const names = await list.locator("option").allInnerTexts();
    const now = names.indexOf(await list.inputValue());
    for (const name of [...names.slice(now + 1), ...names.slice(0, now + 1)]) {
      await act(root, problems, `choosing "${name}"`, () => list.selectOption(name));
    }
  }
  const grounds = await root.evaluate((e) => [e, document.body].map((b) => getComputedStyle(b).backgroundColor));
  if (![grounds[1], "rgba(0, 0, 0, 0)"].includes(grounds[0])) problems.add(`its ground is ${grounds[0]}, the page's ${grounds[1]}`);
  const excess = await root.evaluate((e) => e.scrollWidth - e.clientWidth);
  if (excess > 1) problems.add(`is ${excess} px wider than its place`);
}

/** Milliseconds of one move with its layout, where there is most to compute: a quarter of 40 moves are
 *  quicker, so that what else the machine does hardly counts. */
function speed(root) {
  return root.evaluate((e) => {
    const add = [...e.querySelectorAll("button")].find((b) => b.textContent === "add");
    while (add && e.querySelectorAll(".point").length < 61) add.click();
    const sliders = [...e.querySelectorAll("input")];
    const slide = (slider, value) => {
      slider.value = value;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    };
    for (const slider of sliders) slide(slider, slider.max);
    const press = (key) => e.querySelector(".movable[tabindex='0']")
      .dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    const moves = sliders.map((slider) => (k) => slide(slider, slider.max - (k % 2)));
    if (e.querySelector(".movable")) moves.push((k) => press(k % 2 ? "ArrowLeft" : "ArrowRight"));
    const tile = e.querySelector("button[aria-pressed]");
    if (tile) moves.push(() => tile.click());
    if (e.querySelector(".tap")) moves.push(() => e.querySelector(".tap[tabindex='0']").dispatchEvent(new MouseEvent("click")));
    const quartile = (move) => {
      const times = [];
      for (let k = 0; k < 40; k++) {
        const start = performance.now();
        move(k + 1);
        e.getBoundingClientRect();
        times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b)[10];
    };
    return Math.max(...moves.map(quartile));
  });
}

async function throttled(page, rate, action) {
  const client = await page.context().newCDPSession(page);
  await client.send("Emulation.setCPUThrottlingRate", { rate });
  const result = await action();
  await client.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  return result;
}

// --- all of them ----------------------------------------------------------------------------------

const names = await pagesWithExplorables();
const { origin, browser, stop } = await start(site);
let [count, failed] = [0, 0];

/** How many explorables a page promises: one state for each, shown or not. */
const promised = (page) => page.evaluate(() => {
  const { state } = JSON.parse(document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]').textContent);
  return Object.values(state).filter((m) => /\.explorables\./.test(m.state._anywidget_id)).length;
});

async function checkOne(page, root, look, touch) {
  const problems = new Set();
  await root.scrollIntoViewIfNeeded();
  if (options.screenshots) {
    await root.screenshot({ path: path.join(options.screenshots, `${look.replaceAll(" ", ".")}.png`) });
  }
  await use(page, root, touch, problems);
  if (!touch) { // the same arithmetic, whatever the screen
    let move = await speed(root);
    for (let k = 0; k < 2 && move > SLOWEST; k++) move = Math.min(move, await speed(root)); // another page was busy
    if (move > SLOWEST) problems.add(`one move takes ${move.toFixed(0)} ms`);
    await page.setViewportSize(PHONE);
    for (const problem of await roomy(root, PHONE, [THUMB, LETTERS])) problems.add(problem);
    await page.setViewportSize(DESKTOP);
    const slow = await throttled(page, 4, () => speed(root));
    console.log(`${look}: one move takes ${move.toFixed(1)} ms, ${slow.toFixed(1)} on a slow processor`);
  }
  return [...problems].map((problem) => `${look}: ${problem}`);
}

async function check(name) {
  const found = [];
  for (const [theme, viewport, touch] of LOOKS) {
    const problems = new Set();
    const look = `${path.basename(name, ".html")} ${theme} ${viewport.width}`;
    const page = await open(browser, origin, name, [theme, viewport], problems, { hasTouch: touch });
    const [roots, expected] = [page.locator(".explore, .digit"), await promised(page)];
    if (!(await eventually(async () => (await roots.count()) === expected))) {
      problems.add(`shows ${await roots.count()} explorables, expected ${expected}`);
    }
    for (const [k, root] of (await roots.all()).entries()) {
      try {
        found.push(...(await checkOne(page, root, `${look} #${k + 1}`, touch)));
      } catch (error) {
        problems.add(`#${k + 1}: ${error.message.split("\n")[0]}`);
      }
    }
    if (!touch) count += await roots.count();
    await page.context().close();
    found.push(...[...problems].map((problem) => `${look}: ${problem}`));
  }
  for (const problem of found) console.log(problem);
  failed += found.length;
}

/** The front page answers a stranger before anybody scrolls. */
async function checkFirstScreen(name) {
  for (const viewport of [{ width: 1280, height: 720 }, PHONE]) {
    const problems = new Set();
    const page = await open(browser, origin, name, ["light", viewport], problems);
    await page.locator(".digit").waitFor();
    for (const what of ["article h1", ".digit", ".doors"]) {
      const { y, height } = await page.locator(what).first().boundingBox();
      if (y + height > viewport.height) problems.add(`${what} ends at ${Math.round(y + height)}`);
    }
    if ((await page.locator(".doors a").count()) !== 3) problems.add("has not three doors");
    await page.context().close();
    for (const problem of problems) console.log(`first screen ${viewport.width} x ${viewport.height}: ${problem}`);
    failed += problems.size;
  }
}

if (options.screenshots) await mkdir(options.screenshots, { recursive: true });
await twoAtATime(names, check);
const front = path.join("book", "index.html");
if (names.includes(front)) await checkFirstScreen(front);
await stop();
console.log(`${names.length} pages, ${count} explorables, ${failed} problems`);
process.exit(failed || !names.length ? 1 : 0);
