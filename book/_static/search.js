// What the search page shows below each result: the first sentences that have the words, whole words
// marked. Sphinx's own script would show the table of contents, code, and the letters of a word in
// the middle of others.

/** What is no running text: navigation, code, outputs, formulas as they are spelled, widgets. */
const NOT_TEXT = "script, style, nav, .headerlink, .highlight, details, .cell_output, .katex-html, .bd-header-article";
const LONGEST = 300; // characters of an excerpt

/** The part of a page that a result leads to, without its heading. */
function part(html, anchor) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const main = page.querySelector("article") ?? page.body;
  const found = (anchor && page.getElementById(anchor.slice(1))) || main;
  found.querySelectorAll(`${NOT_TEXT}, annotation`).forEach((e) => e.remove());
  return found;
}

function sentences(element) {
  const blocks = [...element.querySelectorAll("p, li, dd, td")].filter((e) => !e.querySelector("p, li"));
  return blocks.flatMap((e) => e.textContent.replace(/\s+/g, " ").trim().match(/.+?[.!?](?=\s|$)|.+$/g) ?? []);
}

/** A pattern for the words that were asked for, and for other endings of their stems. */
function wordsLike(asked, stems) {
  const escape = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const whole = asked.map((word) => `${escape(word)}(?:s|es)?`);
  const others = stems.filter((stem) => !asked.includes(stem)).map((stem) => `${escape(stem)}\\p{L}{0,3}`);
  return new RegExp(`(?<![\\p{L}\\p{N}_])(${[...whole, ...others].join("|")})(?![\\p{L}\\p{N}_])`, "giu");
}

Search.makeSearchSummary = (html, keywords, anchor) => {
  const query = new URLSearchParams(location.search).get("q").toLowerCase();
  const pattern = wordsLike(splitQuery(query).filter((word) => !stopwords.includes(word)), [...keywords]);
  const all = sentences(part(html, anchor)).filter((sentence) => sentence.split(" ").length > 3);
  const said = all.filter((sentence) => sentence.match(pattern));
  const summary = document.createElement("p");
  summary.className = "context";
  let text = said[0] ?? all[0] ?? "";
  for (const next of said.slice(1, 3)) if (text.length + next.length < LONGEST) text += ` … ${next}`;
  text.split(pattern).forEach((piece, k) => {
    if (k % 2 === 0) return summary.append(piece);
    const mark = document.createElement("mark");
    mark.textContent = piece;
    summary.append(mark);
  });
  return summary;
};

/** One result for each page and each object of the reference: the best one of a page leads to it. */
const found = Search._performSearch;
Search._performSearch = (...query) => {
  const seen = new Set();
  const bestFirst = found(...query).reverse(); // Sphinx takes results from the end
  return bestFirst.filter(([page, , anchor, description]) => {
    const place = description ? page + anchor : page;
    return !seen.has(place) && seen.add(place);
  }).reverse();
};
