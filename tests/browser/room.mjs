// The built book in a room and on paper.
//
//   node tests/browser/room.mjs _build/html [--screenshots DIR]
//
// Fails if key P does not show one section a screen in larger type, if keys and buttons do not lead
// through the sections, if a live picture or a field loses its keys, if a reload or leaving loses the
// place, or if something is wider than the screen; and if paper lacks a folded note, a line of a
// derivation or a question's options, if it shows solutions, checks, folded code, answers or controls,
// or if it is dark.

import path from "node:path";
import { mkdir, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { eventually, open, pagesOf, start } from "./site.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { screenshots: { type: "string" } },
});
const site = path.resolve(positionals[0] ?? "_build/html");
const CHAPTER = "02_upweighting.html";
const SHEET = { width: 690, height: 980 }; // an A4 page without its margins

const shot = (page, name) =>
  options.screenshots && page.screenshot({ path: path.join(options.screenshots, `${name}.png`) });

/** How much of a kind is to be seen. */
const seen = (page, selector) => page.locator(`article ${selector}`).evaluateAll((all) => all.filter(
  (e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && e.getBoundingClientRect().height > 1).length);
const sections = (page) => seen(page, "> section > section");
const place = (page) => page.locator(".room [role=status]").innerText();
const hash = (page) => decodeURIComponent(new URL(page.url()).hash.slice(1));

// --- the room -------------------------------------------------------------------------------------

async function present(browser, origin, name, look, problems) {
  const page = await open(browser, origin, name, look, problems);
  const check = (what, right) => right || problems.add(`presenting: ${what}`);
  const size = () => page.locator("article > section > p").first().evaluate((p) =>
    p.getBoundingClientRect().height / p.getClientRects().length && parseFloat(getComputedStyle(p).fontSize) * (p.currentCSSZoom ?? 1));
  const before = await size();
  const total = (await page.locator("article > section > section").count()) + 1;

  await page.locator("article section[id] h2").nth(2).scrollIntoViewIfNeeded();
  await page.evaluate(() => document.querySelectorAll("article h2")[2].scrollIntoView());
  const reading = await page.locator("article > section > section").nth(2).getAttribute("id");
  await page.keyboard.press("p");
  if (!(await eventually(() => page.locator(".room").count()))) return problems.add("key P presents nothing");
  check("P leaves the section that is being read", hash(page) === reading);
  check(`says "${await place(page)}"`, (await place(page)) === `Section 4 of ${total}`);
  check("more than one section is on the screen", (await sections(page)) === 1);
  check("there is something around the page", !(await page.locator(":is(.bd-sidebar-primary, .bd-header-article, .bd-footer-content)").evaluateAll(
    (all) => all.some((e) => e.checkVisibility() && e.getBoundingClientRect().width > 1))));
  check("code stands open", (await seen(page, ".cell_input")) === 0);

  await page.keyboard.press("ArrowRight");
  check("→ does not lead to the next section", (await place(page)).startsWith("Section 5 "));
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  check("← does not lead back", (await place(page)).startsWith("Section 3 "));
  for (let k = 0; k < 20 && (await place(page)).startsWith("Section 3 "); k++) await page.keyboard.press("PageDown");
  check("PageDown does not come to the next section", (await place(page)).startsWith("Section 4 "));
  await page.getByRole("button", { name: "Next section" }).click();
  check("the button does not lead to the next section", (await place(page)).startsWith("Section 5 "));
  const there = hash(page);
  await page.reload();
  check("a reload loses the section", (await eventually(() => page.locator(".room").count())) && hash(page) === there);
  check("a reload does not begin at the top", (await page.evaluate(() => scrollY)) === 0);
  await shot(page, `room_${look[0]}`);

  // Through all sections: nothing wider than the screen, and the live picture has its keys.
  for (let k = 0; k < total; k++) await page.keyboard.press("ArrowLeft");
  check("the first screen has type of the old size", (await size()) > 1.05 * before);
  let alive = false;
  for (let k = 1; k <= total; k++) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    check(`section ${k} is ${wide} pixels wider than the screen`, wide <= 0);
    const slider = page.locator(".on-screen .explore input[type=range]").first();
    if (!alive && (await slider.count()) && (await eventually(() => slider.isVisible()))) {
      alive = true;
      const was = [await slider.inputValue(), await place(page)];
      await slider.focus();
      await page.keyboard.press("ArrowRight");
      check("a live picture loses its arrow keys", (await slider.inputValue()) !== was[0] && (await place(page)) === was[1]);
      await slider.evaluate((e) => e.blur());
    }
    const field = page.locator(".on-screen .ask input").first();
    if ((await field.count()) && (await field.isVisible())) {
      await field.press("p");
      check("a field loses its letters", (await page.locator(".room").count()) === 1 && (await field.inputValue()) === "p");
      await field.evaluate((e) => e.blur());
    }
    if (k < total) await page.keyboard.press("ArrowRight");
  }
  check("no live picture was met", alive);
  const last = hash(page);
  await page.keyboard.press("Escape");
  check("Escape does not leave", (await page.locator(".room").count()) === 0 && !page.url().includes("present"));
  const top = await page.locator(`[id="${last}"]`).evaluate((e) => e.getBoundingClientRect().top);
  check("leaving loses the section", top < look[1].height && (await sections(page)) === total - 1);
  check("code stays folded after leaving", (await page.locator("details.folded-for-room").count()) === 0);
  const button = page.getByRole("button", { name: /^Present this page/ });
  check("there is no button", (await button.count()) === 1);
  await page.close();
}

// --- paper ----------------------------------------------------------------------------------------

const NOTE = "<details id='note'><summary>More</summary><p>Said in full.</p></details>";
const FOLDED = "<div class='admonition toggle toggle-hidden' id='folded'><p class='admonition-title'>A note<button class='toggle-button'></button></p><p>Folded away.</p></div>";

async function print(browser, origin, name, problems) {
  const page = await open(browser, origin, name, ["dark", SHEET], problems);
  const check = (what, right) => right || problems.add(`on paper: ${what}`);
  await page.evaluate((html) => document.querySelector("article > section").insertAdjacentHTML("beforeend", html), NOTE + FOLDED);
  await page.waitForTimeout(500);
  for (const ask of await page.locator("fieldset.ask").all()) await ask.scrollIntoViewIfNeeded(); // all are there
  const asked = await page.locator("fieldset.ask").count();
  const [choice] = await page.locator("fieldset.ask .options button").all();
  await choice?.click(); // a reader has answered
  await page.evaluate(() => document.querySelectorAll(":is(.tag_solution, .tag_check) details").forEach((e) => (e.open = true)));
  await page.emulateMedia({ media: "print" });

  for (const id of ["#note p", "#folded p:last-child"]) check(`a folded note is missing (${id})`, await eventually(async () => (await seen(page, id)) === 1));
  for (const [what, selector] of [
    ["solutions", ".tag_solution"], ["checks", ".tag_check"], ["folded code", "details.hide .cell_input"],
    ["the bars of folded code", "details.hide summary"], ["what was said to an answer", "fieldset.ask p"],
    ["buttons of a live picture", ".explore button"], ["sliders of a live picture", ".explore input"],
    ["buttons of a derivation", ".derivation .steps"],
  ]) check(`shows ${what}`, (await seen(page, selector)) === 0);
  for (const [what, selector] of [
    ["questions", "fieldset.ask legend"], ["options", "fieldset.ask .options button"], ["lines of derivations", ".derivation > ol > li"],
    ["answers in derivations", ".derivation details p"], ["sentences of live pictures", ".explore .says"], ["headings", "h1"],
  ]) check(`lacks ${what}`, (await seen(page, selector)) === (await page.locator(`article ${selector}`).count()));
  check("has no question", name.includes("refresher") ? asked === 12 : asked > 0);
  check("is dark", await eventually(() => page.evaluate(() => {
    const light = (colour) => Math.min(...colour.match(/\d+/g).slice(0, 3).map(Number));
    return light(getComputedStyle(document.body).backgroundColor) > 250 && light(getComputedStyle(document.querySelector("article p")).color) < 90;
  })));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(`is ${wide} pixels wider than the sheet`, wide <= 0);
  await shot(page, `paper_${path.basename(name, ".html")}`);
  await page.emulateMedia({ media: "screen" });
  check("leaves the screen light", await eventually(() => page.evaluate(() => document.documentElement.dataset.theme === "dark")));
  const pdf = (await page.pdf({ preferCSSPageSize: true })).toString("latin1");
  check("is not a PDF of some sheets", pdf.startsWith("%PDF") && pdf.split("/Type /Page\n").length > 2);
  await page.close();
}

if (options.screenshots) await mkdir(options.screenshots, { recursive: true });
const [chapter] = await pagesOf(site, CHAPTER);
const [refresher] = await pagesOf(site, "refresher.html");
const { origin, browser, stop } = await start(site);
const found = [];
for (const [name, look] of [[chapter, ["light", { width: 1920, height: 1080 }]], [chapter, ["dark", { width: 1280, height: 720 }]]]) {
  const problems = new Set();
  await present(browser, origin, name, look, problems).catch((error) => problems.add(error.message));
  found.push(...[...problems].map((p) => `${name} (${look[0]}): ${p}`));
}
for (const name of [chapter, refresher]) {
  const problems = new Set();
  await print(browser, origin, name, problems).catch((error) => problems.add(error.message));
  found.push(...[...problems].map((p) => `${name}: ${p}`));
}
await stop();
console.log(found.join("\n") || "the book can be presented and printed");
process.exit(found.length ? 1 : 0);
