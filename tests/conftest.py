"""What holds for every test."""

import pytest


@pytest.fixture(autouse=True)
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of few rounds look disturbed, and no test needs exact milliseconds: none waits for a quieter moment."""
    monkeypatch.setattr("latency.deployed._WAITS_S", ())
