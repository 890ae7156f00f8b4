"""The page in a real browser: headless Chromium, on a desktop and on a phone, with no network."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from proxyless.workflow.report import report
from tests.report.test_page import make_hostile

_CHROMIUM, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (_CHROMIUM and _DRIVER), reason="needs chromium and chromedriver"),
]

_DRAWN = """
return [...document.querySelectorAll(".chart")].map(place => {
  const drawings = [...place.querySelectorAll("svg.main-svg, canvas")].map(each => each.getBoundingClientRect());
  return {id: place.id, area: Math.max(0, ...drawings.map(box => box.width * box.height)),
          right: Math.max(...drawings.map(box => box.right))};
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = _CHROMIUM or ""
    for argument in (
        "--headless=new",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_DRIVER))
    driver.set_page_load_timeout(300)
    yield driver
    driver.quit()


def _run(browser: webdriver.Chrome, script: str) -> Any:
    return browser.execute_script(script)  # type: ignore[no-untyped-call]


def _open(browser: webdriver.Chrome, page: Path, width: int, height: int) -> list[dict[str, Any]]:
    """Open the page on a screen of that size; what was drawn for every chart."""
    phone = width < 600
    screen = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(page.as_uri())
    WebDriverWait(browser, 120).until(lambda _: all(chart["area"] > 0 for chart in _run(browser, _DRAWN)))
    drawn: list[dict[str, Any]] = _run(browser, _DRAWN)
    return drawn


def _said(browser: webdriver.Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]


def _requested(browser: webdriver.Chrome) -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (360, 740)])
def test_charts_are_drawn_and_nothing_overflows(
    browser: webdriver.Chrome, complete: Path, tmp_path: Path, width: int, height: int
) -> None:
    report(complete, tmp_path / "page.html")
    drawn = _open(browser, tmp_path / "page.html", width, height)
    assert len(drawn) == 10
    assert all(chart["area"] > 100 * 100 and chart["right"] <= width for chart in drawn), drawn
    inner, content = _run(browser, "return [innerWidth, document.documentElement.scrollWidth]")
    assert inner == width and content <= width
    assert _said(browser) == []
    assert {url.split(":")[0] for url in _requested(browser)} <= {"file", "data", "blob"}


def test_the_slider_shows_the_probabilities_of_its_epoch(
    browser: webdriver.Chrome, complete: Path, tmp_path: Path
) -> None:
    report(complete, tmp_path / "page.html")
    _open(browser, tmp_path / "page.html", 1280, 900)
    lines = [json.loads(line) for line in (complete / "log.jsonl").read_text().splitlines()]
    shown = "return document.getElementById('chart-probabilities').data[0].z[0]"
    assert _run(browser, shown)[: len(lines[-1]["probabilities"][0])] == pytest.approx(
        lines[-1]["probabilities"][0], abs=5e-5
    )
    browser.execute_async_script(
        "Plotly.animate('chart-probabilities', ['1'], {mode: 'immediate', frame: {duration: 0}})"
        ".then(arguments[arguments.length - 1])"
    )
    first = lines[0]["probabilities"][0]
    assert _run(browser, shown)[: len(first)] == pytest.approx(first, abs=5e-5)


def test_hostile_text_runs_nothing(
    browser: webdriver.Chrome, complete: Path, copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    report(make_hostile(copy(complete)), tmp_path / "page.html")
    drawn = _open(browser, tmp_path / "page.html", 360, 740)  # an open alert would raise
    assert len(drawn) == 10
    assert _run(browser, "return document.images.length") == 0
    assert _run(browser, "return document.documentElement.scrollWidth") <= 360
    assert _said(browser) == []
