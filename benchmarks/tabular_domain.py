"""A published table of measured networks as the domain of a search: nothing outside the table can be proposed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latency.fit.grouped import Array
from proxyless.search.samplers import Path as Network
from published_networks import Ints

_ENCODING = ("ops", "arch", "ks", "k", "e", "d", "l", "se", "r")
"""Columns that say what a network is: numbers, lists of numbers, or the cell strings of NAS-Bench-201."""
_NEIGHBOURS = 20


@dataclass(frozen=True)
class Table:
    """networks: one path per row, for each position the place of its value among the values of the column that occur.
    columns: every number that was measured or counted (networks,), NaN where missing."""

    networks: list[Network]
    columns: dict[str, Array]


def read_table(path: Path, other: Path | None = None) -> Table:
    """The networks of a file, and its columns with those of another file of the same networks, whose columns go first.

    Networks have the same `arch_id`; in a file without, the same `id`, or the same place.

    Raises:
        OSError, ValueError: a file cannot be read, or does not say what its networks are.
    """
    files = [pq.read_table(file) for file in (path, other) if file is not None]
    described = next((file for file in files if _encoding(file)), None)
    if described is None:
        raise ValueError(f"{path} does not describe networks; its columns are {files[0].column_names}")
    ids, columns = _ids(described), dict[str, Array]()
    for file in files:
        place = {network: row for row, network in enumerate(_ids(file))}
        order = [place.get(network, -1) for network in ids]
        columns |= {name: np.append(values, np.nan)[order] for name, values in _numbers(file)}
    return Table(_networks(described), columns)


def _encoding(file: pa.Table) -> list[str]:
    return [name for name in _ENCODING if name in file.column_names]


def _ids(file: pa.Table) -> list[int]:
    named = [name for name in ("arch_id", "id") if name in file.column_names]
    return file[named[0]].to_pylist() if named else list(range(file.num_rows))


def _numbers(file: pa.Table) -> Iterable[tuple[str, Array]]:
    for field in file.schema:
        number = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
        if number and field.name not in ("arch_id", "id", *_ENCODING):
            yield field.name, np.asarray(file[field.name].to_numpy(zero_copy_only=False), dtype=np.float64)


def _networks(file: pa.Table) -> list[Network]:
    parts = []
    for name in _encoding(file):
        values = file[name].to_pylist()
        if isinstance(values[0], str):
            values = [[edge for edge in text.replace("+", "").split("|") if edge] for text in values]
        parts.append(np.array(values).reshape(len(values), -1))
    places = [np.unique(column, return_inverse=True)[1] for part in parts for column in part.T]
    return [tuple(row) for row in np.stack(places, axis=1).tolist()]


class TableDomain:
    """Some networks of a table, such as those within a latency budget."""

    def __init__(self, networks: list[Network]) -> None:
        self.networks = networks
        self.sizes = tuple(int(most) + 1 for most in np.max(networks, axis=0))
        self._array = np.array(networks)
        self._nearest: dict[Network, list[Ints]] = {}

    def random(self, rng: np.random.Generator) -> Network:
        return self.networks[rng.integers(len(self.networks))]

    def mutate(self, path: Network, rng: np.random.Generator) -> Network:
        """One of the networks that differ in the fewest positions."""
        if path not in self._nearest:
            self._nearest[path] = self._neighbours(path)
        nearest = self._nearest[path]
        rows = nearest[rng.integers(len(nearest))]
        return self.networks[int(rows[rng.integers(len(rows))])]

    def _neighbours(self, path: Network) -> list[Ints]:
        """For each of the nearest, all networks that are as near, so that none is preferred for its place."""
        distance = np.sum(self._array != np.array(path), axis=1)
        nearest = np.sort(distance)[1 : _NEIGHBOURS + 1] if len(distance) > 1 else distance
        rows = {near: np.flatnonzero(distance == near) for near in set(nearest.tolist())}
        return [rows[near] for near in nearest.tolist()]
