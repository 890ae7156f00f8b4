"""The sandwich rule: which networks a weight step trains, and that its gradient is that of all of them."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.nn import Choice, Mixture
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.search.work import search_work
from proxyless.space import tiny_fixed
from proxyless.space.bounds import keeps
from tests.helpers import bound_at, elastic_space, toy_data


def _search(**more: object) -> Search:
    space = elastic_space()
    values = {"strategy": "random", "sandwich": True, "warmup_epochs": 1, "epochs": 1, "device": "cpu", **more}
    bound = bound_at(space, 0.6)
    return Search(Problem(space, toy_data(classes=3), (bound,)), SearchSettings.make("test", batch_size=16, **values))


def _paths(networks: object) -> list[list[int]]:
    assert isinstance(networks, list)
    return [[choice.active for choice in choices] for choices in networks]


def test_a_step_trains_the_largest_the_smallest_and_one_within_the_bounds() -> None:
    search = _search()
    (bound,) = search.problem.bounds
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(20):
        largest, smallest, near, any_one = _paths(search.strategy.weight_networks(generator, 0.5))
        assert bound.cost(largest) == bound.max_cost and bound.cost(smallest) == bound.min_cost
        assert keeps(near, [bound])
        seen |= {tuple(near), tuple(any_one)}
    assert len(seen) > 10
    assert len(_search(sandwich=False).strategy.weight_networks(generator, 0.5)) == 1


def test_blocks_are_not_replayed_where_gradients_are_added_up() -> None:
    """A replayed block's gradients lie where the next replay writes."""
    replayed = {
        sandwich: search_work(
            tiny_fixed(), SearchSettings.make("test", strategy="random", sandwich=sandwich), 1
        ).replays
        for sandwich in (True, False)
    }
    assert replayed == {True: False, False: True}


def test_the_gradient_is_the_mean_over_networks_that_learn_from_the_first() -> None:
    """Against each network alone, its gradients added up in the weights of the largest."""
    search = _search(label_smoothing=0.0)
    supernet = search.supernet.double()
    images, labels = next(iter(search.train.ordered()))
    images = images.double()
    networks = search.strategy.weight_networks(torch.Generator().manual_seed(1), 0.5)
    search.shared.lend_all()

    def gradients(choices: list[Choice | Mixture], targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        supernet.zero_grad(set_to_none=True)
        search.shared.lend(choices)
        outputs = supernet(images, choices)
        torch.autograd.backward(cross_entropy(outputs, targets))
        search.shared.collect(choices)
        return outputs.detach(), {n: p.grad.clone() for n, p in supernet.named_parameters() if p.grad is not None}

    first, *others = map(list, networks)
    outputs, found = gradients(first, labels)
    expected = dict(found)
    for choices in others:
        _, more = gradients(choices, outputs.softmax(1))
        expected = {n: expected.get(n, torch.zeros(())) + more.get(n, torch.zeros(())) for n in {*expected, *more}}
    supernet.zero_grad(set_to_none=True)
    said, _ = search._learn(images, first, labels, 0.25, 0.0)
    for choices in others:
        search._learn(images, choices, said.softmax(1), 0.25)
    summed = {n: p.grad for n, p in supernet.named_parameters() if p.grad is not None}
    assert summed.keys() == expected.keys()
    for name, gradient in summed.items():
        torch.testing.assert_close(gradient, expected[name] / 4, rtol=1e-5, atol=1e-7)
