"""What all charts of the page have in common."""

from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go

COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2")
GREY, FAINT = "#64748b", "#e2e8f0"

_HEIGHT_PX = 300


@dataclass(frozen=True)
class Chart:
    """One chart. name: part of its element's id. wide: takes the whole width of the page."""

    name: str
    title: str
    caption: str
    figure: go.Figure
    wide: bool = False

    @property
    def height_px(self) -> int:
        return int(self.figure.layout.height)


def new_figure(x_title: str, y_title: str, height_px: int = _HEIGHT_PX, **layout: Any) -> go.Figure:
    """An empty figure that adapts to the width of its place and leaves touches to the page's scrolling."""
    figure = go.Figure()
    figure.update_layout(
        template=None,
        height=height_px,
        autosize=True,
        dragmode=False,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        font={"size": 12, "color": "#1e293b"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"},
        hoverlabel={"align": "left"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY},
        **layout,
    )
    axis = {"automargin": True, "gridcolor": FAINT, "linecolor": GREY, "zeroline": False}
    figure.update_xaxes(title=x_title, **axis)
    figure.update_yaxes(title=y_title, **axis)
    return figure


def label(text: str) -> str:
    """Text of a run for a chart: plotly takes it for markup otherwise."""
    return escape(text, quote=False)
