"""What an epoch of a search came to, and what is going wrong in it."""

import math
from collections.abc import Sequence

from proxyless.progress import Record
from proxyless.search.objectives.constrained import MAX_MULTIPLIER
from proxyless.search.strategies import Strategy
from proxyless.space import Space
from proxyless.space.bounds import Bound

_SKIPS_TAKE_OVER = 0.9
_DECIDED_NATS = 0.02
_VIOLATED = 1.02
"""Share of a limit: the last steps of a converging search overstep it by less."""


def architecture_record(space: Space, strategy: Strategy, bounds: Sequence[Bound], ratios: Sequence[float]) -> Record:
    """The state of the architecture: every bound's expectation, certainty per layer, skips, the most probable network.

    ratios: expected cost of every bound, relative to its limit.
    """
    entropy = strategy.architecture.entropy()
    strengths = strategy.objective.strengths
    likeliest = [max(range(len(row)), key=row.__getitem__) for row in strategy.log_probs()]
    return {
        "bounds": [
            {"name": b.name, "unit": b.unit, "expected": ratio * b.limit, "limit": b.limit, "multiplier": strength}
            for b, ratio, strength in zip(bounds, ratios, strengths, strict=True)
        ],
        "entropy": sum(entropy) / len(entropy),
        "layer_entropy": entropy,
        "skip_share": _skip_share(space, strategy),
        "most_probable": [layer.ops[op].name for layer, op in zip(space.layers, likeliest, strict=True)],
    }


def _skip_share(space: Space, strategy: Strategy) -> float | None:
    """Mean probability of the skip where there is one; None where there is none."""
    probs = [
        math.exp(row[index])
        for layer, row in zip(space.layers, strategy.log_probs(), strict=True)
        for index, op in enumerate(layer.ops)
        if op.is_skip
    ]
    return sum(probs) / len(probs) if probs else None


def collapse_warnings(record: Record, previous: Record | None) -> list[str]:
    """One sentence for everything that tells that the search is not choosing any more, with what to do.

    previous: the record of the epoch before, for what must last to be a problem.
    """
    warnings = []
    violated = [bound["name"] for bound in record["bounds"] if bound["expected"] > _VIOLATED * bound["limit"]]
    if (record["skip_share"] or 0) > _SKIPS_TAKE_OVER and not violated:
        warnings.append(
            f"skips have {record['skip_share']:.0%} of the probability though the bounds would allow more: the weights "
            "of the operations are not trained well enough; use more --warmup-epochs or a lower --arch-lr"
        )
    if record["entropy"] < _DECIDED_NATS and violated:
        warnings.append(
            f"every layer has decided, but the expected {violated[0]} is above its limit; use a lower --arch-lr or "
            "more --epochs (the network that is derived keeps the limit in any case, but was not searched for)"
        )
    stuck = [bound["name"] for bound in record["bounds"] if bound["multiplier"] >= MAX_MULTIPLIER]
    if stuck and previous:
        warnings.append(
            f"the multiplier of the {stuck[0]} is at its highest value, and the architecture does not follow; "
            "use a higher --arch-lr, more --epochs, or a looser budget"
        )
    return warnings
