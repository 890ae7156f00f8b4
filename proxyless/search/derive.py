"""From probabilities to networks: the most probable ones that keep all bounds, and use them where that is supported."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from proxyless.errors import InputError
from proxyless.search.evidence import Mask, Rows, all_of, improvements, supported
from proxyless.search.knapsack import Knapsack
from proxyless.space.bounds import FILL, Bound, keeps

Live = Callable[[Sequence[int]], Sequence[int]]

_Part = tuple[Mask, Bound | None]
"""The choices of a domain, and the bound that its networks use."""


def derive_path(log_probs: Rows, bounds: Sequence[Bound]) -> list[int]:
    """The network that the probabilities prefer, within all bounds; returns the index of the choice of each decision.

    It maximises `sum_l log p_l,a_l` over the choices that have the evidence that their cost needs (`supported`).
    Where that leaves the bounds unused, up to `least` of one of them, choices that cost more take the place of
    others that are not clearly preferred (`improvements`), as far as that goes.
    log_probs: per decision and choice.

    Raises:
        InputError: no network keeps the bounds.
    """
    found = derive_paths(log_probs, bounds, 1)
    if not found:
        raise InputError(_infeasible(bounds))
    return found[0]


def derive_paths(log_probs: Rows, bounds: Sequence[Bound], count: int, live: Live | None = None) -> list[list[int]]:
    """The first `count` distinct networks that keep the bounds, best first; fewer where there are fewer.

    live: of a network, the decisions that have a say in it (`Space.live`); without it all have.

    Those that use a bound as far as the evidence goes come first. What lacks evidence is left out, unless nothing else
    keeps the bounds.
    """
    knapsack = Knapsack(log_probs, bounds)
    found: list[list[int]] = []
    for parts in _domains(knapsack):
        while len(found) < count and (path := _best(knapsack, parts)) is not None:
            found.append(path)
            knapsack.exclude(path, live(path) if live else None)
    return found


def _domains(knapsack: Knapsack) -> Iterator[list[_Part]]:
    sensible, everything = supported(knapsack.log_probs, knapsack.bounds), all_of(knapsack.log_probs)
    base = knapsack.most_probable(sensible)
    if base is None:  # the bounds contradict each other: nothing but what lacks evidence may fit
        yield [(everything, bound) for bound in knapsack.bounds]
        yield [(everything, None)]
    else:
        yield _filled(knapsack, base, sensible)
        yield [(sensible, None)]


def _filled(knapsack: Knapsack, base: Sequence[int], sensible: Mask) -> list[_Part]:
    """Improvements of `base` that use one of the bounds; where the evidence does not go so far, as much of one as it
    does. Where `base` itself uses one there is nothing to fill."""
    if uses(base, knapsack.bounds):
        return [(sensible, bound) for bound in knapsack.bounds]
    better = [(improvements(knapsack.log_probs, bound, base, sensible), bound) for bound in knapsack.bounds]
    full: list[_Part] = [(mask, bound) for mask, bound in better if knapsack.most_probable(mask, bound) is not None]
    if full:
        return full
    dearest = [(bound.cost(knapsack.dearest(mask, bound) or base), mask, bound) for mask, bound in better]
    cost, mask, bound = max(dearest, key=lambda each: each[0] / each[2].limit)
    return [(mask, replace(bound, least=FILL * cost))]


def _best(knapsack: Knapsack, parts: Sequence[_Part]) -> list[int] | None:
    found = [path for allowed, used in parts if (path := knapsack.most_probable(allowed, used)) is not None]
    return max(found, key=lambda path: log_prob(knapsack.log_probs, path), default=None)


def choose_path(log_probs: Rows, bounds: Sequence[Bound], evaluated: Sequence[Sequence[int]] = ()) -> list[int]:
    """The best of the evaluated networks that keeps the bounds, else the one that is derived from the probabilities.

    Where that best one uses no bound, a derived one that does comes first if it is the more probable of the two and
    was not evaluated: what was evaluated may have been for a smaller budget.
    evaluated: best first.

    Raises:
        InputError: no network keeps the bounds.
    """
    fitting = [list(path) for path in evaluated if keeps(path, bounds)]
    if fitting and uses(fitting[0], bounds):
        return fitting[0]
    derived = derive_path(log_probs, bounds)
    if not fitting:
        return derived
    more_probable = log_prob(log_probs, derived) > log_prob(log_probs, fitting[0])
    return derived if uses(derived, bounds) and more_probable and derived not in fitting else fitting[0]


def candidate_paths(
    log_probs: Rows,
    bounds: Sequence[Bound],
    evaluated: Sequence[Sequence[int]],
    count: int,
    live: Live | None = None,
) -> list[list[int]]:
    """Up to `count` distinct networks that keep the bounds: half of them evaluated where there are, then probable ones.

    live: as in `derive_paths`.

    Raises:
        InputError: no network keeps the bounds.
    """
    first = choose_path(log_probs, bounds, evaluated)
    fitting = [list(path) for path in evaluated if keeps(path, bounds)]
    merged = [first, *fitting[: count // 2], *derive_paths(log_probs, bounds, count, live), *fitting]
    distinct: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for path in merged:
        decisions = live(path) if live else range(len(path))
        distinct.setdefault(tuple((decision, path[decision]) for decision in decisions), path)
    return list(distinct.values())[:count]


def log_prob(log_probs: Rows, path: Sequence[int]) -> float:
    """Sum over the decisions."""
    return sum(row[op] for row, op in zip(log_probs, path, strict=True))


def uses(path: Sequence[int], bounds: Sequence[Bound]) -> bool:
    """Whether a network costs as much of one bound as it should, up to the tolerance of the solver."""
    return any(bound.cost(path) >= bound.least * (1 - 1e-6) for bound in bounds)


def used(path: Sequence[int], bounds: Sequence[Bound]) -> float:
    """The largest share of a bound that a network costs."""
    return max(bound.cost(path) / bound.limit for bound in bounds)


def feasible_path(bounds: Sequence[Bound]) -> list[int]:
    """A network that keeps all bounds.

    Raises:
        InputError: none does.
    """
    return derive_path([[0.0] * size for size in bounds[0].sizes], bounds)


def _infeasible(bounds: Sequence[Bound]) -> str:
    if len(bounds) == 1:
        (bound,) = bounds
        smallest = f"{bound.min_cost:.4g} {bound.unit}".rstrip()
        return f"no network fits {bound.limit:.4g} {bound.unit}; the smallest is predicted to take {smallest}"
    return f"no network keeps all at once: {', '.join(map(str, bounds))}; ask for more of one of them"
