"""What holds for every test."""

import pytest


@pytest.fixture(autouse=True)
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of few rounds look disturbed, and no test needs exact milliseconds: none waits for a quieter moment."""
    monkeypatch.setattr("latency.deployed._WAITS_S", ())


@pytest.fixture
def short_waits(without_waits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of whole runs, which check an export against what was measured before: a busy moment is left out."""
    monkeypatch.setattr("latency.deployed._WAITS_S", (0.5, 1.0))
