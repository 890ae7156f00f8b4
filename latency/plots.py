"""Pictures of a latency table."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.files import atomic, output_folder
from proxyless.space import Space

SUFFIXES = (".svg", ".png")
_INCHES = 7.0

Draw = Callable[[Axes], None]


def plot_table(table: LatencyTable, space: Space | None, folder: Path) -> list[Path]:
    """Write `accuracy`, `layers` and `stability` as SVG and PNG, those for which the table has the data.

    Raises:
        InputError: the table has the data of none, or the folder cannot be written.
    """
    pictures = list(_pictures(table, space))
    if not pictures:
        raise InputError("the table has no networks, no space and no record of its measurement: nothing can be drawn")
    output_folder(folder)
    written: list[Path] = []
    for name, height, draw in pictures:
        figure = Figure(figsize=(_INCHES, height), layout="constrained")
        draw(figure.add_subplot())
        for suffix in SUFFIXES:
            written.append(folder / f"{name}{suffix}")
            with atomic(written[-1]) as path:
                figure.savefig(path, format=suffix[1:], dpi=150)
    return written


def _pictures(table: LatencyTable, space: Space | None) -> Iterator[tuple[str, float, Draw]]:
    """Name, height in inches and drawing of every picture."""
    if table.fit is not None and table.fit.networks:
        yield "accuracy", _INCHES, lambda axes: _accuracy(axes, table)
    if space is not None and space.searched and table.covers(space):
        yield "layers", 0.35 * len(space.searched) + 1.5, lambda axes: _layers(axes, table, space)
    if table.stability is not None:
        yield "stability", 0.5 * _INCHES, lambda axes: _stability(axes, table)


def _accuracy(axes: Axes, table: LatencyTable) -> None:
    assert table.fit is not None
    measured = [net.measured_ms for net in table.fit.networks]
    predicted = [net.predicted_ms for net in table.fit.networks]
    ends = np.array([0.9 * min(measured), 1.1 * max(measured)])
    axes.fill_between(ends, 0.95 * ends, 1.05 * ends, alpha=0.2, label="within 5 %")
    axes.plot(ends, ends, linewidth=1)
    axes.scatter(measured, predicted, s=14, color="black", zorder=3)
    axes.set(xscale="log", yscale="log", xlabel="measured ms", ylabel="predicted ms, network left out of the fit")
    axes.set_title(f"{table.label}\n{table.fit.rmse_pct:.1f} % RMSE on {table.fit.nets} networks")
    axes.legend()


def _layers(axes: Axes, table: LatencyTable, space: Space) -> None:
    """Bars per searched layer, one per operation; where widths and resolutions are chosen, of the largest ones."""
    searched = [
        (space.decisions[decision].choices, slot.specs[-len(space.decisions[decision].choices) :])
        for decision, slot in space.searched
    ]
    names = list(dict.fromkeys(op for ops, specs in searched for op, spec in zip(ops, specs, strict=True) if spec))
    thickness = 0.8 / len(names)
    for number, name in enumerate(names):
        places, costs_ms = [], []
        for index, (ops, specs) in enumerate(searched):
            spec = dict(zip(ops, specs, strict=True)).get(name)
            if spec:
                places.append(index + (number - len(names) / 2 + 0.5) * thickness)
                costs_ms.append(table.lookup(spec))
        axes.barh(places, costs_ms, thickness, label=name)
    labels = ["x".join(map(str, next(spec for spec in specs if spec).in_shape)) for _, specs in searched]
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="ms", ylabel="input of the layer", title=f"{table.label}\ncost of every operation")
    axes.legend(ncols=2)


def _stability(axes: Axes, table: LatencyTable) -> None:
    assert table.stability is not None
    course = table.stability.course
    axes.plot(np.linspace(0, 100, len(course)), course, linewidth=1)
    axes.axhline(1, linewidth=1, linestyle=":")
    axes.set(xlabel="% of the measurement", ylabel="slowness", ylim=(0, None))
    axes.set_title(f"{table.label}\nspeed of the device, 1 = its faster moments")
