// What must hold for the theme, the width and the widgets of a page: a reader uses every control.
//
// Used by pages.mjs. A page fails if it is wider than a phone, if something on it has a ground of its
// own, or if a control of a widget has no name or does not change the frame and its text alternative.

import { eventually, PHONE } from "./site.mjs";

export async function checkTheme(page, theme, problems) {
  const actual = await page.evaluate(() => document.documentElement.dataset.theme);
  if (actual !== undefined && actual !== theme) problems.add(`is ${actual} when ${theme} is asked for`);
}

/** Figures, tables, frames, live pictures and questions lie on the page, in light and in dark. */
export async function checkGround(page, problems) {
  const own = await page.evaluate(() => {
    const look = (e) => getComputedStyle(e);
    const grounds = [look(document.body).backgroundColor, "rgba(0, 0, 0, 0)"];
    const isOwn = (e) => !grounds.includes(look(e).backgroundColor) || look(e).filter !== "none";
    return [...document.querySelectorAll(".widget-box, .explore, .ask, .digit, .text_html, svg.drawn, svg.sketch")]
      .filter(isOwn)
      .map((e) => `${e.getAttribute("class")} on ${look(e).backgroundColor}`);
  });
  for (const what of new Set(own)) problems.add(`has a ground of its own: ${what}`);
  const black = await page.evaluate(() =>
    [...document.querySelectorAll("svg.drawn :is(text, path, use)")]
      .filter((e) => getComputedStyle(e).fill === "rgb(0, 0, 0)" && e.getClientRects().length)
      .map((e) => e.textContent || e.tagName));
  if (black.length) problems.add(`draws in black, which dark mode hides: ${[...new Set(black)].slice(0, 3)}`);
}

export async function checkWidth(page, problems) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (excess <= 0) return;
  const widest = await page.evaluate(() => {
    const isScrolled = (e) => e && (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX) || isScrolled(e.parentElement));
    return [...document.body.querySelectorAll("*")]
      .filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1 && !isScrolled(e.parentElement))
      .slice(0, 3)
      .map((e) => `${e.tagName.toLowerCase()}.${e.className}`);
  });
  problems.add(`is ${excess} px wider than a screen of ${PHONE.width} px: ${widest.join(", ")}`);
}

/** Use every control on the page. Returns how many there were. */
export async function useWidgets(page, problems) {
  const promised = await page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count();
  if (promised === 0) return 0;
  const roots = page.locator(".widget:has(.widget-box, .explore, .ask, .digit)");
  if (!(await eventually(async () => (await roots.count()) >= promised))) {
    problems.add(`shows ${await roots.count()} of ${promised} widgets`);
  }

  const sliders = page.locator(".widget-box").getByRole("slider");
  const named = page.locator(".widget-box").getByRole("slider", { name: /\S/ });
  const nameless = (await sliders.count()) - (await named.count());
  if (nameless) problems.add(`${nameless} sliders have no accessible name`);

  let used = 0;
  for (const [number, root] of (await roots.all()).entries()) {
    used += await useWidget(page, root, `widget ${number + 1}`, problems);
  }
  return used;
}

async function useWidget(page, root, name, problems) {
  const sliders = await root.locator(".widget-slider input").all();
  const groups = await root.locator(".widget-buttons").all();
  if (sliders.length + groups.length === 0) return 0;

  const seen = new Map(); // what the controls say -> what was shown
  const act = async (what, action) => {
    const before = await shown(root);
    await action();
    const changed = await eventually(async () => {
      const after = await shown(root);
      return after.frame !== before.frame && after.alt !== before.alt;
    });
    const after = await shown(root);
    if (!changed && after.frame === before.frame) problems.add(`${name}: ${what} changes nothing`);
    else if (!changed) problems.add(`${name}: ${what} changes the frame but not its text alternative`);
    if (!after.alt) problems.add(`${name}: a frame has no text alternative`);

    // two controls: neither may forget what the other one says
    const known = seen.get(after.controls);
    if (known !== undefined && known !== after.frame) problems.add(`${name}: ${after.controls} shows two frames`);
    for (const [controls, frame] of seen) {
      if (controls !== after.controls && frame === after.frame) problems.add(`${name}: ${controls} and ${after.controls} show one frame`);
    }
    seen.set(after.controls, after.frame);
  };

  const byKeyboard = async (slider) => {
    const atTheEnd = await slider.evaluate((e) => e.value === e.max);
    const before = await slider.getAttribute("aria-valuetext");
    await slider.focus();
    await page.keyboard.press(atTheEnd ? "ArrowLeft" : "ArrowRight");
    if ((await slider.getAttribute("aria-valuetext")) === before) problems.add(`${name}: a slider says ${before} still`);
  };
  const byMouse = async (slider) => {
    const box = await slider.boundingBox();
    const isLeft = await slider.evaluate((e) => Number(e.value) < Number(e.max) / 2);
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width / 2, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * (isLeft ? 0.95 : 0.05), y, { steps: 8 });
    await page.mouse.up();
  };

  await root.scrollIntoViewIfNeeded();
  for (const [k, slider] of sliders.entries()) {
    await act(`slider ${k + 1} by keyboard`, () => byKeyboard(slider));
    await act(`slider ${k + 1} by mouse`, () => byMouse(slider));
  }
  for (const group of groups) {
    const buttons = await group.locator("button").all();
    const active = await Promise.all(buttons.map((b) => b.evaluate((e) => e.ariaPressed === "true")));
    const others = buttons.filter((_, k) => !active[k]);
    for (const button of [...others, ...buttons.filter((_, k) => active[k])]) {
      await act(`button "${(await button.innerText()).trim()}"`, () => button.click());
    }
  }
  if (sliders.length && sliders.length + groups.length > 1) {
    await act("slider 1 after the others", () => byKeyboard(sliders[0]));
  }

  const cut = await root.evaluate((element) => {
    const boxes = [element, ...element.querySelectorAll("[class^=widget-], img, svg")];
    const isCut = (e) => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > window.innerWidth;
    const box = boxes.find((e) => e.getClientRects().length && isCut(e));
    return box && `${box.tagName} ${box.getAttribute("class")} (${box.scrollWidth} px in ${box.clientWidth} px)`;
  });
  if (cut) problems.add(`${name} is wider than its place: ${cut}`);
  return sliders.length + groups.length;
}

/** The frame seen now, its text alternative, and what the controls say. */
function shown(root) {
  return root.evaluate((element) => {
    const all = (selector) => [...element.querySelectorAll(selector)].filter((e) => e.offsetParent !== null);
    const frames = all(".widget-html");
    const alternatives = all(".widget-html :is(svg[role=img], img, [role=group])");
    const readouts = all(".widget-slider output").map((e) => e.textContent);
    const pressed = all(".widget-buttons button[aria-pressed=true]").map((e) => e.textContent);
    return {
      frame: frames.map((e) => e.innerHTML).join(),
      alt: alternatives.map((e) => e.getAttribute("alt") ?? e.getAttribute("aria-label")).join(),
      controls: [...readouts, ...pressed].join(", "),
    };
  });
}
