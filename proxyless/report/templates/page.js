// Draws every chart from the JSON beside it. Where nothing hovers, as on a phone, buttons would cover the chart.
const displayModeBar = matchMedia("(hover: hover)").matches ? "hover" : false;
for (const place of document.querySelectorAll(".chart")) {
  const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
  const config = {responsive: true, displaylogo: false, displayModeBar, modeBarButtonsToRemove: ["lasso2d", "select2d"]};
  Plotly.newPlot(place, figure.data, figure.layout, config).then(() => {
    if (figure.frames) Plotly.addFrames(place, figure.frames);
  });
}
