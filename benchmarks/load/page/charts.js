// Draws the charts of a page over their pictures, which stay for print and for readers without scripts.
// Bundled by vl-convert, which provides `vegaEmbed`.
const { charts, themes, height } = JSON.parse(document.getElementById("chart-data").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

async function draw() {
  const theme = dark.matches ? "dark" : "light";
  for (const place of document.querySelectorAll("[data-chart]")) {
    const figure = place.closest("figure");
    place.hidden = false;
    try {
      await vegaEmbed(
        place,
        { ...charts[Number(place.dataset.chart)], width: "container", height, autosize: { type: "fit-x", contains: "padding" } },
        { mode: "vega-lite", renderer: "svg", actions: false, ast: true, config: themes[theme], tooltip: { theme } },
      );
      figure.classList.add("drawn");
    } catch (error) {
      place.hidden = true;
      console.error(error);
    }
  }
  document.documentElement.dataset.charts = theme;
}

dark.addEventListener("change", draw);
draw();
