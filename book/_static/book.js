// What ipywidgets leaves out for those who listen to a page or use it by keyboard: a name for every
// control, what a slider or button says at the moment, and word of a frame that has changed.

const set = (element, name, value) => {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
};
const text = (box, selector) => box.querySelector(selector)?.textContent.trim();

function describeWidgets() {
  for (const handle of document.querySelectorAll('.widget-slider [role="slider"]')) {
    const box = handle.closest(".widget-slider");
    const [label, readout] = [text(box, ".widget-label"), text(box, ".widget-readout")];
    if (label) set(handle, "aria-label", label);
    if (readout) set(handle, "aria-valuetext", readout); // else its position, a number
  }
  // The readout looks like a field for typing, but only a number may be typed there.
  for (const readout of document.querySelectorAll(".widget-readout")) set(readout, "aria-hidden", "true");
  for (const readout of document.querySelectorAll(".widget-readout[contenteditable=true]")) {
    set(readout, "contenteditable", "false");
  }
  for (const group of document.querySelectorAll(".widget-toggle-buttons")) {
    const label = text(group, ".widget-label");
    set(group, "role", "group");
    if (label) set(group, "aria-label", label);
    for (const button of group.querySelectorAll("button")) {
      set(button, "aria-pressed", String(button.classList.contains("mod-active")));
    }
  }
  // The text alternative of a frame is read out when a control has changed it.
  for (const frames of document.querySelectorAll(".widget-vbox > .widget-box:has(.widget-html)")) {
    set(frames, "aria-live", "polite");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  describeWidgets();
  new MutationObserver(describeWidgets).observe(document.body, {
    attributeFilter: ["class"], // of the button that is pressed
    characterData: true,
    childList: true,
    subtree: true,
  });
});
