// The book's widgets in the built page, where there is no kernel. Notebooks keep the state of their
// widgets; this shows it with the browser's own controls and follows the links between them. It knows
// what widgets.py, questions.py and explorables/ in minfluence/book make, and nothing else; Jupyter and
// Colab show the same widgets in their own way.

const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

/** The state of one widget, and who wants to hear of changes; what an explorable calls `model`. */
class Model {
  constructor({ model_name, state }) {
    this.name = model_name;
    this.state = state;
    this.listeners = [];
  }
  get(key) {
    return this.state[key];
  }
  set(key, value) {
    if (Object.is(this.state[key], value)) return;
    this.state[key] = value;
    for (const [event, listener] of this.listeners) if (event === `change:${key}`) listener(value);
  }
  on(event, listener) {
    this.listeners.push([event, listener]);
  }
  off(event, listener) {
    this.listeners = this.listeners.filter(([e, l]) => e !== event || (listener && l !== listener));
  }
  save_changes() {} // nobody to send them to
}

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The widgets of a page: its models by name, and how each kind is shown. */
class Widgets {
  constructor(records) {
    this.models = new Map(Object.entries(records).map(([id, record]) => [id, new Model(record)]));
    for (const model of this.models.values()) {
      if (/^(Directional)?LinkModel$/.test(model.name)) this.link(model);
    }
  }

  at(reference) {
    return this.models.get(reference.replace("IPY_MODEL_", ""));
  }

  link(model) {
    const [[source, from], [target, to]] = ["source", "target"].map((end) => model.get(end));
    this.at(source).on(`change:${from}`, (value) => this.at(target).set(to, value));
    if (model.name === "LinkModel") this.at(target).on(`change:${to}`, (value) => this.at(source).set(from, value));
  }

  show(model) {
    return this[model.name](model);
  }

  VBoxModel(model) {
    const box = make("div", { class: "widget-box" });
    box.append(...model.get("children").map((child) => this.show(this.at(child))));
    box.lastChild.setAttribute("aria-live", "polite"); // the frame below its controls, when it changes
    return box;
  }

  SelectionSliderModel(model) {
    const labels = model.get("_options_labels");
    const slider = make("input", { type: "range", min: 0, max: labels.length - 1, step: 1 });
    const readout = make("output", { "aria-hidden": "true" });
    const follow = () => {
      slider.value = model.get("index");
      readout.textContent = labels[model.get("index")];
      slider.setAttribute("aria-valuetext", readout.textContent);
    };
    slider.addEventListener("input", () => model.set("index", Number(slider.value)));
    model.on("change:index", follow);
    follow();
    return make("label", { class: "widget-slider" }, make("span", {}, model.get("description")), slider, readout);
  }

  ToggleButtonsModel(model) {
    const name = model.get("description");
    const buttons = model.get("_options_labels").map((label, k) => {
      const button = make("button", { type: "button" }, label);
      button.addEventListener("click", () => model.set("index", k));
      return button;
    });
    const follow = () =>
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === model.get("index"))));
    model.on("change:index", follow);
    follow();
    return make("div", { class: "widget-buttons", role: "group", "aria-label": name }, make("span", {}, name), ...buttons);
  }

  StackModel(model) {
    const stack = make("div", { class: "widget-stack" });
    const pages = model.get("children").map(() => undefined); // made when they are first seen
    const follow = () => {
      const k = model.get("selected_index");
      pages[k] ??= this.show(this.at(model.get("children")[k]));
      stack.replaceChildren(pages[k]);
    };
    model.on("change:selected_index", follow);
    follow();
    return stack;
  }

  HTMLModel(model) {
    const page = make("div", { class: "widget-html" });
    page.innerHTML = model.get("value") ?? "";
    if (model.get("frame")) fetched(model).then((html) => (page.innerHTML = html));
    return page;
  }

  AnyModel(model) {
    const el = make("div", { class: "widget-live" });
    import(new URL(model.get("module"), document.baseURI)).then((module) => module.default.render({ model, el }));
    return el;
  }

  /** Fetch the frames of a widget before a reader asks for them. */
  prepare(model) {
    if (model.get("frame")) fetched(model);
    for (const child of model.get("children") ?? []) this.prepare(this.at(child));
  }
}

/** A frame that lies in a file of its own. */
function fetched(model) {
  model.html ??= fetch(model.get("frame")).then((answer) => answer.text());
  return model.html;
}

/** Start the first and what is on the screen or near it at once, the rest one by one when there is time. */
function start(widgets, places) {
  const waiting = new Set(places);
  const show = (place) => {
    if (!waiting.delete(place)) return;
    const model = widgets.at(JSON.parse(place.textContent).model_id);
    const widget = make("div", { class: "widget" }, widgets.show(model));
    for (const event of ["pointerenter", "focusin"]) {
      widget.addEventListener(event, () => widgets.prepare(model), { once: true });
    }
    place.after(widget);
  };
  const near = new IntersectionObserver(
    (entries) => entries.filter((e) => e.isIntersecting).forEach((e) => e.target.querySelectorAll(VIEW).forEach(show)),
    { rootMargin: "50%" },
  );
  const idle = window.requestIdleCallback ?? ((f) => setTimeout(f, 100)); // Safari has none
  const next = () => {
    const [place] = waiting;
    if (!place) return;
    show(place);
    idle(next);
  };
  for (const place of places) near.observe(place.parentElement);
  show(places[0]);
  idle(next);
}

const state = document.querySelector(STATE); // this script is deferred: the page is there
if (state) start(new Widgets(JSON.parse(state.textContent).state), document.querySelectorAll(VIEW));
