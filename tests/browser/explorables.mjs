// Use the front page's explorable as readers do: by mouse, by touch and by keyboard.
//
//   node tests/browser/explorables.mjs _build/html [--screenshots DIR]
//
// Fails if a way of moving a point changes neither the picture nor the words, if a "break it" changes
// nothing, if it is wider than a narrow phone, or if the browser reports an error. How fast it starts
// and moves is printed, not judged: that depends on the machine.

import path from "node:path";
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { DESKTOP, eventually, launch, open, PHONE, serve } from "./site.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { screenshots: { type: "string" } },
});
const server = await serve(path.resolve(positionals[0] ?? "_build/html"));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await launch();
const problems = new Set();
const NARROW = { width: 320, height: 700 };

/** The words and the picture, to be compared before and after. */
const seen = (page) => page.evaluate(() => ({
  words: document.querySelector(".explore .says").textContent,
  picture: document.querySelector(".explore .plane").innerHTML,
}));

async function act(page, what, action) {
  const before = await seen(page);
  await action();
  const changed = await eventually(async () => {
    const after = await seen(page);
    return after.words !== before.words && after.picture !== before.picture;
  });
  if (!changed) problems.add(`${what} changes nothing`);
}

/** Where a point is on the screen; with one of `plane` it is scrolled into view first. */
async function middle(page, index) {
  const box = await page.locator(".explore .point").nth(index).boundingBox();
  return [box.x + box.width / 2, box.y + box.height / 2];
}

async function use(page, touch) {
  const explore = page.locator(".explore");
  await explore.waitFor();
  await explore.scrollIntoViewIfNeeded();
  const [x, y] = await middle(page, 3);
  if (touch) {
    const client = await page.context().newCDPSession(page);
    const send = (type, at) =>
      client.send("Input.dispatchTouchEvent", { type, touchPoints: at ? [{ x: at[0], y: at[1] }] : [] });
    await act(page, "dragging by touch", async () => {
      await send("touchStart", [x, y]);
      for (let k = 1; k <= 5; k++) await send("touchMove", [x + 6 * k, y - 4 * k]);
      await send("touchEnd");
    });
  } else {
    await act(page, "dragging by mouse", async () => {
      await page.mouse.move(x, y);
      await page.mouse.down();
      await page.mouse.move(x + 30, y - 20, { steps: 5 });
      await page.mouse.up();
    });
  }
  await act(page, "an arrow key", async () => {
    await page.locator(".explore .point[tabindex='0']").focus();
    await page.keyboard.press("ArrowUp");
  });
  for (const name of ["next point", "other class", "remove", "add"]) {
    await act(page, `button "${name}"`, () => page.getByRole("button", { name, exact: true }).click());
  }
  for (const name of ["tiny penalty", "label noise", "outlier", "ordinary"]) {
    await act(page, `break it: ${name}`, () => page.getByLabel("Break it").selectOption(name));
  }
  const excess = await explore.evaluate((e) => e.scrollWidth - e.clientWidth);
  if (excess > 1) problems.add(`is ${excess} px wider than its place`);
}

/** Milliseconds of one update, the median of 40, with 60 points. */
function speed(page) {
  return page.evaluate(async () => {
    const add = [...document.querySelectorAll(".explore button")].find((b) => b.textContent === "add");
    while (document.querySelectorAll(".explore .point").length < 61) add.click();
    const point = document.querySelector(".explore .point[tabindex='0']");
    const times = [];
    for (let k = 0; k < 40; k++) {
      const start = performance.now();
      const key = k % 2 ? "ArrowLeft" : "ArrowRight";
      point.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[20];
  });
}

for (const [theme, viewport, touch] of [
  ["light", DESKTOP, false],
  ["dark", PHONE, true],
  ["light", NARROW, true],
]) {
  const page = await open(browser, origin, "book/index.html", [theme, viewport], problems, { hasTouch: touch });
  const from = await page.evaluate(() => performance.now());
  await page.locator(".explore").waitFor();
  const ready = await page.evaluate(() => performance.now());
  if (options.screenshots) {
    await mkdir(options.screenshots, { recursive: true });
    const file = path.join(options.screenshots, `explore.${theme}.${viewport.width}.png`);
    await page.locator(".explore").screenshot({ path: file });
  }
  await use(page, touch);
  const ms = await speed(page);
  const times = `there ${Math.round(ready)} ms after navigation (${Math.round(ready - from)} after load)`;
  console.log(`${theme} ${viewport.width}: ${times}; one move with 60 points takes ${ms.toFixed(1)} ms`);
  await page.context().close();
}
await browser.close();
server.close();
console.log(problems.size ? `explorable: ${[...problems].join("; ")}` : "explorable: no problems");
process.exit(problems.size ? 1 : 0);
