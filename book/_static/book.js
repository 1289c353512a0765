// Every slider gets the name that readers see beside it, for those who listen instead.
function nameSliders() {
  for (const handle of document.querySelectorAll('.widget-slider [role="slider"], .widget-hslider [role="slider"]')) {
    const box = handle.closest('.jupyter-widgets');
    const label = box && box.querySelector('.widget-label');
    const readout = box && box.querySelector('.widget-readout');
    if (label && label.textContent) handle.setAttribute('aria-label', label.textContent);
    if (readout && readout.textContent) {
      if (handle.getAttribute('aria-valuetext') !== readout.textContent)
        handle.setAttribute('aria-valuetext', readout.textContent);
    }
  }
}

document.addEventListener('DOMContentLoaded', () => {
  nameSliders();
  new MutationObserver(nameSliders).observe(document.body, {
    childList: true,
    subtree: true,
    characterData: true,
  });
});
