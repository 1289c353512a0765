// What the browser tests share: the built site served locally, Chromium, and pages without a network.

import { createServer } from "node:http";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
FLAGS.push("--disable-component-update", "--disable-sync");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };
Object.assign(TYPES, { ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" });
Object.assign(TYPES, { ".png": "image/png", ".webp": "image/webp", ".woff2": "font/woff2" });
export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };
export const PATIENCE = 5000; // ms for something to happen after a reader did something

/** The site's address on this machine, Chromium (CHROMIUM or /usr/bin/chromium), and an end to both. */
export async function start(folder, ...flags) {
  const server = await serve(folder);
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...flags] });
  const stop = async () => {
    await browser.close();
    server.close();
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, browser, stop };
}

/** The pages of the built site whose path contains `only`; without any the test ends. */
export async function pagesOf(folder, only = "") {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".html"))
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .filter((name) => !/^(_static|_sources|_images)\//.test(name) && name.includes(only))
    .sort();
  const redirects = await Promise.all(names.map((name) => isRedirect(path.join(folder, name))));
  const pages = names.filter((_, k) => !redirects[k]);
  if (pages.length === 0) {
    console.error(`no html page in ${folder}: build the book first`);
    process.exit(2);
  }
  return pages;
}

/** The root's index.html only leads to the front page: links are checked elsewhere. */
async function isRedirect(file) {
  return /<meta http-equiv="refresh"/i.test((await readFile(file, "utf-8")).slice(0, 1000));
}

function serve(folder) {
  const server = createServer(async (request, response) => {
    const name = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const file = path.join(folder, name); // the URL has no ".." left
    try {
      const body = await readFile(file);
      response.writeHead(200, { "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream" });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

/** Open a page; whatever goes wrong on it, now or later, is added to `problems`. */
export async function open(browser, origin, name, [theme, viewport], problems, more = {}) {
  const { onPage, ...ofContext } = more; // what to do with the page before it loads anything
  const context = await browser.newContext({ viewport, colorScheme: theme, ...ofContext });
  await context.addInitScript((chosen) => {
    localStorage.setItem("mode", chosen);
    localStorage.setItem("theme", chosen);
  }, theme);
  await context.route(
    (url) => url.origin !== origin,
    (route) => {
      const url = route.request().url();
      if (/^(data|blob):/.test(url)) return route.continue();
      problems.add(`asks for ${url}`);
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => problems.add(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.add(`console: ${message.text()} (${message.location().url})`);
  });
  await onPage?.(page);
  await page.goto(`${origin}/${name}`, { waitUntil: "load", timeout: 30000 });
  return page;
}

/** Whether a condition comes true within a reader's patience. */
export async function eventually(condition) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    if (await condition()) return true;
    if (Date.now() > end) return false;
    await new Promise((wake) => setTimeout(wake, 25));
  }
}

/** Press at one place and let go at another, with a few moves between. */
export async function drag(page, [x, y], [toX, toY], touch) {
  const between = (k) => [x + ((toX - x) * k) / 5, y + ((toY - y) * k) / 5];
  if (!touch) {
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(toX, toY, { steps: 5 });
    await page.mouse.up();
    return;
  }
  const client = await page.context().newCDPSession(page);
  const send = (type, at) =>
    client.send("Input.dispatchTouchEvent", { type, touchPoints: at ? [{ x: at[0], y: at[1] }] : [] });
  await send("touchStart", [x, y]);
  for (let k = 1; k <= 5; k++) await send("touchMove", between(k));
  await new Promise((rest) => setTimeout(rest, 100)); // a finger in flight would swallow the next tap
  await send("touchEnd");
}

/** Two at a time, as there are two cores. */
export async function twoAtATime(names, check) {
  const waiting = [...names];
  const worker = async () => {
    while (waiting.length) await check(waiting.shift());
  };
  await Promise.all([worker(), worker()]);
}
