// Derivations that one steps through: a `div.derivation` holds an ordered list, each item is one line.
// The page shows the whole list where no script runs, and on paper; here one line comes at a time, by
// button, arrow key or swipe. A question at the end of a line, in <details>, is asked before the next.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function stepThrough(root) {
  const lines = [...root.querySelectorAll(":scope > ol > li")];
  if (lines.length < 2) return root.classList.add("whole");
  let shown = 1;

  const button = (name, action) => {
    const made = element("button", { type: "button" }, name);
    made.addEventListener("click", action);
    return made;
  };
  const next = button("Next line", forward);
  const back = button("Back", () => go(shown - 1));
  const all = button("All lines", whole);
  const place = element("span", { class: "place" });
  const reason = element("span", { class: "unseen" }); // for ears: eyes have the line itself
  const bar = element("div", { class: "steps" }, next, back, all, element("span", { "aria-live": "polite" }, place, reason));

  /** The question of the line shown last, while its answer is still folded. */
  const question = () => lines[shown - 1].querySelector(":scope > details:not([open])");

  function forward() {
    const asked = question();
    if (asked) keep(() => (asked.open = true));
    else go(shown + 1);
  }

  function go(count) {
    keep(() => (shown = Math.min(Math.max(count, 1), lines.length)));
  }

  /** Change what is shown: the lines move up, the buttons stay under the finger. */
  function keep(change) {
    const before = bar.getBoundingClientRect().top;
    change();
    update();
    window.scrollBy({ top: bar.getBoundingClientRect().top - before, behavior: "instant" });
  }

  /** Show all lines, or only the first again; what was there stays where it is. */
  function whole() {
    shown = shown < lines.length ? lines.length : 1;
    update();
  }

  function update() {
    lines.forEach((line, k) => {
      line.classList.toggle("later", k >= shown);
      line.classList.toggle("now", k === shown - 1);
    });
    const last = shown === lines.length;
    next.textContent = question() ? "Answer" : "Next line";
    next.setAttribute("aria-disabled", String(last && !question())); // keeps the focus
    back.setAttribute("aria-disabled", String(shown === 1));
    all.textContent = last ? "One by one" : "All lines";
    place.textContent = `line ${shown} of ${lines.length}`;
    const words = [...lines[shown - 1].querySelectorAll(":scope > p")].find((p) => !p.querySelector(".math, .sketch"));
    reason.textContent = words ? `. ${words.textContent}` : "";
  }

  const KEYS = { ArrowRight: forward, ArrowLeft: () => go(shown - 1), Home: () => go(1), End: () => go(lines.length) };
  root.addEventListener("keydown", (event) => {
    const action = KEYS[event.key];
    if (!action || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || scrolls(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  });

  let from; // where a finger came down
  root.addEventListener("touchstart", ({ touches, target }) => {
    from = touches.length === 1 && !scrolls(target) ? touches[0] : undefined;
  }, { passive: true });
  root.addEventListener("touchend", ({ changedTouches: [to] }) => {
    if (!from) return;
    const [across, down] = [to.clientX - from.clientX, to.clientY - from.clientY];
    if (Math.abs(across) < 40 || Math.abs(across) < 2 * Math.abs(down)) return;
    if (across < 0) forward();
    else go(shown - 1);
  });
  /** Whether sideways movement belongs to something here that is wider than its place. */
  function scrolls(target) {
    for (let e = target; e !== root; e = e.parentElement) {
      if (e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX)) return true;
    }
    return false;
  }

  for (const line of lines) line.querySelector(":scope > details")?.addEventListener("toggle", update);
  root.setAttribute("role", "group");
  root.tabIndex = -1; // after a click the arrow keys belong to it
  root.append(bar);
  root.classList.add("stepped");
  update();
}

document.querySelectorAll("div.derivation").forEach(stepThrough); // this script is deferred: the page is there
