"""What an epoch of a search came to, and what is going wrong in it."""

import math
from collections.abc import Sequence

from proxyless.progress import Record
from proxyless.search.objectives.constrained import MAX_MULTIPLIER
from proxyless.search.strategies.base import Strategy
from proxyless.space import SKIP, Space
from proxyless.space.bounds import Bound

_SKIPS_TAKE_OVER = 0.9
_UNUSED = 0.5
"""Share of what the cheapest network leaves of a bound: a search that uses less of all bounds is not held by them."""
_DECIDED_NATS = 0.02
_UNDECIDED = 0.8
"""Share of the entropy of equal probabilities: above it, little was ruled out."""
_VIOLATED = 1.02
"""Share of a limit: the last steps of a converging search overstep it by less."""
_ENDED_ABOVE = 1.05
"""The same while layers are undecided: what is derived is then another network than those that were likely."""


def architecture_record(space: Space, strategy: Strategy, bounds: Sequence[Bound], ratios: Sequence[float]) -> Record:
    """The state of the architecture: every bound's expectation, certainty per layer, skips, the most probable network.

    ratios: expected cost of every bound, relative to its limit.
    """
    entropy = strategy.architecture.entropy()
    strengths = strategy.objective.strengths
    probabilities = [[math.exp(value) for value in row] for row in strategy.log_probs()]
    likeliest = [row.index(max(row)) for row in probabilities]
    return {
        "bounds": [
            {
                "name": b.name,
                "unit": b.unit,
                "expected": ratio * b.limit,
                "limit": b.limit,
                "smallest": b.min_cost,
                "multiplier": strength,
            }
            for b, ratio, strength in zip(bounds, ratios, strengths, strict=True)
        ],
        "entropy": sum(entropy) / len(entropy),
        "layer_entropy": entropy,
        "skip_share": _skip_share(space, probabilities),
        "probabilities": probabilities,
        "most_probable": list(space.path_ops(likeliest)),
    }


def _skip_share(space: Space, probabilities: Sequence[Sequence[float]]) -> float | None:
    """Mean probability of the skip where there is one; None where there is none."""
    probs = [
        row[index]
        for decision, row in zip(space.decisions, probabilities, strict=True)
        for index, choice in enumerate(decision.choices)
        if choice == SKIP
    ]
    return sum(probs) / len(probs) if probs else None


def collapse_warnings(record: Record, previous: Record | None, multipliers_are_found: bool = True) -> list[str]:
    """One sentence for everything that tells that the search is not choosing any more, with what to do.

    A warning that lasts has the same words in every epoch.
    previous: the record of the epoch before, for what must last to be a problem. multipliers_are_found: they are not
    penalties that the user chose.
    """
    found = [_skips_took_over(record), _decided_too_large(record)]
    if multipliers_are_found:
        found.append(_does_not_follow(record, previous))
    return [warning for warning in found if warning]


def loss_at_chance(loss: float, guessing_loss: float) -> str:
    """What to say of weights that have learned nothing. Both in nats, on held-out images."""
    return (
        f"the weights of the search are no better than guessing: their loss on held-out images is {loss:.3f}, and "
        f"knowing nothing but how frequent the classes are gives {guessing_loss:.3f}; what was found means nothing: "
        "use more --epochs and --warmup-epochs, more images, or another --lr"
    )


def ending_warnings(record: Record) -> list[str]:
    """One sentence for what a search that learns probabilities should not end with, in its last epoch."""
    found = []
    violated = _violated(record, _ENDED_ABOVE)
    if violated and record["entropy"] >= _DECIDED_NATS:
        found.append(
            f"the search ended with the expected {violated[0]} above its limit; use more --epochs, a higher --arch-lr "
            "or, where the penalty is fixed, a higher one (the network that is derived keeps the limit in any case)"
        )
    even = sum(math.log(len(row)) for row in record["probabilities"]) / len(record["probabilities"])
    if record["entropy"] > _UNDECIDED * even:
        found.append(
            f"the search ended with little decided: {record['entropy'] / even:.0%} of the entropy of equal "
            "probabilities is left; use more --epochs or a higher --arch-lr"
        )
    return found


def _skips_took_over(record: Record) -> str | None:
    unused = all(b["expected"] - b["smallest"] < _UNUSED * (b["limit"] - b["smallest"]) for b in record["bounds"])
    if not unused or (record["skip_share"] or 0) <= _SKIPS_TAKE_OVER:
        return None
    return (
        f"skips have more than {_SKIPS_TAKE_OVER:.0%} of the probability though the bounds would allow more: the "
        "weights of the operations are not trained well enough; use more --warmup-epochs, a lower --arch-lr or, where "
        "the penalty is fixed, a lower one"
    )


def _decided_too_large(record: Record) -> str | None:
    violated = _violated(record)
    if not violated or record["entropy"] >= _DECIDED_NATS:
        return None
    return (
        f"every layer has decided, but the expected {violated[0]} is above its limit; use a lower --arch-lr, more "
        "--epochs or, where the penalty is fixed, a higher one (the network that is derived keeps the limit in any "
        "case, but was not searched for)"
    )


def _does_not_follow(record: Record, previous: Record | None) -> str | None:
    stuck = [name for name in _pushed(record) if previous and name in _pushed(previous)]
    if not stuck:
        return None
    return (
        f"the multiplier of the {stuck[0]} is at its highest value, and the architecture does not follow; "
        "use a higher --arch-lr, more --epochs, or a looser budget"
    )


def _violated(record: Record, share: float = _VIOLATED) -> list[str]:
    """Bounds whose expectation is more than that share of the limit."""
    return [bound["name"] for bound in record["bounds"] if bound["expected"] > share * bound["limit"]]


def _pushed(record: Record) -> list[str]:
    """Bounds that are overstepped though their multiplier is as high as it gets."""
    highest = {bound["name"] for bound in record["bounds"] if bound["multiplier"] == MAX_MULTIPLIER}
    return [name for name in _violated(record) if name in highest]
