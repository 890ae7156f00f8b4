"""The page as HTML: one file that loads nothing."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import plotly.io
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from proxyless.report import words
from proxyless.report.content import Content
from proxyless.report.course_charts import course_charts, training_charts
from proxyless.report.figure import Chart
from proxyless.report.latency_charts import gallery_chart, latency_charts

_TEMPLATES = Path(__file__).parent / "templates"


def render(content: Content) -> str:
    """The page of a run. Everything that comes from the run is escaped, and nothing but our own scripts may run."""
    environment = Environment(
        loader=PackageLoader("proxyless.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= words.FILTERS
    environment.globals["figure_json"] = _figure_json
    scripts = {"plotly_js": get_plotlyjs(), "page_js": _text("page.js")}
    return environment.get_template("page.html.jinja").render(
        content=content,
        charts=_sections(content),
        css=Markup(_text("page.css")),  # noqa: S704
        script_hashes=" ".join(_hash(text) for text in scripts.values()),
        **{name: Markup(text) for name, text in scripts.items()},  # noqa: S704
    )


def _sections(content: Content) -> dict[str, list[Chart]]:
    galleries = (gallery_chart(gallery, number) for number, gallery in enumerate(content.galleries, 1))
    return {
        "latency": list(latency_charts(content)),
        "course": list(course_charts(content.course)) if content.course else [],
        "training": list(training_charts(content.trained)) if content.trained else [],
        "gallery": [chart for chart in galleries if chart],
    }


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What a content security policy calls a script by."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def _figure_json(chart: Chart) -> Markup:
    """A figure for a script element of JSON, which nothing inside can end."""
    text = plotly.io.to_json(chart.figure, validate=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704
