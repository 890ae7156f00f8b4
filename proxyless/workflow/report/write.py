"""Write the page of a run."""

from pathlib import Path

from proxyless.errors import InputError
from proxyless.extras import require
from proxyless.files import write_text
from proxyless.report.content import Content
from proxyless.workflow.report.collect import collect

PAGE = "report.html"


def require_report() -> None:
    """Raise InputError unless all that draws the page is installed."""
    require("a report", "report", ["jinja2", "markupsafe", "plotly"])


def report(run: Path | str, output: Path | str | None = None) -> Content:
    """Write one HTML page about the folder of `run` or `search`; it loads nothing, wherever it is opened.

    output: the page; None means `report.html` in the run. Returns what the page says.

    Raises:
        InputError: not the folder of a run, a damaged file in it, a page that cannot be written, or packages for it
            that are not installed.
    """
    path = Path(output) if output is not None else Path(run) / PAGE
    if path.is_dir() or path.suffix not in (".html", ".htm"):
        raise InputError(f"a report is a file such as {PAGE}, got {path}; give -o PAGE.html")
    require_report()
    content = collect(run)
    from proxyless.report.page import render  # drawing takes a second to import

    write_text(path, render(content))
    return content
