"""The networks of a space that keep every bound: random ones near the bounds, and their neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from proxyless.errors import InputError
from proxyless.search.samplers.base import Path
from proxyless.search.tilted import Energies, Ints, Tilted
from proxyless.space.bounds import Bound
from proxyless.space.factors import Array, Scope, cheapest_path, dearest_path, least_by_choice

_EXPECTED_SHARE = 0.97
"""Of what the cheapest network leaves of a bound, how much a random one uses on average: about half of them fit."""
_HELD_BACK = 0.99
"""Share of that from which on a bound is what keeps random networks from using more."""
_STEEPEST = -1000.0
_ROUNDING = 1e-12
"""A bound may be the very cost of the cheapest network: their difference is rounded."""
_NARROWEST = 1e-6
"""Share of the range of costs below which what a bound leaves is nothing."""
_BATCH, _BATCHES, _RESTARTS, _STEPS = 32, 30, 20, 100


@dataclass(frozen=True)
class BoundedDomain:
    """A `Domain` of samplers. known: a network that fits, for bounds so tight that no other is found.
    canonical: one path for all of the same network (`Space.canonical`).

    Random networks are drawn with probabilities proportional to `exp(-sum_b t_b cost_b / room_b)`, where the room is
    what a bound leaves beyond the cheapest network, and those that do not fit are rejected. Of all distributions with
    the same expected costs this one has the greatest entropy: a network's probability depends on its costs alone, so
    networks that cost the same are equally likely. Uniform sampling would hardly ever meet a tight bound, and the good
    networks are those that nearly reach it.
    """

    bounds: Sequence[Bound]
    known: Path | None = None
    canonical: Callable[[Path], Path] | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.bounds[0].sizes

    @cached_property
    def smallest(self) -> Path:
        """The cheapest network of the space by the first bound."""
        return tuple(cheapest_path(self.bounds[0].factors, self.sizes))

    @cached_property
    def largest(self) -> Path:
        """The dearest one, which keeps the bounds or not."""
        return tuple(dearest_path(self.bounds[0].factors, self.sizes))

    def fits(self, paths: Ints) -> NDArray[np.bool_]:
        """Which of the paths (networks, decisions) keep every bound."""
        return np.asarray(np.all(self._costs(paths) <= self._limits, axis=1))

    def random(self, rng: np.random.Generator) -> Path:
        """A random network that fits, likely near the bounds.

        Raises:
            InputError: no network fits, or none was found because the bounds contradict each other.
        """
        for _ in range(_BATCHES):
            paths = self._tilted.draw(_BATCH, rng)
            fitting = np.flatnonzero(self.fits(paths))
            if len(fitting):
                return self._path(paths[fitting[0]])
        return self._walk(rng)

    def random_near(self, rng: np.random.Generator, share: float = 0.95) -> Path | None:
        """A random network that fits and uses at least `share` of what one of the bounds leaves beyond what every
        network costs; None: none was found.

        Raises:
            InputError: no network fits.
        """
        constants = np.array([bound.constant for bound in self.bounds])
        near = constants + share * (self._limits - constants)
        for _ in range(_BATCHES):
            paths = self._tilted_near.draw(_BATCH, rng)
            costs = self._costs(paths)
            fitting = np.flatnonzero(np.any(costs >= near, axis=1) & np.all(costs <= self._limits, axis=1))
            if len(fitting):
                return self._path(paths[fitting[0]])
        return None

    def mutate(self, path: Path, rng: np.random.Generator) -> Path:
        """One or two decisions changed; where no neighbour was found that fits, a random network."""
        for _ in range(_BATCHES):
            changed = self._changed(np.array(path), rng)
            fitting = np.flatnonzero(self.fits(changed) & np.any(changed != path, axis=1))
            if len(fitting):
                return self._path(changed[fitting[0]])
        return self.random(rng)

    def _path(self, row: Ints) -> Path:
        path = tuple(row.tolist())
        return self.canonical(path) if self.canonical else path

    @cached_property
    def _limits(self) -> Array:
        return np.array([bound.limit for bound in self.bounds])

    @cached_property
    def _tilted(self) -> Tilted:
        return self._energies.tilt(_EXPECTED_SHARE, [0.0] * len(self.bounds))

    @cached_property
    def _tilted_near(self) -> Tilted:
        """Where no bound holds random networks back, towards the first one also from below."""
        if np.max(self._tilted.used) > _HELD_BACK * _EXPECTED_SHARE:
            return self._tilted
        return self._energies.tilt(_EXPECTED_SHARE, [_STEEPEST] + [0.0] * (len(self.bounds) - 1))

    @cached_property
    def _scopes(self) -> list[Scope]:
        return list(dict.fromkeys(factor.scope for bound in self.bounds for factor in bound.factors))

    @cached_property
    def _tables(self) -> list[Array]:
        """Per scope (bounds, choices of the scope ...)."""
        tables = [np.zeros((len(self.bounds), *(self.sizes[d] for d in scope))) for scope in self._scopes]
        for number, bound in enumerate(self.bounds):
            for factor in bound.factors:
                tables[self._scopes.index(factor.scope)][number] += factor.values
        return tables

    @cached_property
    def _lookup(self) -> tuple[Ints, Ints, Ints, Array]:
        """Scopes and strides (factors, longest scope), starts (factors,) in the costs (bounds, combinations)."""
        longest = max((len(scope) for scope in self._scopes), default=1)
        scopes = np.array([[*scope, *[0] * (longest - len(scope))] for scope in self._scopes], int)
        strides = np.zeros_like(scopes)
        for number, table in enumerate(self._tables):
            sizes = table.shape[1:]
            strides[number, : len(sizes)] = [int(np.prod(sizes[place + 1 :])) for place in range(len(sizes))]
        flat = [table.reshape(len(self.bounds), -1) for table in self._tables]
        starts = np.cumsum([0, *(part.shape[1] for part in flat)])[:-1]
        return scopes, strides, starts, np.concatenate(flat, axis=1)

    def _costs(self, paths: Ints) -> Array:
        """(networks, decisions) to (networks, bounds), added in the order of `Bound.cost`: a bound may be the very cost
        of a network."""
        scopes, strides, starts, costs = self._lookup
        chosen = costs[:, starts + (paths[:, scopes] * strides).sum(2)]
        constants = np.array([bound.constant for bound in self.bounds])
        return np.asarray(constants + np.cumsum(chosen, axis=2)[:, :, -1].T)

    @cached_property
    def _energies(self) -> Energies:
        """Costs as shares of what the cheapest network leaves; choices that no network within the bounds has are
        impossible."""
        constants = np.array([bound.constant for bound in self.bounds])
        least = np.array([bound.min_cost for bound in self.bounds])
        spare = self._limits + np.abs(self._limits) * _ROUNDING - least
        if np.any(spare < 0):
            worst = int(np.argmin(spare))
            raise InputError(
                f"no network fits: the smallest needs {least[worst] - constants[worst]:.4g} of bound {worst + 1}, "
                f"which allows {self._limits[worst] - constants[worst]:.4g}; ask for a looser one"
            )
        most = np.array([bound.max_cost for bound in self.bounds])
        scale = np.maximum(np.maximum(spare, _NARROWEST * (most - least)), np.finfo(float).tiny)
        tables = [table / scale.reshape(-1, *[1] * (table.ndim - 1)) for table in self._tables]
        tables = [*zip(self._scopes, tables, strict=True), *self._impossible]
        return Energies(tables, self.sizes, (least - constants) / scale)

    @property
    def _impossible(self) -> list[tuple[Scope, Array]]:
        """Per decision (bounds, choices): infinite where every network with a choice oversteps a bound, else 0."""
        masks: list[tuple[Scope, Array]] = []
        for decision, size in enumerate(self.sizes):
            mask = np.zeros((len(self.bounds), size))
            for bound in self.bounds:
                least = bound.constant + least_by_choice(bound.factors, self.sizes, decision)
                mask[:, least > bound.limit + abs(bound.limit) * _ROUNDING] = np.inf
            if np.all(np.isinf(mask)):
                raise InputError("no network keeps all bounds at once; ask for looser ones")
            masks.append(((decision,), mask))
        return masks

    def _walk(self, rng: np.random.Generator) -> Path:
        """Random changes from a random network, first only those that overstep the bounds less, then all that fit."""
        for _ in range(_RESTARTS):
            path = self._tilted.draw(1, rng)[0]
            for _ in range(_STEPS):
                changed = self._changed(path, rng)
                better = np.flatnonzero(self._overstep(changed) <= self._overstep(path[None]))
                path = changed[better[0]] if len(better) else path
            if self.fits(path[None])[0]:
                return self._path(path)
        if self.known is not None:
            return self.known
        raise InputError("no network was found that keeps all bounds at once; ask for looser ones")

    def _overstep(self, paths: Ints) -> Array:
        """Per network, the sum over the bounds of what it uses beyond them, as a share."""
        beyond = np.maximum(self._costs(paths) - self._limits, 0.0)
        return np.asarray(np.sum(beyond / np.maximum(np.abs(self._limits), 1e-300), axis=1))

    def _changed(self, path: Ints, rng: np.random.Generator) -> Ints:
        """Networks (batch, decisions) with one or two decisions drawn anew, of those with a choice."""
        free = np.flatnonzero(np.asarray(self.sizes) > 1)
        changed = np.tile(path, (_BATCH, 1))
        if not len(free):
            return changed
        drawn = free[rng.integers(len(free), size=(_BATCH, 2))]
        drawn[:, 1] = np.where(rng.random(_BATCH) < 0.5, drawn[:, 0], drawn[:, 1])
        np.put_along_axis(changed, drawn, rng.integers(np.asarray(self.sizes)[drawn]), axis=1)
        return changed
