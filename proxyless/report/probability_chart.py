"""The probabilities of all operations over the time of a search."""

from collections.abc import Sequence

import plotly.graph_objects as go

from proxyless.report.content import Course, SearchEpoch
from proxyless.report.figure import GREY, Chart, label, new_figure

_MAX_FRAMES = 80
"""More epochs than that are thinned out: the page would grow by megabytes, and the slider have no room."""


def probability_chart(course: Course) -> Chart | None:
    """Layers down, operations across, epochs on a slider; None where the log has no probabilities."""
    epochs = _thinned([epoch for epoch in course.epochs if epoch.probabilities])
    if not epochs:
        return None
    names = list(dict.fromkeys(name for ops in course.ops for name in ops))
    figure = new_figure("", "searched layer", height_px=150 + 24 * len(course.ops))
    figure.add_heatmap(
        x=[label(name) for name in names],
        y=list(range(1, len(course.ops) + 1)),
        z=_grid(course.ops, names, epochs[-1]),
        zmin=0,
        zmax=1,
        colorscale="Blues",
        xgap=1,
        ygap=1,
        colorbar={"thickness": 8, "tickformat": ".0%", "outlinewidth": 0},
        hovertemplate="layer %{y}, %{x}: %{z:.1%}<extra></extra>",
        hoverongaps=False,
    )
    figure.frames = [
        go.Frame(name=str(epoch.epoch), data=[{"type": "heatmap", "z": _grid(course.ops, names, epoch)}], traces=[0])
        for epoch in epochs
    ]
    figure.update_layout(sliders=[_slider(epochs)])
    figure.update_xaxes(side="top", showgrid=False)
    figure.update_yaxes(autorange="reversed", dtick=1, showgrid=False)
    caption = "Move the slider through the epochs. Blank: an operation that the layer does not have."
    return Chart("probabilities", "Probability of every operation", caption, figure, wide=True)


def _thinned(epochs: list[SearchEpoch]) -> list[SearchEpoch]:
    """At most so many that the slider can show, the first and the last among them."""
    if len(epochs) <= _MAX_FRAMES:
        return epochs
    last = len(epochs) - 1
    return [epochs[round(index * last / (_MAX_FRAMES - 1))] for index in range(_MAX_FRAMES)]


def _grid(ops: Sequence[Sequence[str]], names: Sequence[str], epoch: SearchEpoch) -> list[list[float | None]]:
    rows = [dict(zip(layer, row, strict=True)) for layer, row in zip(ops, epoch.probabilities, strict=True)]
    return [[round(row[name], 4) if name in row else None for name in names] for row in rows]


def _slider(epochs: Sequence[SearchEpoch]) -> dict[str, object]:
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [
        {"label": str(epoch.epoch), "method": "animate", "args": [[str(epoch.epoch)], at_once]} for epoch in epochs
    ]
    current = {"prefix": "epoch ", "font": {"color": GREY}}
    return {"steps": steps, "active": len(steps) - 1, "currentvalue": current, "pad": {"t": 20, "b": 10}}
