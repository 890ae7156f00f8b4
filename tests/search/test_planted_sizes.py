"""Strategies that learn, on a space with widths, a depth and resolutions, whose best network within the bound is known.

What a network is worth is planted: a sum over its decisions, in place of the supernet's outputs, with the gradient that
gates and mixtures would have. The best one follows from all 384.
"""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from proxyless.nn import Choice, Mixture
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.search.strategies.base import StepInputs
from proxyless.space.bounds import keeps
from tests.helpers import bound_at, elastic_space, every_path, toy_data

_SPACE = elastic_space()
_GAINS = {
    "resolution": {"8": 0.0, "16": 1.0},
    "stem.width": {"4": 0.0, "8": 0.1},
    "stage1.width": {"8": 0.0, "12": 0.6},
    "stage2.width": {"8": 0.5, "16": 0.0},
}
"""Of the sizes that matter, and how much; the larger one is not always the better."""
_OP = {"k3": 0.0, "k5": 0.2}
_STEPS = 600
_IMAGES = 32


def _gain(decision: int, choice: int) -> float:
    name, chosen = _SPACE.decisions[decision].name, _SPACE.decisions[decision].choices[choice]
    return _GAINS.get(name, _OP).get(chosen, 0.0)


def _worth(path: Sequence[int]) -> float:
    return sum(_gain(decision, choice) for decision, choice in enumerate(path))


def _outputs(images: Tensor, choices: Sequence[Choice | Mixture]) -> Tensor:
    """The class is the sign of the first pixel; the more a network is worth, the surer it is."""
    worth = torch.zeros(())
    for decision, choice in enumerate(choices):
        gains = torch.tensor([_gain(decision, index) for index in range(_SPACE.sizes[decision])])
        if isinstance(choice, Mixture):
            worth = worth + choice.weights @ gains
            continue
        worth = worth + gains[choice.active]
        if choice.probs is not None:  # as a gate: no change of the output, but its gradient
            worth = worth + (choice.probs - choice.probs.detach()) @ gains[list(choice.compared)]
    sign = images[:, 0, 0, 0].sign()
    return torch.stack([-sign, sign], 1) * worth / 2


def _search(settings: dict[str, object]) -> Search:
    values = {"epochs": 4, "warmup_epochs": 0, "batch_size": 16, "device": "cpu", "arch_lr": 0.05, **settings}
    bound = bound_at(_SPACE, 0.3)
    return Search(Problem(_SPACE, toy_data(classes=3), (bound,)), SearchSettings.make("test", **values))


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "gradient"},
        {"strategy": "gradient", "gates": "all"},
        {"strategy": "reinforce"},
        {"strategy": "gumbel"},
        {"strategy": "darts"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_the_best_widths_and_resolution_within_the_bound_are_found(settings: dict[str, object]) -> None:
    search = _search(settings)
    generator, images = torch.Generator().manual_seed(0), torch.ones(_IMAGES, 3, 1, 1)
    images[: _IMAGES // 2] = -1
    batch = images, torch.tensor([0, 1]).repeat_interleave(_IMAGES // 2)
    for step in range(_STEPS):
        search.objective.update(search._ratios(), search.logit_speed)
        search.strategy.step(
            StepInputs(_outputs, batch, batch, [], 0.1, step / _STEPS, generator, average=lambda tensor: tensor)
        )
    (bound,) = search.problem.bounds
    best = max((path for path in every_path(_SPACE) if keeps(path, [bound])), key=_worth)
    found = search.derive()
    assert keeps(found, [bound])
    for name in _GAINS:
        decision = next(number for number, each in enumerate(_SPACE.decisions) if each.name == name)
        assert found[decision] == best[decision], name
    assert _worth(found) >= _worth(best) - 0.2 - 1e-6
    unbounded = max(every_path(_SPACE), key=_worth)
    assert not keeps(unbounded, [bound])  # else nothing would have to be given up
