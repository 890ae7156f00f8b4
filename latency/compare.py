"""Two targets side by side: what each layer costs on them, and whether they agree on which networks are fast."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latency.fit.accuracy import rank_correlations
from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.space import LayerSpec, Space

NETWORKS = 1000


@dataclass(frozen=True)
class RowPair:
    """A layer that both tables have."""

    spec: LayerSpec
    first_ms: float
    second_ms: float


@dataclass(frozen=True)
class NetworkRanks:
    """How two targets rank random networks of a space; a correlation is None where all take the same time.

    fastest_shared: of the tenth that is fastest on the first target, the share that is so on the second too.
    """

    networks: int
    spearman: float | None
    kendall: float | None
    fastest_shared: float


@dataclass(frozen=True)
class Comparison:
    """pairs: the layers that both tables have. spearman: rank correlation over them. networks: None where a table
    does not cover a common space."""

    pairs: tuple[RowPair, ...]
    spearman: float | None
    networks: NetworkRanks | None


def compare(first: LatencyTable, second: LatencyTable, space: Space | None) -> Comparison:
    """Compare two tables layer by layer, and over random networks of a space that both cover.

    Raises:
        InputError: fewer than two layers in common.
    """
    rows = [*first.fixed, *first.rows]
    pairs = tuple(RowPair(row.spec, row.ms, second.lookup(row.spec)) for row in rows if second.has(row.spec))
    if len(pairs) < 2:
        raise InputError(
            f"the tables have {len(pairs)} of {len(rows)} layers in common; compare tables of one space, with the same "
            "resolution and number of classes"
        )
    costs = np.array([(pair.first_ms, pair.second_ms) for pair in pairs])
    spearman, _ = rank_correlations(costs[:, 0], costs[:, 1])
    return Comparison(pairs, spearman, _rank_networks(first, second, space) if space else None)


def _rank_networks(first: LatencyTable, second: LatencyTable, space: Space) -> NetworkRanks:
    rng = random.Random(0)  # noqa: S311
    networks = [space.random_ops(rng) for _ in range(NETWORKS)]
    a, b = (_latencies_ms(table, space, networks) for table in (first, second))
    tenth = NETWORKS // 10
    shared = set(np.argsort(a)[:tenth].tolist()) & set(np.argsort(b)[:tenth].tolist())
    return NetworkRanks(NETWORKS, *rank_correlations(a, b), len(shared) / tenth)


def _latencies_ms(table: LatencyTable, space: Space, networks: Sequence[tuple[str, ...]]) -> np.ndarray:
    return np.array([table.predict(space.network(ops)) for ops in networks])
