// Ask Lighthouse what it thinks of the front page and three chapters.
//
//   node tests/browser/lighthouse.mjs _build/html
//
// Fails below 95 of 100 for accessibility or best practices. Performance is not asked for: on a
// busy machine it says more about the machine.

import path from "node:path";
import lighthouse from "lighthouse";
import { start } from "./site.mjs";

const PAGES = ["index", "02_upweighting", "07_stochastic_estimation", "13_mislabeled_examples"];
const LEAST = 95;
const PORT = 9333;

const site = path.resolve(process.argv[2] ?? "_build/html");
const { origin, stop } = await start(site, `--remote-debugging-port=${PORT}`);

let failed = 0;
for (const name of PAGES) {
  const onlyCategories = ["accessibility", "best-practices"];
  const { lhr } = await lighthouse(`${origin}/book/${name}.html`, { port: PORT, onlyCategories, logLevel: "error" });
  const scores = Object.values(lhr.categories).map((c) => [c.title, Math.round(100 * c.score)]);
  const low = Object.values(lhr.categories)
    .flatMap((c) => c.auditRefs)
    .filter(({ id, weight }) => weight > 0 && lhr.audits[id].score !== null && lhr.audits[id].score < 1)
    .map(({ id }) => id);
  if (scores.some(([, score]) => score < LEAST)) failed += 1;
  console.log(`${name}: ${scores.map((s) => s.join(" ")).join(", ")}${low.length ? ` (${low.join(", ")})` : ""}`);
}
await stop();
console.log(failed ? `${failed} pages are below ${LEAST}` : `all are at ${LEAST} or above`);
process.exit(failed ? 1 : 0);
