// A question that answers back: a choice, or a number. What is right first; then the hands.
//
// Node imports this file too: a test compares its answers with those of the Python class.

import { button, make } from "./elements.js";
import { pageOf, rich, section, show } from "./asked.js";

// --- What is right --------------------------------------------------------------------------------

const PERCENT = "A plain number, please, without a percent sign: 37% is 0.37, unless the question asks for per cent.";
const UNREADABLE = "That is no number I can read: write it as 0.25, -3, 1e-3 or 1/40.";
const CLOSE = "Close, but not close enough: carry more digits, and round only at the end.";
const OTHER = "No slip that I know leads to this number.";

/** The numbers that a text may mean: 1,234 may be written with a decimal comma, or without one. */
export function readings(text) {
  const plain = text.replace(/\s/g, "").replace(/[−–]/g, "-").replace(/[×x·*]10\^?/, "e");
  const forms = [plain.replace(",", ".")];
  if (/^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$/.test(plain)) forms.push(plain.replaceAll(",", ""));
  return forms
    .map((form) => /^([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?:\/(\d+\.?\d*))?$/i.exec(form))
    .map((parts) => (parts ? Number(parts[1]) / Number(parts[2] ?? 1) : NaN))
    .filter(Number.isFinite);
}

/** Whether a typed number is right, and what there is to say about it. */
export function checkNumber({ value, rtol, atol, wrong, because }, text) {
  const found = readings(text);
  const near = (v, wider = 1) => found.some((a) => Math.abs(a - v) <= wider * (atol + rtol * Math.abs(v)));
  if (!found.length) return [false, text.includes("%") ? PERCENT : UNREADABLE];
  if (near(value)) return [true, because];
  const known = wrong.find(([v]) => near(v));
  return [false, known?.[1] ?? (near(value, 5) ? CLOSE : OTHER)];
}

/** The same for the option of a letter: the right one is that without a note. */
export function checkChoice({ notes, because }, letter) {
  const note = notes[letter.charCodeAt(0) - 97];
  return note ? [false, note] : [true, because];
}

// --- The hands ------------------------------------------------------------------------------------

/** Build the question in `el`; `model` is the Python side, or whatever stands in for it. */
function render({ model, el }) {
  const question = Object.fromEntries(
    ["asked", "options", "notes", "value", "rtol", "atol", "wrong", "because", "again"].map((k) => [k, model.get(k)]),
  );
  const says = make("p", { "aria-live": "polite" });
  const answering = question.options ? choices(question, answer) : number(answer);
  const root = show(el, "fieldset", make("legend", {}, ...rich(question.asked)), answering.element, says);
  root.dataset.again = question.again;

  function answer(text) {
    const [right, words] = (question.options ? checkChoice : checkNumber)(question, text);
    const stop = /^\p{Ll}/u.test(words) ? ": " : ". "; // some go on with a small letter
    says.replaceChildren(make("strong", {}, (right ? "Right" : "Not yet") + stop), ...rich(words));
    if (!right && question.again) says.append(" Look again at ", section(question.again, pageOf(root)), ".");
    answering.mark(text, right);
    if (!question.options && !readings(text).length) return; // a slip of the keyboard is no try
    root.dataset.first ??= right ? "right" : "wrong";
    root.dispatchEvent(new CustomEvent("minfluence-answered", { bubbles: true }));
    model.set("answer", text);
    model.set("right", right);
    model.save_changes();
  }
  root.dispatchEvent(new CustomEvent("minfluence-answered", { bubbles: true })); // here I am
}

/** One button for each option. */
function choices({ options }, answer) {
  const letters = options.map((_, k) => String.fromCharCode(97 + k));
  const buttons = options.map((option, k) => {
    const b = button("", () => answer(letters[k]));
    b.append(make("span", {}, letters[k]), make("span", {}, ...rich(option)), make("span", { "aria-hidden": "true" }));
    b.setAttribute("aria-pressed", "false");
    return b;
  });
  return {
    element: make("div", { class: "options" }, ...buttons),
    mark(letter, right) {
      buttons.forEach((b, k) => b.setAttribute("aria-pressed", String(letters[k] === letter)));
      const chosen = buttons[letters.indexOf(letter)];
      chosen.className = right ? "right" : "wrong";
      chosen.lastChild.textContent = right ? "✓" : "✗";
    },
  };
}

/** A place for a number, and a button that checks it. */
function number(answer) {
  const input = make("input", { type: "text", "aria-label": "Your number", autocomplete: "off", spellcheck: "false" });
  const form = make("form", { class: "number" }, input, make("button", { type: "submit" }, "Check"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer(input.value);
  });
  return { element: form, mark: (_, right) => input.setAttribute("aria-invalid", String(!right)) };
}

export default { render };
