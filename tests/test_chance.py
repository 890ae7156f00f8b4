"""What guessing reaches, against simulation and by hand."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.verify import Reference
from proxyless.chance import guessing_accuracy, guessing_loss
from proxyless.errors import CheckError
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.space import BudgetedTarget
from proxyless.workflow.export import _check_learned
from tests.helpers import MIXED_OPS, architecture, bound_at, toy_data, toy_space


def _search(folder: Path, **more: object) -> Search:
    values = {"warmup_epochs": 3, "epochs": 2, "batch_size": 8, "device": "cpu", **more}
    space = toy_space()
    problem = Problem(space, toy_data(resolution=8), (bound_at(space, 0.9),))
    search = Search(problem, SearchSettings.make("test", **values))
    search.run(folder / "checkpoint.pt")
    return search


@pytest.mark.parametrize("more", [{}, {"strategy": "random", "evaluations": 4}])
def test_a_search_that_learned_nothing_says_so_once(more: dict[str, object], tmp_path: Path) -> None:
    assert not _search(tmp_path, **more).is_at_chance
    search = _search(tmp_path, **more, lr=1e-9)
    assert search.is_at_chance
    (warning,) = (text for text in search.history[-1]["warnings"] if "no better than guessing" in text)
    assert "use more --epochs and --warmup-epochs, more images, or another --lr" in warning
    search.run(tmp_path / "checkpoint.pt")  # a finished search that is resumed
    assert search.history[-1]["warnings"].count(warning) == 1


@pytest.mark.parametrize(
    ("right", "at_chance", "message"),
    [
        (90, False, None),
        (15, False, "the network is no better than guessing: 15.00% of the test images are right"),
        (90, True, "the network comes from a search whose weights were no better than guessing"),
    ],
)
def test_what_guessing_is_as_good_as_is_not_exported(right: int, at_chance: bool, message: str | None) -> None:
    labels = np.arange(100) % 10
    answers = np.where(np.arange(100) < right, labels, (labels + 1) % 10)
    reference = Reference(lambda: iter([]), labels, np.eye(10)[answers])
    target = BudgetedTarget(
        runtime="litert", threads=1, batch=1, delegate="xnnpack", budget_ms=2, predicted_ms=1, at_chance=at_chance
    )
    network = replace(architecture(MIXED_OPS), target=target)
    if message is None:
        _check_learned(network, reference)
    else:
        with pytest.raises(CheckError, match=f"the export was not written: {message}"):
            _check_learned(network, reference)


def test_guessing_is_rarely_better_than_what_it_may_reach() -> None:
    rng = np.random.default_rng(0)
    labels = torch.arange(500) % 10
    reached = rng.binomial(500, 0.1, 4000) / 500
    above = float(np.mean(reached > guessing_accuracy(labels)))
    assert 0.005 < above < 0.04


def test_always_the_most_frequent_class_is_guessing() -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    assert guessing_accuracy(labels) == pytest.approx(0.9 + 2 * 0.03)
    for few in ([0, 0, 1, 1], [0] * 8 + [1] * 2, [0] * 5):
        assert 0.5 < guessing_accuracy(torch.tensor(few)) < 1.0  # a network that is always right is no guess


def test_the_loss_of_guessing_is_the_entropy_of_the_classes() -> None:
    assert guessing_loss(torch.arange(1000) % 5) == pytest.approx(0.99 * math.log(5))
    halves = torch.tensor([0] * 50 + [1] * 25 + [3] * 25)
    assert guessing_loss(halves) == pytest.approx(0.99 * 1.5 * math.log(2))
