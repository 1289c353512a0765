// For paper: light colours, whatever the screen shows, and the page's name beside each page number.

const foot = document.createElement("style");
foot.textContent = `@page { @bottom-left { content: ${JSON.stringify(document.title.split(" — ")[0])}; } }`;
document.head.append(foot);

matchMedia("print").addEventListener("change", ({ matches }) => {
  const { dataset } = document.documentElement;
  if (matches) dataset.onScreen = dataset.theme;
  dataset.theme = matches ? "light" : dataset.onScreen;
});
