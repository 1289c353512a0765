// How many questions of a page were right at the first try, and which sections to read again.

import { make } from "./elements.js";
import { pageOf, section, show } from "./asked.js";

/** What there is to say: `questions` have `first`, "right", "wrong" or nothing yet, and `again`. */
export function summary(questions) {
  const answered = questions.filter(({ first }) => first);
  const right = answered.filter(({ first }) => first === "right");
  const again = answered.filter(({ first, again }) => first === "wrong" && again).map(({ again }) => again);
  const count = questions.length;
  let words = "No question is to be seen from here. On Colab each lies in a frame of its own, so nothing is counted.";
  if (count) words = `This page asks ${count} ${count === 1 ? "question" : "questions"}. `;
  if (count && !answered.length) words += "Their answers are counted here.";
  if (answered.length) words += `You have answered ${answered.length}, ${right.length} right at the first try.`;
  return { words, again: [...new Set(again)] };
}

/** Build the tally in `el`. It listens to the page: each question says when it is there, or answered. */
function render({ el }) {
  const says = make("p");
  const root = show(el, "div", make("strong", {}, "Your answers"), says);
  const seen = new Map(); // by what is asked: JupyterLab takes cells that are out of sight from the page

  function update() {
    const page = pageOf(root);
    for (const { firstChild, dataset } of page.querySelectorAll("fieldset.ask")) {
      seen.set(firstChild.textContent, { ...dataset });
    }
    const { words, again } = summary([...seen.values()]);
    const links = again.flatMap((name, k) => [k ? ", " : " Read again: ", section(name, page)]);
    says.replaceChildren(words, ...links, ...(links.length ? ["."] : []));
  }
  document.addEventListener("minfluence-answered", update);
  update();
  setTimeout(update); // once `el` has its place on the page
  return () => document.removeEventListener("minfluence-answered", update);
}

export default { render };
