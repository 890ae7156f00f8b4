"""What guessing reaches, against simulation and by hand."""

import math

import numpy as np
import pytest
import torch

from proxyless.chance import guessing_accuracy, guessing_loss


def test_guessing_is_rarely_better_than_what_it_may_reach() -> None:
    rng = np.random.default_rng(0)
    labels = torch.arange(500) % 10
    reached = rng.binomial(500, 0.1, 4000) / 500
    above = float(np.mean(reached > guessing_accuracy(labels)))
    assert 0.005 < above < 0.04


def test_always_the_most_frequent_class_is_guessing() -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    assert guessing_accuracy(labels) == pytest.approx(0.9 + 2 * 0.03)
    assert guessing_accuracy(torch.zeros(5, dtype=torch.long)) == 1.0


def test_the_loss_of_guessing_is_the_entropy_of_the_classes() -> None:
    assert guessing_loss(torch.arange(1000) % 5) == pytest.approx(0.99 * math.log(5))
    halves = torch.tensor([0] * 50 + [1] * 25 + [3] * 25)
    assert guessing_loss(halves) == pytest.approx(0.99 * 1.5 * math.log(2))
