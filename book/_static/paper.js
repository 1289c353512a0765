// For paper: light colours, whatever the screen shows, and the page's name beside each page number.

const foot = document.createElement("style");

function onPaper({ matches }) {
  const { dataset } = document.documentElement;
  if (!matches) {
    dataset.theme = dataset.onScreen ?? dataset.theme;
    return;
  }
  dataset.onScreen = dataset.theme;
  dataset.theme = "light";
  const name = JSON.stringify(document.title.split(" — ")[0]);
  foot.textContent = `@page { @bottom-left { content: ${name}; } }`;
  document.head.append(foot);
}

matchMedia("print").addEventListener("change", onPaper);
