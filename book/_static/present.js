// For the room: key P (or the button, or ?present in the address) shows a page one section a screen.
//
// The first screen is what stands before the first section. A class on <html> does the rest, in
// present.css. The section on the screen is in the address, so that a reload stays with it.

const PRESENTING = "present";
const root = document.documentElement;
const asked = new URLSearchParams(location.search).has(PRESENTING);
if (asked) root.classList.add(PRESENTING); // before anything is drawn

const room = { screens: [], at: 0 };

/** What the page shows one after another: each screen is a list of elements, with an id. */
function screensOf(article) {
  const page = article.querySelector(":scope > section") ?? article;
  const screens = [{ id: page.id, parts: [] }];
  for (const part of page.children) {
    if (part.matches("section")) screens.push({ id: part.id, parts: [] });
    screens.at(-1).parts.push(part);
  }
  return screens.filter(({ parts }) => parts.length);
}

function present() {
  if (root.classList.contains(PRESENTING)) return leave();
  const line = innerHeight / 3; // whoever reads has the section in view that began above it
  const at = room.screens.findLastIndex(({ parts }) => parts[0].getBoundingClientRect().top < line);
  enter(Math.max(at, 0));
}

function enter(at) {
  root.classList.add(PRESENTING);
  fold();
  document.body.append(room.bar);
  fit();
  go(at);
}

function leave() {
  root.classList.remove(PRESENTING);
  for (const details of document.querySelectorAll("details.folded-for-room")) {
    details.replaceWith(details.lastChild);
  }
  room.bar.remove();
  room.screens.flatMap(({ parts }) => parts).forEach((part) => part.classList.remove("on-screen"));
  remember();
  room.screens[room.at].parts[0].scrollIntoView({ behavior: "instant" });
}

/** Code that stands open on the page is folded, unless somebody opens it. */
function fold() {
  for (const code of document.querySelectorAll(".bd-article .cell > .cell_input")) {
    const details = element("details", { class: "folded-for-room" }, element("summary", {}, "Show code"));
    code.replaceWith(details);
    details.append(code);
  }
}

function go(at) {
  if (at < 0 || at >= room.screens.length) return;
  room.at = at;
  room.screens.forEach(({ parts }, k) => parts.forEach((part) => part.classList.toggle("on-screen", k === at)));
  room.back.disabled = at === 0;
  room.next.disabled = at === room.screens.length - 1;
  room.place.textContent = `Section ${at + 1} of ${room.screens.length}`;
  remember();
  scrollTo({ top: 0, behavior: "instant" });
}

/** A screen further, and from the end of a section to the next; the same back. */
function turn(direction) {
  const step = direction * innerHeight * 0.8;
  const before = scrollY;
  scrollBy({ top: step, behavior: "instant" });
  if (Math.abs(scrollY - before) < 2) go(room.at + direction);
}

function remember() {
  if (location.protocol === "file:") return; // where browsers allow no other address
  const address = new URL(location);
  if (root.classList.contains(PRESENTING)) address.searchParams.set(PRESENTING, "");
  else address.searchParams.delete(PRESENTING);
  address.hash = room.screens[room.at].id;
  history.replaceState(history.state, "", address.href.replace("present=", "present"));
}

/** Everything as much larger as the screen is wider than a page. */
function fit() {
  root.style.setProperty("--larger", Math.max(1, Math.min(innerWidth / 1180, innerHeight / 600)));
}

/** The screen that holds what the address names. */
function named() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const at = room.screens.findIndex(({ parts }) => parts.some((part) => part.contains(target)));
  return target ? Math.max(at, 0) : 0;
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function button(sign, name, action) {
  const made = element("button", { type: "button", "aria-label": name, title: name }, sign);
  made.addEventListener("click", action);
  return made;
}

const TURNS = { PageDown: () => turn(1), PageUp: () => turn(-1), " ": () => turn(1) };
const SECTIONS = { ArrowRight: () => go(room.at + 1), ArrowLeft: () => go(room.at - 1) };
const OWN = "[data-lm-suppress-shortcuts], .derivation, .widget-box, input, select, summary, button, a"; // have keys of their own

function onKey(event) {
  const { key, target } = event;
  const types = target.closest("input:not([type=range], [type=checkbox], [type=radio]), textarea, [contenteditable], dialog");
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || types) return;
  const shown = root.classList.contains(PRESENTING);
  let action;
  if (key.toLowerCase() === "p") action = present;
  else if (!shown) return;
  else if (key === "Escape") action = leave;
  else if (key.startsWith("Page") || !target.closest(OWN)) action = TURNS[key] ?? SECTIONS[key];
  if (!action) return;
  event.preventDefault();
  action();
}

document.addEventListener("DOMContentLoaded", () => {
  const article = document.querySelector("article.bd-article");
  if (!article) return;
  room.screens = screensOf(article);
  room.back = button("‹", "Previous section", () => go(room.at - 1));
  room.next = button("›", "Next section", () => go(room.at + 1));
  room.place = element("span", { role: "status" });
  room.bar = element("nav", { class: "room", "aria-label": "Sections" }, room.back, room.place, room.next,
    button("×", "Leave (Escape)", leave));
  document.addEventListener("keydown", onKey);
  addEventListener("resize", fit);
  addEventListener("hashchange", () => root.classList.contains(PRESENTING) && go(named()));
  if (asked) enter(named());
});
