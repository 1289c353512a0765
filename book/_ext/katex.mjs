// Typeset formulas: reads [[tex, isDisplay], ...] as JSON, writes their HTML, in the same order.

import { readFileSync } from "node:fs";
import katex from "katex";

const formulas = JSON.parse(readFileSync(0, "utf-8"));
const options = { colorIsTextColor: true, strict: "error" };
const made = formulas.map(([tex, displayMode]) => {
  try {
    return katex.renderToString(tex, { ...options, displayMode });
  } catch (error) {
    return { error: error.message };
  }
});
process.stdout.write(JSON.stringify(made));
