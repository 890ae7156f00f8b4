"""The HTML says what the data say, escapes all of it, and refers to nothing outside of itself."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from proxyless.report.words import DASH
from proxyless.workflow.report import collect, report

pytestmark = pytest.mark.slow

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&{{ 7 * 7 }}"

Copy = Callable[[Path], Path]


class Page(HTMLParser):
    """Tags, attributes and text of a page; scripts apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)
        else:
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def _page(run: Path, tmp_path: Path) -> Page:
    report(run, tmp_path / "page.html")
    return Page((tmp_path / "page.html").read_text())


def make_hostile(run: Path) -> Path:
    """Puts markup wherever a user's text can come from."""

    def change(name: str, edit: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
        document = json.loads((run / name).read_text())
        edit(document)
        (run / name).write_text(json.dumps(document))

    change("trained/trained.json", lambda d: d.update(classes=[HOSTILE, *d["classes"][1:]], data=HOSTILE))
    change("table.json", lambda d: d["device"].update(name=HOSTILE, **{HOSTILE: HOSTILE}))
    change("table.json", lambda d: d["runtime"].update(version=HOSTILE, delegate=HOSTILE))
    change("gallery/gallery.json", lambda d: [net.update(target=HOSTILE, file=HOSTILE) for net in d["networks"]])
    change("environment.json", lambda d: d.update(system=HOSTILE))
    change("model/report.json", lambda d: d["files"].update({HOSTILE: {"file": HOSTILE, "measured_ms": 1.5}}))
    lost = {"attempts": [{"recipe": HOSTILE, "loss_points": 5}]}
    target = {"runtime": HOSTILE, "dtype": HOSTILE}
    change("model/report.json", lambda d: d.update(left_out={HOSTILE: lost}, budget_checked=False, target=target))
    change("model/report.json", lambda d: d["checks"].append({"name": HOSTILE, "passed": False, "value": HOSTILE}))
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for line in lines:
        line["warnings"] = [HOSTILE]
        line["bounds"][0]["name"] = line["bounds"][0]["unit"] = HOSTILE
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def test_the_shares_on_the_page_make_up_the_prediction(searched: Path, tmp_path: Path) -> None:
    report(searched, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    (network,) = re.findall(r'<ol class="network">(.*?)</ol>', html, re.DOTALL)
    costs = re.findall(r'<span class="cost">([\d.e-]+) ms, ([\d.]+)%</span>', network)
    answer = collect(searched).answer
    assert answer is not None and answer.overhead_ms is not None
    assert len(costs) == len(answer.layers) + bool(answer.overhead_ms) == network.count('class="layer"')
    assert sum(float(share) for _, share in costs) == pytest.approx(100, abs=0.05 * len(costs))
    assert sum(float(ms) for ms, _ in costs) == pytest.approx(answer.predicted_ms, rel=0.005)
    assert re.findall(r'<div class="block [^>]*>(.*?)</div>', network) == [row.name for row in answer.layers]


def test_text_of_the_run_is_escaped_everywhere(complete: Path, copy: Copy, tmp_path: Path) -> None:
    plain = _page(complete, tmp_path)
    hostile = _page(make_hostile(copy(complete)), tmp_path)
    assert [tag for tag, _ in hostile.tags].count("script") == plain.count("script")
    assert hostile.count("img") == 0
    assert hostile.text.count(HOSTILE) >= 10  # as text, with nothing evaluated
    figures = [json.loads(script) for script in hostile.scripts[:-2]]
    charts = json.dumps(figures)
    assert "<script" not in charts and "<img" not in charts and "&lt;script" in charts


def test_the_page_loads_nothing(complete: Path, tmp_path: Path) -> None:
    page = _page(complete, tmp_path)
    references = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster")
    ]
    assert references == ["data:,"]
    (style,) = re.findall(r"<style>(.*?)</style>", (tmp_path / "page.html").read_text(), re.DOTALL)
    assert "url(" not in style and "@import" not in style
    (policy,) = (a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; script-src 'sha256-")


def test_every_chart_is_there_with_the_runs_figures(complete: Path, tmp_path: Path) -> None:
    page = _page(complete, tmp_path)
    names = [a["id"] for _, a in page.tags if a.get("class") == "chart"]
    assert names == [
        *("chart-latency", "chart-bounds", "chart-multiplier", "chart-entropy", "chart-loss", "chart-accuracy"),
        *("chart-probabilities", "chart-train-loss", "chart-train-accuracy", "chart-gallery-1"),
    ]
    figures = dict(zip(names, map(json.loads, page.scripts[:-2]), strict=True))
    lines = [json.loads(line) for line in (complete / "log.jsonl").read_text().splitlines()]
    assert figures["chart-entropy"]["data"][0]["y"] == [line["entropy"] for line in lines]
    assert figures["chart-bounds"]["data"][0]["y"] == [line["bounds"][0]["expected"] for line in lines]
    frames = figures["chart-probabilities"]["frames"]
    assert [frame["name"] for frame in frames] == [str(line["epoch"]) for line in lines]
    for frame, line in zip(frames, lines, strict=True):
        for shown, row in zip(frame["data"][0]["z"], line["probabilities"], strict=True):
            assert [value for value in shown if value is not None] == pytest.approx(row, abs=5e-5)


def test_what_is_not_there_is_said_with_its_command(searched: Path, tmp_path: Path) -> None:
    page = _page(searched, tmp_path)
    assert "Nothing has been exported yet." in page.text
    assert f"proxyless export {searched}/trained --format onnx,tflite -o {searched}/model" in page.text


_MEASURED = {"runtime": "litert", "measured_ms": 9, "at_profiled_speed_ms": 8}


def test_the_headline_latency_is_of_the_file_that_the_budget_is_for(complete: Path, copy: Copy, tmp_path: Path) -> None:
    run = copy(complete)
    path = run / "model" / "report.json"
    files = {
        "tflite": {**_MEASURED, "file": "model.tflite", "dtype": "float32", "is_target": True},
        "tflite-int8": {**_MEASURED, "file": "model.int8.tflite", "dtype": "int8", "at_profiled_speed_ms": 2.5},
    }
    files["tflite-int8"]["is_target"] = False
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": files}))
    report(run, tmp_path / "page.html")
    tiles = re.findall(r'<div class="tile"><b>(.*?)</b>(.*?)</div>', (tmp_path / "page.html").read_text())
    assert tiles[2] == ("8 ms", "model.tflite, at profiled speed")


def test_files_that_lost_too_much_are_said_with_every_attempt(complete: Path, copy: Copy, tmp_path: Path) -> None:
    assert "Left out" not in _page(complete, tmp_path).text
    run = copy(complete)
    path = run / "model" / "report.json"
    attempts = [{"recipe": "per tensor", "loss_points": 12.348}, {"recipe": "per channel", "loss_points": 3.5}]
    lost = {"model.int8.onnx": {"attempts": attempts, "kept": False}}
    lost["model.float16.tflite"] = {"attempts": attempts[1:], "kept": False}
    path.write_text(json.dumps({**json.loads(path.read_text()), "left_out": lost, "max_int8_loss": 1.5}))
    _page(run, tmp_path)
    html = (tmp_path / "page.html").read_text()
    assert "These files are not in the export: however they were made, they lost more accuracy than is allowed." in html
    (table,) = re.findall(r"<h3>Left out</h3>(.*?)</table>", html, re.DOTALL)
    assert [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(<td.*?)</tr>", table)] == [
        ["model.int8.onnx", "per tensor", "12.35", "1.5"],
        ["model.int8.onnx", "per channel", "3.50", "1.5"],
        ["model.float16.tflite", "per channel", "3.50", DASH],  # the limit that the report has is of int8
    ]


_TARGET = {"runtime": "litert", "dtype": "int8"}


@pytest.mark.parametrize(
    ("checked", "target", "sentence"),
    [
        (True, _TARGET, "The budget was checked on model.int8.tflite."),
        (False, _TARGET, "The budget was not checked: no int8 file of this export runs on litert."),
        (False, None, "No budget was checked: the network was exported without a target."),
        (None, _TARGET, "The export does not say whether the budget was checked."),
    ],
)
def test_the_page_says_whether_the_budget_was_checked(
    complete: Path, copy: Copy, tmp_path: Path, checked: bool | None, target: dict[str, str] | None, sentence: str
) -> None:
    run = copy(complete)
    path = run / "model" / "report.json"
    files = {
        "tflite": {**_MEASURED, "file": "model.tflite", "dtype": "float32", "is_target": False},
        "tflite-int8": {**_MEASURED, "file": "model.int8.tflite", "dtype": "int8", "is_target": bool(checked)},
    }
    document = {**json.loads(path.read_text()), "files": files, "target": target, "budget_checked": checked}
    if checked is None:
        del document["budget_checked"]
    path.write_text(json.dumps(document))
    assert sentence in _page(run, tmp_path).text
