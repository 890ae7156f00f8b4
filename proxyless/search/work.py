"""What a search computes again and again, for the choice of how."""

from proxyless.errors import InputError
from proxyless.processes import world
from proxyless.search.config import SearchSettings
from proxyless.search.strategies import find_strategy
from proxyless.space import SKIP, Decision, Space
from proxyless.tuning import Work


def search_work(space: Space, settings: SearchSettings, steps: int, streamed: bool = False) -> Work:
    """Of a search of so many weight steps: a path with every kind of operation, and all blocks to compile.

    Raises:
        InputError: it is to be compiled, and its blocks cannot be.
    """
    several = any(decision.kind != "operation" for decision in space.decisions)
    if several and settings.compile:
        raise InputError(
            f"blocks of the space {space.name!r} have several widths, depths or resolutions, and are not compiled; "
            "leave 'compile' out, or search a space with one of each"
        )
    blocks = [decision for decision in space.decisions if decision.kind == "operation"]
    each = sum(len(_layers(decision)) for decision in blocks) / max(1, len(blocks))
    path = [_one(decision, number) for number, decision in enumerate(space.decisions)]
    strategy = find_strategy(settings.strategy)
    return Work(
        space.network(path),
        settings.batch_size // world(),
        steps,
        each,
        once=not settings.own.differentiates_twice,
        replays=world() == 1 and not (streamed or strategy.mixes or settings.own.sums_gradients or several),
        compiles=not several,
    )


def _layers(decision: Decision) -> list[str]:
    return [choice for choice in decision.choices if choice != SKIP] or list(decision.choices)


def _one(decision: Decision, number: int) -> str:
    """Operations in turn; of numbers the largest."""
    if decision.kind == "operation":
        layers = _layers(decision)
        return layers[number % len(layers)]
    return max(decision.choices, key=int)
