"""The networks of a space that keep every bound: random ones near the bounds, and their neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from proxyless.errors import InputError
from proxyless.search.samplers.base import Path

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_EXPECTED_SHARE = 0.97
"""Of what the cheapest network leaves of a bound, how much a random one uses on average: about half of them fit."""
_HELD_BACK = 0.99
"""Share of that from which on a bound is what keeps random networks from using more."""
_STEEPEST = 1000.0
_ROUNDING = 1e-12
"""A bound may be the very cost of a network, less what is fixed: their difference is rounded."""
_BATCH, _BATCHES, _RESTARTS, _STEPS = 32, 30, 20, 100


@dataclass(frozen=True)
class BoundedDomain:
    """A `Domain` of samplers.

    costs: per bound, layer and operation, such as milliseconds or parameters. room: per bound, what the costs of a
    network may sum to at most. known: a network that fits, for bounds so tight that no other is found.

    Random networks are drawn layer by layer with probabilities proportional to `exp(-sum_b t_b cost_b / room_b)`, and
    those that do not fit are rejected. Of all distributions with the same expected costs this one has the greatest
    entropy: a network's probability depends on its costs alone, so networks that cost the same are equally likely.
    Uniform sampling would hardly ever meet a tight bound, and the good networks are those that nearly reach it.
    """

    costs: Sequence[Sequence[Sequence[float]]]
    room: Sequence[float]
    known: Path | None = None

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(layer) for layer in self.costs[0])

    def fits(self, paths: Ints) -> NDArray[np.bool_]:
        """Which of the paths (networks, layers) keep every bound."""
        return np.asarray(np.all(self._spent(paths) <= np.asarray(self.room) * (1 + _ROUNDING), axis=1))

    def random(self, rng: np.random.Generator) -> Path:
        """A random network that fits, likely near the bounds.

        Raises:
            InputError: no network fits, or none was found because the bounds contradict each other.
        """
        for _ in range(_BATCHES):
            paths = _draw(self._tilted, rng)
            fitting = np.flatnonzero(self.fits(paths))
            if len(fitting):
                return _path(paths[fitting[0]])
        return self._walk(rng)

    def random_near(self, rng: np.random.Generator, share: float = 0.95) -> Path | None:
        """A random network that fits and uses at least `share` of the room of one of the bounds; None: none was found.

        Raises:
            InputError: no network fits.
        """
        for _ in range(_BATCHES):
            paths = _draw(self._tilted_near, rng)
            near = np.any(self._spent(paths) >= share * np.asarray(self.room), axis=1)
            fitting = np.flatnonzero(near & self.fits(paths))
            if len(fitting):
                return _path(paths[fitting[0]])
        return None

    def mutate(self, path: Path, rng: np.random.Generator) -> Path:
        """One or two layers changed; where no neighbour was found that fits, a random network."""
        for _ in range(_BATCHES):
            changed = self._changed(np.array(path), rng)
            fitting = np.flatnonzero(self.fits(changed) & np.any(changed != path, axis=1))
            if len(fitting):
                return _path(changed[fitting[0]])
        return self.random(rng)

    @cached_property
    def _table(self) -> Array:
        """(bounds, layers, operations), infinite where a layer has fewer operations."""
        table = np.full((len(self.costs), len(self.sizes), max(self.sizes)), np.inf)
        for bound, layers in enumerate(self.costs):
            for layer, values in enumerate(layers):
                table[bound, layer, : len(values)] = values
        return table

    @cached_property
    def _tilted(self) -> Array:
        return self._tilt(np.zeros(len(self.room)))

    @cached_property
    def _tilted_near(self) -> Array:
        """Where no bound holds random networks back, towards the first one also from below."""
        used = np.sum(self._tilted * np.where(np.isfinite(self._excess), self._excess, 0.0), axis=(1, 2))
        if np.max(used) > _HELD_BACK * _EXPECTED_SHARE:
            return self._tilted
        return self._tilt(np.array([-_STEEPEST] + [0.0] * (len(self.room) - 1)))

    def _spent(self, paths: Ints) -> Array:
        """(networks, layers) to (networks, bounds), added from the first layer to the last as Python's `sum` does: a
        bound may be the very cost of a network."""
        chosen = self._table[:, np.arange(paths.shape[1]), paths]
        return np.asarray(np.cumsum(chosen, axis=2)[:, :, -1].T)

    @cached_property
    def _excess(self) -> Array:
        """(bounds, layers, operations): what an operation costs more than the layer's cheapest, as a share of what the
        cheapest network leaves; infinite where an operation alone oversteps a bound."""
        cheapest = self._table.min(axis=2, keepdims=True)
        least = np.cumsum(cheapest[:, :, 0], axis=1)[:, -1]
        spare = np.asarray(self.room) * (1 + _ROUNDING) - least
        if np.any(spare < 0):
            worst = int(np.argmin(spare))
            raise InputError(
                f"no network fits: the smallest needs {least[worst]:.4g} of bound {worst + 1}, "
                f"which allows {self.room[worst]:.4g}; ask for a looser one"
            )
        more = self._table - cheapest
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(more > 0, more / spare[:, None, None], 0.0)
        possible = np.all(share <= 1, axis=0)
        if not np.all(np.any(possible, axis=1)):
            raise InputError("no network keeps all bounds at once; ask for looser ones")
        return np.where(possible, share, np.inf)

    def _tilt(self, least: Array) -> Array:
        """Probabilities (layers, operations). The exponents `t_b >= least_b` minimise the convex dual of maximal
        entropy, whose gradient is what is left of each bound on average; 0 where a bound does not bind."""
        possible = np.isfinite(self._excess[0])
        excess = np.where(possible, self._excess, 0.0)

        def logits(exponents: Array) -> Array:
            return np.where(possible, -np.tensordot(exponents, excess, axes=1), -np.inf)

        def dual(exponents: Array) -> tuple[float, Array]:
            used = np.sum(softmax(logits(exponents), axis=1) * excess, axis=(1, 2))
            value = logsumexp(logits(exponents), axis=1).sum() + _EXPECTED_SHARE * exponents.sum()
            return float(value), _EXPECTED_SHARE - used

        limits = [(low, _STEEPEST) for low in least]
        answer = minimize(dual, np.zeros(len(least)), jac=True, method="L-BFGS-B", bounds=limits)
        return np.asarray(softmax(logits(answer.x), axis=1))

    def _walk(self, rng: np.random.Generator) -> Path:
        """Random changes from a random network, first only those that overstep the bounds less, then all that fit."""
        for _ in range(_RESTARTS):
            path = _draw(self._tilted, rng)[0]
            for _ in range(_STEPS):
                changed = self._changed(path, rng)
                better = np.flatnonzero(self._overstep(changed) <= self._overstep(path[None]))
                path = changed[better[0]] if len(better) else path
            if self.fits(path[None])[0]:
                return _path(path)
        if self.known is not None:
            return self.known
        raise InputError("no network was found that keeps all bounds at once; ask for looser ones")

    def _overstep(self, paths: Ints) -> Array:
        """Per network, the sum over the bounds of what it uses beyond them, as a share."""
        room = np.asarray(self.room)
        beyond = np.maximum(self._spent(paths) - room, 0.0)
        return np.asarray(np.sum(beyond / np.maximum(np.abs(room), 1e-300), axis=1))

    def _changed(self, path: Ints, rng: np.random.Generator) -> Ints:
        """Networks (batch, layers) with one or two layers drawn anew, of those with a choice."""
        free = np.flatnonzero(np.asarray(self.sizes) > 1)
        changed = np.tile(path, (_BATCH, 1))
        if not len(free):
            return changed
        layers = free[rng.integers(len(free), size=(_BATCH, 2))]
        layers[:, 1] = np.where(rng.random(_BATCH) < 0.5, layers[:, 0], layers[:, 1])
        np.put_along_axis(changed, layers, rng.integers(np.asarray(self.sizes)[layers]), axis=1)
        return changed


def _draw(probabilities: Array, rng: np.random.Generator) -> Ints:
    """Networks (batch, layers) from probabilities (layers, operations)."""
    cumulative = np.cumsum(probabilities, axis=1)
    drawn = rng.random((_BATCH, len(probabilities), 1)) * cumulative[:, -1:]
    return np.asarray((cumulative <= drawn).sum(axis=2))


def _path(row: Ints) -> Path:
    return tuple(row.tolist())
