// What questions and their tally share: how they look, text with emphasis, and the way to a section.

import { FACE, GREY, HELPS, INK, make, OWN_KEYS, PAPER, RULE, SOFT } from "./elements.js";

const STYLE = `
.ask { background: ${PAPER}; color: ${INK}; border: 1px solid ${RULE}; border-left: 4px solid ${GREY}; border-radius: 6px;
  padding: 0.6rem 0.8rem; margin: 0; min-width: 0; box-sizing: border-box; max-width: var(--live-width, 760px);
  font-family: ${FACE}; font-size: max(16px, 1em); line-height: 1.45; overflow-wrap: anywhere; }
.ask legend { float: left; width: 100%; padding: 0; margin: 0 0 0.5rem; border: 0; font: inherit; font-weight: 600; color: ${INK}; }
.ask legend + * { clear: both; }
.ask .options { display: flex; flex-direction: column; gap: 0.4rem; }
.ask button, .ask input { font: inherit; color: ${INK}; border: 1px solid ${GREY}; border-radius: 4px; min-height: 44px;
  box-sizing: border-box; padding: 0.4rem 0.7rem; margin: 0; }
.ask button { background: ${SOFT}; text-align: left; cursor: pointer; }
.ask .options button { display: grid; grid-template-columns: 1.5em 1fr 1.2em; align-items: center; }
.ask button.right { border: 2px solid ${INK}; font-weight: 600; }
.ask button.wrong { background: ${PAPER}; border-style: dashed; }
.ask .number { display: flex; flex-wrap: wrap; gap: 0.4rem; align-items: center; }
.ask input { background: ${PAPER}; width: 11em; max-width: 100%; }
.ask :is(button, input, a):focus-visible { outline: 3px solid ${INK}; outline-offset: 1px; }
.ask a { color: var(--pst-color-link, ${HELPS}); }
.ask p { margin: 0.5rem 0 0; }
.ask p:empty { display: none; }
@media print { .ask .number { display: none; } .ask button { border: 0; background: none; padding: 0; min-height: 0; } }
`;

/** Plain text with *emphasis* as nodes: nothing in it is taken for HTML. */
export function rich(text) {
  const parts = text.split(/(^|[\s("“])\*(\S[^*]*)\*/); // text, what stands before, the words, text, ...
  return parts.map((part, k) => (k % 3 === 2 ? make("em", {}, part) : part));
}

/** Put a question, or the tally, into its place on the page. */
export function show(el, name, ...children) {
  const root = make(name, { class: "ask", ...OWN_KEYS }, ...children);
  el.append(make("style", {}, STYLE), root);
  return root;
}

/** The page of an element: in JupyterLab several notebooks share one document. */
export const pageOf = (element) => element.closest(".jp-Notebook") ?? document;

/** A heading's words, without its link and with the straight quotes of its source. */
const words = (heading) =>
  heading.textContent.replace(/[#¶]\s*$/, "").replace(/[‘’]/g, "'").replace(/[“”]/g, '"').trim();

/** The name of a section: a link, if the page has a heading of that name. */
export function section(name, page) {
  const heading = [...page.querySelectorAll("h1, h2, h3, h4")].find((h) => words(h) === name);
  if (!heading) return make("em", {}, name);
  const id = heading.id || heading.closest("section[id]")?.id || "";
  const link = make("a", { href: `#${id}` }, name);
  link.addEventListener("click", (event) => {
    if (page === document && id) return;
    event.preventDefault(); // in Jupyter the address belongs to the notebook
    heading.scrollIntoView();
  });
  return link;
}
