"""Progress where there is a terminal of 80 columns, and where there is none."""

import io
import re
import time
from itertools import pairwise

import pytest
from rich.console import Console
from rich.progress import Progress

from proxyless import progress
from proxyless.cli.console import TerminalReporter, progress_columns
from proxyless.progress import Lines, ticking


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_bar_shows_its_figures_whole(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    bar = Progress(*progress_columns("steps"), console=console, expand=True, auto_refresh=False)
    task = bar.add_task("search mobile on imagefolder:/home/someone/photographs/of/birds", total=None, status="")
    reporter = TerminalReporter(bar, task)
    for done in range(3):
        reporter.progress(1000 * done, 98765, "epoch 12/120, E[lat] 12.3 ms, loss 1.234")
        time.sleep(0.01)
    (line,) = (line for line in _rendered(console, bar).splitlines() if line.strip())
    assert len(line) <= width
    assert "2000/98765" in line and re.search(r"\d+:\d\d:\d\d", line) and "left" in line
    assert line.strip().startswith("search")


def _rendered(console: Console, bar: Progress) -> str:
    with console.capture() as captured:
        console.print(bar.get_renderable())
    return captured.get()


def test_lines_come_at_most_once_in_their_time_and_also_while_the_work_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.4)
    written: list[tuple[float, str]] = []
    start = time.monotonic()
    with ticking(Lines("train", "steps", lambda line: written.append((time.monotonic() - start, line)))) as lines:
        for done in range(100):
            lines.progress(done, 200, "epoch 3/9")
            time.sleep(0.01)
        said = len(written)
        time.sleep(1.0)
    assert 2 <= said <= 4 and 2 <= len(written) - said <= 4
    assert min(after[0] - before[0] for before, after in pairwise(written)) > 0.3
    assert re.fullmatch(
        r"train: 99/200 steps, \d+(\.\d+)? steps/s, 0:00:0\d left, 0:00:0\d elapsed, epoch 3/9", written[-1][1]
    )


def test_a_warning_is_said_at_once_and_once() -> None:
    written: list[str] = []
    lines = Lines("train", "steps", written.append)
    for epoch in (1, 2):
        lines.epoch({"epoch": epoch, "warnings": ["the loss \x1b[31m rose"]})
    assert written == ["warning: epoch 1: the loss \\x1b[31m rose"]
