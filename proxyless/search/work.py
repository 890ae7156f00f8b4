"""What a search computes again and again, for the choice of how."""

from proxyless.processes import world
from proxyless.search.config import SearchSettings
from proxyless.search.strategies import find_strategy
from proxyless.space import SKIP, Space
from proxyless.tuning import Work


def search_work(space: Space, settings: SearchSettings, steps: int, streamed: bool = False) -> Work:
    """Of a search of so many weight steps: a path with every kind of operation, and all blocks to compile."""
    blocks = [[op for op in layer.ops if op != SKIP] or list(layer.ops) for layer in space.layers]
    path = [ops[number % len(ops)] for number, ops in enumerate(blocks)]
    each = sum(map(len, blocks)) / len(blocks)
    strategy = find_strategy(settings.strategy)
    return Work(
        space.network(path),
        settings.batch_size // world(),
        steps,
        each,
        once=not settings.own.differentiates_twice,
        replays=world() == 1 and not streamed and not strategy.mixes,
    )
