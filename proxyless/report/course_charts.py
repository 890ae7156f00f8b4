"""Charts of how a search, and the training after it, went."""

from collections.abc import Callable, Iterator, Sequence

import plotly.graph_objects as go

from proxyless.report.content import Course, SearchEpoch, TrainedFacts
from proxyless.report.figure import COLOURS, Chart, label, new_figure
from proxyless.report.probability_chart import probability_chart

_TICKS = 8

Series = tuple[str, Sequence[float | None]]


def course_charts(course: Course) -> Iterator[Chart]:
    """Expected costs, multipliers, entropy, losses and accuracies over the epochs; those that were logged."""
    epochs, numbers = course.epochs, [epoch.epoch for epoch in course.epochs]

    def chart(name: str, title: str, unit: str, caption: str, series: Sequence[Series]) -> Chart | None:
        return line_chart(name, title, unit, caption, numbers, series)

    made = (
        _bounds(course, numbers),
        chart("multiplier", "Multiplier", "", "It rises while the bound is overstepped.", _multipliers(epochs)),
        chart("entropy", "Entropy", "nats, mean over layers", "0: every layer has decided.", _state(epochs)),
        chart("loss", "Loss", "cross entropy", "Held-out: of the architecture steps.", _parts(epochs, "loss")),
        chart("accuracy", "Accuracy", "share", "With the shared weights.", _parts(epochs, "accuracy")),
    )
    yield from (each for each in made if each)
    if heat_map := probability_chart(course):
        yield heat_map


def training_charts(trained: TrainedFacts) -> Iterator[Chart]:
    """Loss and accuracy of the training from scratch."""
    numbers = [epoch.epoch for epoch in trained.epochs]
    loss = [("training loss", [epoch.train_loss for epoch in trained.epochs])]
    accuracy = [("validation accuracy", [epoch.validation_accuracy for epoch in trained.epochs])]
    charts = (
        line_chart("train-loss", "Training: loss", "cross entropy", "With label smoothing.", numbers, loss),
        line_chart("train-accuracy", "Training: accuracy", "share", "On validation images.", numbers, accuracy),
    )
    yield from (each for each in charts if each)


def line_chart(
    name: str, title: str, unit: str, caption: str, epochs: Sequence[int], series: Sequence[Series]
) -> Chart | None:
    """A line per series over the epochs; None where nothing has a value."""
    lines = [(text, values) for text, values in series if any(value is not None for value in values)]
    if not lines:
        return None
    figure = new_figure("epoch", unit, height_px=260, showlegend=len(lines) > 1)
    figure.update_xaxes(dtick=max(1, round((epochs[-1] - epochs[0]) / _TICKS)))
    figure.update_yaxes(rangemode="nonnegative")
    for index, (text, values) in enumerate(lines):
        _add_line(figure, label(text), epochs, values, COLOURS[index % len(COLOURS)])
    return Chart(name, title, caption, figure)


def _add_line(figure: go.Figure, name: str, epochs: Sequence[int], values: Sequence[float | None], colour: str) -> None:
    figure.add_scatter(
        x=list(epochs),
        y=list(values),
        name=name,
        mode="lines+markers",
        marker={"size": 4},
        line={"color": colour, "width": 2},
        hovertemplate="epoch %{x}: %{y:.4g}<extra>%{fullData.name}</extra>",
    )


def _bound_names(epochs: Sequence[SearchEpoch]) -> list[str]:
    return list(dict.fromkeys(bound.name for epoch in epochs for bound in epoch.bounds))


def _per_bound(epochs: Sequence[SearchEpoch], value: Callable[..., float | None]) -> list[Series]:
    states = [{bound.name: bound for bound in epoch.bounds} for epoch in epochs]
    return [
        (name, [value(state[name]) if name in state else None for state in states]) for name in _bound_names(epochs)
    ]


def _bounds(course: Course, numbers: Sequence[int]) -> Chart | None:
    """Relative to the limits, so that milliseconds and parameters share an axis; with one bound, in its own unit."""
    names = _bound_names(course.epochs)
    if len(names) > 1:
        series = _per_bound(course.epochs, lambda bound: 100 * bound.expected / bound.limit)
        unit = "% of the limit"
        limits: Sequence[float | None] = [100.0] * len(numbers)
    elif names:
        series = _per_bound(course.epochs, lambda bound: bound.expected)
        unit = next(bound.unit for epoch in course.epochs for bound in epoch.bounds)
        ((_, limits),) = _per_bound(course.epochs, lambda bound: bound.limit)
    else:
        return None
    caption = "The expectation over the probabilities. The limit of a latency is the budget less the table's margin."
    chart = line_chart("bounds", "Expected cost", label(unit), caption, numbers, series)
    assert chart is not None
    line = {"color": COLOURS[4], "dash": "dot", "width": 2}
    chart.figure.add_scatter(x=list(numbers), y=list(limits), name="limit", mode="lines", line=line)
    chart.figure.update_layout(showlegend=True)
    chart.figure.update_yaxes(rangemode="tozero")
    return chart


def _multipliers(epochs: Sequence[SearchEpoch]) -> list[Series]:
    return _per_bound(epochs, lambda bound: bound.multiplier)


def _state(epochs: Sequence[SearchEpoch]) -> list[Series]:
    return [("entropy", [epoch.entropy for epoch in epochs])]


def _parts(epochs: Sequence[SearchEpoch], what: str) -> list[Series]:
    return [
        (name.replace("_", "-"), [getattr(epoch, f"{name}_{what}") for epoch in epochs])
        for name in ("train", "held_out")
    ]
