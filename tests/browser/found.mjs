// Whether pages can be found, shared and read whole.
//
//   node tests/browser/found.mjs _build/html [--only TEXT]
//
// A page fails if it has no description or title of its own, if a table hides a column on a phone or
// an identifier is broken inside a word on a desk, if it is longer than 20,000 px and a page of the
// reference, if its contents are cut off, or if it names the placeholder of the public address. The
// map must have a link for each chapter, and 404.html must work at any depth.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { DESKTOP, open, pagesOf, PHONE, start, twoAtATime } from "./site.mjs";

const LONGEST = 20_000; // px of a page of the reference
const TAGS = ["og:title", "og:description", "og:type", "og:site_name"];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", default: "" } },
});
const site = path.resolve(positionals[0] ?? "_build/html");
const names = await pagesOf(site, options.only);
const { origin, browser, stop } = await start(site);
const seen = new Map(); // title or description -> the page that has it

/** What the head of a page says of it. */
async function checkHead(name, page, problems) {
  const head = await page.evaluate(() => {
    const tags = [...document.querySelectorAll("meta[name], meta[property]")];
    return Object.fromEntries(tags.map((e) => [e.getAttribute("name") ?? e.getAttribute("property"), e.content]));
  });
  for (const said of [await page.title(), head.description]) {
    if (!said || said.length < 5) problems.add("has no title or no description");
    else if (seen.has(said)) problems.add(`says of itself what ${seen.get(said)} says: ${said}`);
    seen.set(said, name);
  }
  for (const tag of TAGS) if (!head[tag]) problems.add(`has no ${tag}`);
  for (const [tag, said] of Object.entries(head)) if (/_OWNER_|\\/.test(said)) problems.add(`${tag}: ${said}`);
  if (head["og:url"]) {
    const picture = new URL(head["og:image"]).pathname.replace(/^.*\/_static\//, "_static/");
    const png = await readFile(path.join(site, picture)).catch(() => null);
    if (!png || png.readUInt32BE(16) !== 1200 || png.readUInt32BE(20) !== 630) problems.add("has no card");
  }
}

/** Identifiers of running text that are broken inside a word, tables out of sight, and a placeholder. */
function checkBody(page) {
  return page.evaluate(() => {
    const found = [];
    for (const code of document.querySelectorAll(".bd-article code.literal")) {
      const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        for (const word of texts.currentNode.data.matchAll(/[\p{L}\p{N}]+/gu)) {
          const range = document.createRange();
          range.setStart(texts.currentNode, word.index);
          range.setEnd(texts.currentNode, word.index + word[0].length);
          const lines = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
          if (lines.size > 1) found.push(`breaks ${word[0]}`);
        }
      }
    }
    for (const frame of document.querySelectorAll(".bd-article .pst-scrollable-table-container")) {
      if (frame.scrollWidth > frame.clientWidth + 1) found.push(`hides a column of the table that begins ${frame.innerText.slice(0, 30)}`);
    }
    for (const cell of document.querySelectorAll(".bd-article table.table td")) {
      if (/\\[a-z_]/i.test(cell.innerText)) found.push(`shows a backslash: ${cell.innerText}`);
    }
    for (const name of document.querySelectorAll(".bd-sidebar-secondary a")) {
      if (name.scrollWidth > name.clientWidth + 1 && name.clientWidth) found.push(`cuts off ${name.innerText}`);
    }
    if (document.body.innerText.includes("_OWNER_")) found.push("shows the placeholder of the address");
    return found.map((text) => text.replace(/\s+/g, " "));
  });
}

let failed = 0;
async function check(name) {
  const problems = new Set();
  const page = await open(browser, origin, name, ["light", DESKTOP], problems);
  await checkHead(name, page, problems);
  if (/\/api[_.]/.test(name)) {
    const high = await page.evaluate(() => document.documentElement.scrollHeight);
    if (high > LONGEST) problems.add(`is ${high} px long`);
  }
  for (const viewport of [DESKTOP, PHONE]) {
    await page.setViewportSize(viewport);
    for (const problem of await checkBody(page)) problems.add(`${viewport.width} px: ${problem}`);
  }
  await page.context().close();
  if (problems.size) failed += 1;
  if (problems.size) console.log(`${name}: ${[...problems].slice(0, 12).join("; ")}`);
}

/** Served where a host serves it: below the address that was asked for. */
async function checkLost() {
  const lost = await readFile(path.join(site, "404.html"), "utf-8").catch(() => "");
  if (!lost) return ["404.html is not there"];
  const root = lost.match(/<base href="([^"]*)"/)?.[1];
  const problems = new Set();
  const onPage = (page) =>
    page.route(`${origin}/**`, (route) => {
      const asked = new URL(route.request().url()).pathname;
      if (asked.startsWith(`${root}a/b/`)) return route.fulfill({ body: lost, contentType: "text/html" });
      return route.fetch({ url: `${origin}/${asked.slice(root.length)}` }).then((response) => route.fulfill({ response }));
    });
  const page = await open(browser, origin, `${root.slice(1)}a/b/c.html`, ["light", PHONE], problems, { onPage });
  const door = page.locator(".doors a").first();
  if ((await page.evaluate(() => getComputedStyle(document.querySelector(".lost")).display)) !== "flex") problems.add("404 has no style");
  await page.locator(".lost input").fill("leverage");
  await page.locator(".lost button").click();
  await page.waitForURL(/search\.html\?q=leverage/).catch(() => problems.add("404 does not search"));
  await page.goBack();
  await door.click();
  await page.waitForURL(/book\/index\.html/).catch(() => problems.add("404 has no door to the start"));
  await page.context().close();
  return [...problems];
}

/** On desk and phone one drawing with a link for each chapter, which keyboards reach. */
async function checkMap() {
  const problems = new Set();
  for (const viewport of [DESKTOP, PHONE]) {
    const page = await open(browser, origin, "book/index.html", ["dark", viewport], problems);
    const links = page.locator(".chapter-map:visible a");
    if ((await links.count()) < 19) problems.add(`the map has ${await links.count()} links on ${viewport.width} px`);
    else {
      await links.nth(2).focus();
      const box = await links.nth(2).locator("rect").evaluate((e) => getComputedStyle(e).strokeWidth);
      if (box !== "3px") problems.add("the map does not show where the keyboard is");
      await page.keyboard.press("Enter");
      await page.waitForURL(/02_upweighting\.html/).catch(() => problems.add("the map leads nowhere"));
    }
    await page.context().close();
  }
  return [...problems];
}

await twoAtATime(names.filter((name) => name !== "404.html"), check);
if (!options.only) {
  for (const problem of [...(await checkLost()), ...(await checkMap())]) {
    failed += 1;
    console.log(problem);
  }
}
await stop();
console.log(failed ? `${failed} failed` : `${names.length} pages can be found, shared and read whole`);
process.exit(failed ? 1 : 0);
