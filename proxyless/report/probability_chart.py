"""The probabilities of all choices over the time of a search."""

from collections.abc import Sequence

import plotly.graph_objects as go

from proxyless.report.content import Course, SearchEpoch
from proxyless.report.figure import GREY, Chart, label, new_figure

_NUMBER = "no. "
_MAX_FRAMES = 80
"""More epochs than that are thinned out: the page would grow by megabytes, and the slider have no room."""


def probability_chart(course: Course) -> Chart | None:
    """Decisions down, choices across, epochs on a slider; None where the log has no probabilities."""
    epochs = _thinned([epoch for epoch in course.epochs if epoch.probabilities])
    if not epochs:
        return None
    columns = [_columns(ops) for ops in course.ops]
    names = sorted(dict.fromkeys(name for row in columns for name in row), key=lambda name: name.startswith(_NUMBER))
    figure = new_figure("", "", height_px=150 + 24 * len(course.ops))
    figure.add_heatmap(
        x=[label(name) for name in names],
        y=course.decisions,
        z=_grid(columns, names, epochs[-1]),
        text=[
            [dict(zip(row, ops, strict=True)).get(name, "") for name in names]
            for row, ops in zip(columns, course.ops, strict=True)
        ],
        zmin=0,
        zmax=1,
        colorscale="Blues",
        xgap=1,
        ygap=1,
        colorbar={"thickness": 8, "tickformat": ".0%", "outlinewidth": 0},
        hovertemplate="%{y}, %{text}: %{z:.1%}<extra></extra>",
        hoverongaps=False,
    )
    figure.frames = [
        go.Frame(name=str(epoch.epoch), data=[{"type": "heatmap", "z": _grid(columns, names, epoch)}], traces=[0])
        for epoch in epochs
    ]
    figure.update_layout(sliders=[_slider(epochs)])
    figure.update_xaxes(side="top", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    caption = (
        "Move the slider through the epochs. Blank: a choice that the decision does not have. Numbers, as of widths, "
        "are in the order of the space, and named under the pointer."
    )
    return Chart("probabilities", "Probability of every choice", caption, figure, wide=True)


def _columns(choices: Sequence[str]) -> list[str]:
    """Where choices stand: operations under their names, numbers under their places."""
    numbers = all(choice.isdigit() for choice in choices)
    return [f"{_NUMBER}{place}" for place in range(1, len(choices) + 1)] if numbers else list(choices)


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
