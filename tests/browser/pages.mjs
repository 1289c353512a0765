// Read every page, without network: as those do who cannot see it well, or who have a slow connection;
// and use its widgets as a reader would.
//
//   node tests/browser/pages.mjs _build/html [--only TEXT] [--screenshots DIR]
//
// A page fails if the browser reports an error, if anything is asked of another host, if a control of a
// widget has no name or does not change the frame and its text alternative, if axe finds a violation
// (light on a desk, dark on a phone), if a picture has no text alternative, if it is wider than a screen
// of 320 px or than one of 1280 px at 200 %, if it moves by itself while it loads, if more than 0.8 MB in
// 50 files travel before a reader scrolls, packed as web servers pack, if a formula is cut or smaller on a
// line of its own than in the text, or if an icon lies on words. Prints the sizes. CHROMIUM names the
// browser, by default /usr/bin/chromium.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { DESKTOP, open, pagesOf, PHONE, start, twoAtATime } from "./site.mjs";
import { checkGround, checkTheme, checkWidth, useWidgets } from "./widgets.mjs";

const MAX_BYTES = 800_000;
const MAX_FILES = 50;
const MAX_SHIFT = 0.1; // "good", as Web Vitals have it
const NARROW = { width: 320, height: 640 };
const ZOOMED = { width: 640, height: 450 }; // a desk at 200 %
const PACKED = /\.(html|js|mjs|css|svg|json|txt)$/; // what servers compress
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", default: "" }, screenshots: { type: "string" } },
});
const site = path.resolve(positionals[0] ?? "_build/html");
// Light on a desk and dark on a phone find what can be found; pictures for looking at need all four.
const LOOKS = [["light", DESKTOP], ["dark", PHONE]];
if (options.screenshots) LOOKS.push(["dark", DESKTOP], ["light", PHONE]);

/** What axe finds wrong, one sentence for each rule. */
async function axe(page) {
  await page.addScriptTag({ path: AXE });
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"], preload: false }));
  return violations.map(({ id, nodes }) => `axe ${id}: ${nodes.length} x ${nodes[0].target.join(" ")}`);
}

function picturesWithoutWords(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll(".bd-article img")]
      .filter((e) => !/\w+ \w+/.test(e.alt)) // a name of a file does not say what is seen
      .map((e) => `no words for ${e.src.slice(-60)}`));
}

/** Lay out all of a page, as for a reader who has read it to its end. */
async function layOut(page) {
  await page.addStyleTag({ content: "* { content-visibility: visible !important; }" });
  await page.evaluate(() => window.dispatchEvent(new Event("resize")));
  await page.waitForTimeout(400); // the theme makes what scrolls reachable by keyboard a moment later
}

/** Formulas that are cut, or smaller on a line of their own than in the text; icons that lie on words. */
function misplaced(page) {
  return page.evaluate(() => {
    const formulas = [...document.querySelectorAll(".bd-article :is(.katex-display, mjx-container[display])")];
    const within = (e) => e.closest("div.math") ?? e.parentElement;
    const isCut = (e) => e.scrollHeight > e.clientHeight + 1 && getComputedStyle(e).overflowY !== "visible";
    const cut = formulas.flatMap((e) => [e, within(e)]).filter(isCut);
    const size = (e) => parseFloat(getComputedStyle(e).fontSize);
    const inText = [...document.querySelectorAll(".bd-article p > span.math > :first-child")].map(size);
    const alone = formulas.map((e) => size(e.querySelector(".katex") ?? e));
    const dialog = document.querySelector("#pst-search-dialog");
    dialog.showModal();
    const field = dialog.querySelector("input");
    const words = field.getBoundingClientRect().left + parseFloat(getComputedStyle(field).paddingLeft);
    const covered = dialog.querySelector(".fa-magnifying-glass").getBoundingClientRect().right - words;
    dialog.close();
    return [
      ...(cut.length ? [`${cut.length} formulas are cut: ${cut[0].textContent.trim().slice(0, 40)}`] : []),
      ...(Math.min(...alone) < Math.max(...inText) - 0.1 ? ["formulas are smaller on their own line than in the text"] : []),
      ...(covered > 0 ? [`the search icon covers ${covered.toFixed(0)} px of the words`] : []),
    ];
  });
}

const excess = (page) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

/** How far things jump by themselves; what follows a reader's own doing does not count. */
const watchShifts = (page) => page.addInitScript(() => {
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
});

const sizes = new Map(); // most files belong to all pages

/** Bytes of all files that a page asked for, packed. */
async function weight(files) {
  let packed = 0;
  for (const file of files) {
    if (!sizes.has(file)) {
      const body = await readFile(path.join(site, file));
      sizes.set(file, PACKED.test(file) ? gzipSync(body).length : body.length);
    }
    packed += sizes.get(file);
  }
  return packed;
}

async function read(name, look) {
  const problems = new Set();
  const files = new Set();
  const page = await open(browser, origin, name, look, problems, {
    onPage: async (fresh) => {
      fresh.on("response", (r) => r.ok() && r.url().startsWith(origin) && files.add(new URL(r.url()).pathname));
      await watchShifts(fresh);
    },
  });
  await page.waitForLoadState("networkidle");
  return { page, problems, asked: [...files].map(decodeURIComponent).filter((f) => !f.endsWith("/")) };
}

const names = await pagesOf(site, options.only);
const { origin, browser, stop } = await start(site);

/** What is wrong in one look; what is right is written to `report`. */
async function checkLook(name, look, report) {
  const { page, problems, asked } = await read(name, look);
  const shift = await page.evaluate(() => window.shift);
  report.shifts.push(shift.toFixed(3));
  if (shift > MAX_SHIFT) problems.add(`moves by ${shift.toFixed(2)} while it loads (${look[1].width} px)`);
  await checkTheme(page, look[0], problems);
  await layOut(page);
  for (const problem of await axe(page)) problems.add(`${look[0]} ${problem}`);
  for (const problem of [...(await picturesWithoutWords(page)), ...(await misplaced(page))]) problems.add(problem);
  if (look[1] === DESKTOP) {
    const packed = await weight(asked);
    report.sizes = `${(packed / 1e6).toFixed(2)} MB packed in ${asked.length} files`;
    if (packed > MAX_BYTES) problems.add(`is heavier than ${MAX_BYTES / 1e6} MB`);
    if (asked.length > MAX_FILES) problems.add(`asks for more than ${MAX_FILES} files`);
  }
  report.used = await useWidgets(page, problems);
  await checkGround(page, problems);
  if (options.screenshots) {
    await page.evaluate(() => (document.activeElement?.blur(), window.scrollTo(0, 0)));
    const file = `${name.replace(/\.html$/, "").replaceAll("/", "-")}.${look[0]}.${look[1].width}.png`;
    await page.screenshot({ path: path.join(options.screenshots, file), fullPage: true });
  }
  if (look[1] === PHONE) {
    await checkWidth(page, problems);
    for (const viewport of [NARROW, ZOOMED]) {
      await page.setViewportSize(viewport);
      const wide = await excess(page);
      if (wide > 0) problems.add(`is ${wide} px wider than a screen of ${viewport.width} px`);
    }
  }
  await page.context().close();
  return problems;
}

let failed = 0;
async function check(name) {
  const [all, report] = [new Set(), { shifts: [] }];
  for (const look of LOOKS) {
    try {
      for (const problem of await checkLook(name, look, report)) all.add(problem);
    } catch (error) {
      all.add(`${look[0]} ${look[1].width}: ${error.message.split("\n")[0]}`);
    }
  }
  if (all.size) failed += 1;
  const { sizes, shifts, used } = report;
  console.log(`${name}: ${sizes}, moves by ${shifts.join(" and ")}, ${used} controls; ${[...all].join("; ") || "no problems"}`);
}

if (options.screenshots) await mkdir(options.screenshots, { recursive: true });
await twoAtATime(names, check);
await stop();
console.log(`${names.length - failed} pages passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
