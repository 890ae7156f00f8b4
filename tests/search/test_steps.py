"""One architecture step of each kind against what it must compute: enumeration, finite differences, the exact sum."""

from collections.abc import Sequence
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from proxyless.nn import Choice, Mixture, SuperNet, plain_choices
from proxyless.search.architecture import ArchitectureLogits, ExpectedCosts
from proxyless.search.config import SearchSettings
from proxyless.search.domain import BoundedDomain
from proxyless.search.objectives.constrained import Constrained
from proxyless.search.objectives.fixed import AddLinear
from proxyless.search.sampling import active_probs, draw_evenly, sample_pairs, sample_path
from proxyless.search.strategies import find_strategy
from proxyless.search.strategies.adam import AdamStrategy, LogitSteps
from proxyless.search.strategies.base import Setting, StepInputs
from proxyless.search.strategies.gradient import GradientStrategy
from proxyless.search.strategies.gumbel import temperature
from proxyless.search.strategies.policy import policy_term
from proxyless.space import Space, tiny_fixed
from proxyless.space.bounds import latency_bound
from tests.helpers import all_weighted, bound_at, elastic_space, one_hot, randomise, searched_layers, toy_space

_TOY = toy_space([(4, 1, 1), (8, 1, 2)], width=4, num_classes=3)


def _strategy(name: str, space: Space, penalty: float | None = None, **more: object) -> AdamStrategy:
    bounds = (bound_at(space, 0.5),)
    objective = Constrained(bounds) if penalty is None else AddLinear(bounds, penalty)
    settings = SearchSettings.make("test", strategy=name, **more)
    architecture, expected = ArchitectureLogits(space, 0), ExpectedCosts(bounds)
    domain = BoundedDomain(bounds)
    strategy = find_strategy(name)(Setting(architecture, expected, objective, settings.own, 0.1, domain))
    assert isinstance(strategy, AdamStrategy)
    return strategy


def _net(space: Space) -> SuperNet:
    torch.manual_seed(0)
    net = SuperNet(space)
    randomise(net)
    return net


def _inputs(net: SuperNet, space: Space, seed: int = 0, lr: float = 0.1) -> StepInputs:
    generator = torch.Generator().manual_seed(seed)
    shape, dtype = (8, 3, space.resolution, space.resolution), next(net.parameters()).dtype
    labels = torch.arange(8) % space.num_classes
    held_out, train = ((torch.randn(shape, generator=generator, dtype=dtype), labels) for _ in range(2))
    return StepInputs(net, held_out, train, list(net.parameters()), lr, 0.5, generator, lambda tensor: tensor)


def test_a_two_path_step_leaves_the_other_probabilities_unchanged() -> None:
    space = tiny_fixed(resolution=16)
    strategy, net = _strategy("gradient", space), _net(space)
    for seed in range(5):
        before = strategy.architecture.probs().detach().clone()
        strategy.step(_inputs(net, space, seed))
        changed = (strategy.architecture.probs().detach() - before).abs() > 1e-6
        assert changed.any()
        assert (changed.sum(1) <= 2).all()


def test_pairs_and_paths_are_drawn_with_the_probabilities_of_the_softmax() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.5, -torch.inf, 0.5], [3.0, -torch.inf, -torch.inf]])
    generator = torch.Generator().manual_seed(0)
    count = 4000
    paths = torch.tensor([sample_path(logits, generator) for _ in range(count)])
    for layer, row in enumerate(logits.softmax(1)):
        shares = torch.bincount(paths[:, layer], minlength=3) / count
        assert (shares - row).abs().max() < 0.03
    pairs = [sample_pairs(logits, generator) for _ in range(count)]
    assert all(len(set(first)) == 2 and set(second) == {0, 2} and third == [0] for first, second, third in pairs)
    p = logits[0].softmax(0)
    expected = float(p[0] * p[1] / (1 - p[0]) + p[1] * p[0] / (1 - p[1]))
    assert abs(sum(set(first) == {0, 1} for first, _, _ in pairs) / count - expected) < 0.03


def test_reinforce_is_on_average_the_gradient_of_the_expected_loss() -> None:
    strategy, net = _strategy("reinforce", _TOY, penalty=0.3), _net(_TOY)
    inputs = _inputs(net, _TOY)
    logits = strategy.architecture.logits.detach().clone().requires_grad_()
    counts = strategy.architecture.counts
    log_probs = logits.log_softmax(1)
    expected_loss: Tensor = torch.zeros(())
    for path in product(*map(range, counts)):
        with torch.no_grad():
            loss = cross_entropy(net(inputs.held_out[0], plain_choices(path)), inputs.held_out[1])
        expected_loss = expected_loss + loss * torch.stack([log_probs[i, op] for i, op in enumerate(path)]).sum().exp()
    exact = torch.autograd.grad(strategy.objective.total(expected_loss, strategy.expected(logits.softmax(1))), logits)[
        0
    ]
    draws = torch.stack([strategy._gradient(inputs, logits)[0] for _ in range(400)])
    error = draws.std(0) / len(draws) ** 0.5
    legal = torch.isfinite(logits.detach())
    assert ((draws.mean(0) - exact).abs()[legal] < 4.5 * error[legal]).all()
    assert exact[legal].abs().max() > 3 * error[legal].max()


def test_reinforce_forgives_what_all_paths_of_a_batch_have_in_common() -> None:
    """The baseline of a path is the mean of the others, by hand; how hard the batch is cancels."""
    paths = [[0, 1], [2, 1], [0, 0]]
    logits = torch.randn(2, 3, dtype=torch.double, requires_grad=True)
    costs = torch.tensor([1.0, 4.0, 2.5], dtype=torch.double)

    def gradient(costs: Tensor) -> Tensor:
        return torch.autograd.grad(policy_term(costs, logits.log_softmax(1), paths), logits)[0]

    by_hand = torch.zeros_like(logits)
    for path, advantage in zip(paths, (1 - 3.25, 4 - 1.75, 2.5 - 2.5), strict=True):
        for layer, op in enumerate(path):
            by_hand[layer] += advantage * (one_hot(op, 3) - logits.detach()[layer].softmax(0)) / 3
    torch.testing.assert_close(gradient(costs), by_hand)
    torch.testing.assert_close(gradient(costs + 100), by_hand, atol=1e-10, rtol=1e-10)
    assert policy_term(costs, logits.log_softmax(1), paths).item() == 0


def test_the_noise_of_a_batch_is_removed_from_reinforce() -> None:
    """Losses are a batch's own level plus what the path adds, as measured on CIFAR-10: 0.064 and 0.006."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.zeros(4, 3, dtype=torch.double, requires_grad=True)
    worth = torch.randn(4, 3, generator=generator, dtype=torch.double) * 0.003

    def draw(moving_average: float | None) -> Tensor:
        paths = [sample_path(logits.detach(), generator) for _ in range(4)]
        level = 0.064 * torch.randn((), generator=generator, dtype=torch.double)
        costs = level + torch.stack([worth[range(4), path].sum() for path in paths])
        if moving_average is None:
            term = policy_term(costs, logits.log_softmax(1), paths)
        else:
            log_path = torch.stack([logits.log_softmax(1)[range(4), path].sum() for path in paths])
            term = ((costs - moving_average) * log_path).mean()
        return torch.autograd.grad(term, logits)[0]

    ours, theirs = (torch.stack([draw(baseline) for _ in range(500)]) for baseline in (None, 0.0))
    assert float(theirs.var(0).mean()) > 8 * float(ours.var(0).mean())
    exact = (worth - worth.mean(1, keepdim=True)) / 3
    assert ((ours.mean(0) - exact).abs() < 4.5 * ours.std(0) / 500**0.5).all()


def test_a_mixture_is_the_weighted_sum_and_so_are_its_gradients() -> None:
    net = _net(_TOY).double()
    images = torch.randn(3, 3, 8, 8, dtype=torch.double)
    weights = [torch.rand(len(layer.choices), dtype=torch.double, requires_grad=True) for layer in _TOY.decisions]
    ours, reference = net(images, [Mixture(row) for row in weights]), all_weighted(net, images, weights)
    torch.testing.assert_close(ours, reference)
    wanted = [*weights, *net.parameters()]
    for a, b in zip(
        torch.autograd.grad(ours.square().sum(), wanted),
        torch.autograd.grad(reference.square().sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_second_order_darts_is_the_derivative_through_the_step_of_the_weights() -> None:
    strategy, net = _strategy("darts", _TOY, penalty=0.0, unrolled=True), _net(_TOY).double()
    strategy.expected.double()
    inputs = _inputs(net, _TOY, lr=0.05)
    logits = strategy.architecture.logits.detach().double().requires_grad_()
    kept = [weight.detach().clone() for weight in inputs.weights]

    def unrolled_loss(values: Tensor) -> float:
        mixtures = strategy.mixtures(values.softmax(1), {})
        train = torch.autograd.grad(cross_entropy(net(inputs.train[0], mixtures), inputs.train[1]), inputs.weights)
        with torch.no_grad():
            for weight, step in zip(inputs.weights, train, strict=True):
                weight.sub_(inputs.lr * step)
            loss = float(cross_entropy(net(inputs.held_out[0], mixtures), inputs.held_out[1]))
            for weight, before in zip(inputs.weights, kept, strict=True):
                weight.copy_(before)
        return loss

    gradient = strategy._gradient(inputs, logits)[0]
    first_order = _strategy("darts", _TOY, penalty=0.0)
    first_order.expected.double()
    plain = first_order._gradient(inputs, logits)[0]
    for layer, op in ((0, 0), (0, 6), (1, 3)):
        values = []
        for step in (1e-5, -1e-5):
            moved = logits.detach().clone()
            moved[layer, op] += step
            values.append(unrolled_loss(moved))
        numeric = (values[0] - values[1]) / 2e-5
        assert float(gradient[layer, op]) == pytest.approx(numeric, rel=1e-4, abs=1e-8)
        assert abs(float(plain[layer, op]) - numeric) > 4 * abs(float(gradient[layer, op]) - numeric)
    assert all(torch.equal(weight, before) for weight, before in zip(inputs.weights, kept, strict=True))


def test_gumbel_mixtures_grow_cold() -> None:
    strategy = _strategy("gumbel", tiny_fixed(resolution=16))
    assert temperature(0.0) == 5.0 and temperature(1.0) == pytest.approx(0.2)

    def largest_weight(progress: float) -> float:
        mixtures = strategy.weight_choices(torch.Generator().manual_seed(1), progress)
        return float(torch.stack([m.weights.max() for m in mixtures if isinstance(m, Mixture)]).mean())

    assert largest_weight(0.0) < 0.3 and largest_weight(1.0) > 0.8


def test_expected_costs_equal_their_definition_and_finite_differences() -> None:
    from latency.tables import load_table
    from proxyless.space import mobile_fixed

    space = mobile_fixed()
    costs = load_table("pixel1").costs(space)
    bound = latency_bound(costs, 80.0)
    architecture, expected = ArchitectureLogits(space, 0).double(), ExpectedCosts((bound,)).double()
    with torch.no_grad():
        architecture.logits.add_(torch.randn(architecture.logits.shape, dtype=torch.double))
    probs = architecture.probs()
    by_hand = costs.constant_ms + sum(
        float(p) * ms
        for row, factor in zip(probs.detach(), costs.factors, strict=True)
        for p, ms in zip(row, factor.values, strict=False)
    )
    ratio = expected(probs)[0]
    assert abs(float(ratio.detach()) * bound.limit - by_hand) < 1e-4
    gradient = torch.autograd.grad(ratio, architecture.logits)[0]
    for layer, op in ((0, 0), (1, 6), (20, 5)):
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                architecture.logits[layer, op] += step
                values.append(float(expected(architecture.probs())[0]))
                architecture.logits[layer, op] -= step
        assert abs((values[0] - values[1]) / 2e-6 - float(gradient[layer, op])) < 1e-6


def test_a_uniform_expectation_is_the_published_one() -> None:
    from latency.tables import load_table
    from proxyless.space import mobile_fixed

    space = mobile_fixed()
    bound = latency_bound(load_table("pixel1").costs(space), 100.0)
    uniform = [torch.full((len(layer.choices),), 1 / len(layer.choices)) for layer in space.decisions]
    probs = torch.nn.utils.rnn.pad_sequence(uniform, batch_first=True)
    assert float(ExpectedCosts((bound,))(probs)[0]) * bound.limit == pytest.approx(113.99, abs=0.01)


@pytest.mark.parametrize("gates", ["two", "all"])
def test_choices_compare_what_was_drawn(gates: str) -> None:
    strategy = _strategy("gradient", _TOY, gates=gates)
    assert isinstance(strategy, GradientStrategy)
    for seed in range(20):
        active = strategy._draw(torch.Generator().manual_seed(seed))
        choices = strategy._choices(strategy.architecture.logits, active)
        for choice, compared, op, count in zip(
            choices, strategy.compared, active, strategy.architecture.counts, strict=True
        ):
            assert choice.compared == tuple(compared) and choice.active == op and op in compared
            assert len(compared) == (count if gates == "all" else 2)
            assert choice.probs is not None and float(choice.probs.detach().sum()) == pytest.approx(0, abs=1e-7)


def test_the_active_operation_is_drawn_with_the_stated_probability() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.5], [0.5, -torch.inf, 0.5], [3.0, -torch.inf, -torch.inf]])
    generator = torch.Generator().manual_seed(0)
    count = 20_000
    drawn = torch.tensor([draw_evenly(sample_pairs(logits, generator), generator) for _ in range(count)])
    stated = active_probs(logits)
    for layer, row in enumerate(stated):
        shares = torch.bincount(drawn[:, layer], minlength=3) / count
        assert (shares - row).abs().max() < 0.015
    assert stated.sum(1).tolist() == pytest.approx([1, 1, 1]) and stated[1].tolist() == pytest.approx([0.5, 0, 0.5])
    assert active_probs(torch.tensor([[200.0, 0.0, 0.0]])).tolist()[0] == pytest.approx([0.5, 0.25, 0.25])


_ONE_LAYER = toy_space([(4, 1, 1)], width=4, num_classes=3)


def _small_branches(net: SuperNet) -> SuperNet:
    """Branches that add little to a smooth network: the third order of it is then beyond what is compared here."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.ReLU6):
                setattr(parent, name, torch.nn.SiLU())
    with torch.no_grad():
        blocks = [block for layer in searched_layers(net) for block in layer.candidates.values()]
        for block in blocks:
            block.get_parameter("branch.project_norm.weight").mul_(0.03)
            block.get_parameter("branch.project_norm.bias").mul_(0.03)
    return net.double()


def _swap_gradient(strategy: GradientStrategy, net: SuperNet, compared: list[int], active: int) -> Tensor:
    """Of the loss alone, at one end."""
    inputs = _inputs(net, _ONE_LAYER)
    strategy.compared = [compared]
    logits = strategy.architecture.logits.detach().double().requires_grad_()
    loss = cross_entropy(net(inputs.held_out[0], strategy._choices(logits, [active])), inputs.held_out[1])
    return torch.autograd.grad(loss, logits)[0][0]


def _losses(net: SuperNet) -> Tensor:
    images, labels = _inputs(net, _ONE_LAYER).held_out
    with torch.no_grad():
        ops = range(len(_ONE_LAYER.decisions[0].choices))
        return torch.stack([cross_entropy(net(images, plain_choices([op])), labels) for op in ops])


def test_both_ends_of_a_pair_together_give_what_a_swap_does() -> None:
    """Enumerated: `q_i q_j` times the difference of the two losses; one end alone is far off."""
    strategy, net = _strategy("gradient", _ONE_LAYER), _small_branches(_net(_ONE_LAYER))
    assert isinstance(strategy, GradientStrategy)
    with torch.no_grad():
        strategy.architecture.logits.copy_(torch.linspace(-1, 1, strategy.architecture.logits.numel())[None])
    losses, logits = _losses(net), strategy.architecture.logits.detach()[0].double()
    wrong_at_one_end = []
    for pair in ([0, 3], [2, 5], [4, 1], [1, 6]):
        q = logits[pair].softmax(0).prod()
        wanted = float(q * (losses[pair[0]] - losses[pair[1]]))
        ends = [float(_swap_gradient(strategy, net, pair, active)[pair[0]]) for active in pair]
        assert sum(ends) / 2 == pytest.approx(wanted, rel=0.003)
        wrong_at_one_end.append(max(abs(end - wanted) for end in ends) / abs(wanted))
    assert min(wrong_at_one_end) > 0.01


def test_where_all_are_compared_the_mean_over_the_active_is_the_gradient_of_the_expected_loss() -> None:
    """Enumerated over the active operation: the gradient of `sum_j p_j L_j`."""
    strategy, net = _strategy("gradient", _ONE_LAYER, gates="all"), _small_branches(_net(_ONE_LAYER))
    assert isinstance(strategy, GradientStrategy)
    with torch.no_grad():
        strategy.architecture.logits.copy_(torch.linspace(-1, 1, strategy.architecture.logits.numel())[None])
    logits = strategy.architecture.logits.detach().double().requires_grad_()
    exact = torch.autograd.grad((logits.softmax(1)[0] * _losses(net)).sum(), logits)[0][0]
    every, chances = list(range(logits.shape[1])), active_probs(logits.detach())[0]
    mean = sum(chances[op] * _swap_gradient(strategy, net, every, op) for op in every)
    assert isinstance(mean, Tensor)
    torch.testing.assert_close(mean, exact, rtol=0.003, atol=0.003 * float(exact.abs().max()))


def test_the_cost_of_a_compared_pair_is_weighted_as_its_loss() -> None:
    """By the probabilities within the pair, though both together have little of the layer; the value is the true
    expectation."""
    strategy = _strategy("gradient", _TOY)
    assert isinstance(strategy, GradientStrategy)
    strategy.compared = [[4, 1], [3, 5]]
    with torch.no_grad():
        strategy.architecture.logits.add_(2 * torch.randn(strategy.architecture.logits.shape))
    logits = strategy.architecture.logits.detach().clone().requires_grad_()
    torch.testing.assert_close(strategy._probs(logits), logits.softmax(1))
    gradient = torch.autograd.grad(strategy.expected(strategy._probs(logits))[0], logits)[0]
    for layer, (first, second) in enumerate(strategy.compared):
        bound = strategy.objective.bounds[0]
        costs = (bound.factors[layer].values / bound.limit).tolist()
        share = logits.detach()[layer, [first, second]].softmax(0)[0]
        expected = share * (1 - share) * (costs[first] - costs[second])
        torch.testing.assert_close(gradient[layer, first], expected)
        torch.testing.assert_close(gradient[layer, second], -expected)
        others = [op for op in range(strategy.architecture.counts[layer]) if op not in (first, second)]
        assert not gradient[layer, others].any()


def test_steps_are_those_of_adam_where_every_entry_is_compared() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = torch.zeros(3, 4), torch.nn.Parameter(torch.zeros(3, 4))
    steps, adam = LogitSteps(ours.shape, 0.1), torch.optim.Adam([theirs], lr=0.1, betas=(0.0, 0.999))
    for _ in range(20):
        theirs.grad = torch.randn(3, 4, generator=generator)
        steps.step(ours, theirs.grad, torch.ones(3, 4, dtype=torch.bool))
        adam.step()
        torch.testing.assert_close(ours, theirs.detach())


def test_an_entry_that_is_compared_seldom_steps_as_if_the_other_steps_had_not_been() -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(30, 1, 1, generator=generator)
    seldom, always = torch.zeros(1, 1), torch.zeros(1, 1)
    rare, dense = LogitSteps(seldom.shape, 0.1), LogitSteps(always.shape, 0.1)
    for number, gradient in enumerate(gradients):
        compared = torch.full((1, 1), number % 5 == 0)
        rare.step(seldom, gradient.where(compared, torch.nan), compared)
        if compared:
            dense.step(always, gradient, compared)
    torch.testing.assert_close(seldom, always)


def test_the_policy_gradient_of_widths_depths_and_resolutions_is_that_of_the_expected_loss() -> None:
    """By enumeration: a loss that depends on every choice without gates, and on pairs of them."""
    space = elastic_space()
    strategy = _strategy("gradient", space)
    assert isinstance(strategy, GradientStrategy)
    ungated = [number for number, gated in enumerate(strategy.architecture.gated) if not gated]
    assert [space.decisions[number].kind for number in ungated] == ["resolution", "width", "width", "depth", "width"]
    worth = torch.randn((2,) * 5, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    with torch.no_grad():
        strategy.architecture.logits.add_(torch.randn(strategy.architecture.logits.shape))
    logits = strategy.architecture.logits.detach().double().requires_grad_()
    rows = [row[:2] for row in logits[ungated].softmax(1)]
    probs = rows[0]
    for row in rows[1:]:
        probs = probs[..., None] * row
    (exact,) = torch.autograd.grad((probs * worth).sum(), logits)
    labels = torch.zeros(4, dtype=torch.long)

    def forward(images: Tensor, choices: Sequence[Choice | Mixture]) -> Tensor:
        """Two logits whose cross entropy is what the network is worth."""
        active = [choice.active for number, choice in enumerate(choices) if number in ungated]  # type: ignore[union-attr]
        loss = worth[tuple(active)] + 5
        return torch.stack([torch.zeros(()), loss.expm1().log()]).expand(4, 2).double()

    generator = torch.Generator().manual_seed(1)
    held_out = torch.zeros(4, 3, 16, 16), labels
    inputs = StepInputs(forward, held_out, held_out, [], 0.1, 0.5, generator, lambda tensor: tensor)
    drawn = []
    for _ in range(1500):
        choices = [Choice(choice) for choice in strategy._draw(generator)]
        with torch.no_grad():
            loss = cross_entropy(forward(held_out[0], choices), labels)
        term = strategy.policy(inputs, logits, choices, loss)
        assert float(term.detach()) == 0
        drawn.append(torch.autograd.grad(term, logits)[0])
    found = torch.stack(drawn)
    errors = found.std(0) / len(drawn) ** 0.5
    assert ((found.mean(0) - exact).abs() <= 4.5 * errors + 1e-9).all()
    gated = [number for number in range(len(space.decisions)) if number not in ungated]
    assert float(exact[ungated, :2].abs().min()) > 0 and not found[:, gated].any()
