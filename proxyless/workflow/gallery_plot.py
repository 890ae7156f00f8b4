"""The picture of a gallery."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from proxyless.files import atomic
from proxyless.workflow.gallery import GalleryNetwork

_INCHES = (7.0, 5.0)


def plot_gallery(networks: Sequence[GalleryNetwork], fronts: Sequence[bool], path: Path) -> None:
    """Held-out loss over predicted latency, better upwards: a colour per target, its front a line, its budgets dotted.

    networks: all evaluated. fronts: which are on the front of their target.
    """
    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot()
    for number, target in enumerate(dict.fromkeys(network.target for network in networks)):
        chosen = [(net, front) for net, front in zip(networks, fronts, strict=True) if net.target == target]
        _draw(axes, chosen, f"C{number}", target)
    axes.set(xlabel="predicted ms (dotted: budgets)", ylabel="loss on held-out images, shared weights")
    axes.yaxis.set_inverted(True)
    axes.legend()
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _draw(axes: Axes, networks: Sequence[tuple[GalleryNetwork, bool]], colour: str, label: str) -> None:
    points = [(net.predicted_ms, net.worth.loss) for net, _ in networks if net.worth]
    front = sorted(point for point, (_, on) in zip(points, networks, strict=True) if on)
    axes.scatter([ms for ms, _ in points], [loss for _, loss in points], s=18, color=colour, zorder=3, label=label)
    axes.plot([ms for ms, _ in front], [loss for _, loss in front], linewidth=1, color=colour, drawstyle="steps-post")
    for budget_ms in {net.budget_ms for net, _ in networks}:
        axes.axvline(budget_ms, linewidth=1, linestyle=":", color=colour)
