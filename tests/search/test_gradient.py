import torch

from proxyless.nn import SuperNet
from proxyless.search.architecture import ArchitectureLogits, ExpectedLatency
from proxyless.search.objective import ConstrainedLatency
from proxyless.search.strategies.gradient import GradientStrategy
from proxyless.space import mobile, tiny
from tests.helpers import table_by_macs


def _strategy(gates: str) -> tuple[GradientStrategy, ConstrainedLatency, SuperNet]:
    space = tiny(resolution=16)
    costs = table_by_macs(space).costs(space)
    torch.manual_seed(0)
    strategy = GradientStrategy(ArchitectureLogits(space, 0), ExpectedLatency(costs), gates, lr=0.1)
    return strategy, ConstrainedLatency(0.5 * costs.mean_ms), SuperNet(space)


def test_a_two_path_step_leaves_the_other_probabilities_unchanged() -> None:
    strategy, objective, net = _strategy("two")
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8) % 10
    for seed in range(5):
        before = strategy.architecture.probs().detach().clone()
        strategy.step(net, images, labels, objective, torch.Generator().manual_seed(seed))
        changed = (strategy.architecture.probs().detach() - before).abs() > 1e-6
        assert changed.any()
        assert (changed.sum(1) <= 2).all()


def test_expected_latency_equals_its_definition_and_finite_differences() -> None:
    space = mobile()
    from latency.tables import load_table

    costs = load_table("pixel1").costs(space)
    architecture, latency = ArchitectureLogits(space, 0).double(), ExpectedLatency(costs).double()
    with torch.no_grad():
        architecture.logits.add_(torch.randn(architecture.logits.shape, dtype=torch.double))
    probs = architecture.probs()
    by_hand = costs.constant_ms + sum(
        float(p) * ms
        for row, costs_ in zip(probs.detach(), costs.layers_ms, strict=True)
        for p, ms in zip(row, costs_, strict=False)
    )
    expected = latency(probs)
    assert abs(float(expected.detach()) - by_hand) < 1e-4
    gradient = torch.autograd.grad(expected, architecture.logits)[0]
    for layer, op in ((0, 0), (1, 6), (20, 5)):
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                architecture.logits[layer, op] += step
                values.append(float(latency(architecture.probs())))
                architecture.logits[layer, op] -= step
        assert abs((values[0] - values[1]) / 2e-6 - float(gradient[layer, op])) < 1e-5


def test_the_multiplier_rises_while_the_bound_is_exceeded_and_falls_to_zero_again() -> None:
    objective = ConstrainedLatency(10.0)
    objective.update(15.0)
    risen = objective.multiplier
    objective.update(12.0)
    assert 0 < risen < objective.multiplier
    for _ in range(100):
        objective.update(5.0)
    assert objective.multiplier == 0.0


def test_the_penalty_pushes_only_while_it_must_and_is_the_same_in_any_unit() -> None:
    milliseconds = torch.tensor(12.0, requires_grad=True)
    seconds = torch.tensor(0.012, requires_grad=True)
    slow = torch.autograd.grad(ConstrainedLatency(10.0).penalty(milliseconds), milliseconds)[0]
    same = torch.autograd.grad(ConstrainedLatency(0.010).penalty(seconds), seconds)[0]
    torch.testing.assert_close(slow * 12.0, same * 0.012)
    assert float(slow) > 0
    fits = torch.tensor(8.0, requires_grad=True)
    assert float(torch.autograd.grad(ConstrainedLatency(10.0).penalty(fits), fits)[0]) == 0
