"""Charts of what was predicted and what was measured."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

import plotly.graph_objects as go

from proxyless.report.content import Content, Gallery, GalleryNetwork, LatencyFigure, TargetFacts
from proxyless.report.figure import COLOURS, GREY, Chart, label, new_figure

_WITHIN = 0.05
_LINE_PX = 46
_LEGEND_CHARACTERS = 38
"""What a phone has room for."""


def latency_charts(content: Content) -> Iterator[Chart]:
    """Of the network and its files, and of the networks that each table was judged by."""
    if content.latencies:
        yield _latencies(content.latencies, content.question.targets)
    for number, target in enumerate(content.question.targets, 1):
        if target.fit and target.fit.measured_ms:
            yield _held_out(target, number)


def _latencies(latencies: Sequence[LatencyFigure], targets: Sequence[TargetFacts]) -> Chart:
    """A line per latency, from the top; its name stands above it, where a phone has room."""
    figure = new_figure("milliseconds", "", height_px=90 + _LINE_PX * len(latencies))
    rows = list(enumerate(latencies))
    for on_target, name in ((True, "what the budget is for"), (False, "others")):
        chosen = [(row, each) for row, each in rows if each.on_target is on_target]
        figure.add_scatter(
            x=[each.ms for _, each in chosen],
            y=[row for row, _ in chosen],
            mode="markers",
            name=name,
            marker={"size": 11, "color": COLOURS[0] if on_target else GREY},
            customdata=[label(f"{each.label}, {each.runtime}") for _, each in chosen],
            hovertemplate="%{x:.4g} ms<br>%{customdata}<extra></extra>",
        )
    for row, each in rows:
        place = "" if each.on_target else f" on {each.runtime}"
        text = label(f"{each.label}{place}: {each.ms:.3g} ms")
        figure.add_annotation(xref="paper", x=0, y=row, xanchor="left", yshift=14, text=text, showarrow=False)
    if targets and targets[0].budget_ms:
        figure.add_vline(x=targets[0].budget_ms, line={"color": COLOURS[4], "dash": "dot"})
        figure.add_scatter(x=[None], y=[None], mode="lines", name="budget", line={"color": COLOURS[4], "dash": "dot"})
    figure.update_yaxes(range=[len(latencies) - 0.5, -0.8], showticklabels=False, dtick=1)
    figure.update_xaxes(rangemode="tozero")
    caption = "The budget holds with the target's runtime and dtype only."
    return Chart("latency", "Predicted and measured latency", caption, figure, wide=True)


def _held_out(target: TargetFacts, number: int) -> Chart:
    fit = target.fit
    assert fit is not None
    low, high = 0.9 * min(fit.measured_ms), 1.1 * max(fit.measured_ms)
    figure = new_figure("measured ms", "predicted ms")
    for sign, fill in ((-1, None), (1, "tonexty")):
        edge = [ms * (1 + sign * _WITHIN) for ms in (low, high)]
        band = {"line": {"width": 0}, "fill": fill, "fillcolor": "rgba(37,99,235,.12)", "hoverinfo": "skip"}
        figure.add_scatter(x=[low, high], y=edge, mode="lines", name="within 5 %", showlegend=sign > 0, **band)
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line={"width": 1, "color": GREY}, showlegend=False, hoverinfo="skip"
    )
    figure.add_scatter(
        x=fit.measured_ms,
        y=fit.predicted_ms,
        mode="markers",
        name="network left out of the fit",
        marker={"size": 7, "color": COLOURS[0]},
        hovertemplate="measured %{x:.4g} ms<br>predicted %{y:.4g} ms<extra></extra>",
    )
    caption = (
        f"{fit.rmse_pct:.2g} % RMSE on {fit.nets} whole networks ({fit.heldout}), {fit.within_5pct:.0f} % within 5 %."
    )
    return Chart(f"table-{number}", f"The latency table of {target.name}", caption, figure)


def gallery_chart(gallery: Gallery, number: int) -> Chart | None:
    """Held-out loss over predicted latency, better upwards, with the front of every target.

    None where nothing was evaluated.
    """
    evaluated = [network for network in gallery.networks if network.held_out_loss is not None]
    if not evaluated:
        return None
    figure = new_figure("predicted ms", "held-out loss, shared weights", height_px=360)
    figure.update_yaxes(autorange="reversed")
    for index, target in enumerate(dict.fromkeys(network.target for network in evaluated)):
        chosen = [network for network in evaluated if network.target == target]
        name = "<br>".join(map(label, wrap(target, _LEGEND_CHARACTERS)))
        _add_gallery(figure, chosen, name, COLOURS[index % len(COLOURS)])
    figure.update_layout(showlegend=True)
    caption = "The line is the Pareto front, dotted lines are the budgets. Losses rank networks, they promise nothing."
    return Chart(f"gallery-{number}", "Networks for several budgets", caption, figure, wide=True)


def _add_gallery(figure: go.Figure, networks: Sequence[GalleryNetwork], name: str, colour: str) -> None:
    front = sorted((n for n in networks if n.on_front), key=lambda network: network.predicted_ms)
    figure.add_scatter(
        x=[network.predicted_ms for network in front],
        y=[network.held_out_loss for network in front],
        mode="lines",
        line={"shape": "hv", "width": 1, "color": colour},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        x=[network.predicted_ms for network in networks],
        y=[network.held_out_loss for network in networks],
        mode="markers",
        name=name,
        marker={"size": 8, "color": colour},
        text=[label(network.file) for network in networks],
        hovertemplate="%{text}<br>%{x:.4g} ms, loss %{y:.4g}<extra></extra>",
    )
    for budget_ms in sorted({network.budget_ms for network in networks}):
        figure.add_vline(x=budget_ms, line={"color": colour, "dash": "dot", "width": 1})
