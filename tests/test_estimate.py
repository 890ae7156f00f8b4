"""What is said before long work starts."""

import logging
import time
from pathlib import Path

import pytest
import torch

from proxyless.estimate import say_how_long
from proxyless.execution import Choice, Execution
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.tuning import Work
from tests.helpers import bound_at, toy_data, toy_space

_SPACE, _CPU = toy_space(), torch.device("cpu")
_SETTINGS = SearchSettings(batch_size=8, device="cpu")
_WORK = Work(_SPACE.network([layer.choices[0] for layer in _SPACE.decisions]), 8, 100)


def test_steps_that_were_timed_at_the_start_are_not_timed_again(caplog: pytest.LogCaptureFixture) -> None:
    execution = Execution()
    choice = Choice(chosen=execution, step_ms={str(execution): 250.0, "another": 1.0})
    with caplog.at_level(logging.INFO):
        assert say_how_long(_WORK, _SETTINGS, choice, _CPU, 30_000) == 7500
    assert caplog.messages == ["about 2:05:00: 250 ms a weight step"]


def test_steps_are_timed_where_nothing_was_and_no_random_number_is_used(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with caplog.at_level(logging.INFO):
        seconds = say_how_long(_WORK, _SETTINGS, Choice(chosen=Execution()), _CPU, 100)
    assert 0 < seconds < 60 and torch.equal(torch.rand(3), expected)
    assert say_how_long(_WORK, _SETTINGS, Choice(chosen=Execution()), _CPU, 0) == 0


@pytest.mark.timing
def test_the_estimate_is_about_what_a_search_takes(tmp_path: Path) -> None:
    settings = SearchSettings(warmup_epochs=2, epochs=4, batch_size=32, device="cpu")
    search = Search(Problem(toy_space(), toy_data(960, resolution=8), (bound_at(_SPACE, 0.5),)), settings)
    estimate_s = say_how_long(search.work, settings, search.choice, _CPU, search._weight_steps_left())
    start = time.perf_counter()
    search.run(tmp_path / "checkpoint.pt")
    assert 0.25 < estimate_s / (time.perf_counter() - start) < 4
