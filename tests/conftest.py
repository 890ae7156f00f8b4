"""What holds for every test, and how tests are divided among processes."""

import os
import tempfile
from functools import partial
from pathlib import Path

import pytest

from latency.deployed import measure_files

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Of several processes each may measure as if it were alone: milliseconds are compared by tests that run so.
    own = Path(tempfile.gettempdir()) / f"proxyless-tests-{os.getuid()}-{worker}"
    own.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several processes, one gets all tests that share a fixture; the long tests come first, to end about together.

    pytest-xdist reads the groups afterwards, and has all processes collect alike: the order must not depend on which
    one this is.
    """
    if not hasattr(config, "workerinput"):
        return
    groups = {item: _group(item) for item in items}
    slow = {groups[item] for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: groups[item] not in slow)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item]))


def pytest_collection_finish(session: pytest.Session) -> None:
    """pytest-xdist writes a test's group behind its name; pytest 9.2 keeps the name, and there are no groups."""
    by_groups = hasattr(session.config, "workerinput") and session.config.getoption("loadgroup")
    if by_groups and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError(
            "this pytest hides the groups of tests from pytest-xdist, which makes fixtures twice; install pytest<9.2"
        )


def _group(item: pytest.Item) -> str:
    """Where the fixtures live that it shares with other tests; of a test that shares none, itself."""
    assert isinstance(item, pytest.Function)
    fixtures = (found for several in item._fixtureinfo.name2fixturedefs.values() for found in several)
    places = {fixture.baseid for fixture in fixtures if fixture.scope != "function" and fixture.baseid}
    return min(places, key=len, default=item.nodeid)


@pytest.fixture(autouse=True)
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of few rounds look disturbed, and no test needs exact milliseconds: none waits for a quieter moment."""
    monkeypatch.setattr("latency.deployed._WAITS_S", ())


@pytest.fixture
def short_waits(without_waits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of whole runs, which check an export against what was measured before: a busy moment is left out."""
    monkeypatch.setattr("latency.deployed._WAITS_S", (0.5, 1.0))


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of whole runs: networks that are only compared with each other are timed in few rounds."""
    monkeypatch.setattr("proxyless.workflow.measure.measure_files", partial(measure_files, rounds=6))


@pytest.fixture
def no_milliseconds(few_rounds: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of whole runs beside others: with `NO_BUDGET` an export passes however busy the machine is."""
    monkeypatch.setattr("proxyless.workflow.export_latency.REPEATABILITY", 1000.0)
