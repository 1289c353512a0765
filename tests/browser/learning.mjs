// Answer every question of the built book, and step through every derivation, as readers do.
//
//   node tests/browser/learning.mjs _build/html [--only TEXT] [--screenshots DIR]
//
// By keyboard on a desk, by touch on a phone and on a narrow one. Fails if a wrong answer does not get
// the sentence of its misconception, if the right one is not accepted, if a question names a section
// that its page does not have, if the tally miscounts, if a derivation does not go forward, back or to
// its end, if its lines are not all there on paper or without JavaScript, if something is wider than
// its place, or if the browser reports an error.

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
const LOOKS = [["light", DESKTOP, false], ["dark", PHONE, true], ["light", NARROW, true]];
const HOLDS_SOME = /"_anywidget_id": *"minfluence\.book\.questions\.|<div class="derivation"/;

/** Pages with a question or a derivation. */
async function pagesToLearnFrom() {
  const names = await pagesOf(site, options.only);
  const texts = await Promise.all(names.map((name) => readFile(path.join(site, name), "utf-8")));
  return names.filter((_, k) => HOLDS_SOME.test(texts[k]));
}

/** By finger or by keyboard. */
const press = async (button, touch) => (touch ? button.tap() : button.press("Enter"));
const plain = (text) => text.replaceAll("*", "");
const excess = (root) => root.evaluate((e) => e.scrollWidth - e.clientWidth);

// --- questions ------------------------------------------------------------------------------------

/** State of every question of a page, in the order in which they stand there. */
function stored(page) {
  return page.evaluate(() => {
    const state = document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]');
    const models = state ? JSON.parse(state.textContent).state : {};
    return [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')]
      .map((view) => models[JSON.parse(view.textContent).model_id].state)
      .filter((s) => /\.questions\.(Choice|Number)$/.test(s._anywidget_id))
      .map(({ module, ...rest }) => rest);
  });
}

/** [answer, right, what is to be said] for what can be answered, wrong ones first. */
function answers(question) {
  const { options, notes, value, wrong, because } = question;
  const right = options ? notes.indexOf("") : String(value).replace("-", "−").replace(".", ",");
  const slips = options ? notes.flatMap((note, k) => (note ? [[k, false, note]] : [])) : wrong.map(([v, note]) => [String(v), false, note]);
  if (!options) slips.push(["what?", false, "no number I can read"]);
  return [...slips, [right, true, because]];
}

async function answerOne(root, question, touch, problems) {
  const name = `"${question.asked.slice(0, 40)}"`;
  const says = root.locator("p[aria-live]");
  for (const [answer, right, words] of answers(question)) {
    if (question.options) await press(root.locator("button").nth(answer), touch);
    else {
      await root.locator("input").fill(answer);
      await (touch ? root.locator("button").tap() : root.locator("input").press("Enter"));
    }
    const expected = right ? "Right" : "Not yet";
    const said = async () => (await says.innerText()).replace(/\s+/g, " ");
    const wanted = plain(words).replace(/\s+/g, " ");
    const heard = await eventually(async () => (await said()).startsWith(expected) && (await said()).includes(wanted));
    if (!heard) problems.add(`${name}: to ${JSON.stringify(answer)} it says "${await said()}"`);
    if (!right && question.again && (await says.locator("a").count()) !== 1) {
      problems.add(`${name}: this page has no section "${question.again}"`);
    }
  }
  if ((await excess(root)) > 1) problems.add(`${name} is wider than its place`);
}

async function answerAll(page, touch, problems) {
  const questions = await stored(page);
  const roots = page.locator("fieldset.ask");
  if (!(await eventually(async () => (await roots.count()) === questions.length))) {
    problems.add(`shows ${await roots.count()} of ${questions.length} questions`);
    return 0;
  }
  for (const [k, question] of questions.entries()) await answerOne(roots.nth(k), question, touch, problems);
  const tally = page.locator("div.ask");
  if (await tally.count()) {
    await tally.scrollIntoViewIfNeeded(); // far sections have no text yet
    const counted = `answered ${questions.length}, 0 right at the first try`;
    await eventually(async () => (await tally.innerText()).includes(counted));
    const said = await tally.innerText();
    if (!said.includes(counted)) problems.add(`the tally says "${said}"`);
    if ((await excess(tally)) > 1) problems.add("the tally is wider than its place");
  }
  return questions.length;
}

// --- derivations ----------------------------------------------------------------------------------

/** How many lines are to be seen, and how many answers. */
const seen = (root) => root.evaluate((e) => {
  const visible = (x) => x.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && x.offsetHeight > 9;
  return {
    lines: [...e.querySelectorAll(":scope > ol > li")].filter(visible).length,
    answers: [...e.querySelectorAll(":scope > ol > li > details > p")].filter(visible).length,
  };
});

async function stepThrough(page, root, touch, problems) {
  const name = `derivation "${await root.getAttribute("aria-label")}"`;
  const total = await root.locator(":scope > ol > li").count();
  const [next, back, all] = await root.locator(".steps button").all();
  const expect = async (what, lines) => {
    const right = await eventually(async () => (await seen(root)).lines === lines);
    if (!right) problems.add(`${name}: ${what} shows ${(await seen(root)).lines} lines, expected ${lines}`);
    const said = await root.locator(".place").innerText();
    if (said !== `line ${lines} of ${total}`) problems.add(`${name}: says "${said}" at line ${lines}`);
  };
  const forward = async (action) => {
    if ((await next.innerText()) === "Answer") {
      const before = (await seen(root)).answers;
      await action();
      if (!(await eventually(async () => (await seen(root)).answers > before))) problems.add(`${name}: no answer opens`);
    }
    await action();
  };
  const swipe = async (by) => {
    const box = await root.locator("li.now").boundingBox();
    const [x, y] = [box.x + box.width / 2, box.y + box.height - 12];
    await drag(page, [x, y], [x + by, y], true);
  };

  await next.scrollIntoViewIfNeeded();
  await expect("the beginning", 1);
  const top = async () => (await next.boundingBox()).y;
  const from = await top();
  await forward(() => press(next, touch));
  await expect("next line", 2);
  const room = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight - scrollY > 400);
  if (room && Math.abs((await top()) - from) > 2) problems.add(`${name}: the button moves away from the finger`);
  await press(back, touch);
  await expect("back", 1);
  await forward(() => (touch ? swipe(-90) : page.keyboard.press("ArrowRight")));
  await expect(touch ? "a swipe to the left" : "the right arrow", 2);
  await (touch ? swipe(90) : page.keyboard.press("ArrowLeft"));
  await expect(touch ? "a swipe to the right" : "the left arrow", 1);
  for (let k = 2; k <= total; k++) await forward(() => press(next, touch));
  await expect("the end", total);
  await press(all, touch);
  await expect("one by one", 1);
  await press(all, touch);
  await expect("all lines", total);
  for (const line of await root.locator(":scope > ol > li").all()) {
    if ((await excess(line)) > 1) problems.add(`${name}: a line is wider than its place`);
  }
}

async function stepThroughAll(page, touch, problems) {
  const roots = await page.locator("div.derivation").all();
  for (const root of roots) await stepThrough(page, root, touch, problems);
  return roots.length;
}

/** On paper, and where no script runs, all lines are there; on paper the answers too. */
async function wholeDerivations(page, what, problems) {
  for (const root of await page.locator("div.derivation").all()) {
    await root.evaluate((e) => e.scrollIntoView({ block: "center" })); // far sections are not laid out
    await page.waitForTimeout(100);
    const { lines, answers } = await seen(root);
    const total = await root.locator(":scope > ol > li").count();
    const asked = await root.locator(":scope > ol > li > details").count();
    if (lines !== total) problems.add(`${what} a derivation shows ${lines} of ${total} lines`);
    if (what === "on paper" && answers < asked) problems.add(`on paper ${answers} of ${asked} answers are there`);
    if (asked === 0) problems.add("a derivation asks nothing");
  }
}

// --- all pages ------------------------------------------------------------------------------------

const names = await pagesToLearnFrom();
const { origin, browser, stop } = await start(site);
let [failed, answered, stepped] = [0, 0, 0];

async function check(name) {
  const problems = new Set();
  for (const [theme, viewport, touch] of LOOKS) {
    const here = new Set();
    const page = await open(browser, origin, name, [theme, viewport], here, { hasTouch: touch });
    try {
      if (viewport === DESKTOP) {
        await page.emulateMedia({ media: "print" });
        await wholeDerivations(page, "on paper", here);
        await page.emulateMedia({ media: "screen" });
      }
      const [questions, derivations] = [await answerAll(page, touch, here), await stepThroughAll(page, touch, here)];
      if (viewport === DESKTOP) [answered, stepped] = [answered + questions, stepped + derivations];
      if (options.screenshots) {
        const file = `${path.basename(name, ".html")}.${theme}.${viewport.width}.png`;
        await page.screenshot({ path: path.join(options.screenshots, file), fullPage: true });
      }
    } catch (error) {
      here.add(error.message.split("\n")[0]);
    }
    await page.context().close();
    for (const problem of here) problems.add(`${theme} ${viewport.width}: ${problem}`);
  }
  const page = await open(browser, origin, name, ["light", DESKTOP], problems, { javaScriptEnabled: false });
  await wholeDerivations(page, "without JavaScript", problems);
  await page.context().close();
  console.log(`${name}: ${problems.size ? [...problems].join("; ") : "no problems"}`);
  failed += problems.size;
}

if (options.screenshots) await mkdir(options.screenshots, { recursive: true });
await twoAtATime(names, check);
await stop();
console.log(`${names.length} pages, ${answered} questions, ${stepped} derivations, ${failed} problems`);
process.exit(failed || !names.length ? 1 : 0);
