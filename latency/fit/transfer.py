"""A latency table for a new device: the average of several methods, by how well they predict networks left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.model_selection import KFold

from latency.fit.grouped import Array, LinearModel
from latency.fit.methods import SIMPLE, Known, Method, balanced, grouped, shrunken_mix

_AVERAGED: Mapping[str, Method] = {**SIMPLE, "shrunken mix": shrunken_mix, "grouped": grouped}
_FOLDS = 10


@dataclass(frozen=True)
class Transferred:
    """model: the average. weights: of each method in it. held_out_ms: predictions of networks left out, (networks,)."""

    model: LinearModel
    weights: dict[str, float]
    held_out_ms: Array


def fit_transfer(counts: Array, latency_ms: Array, known: Known, *, rows: bool = False) -> Transferred:
    """Average the tables of all methods, with weights `error ** -max(2, n * n / 200)` by their cross-validated errors.

    From few networks the errors are noise themselves, and picking the best method is often wrong: up to twenty networks
    all methods have a share, unless they are much worse; from fifty on the best has nearly all.

    rows: the columns are rows of a table, of which none is below zero.
    """
    bound = _not_negative if rows else _as_it_is
    models = {name: method(counts, latency_ms, known) for name, method in _AVERAGED.items()}
    # The folds are fitted from where the whole was found: their variances are near.
    again: dict[str, Method] = {**_AVERAGED, "grouped": partial(grouped, start=models["grouped"].log_variances)}
    held_out = _held_out(counts, latency_ms, known, again, bound)
    models = {name: bound(model, counts, latency_ms) for name, model in models.items()}
    squares = (held_out / latency_ms[:, None] - 1) ** 2
    weights = _weights(squares.mean(axis=0), len(latency_ms))
    others = (squares.sum(axis=0) - squares) / (len(squares) - 1)  # a network's own error has no say in its prediction
    constant_ms = float(weights @ [model.constant_ms for model in models.values()])
    column_ms = np.stack([model.column_ms for model in models.values()], axis=1) @ weights
    average = LinearModel(constant_ms, column_ms)
    left_out_ms = (held_out * _weights(others, len(latency_ms))).sum(axis=1)
    return Transferred(average, dict(zip(models, weights.tolist(), strict=True)), left_out_ms)


def _weights(mean_squares: Array, networks: int) -> Array:
    """Of the methods, on the last axis, from their mean squared relative errors."""
    errors = np.sqrt(mean_squares) + 1e-9
    weights = (errors / errors.min(axis=-1, keepdims=True)) ** -max(2.0, networks**2 / 200)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


Bound = Callable[[LinearModel, Array, Array], LinearModel]


def _as_it_is(model: LinearModel, counts: Array, latency_ms: Array) -> LinearModel:
    return model


def _not_negative(model: LinearModel, counts: Array, latency_ms: Array) -> LinearModel:
    return balanced(counts, latency_ms, np.maximum(model.column_ms, 0.0)) if model.column_ms.min() < 0 else model


def _held_out(counts: Array, latency_ms: Array, known: Known, methods: Mapping[str, Method], bound: Bound) -> Array:
    """Predictions of networks left out of the fit, (networks, methods)."""
    predicted = np.zeros((len(latency_ms), len(methods)))
    for train, test in KFold(min(_FOLDS, len(latency_ms)), shuffle=True, random_state=0).split(counts):
        for index, method in enumerate(methods.values()):
            model = method(counts[train], latency_ms[train], known)
            predicted[test, index] = bound(model, counts[train], latency_ms[train]).predict(counts[test])
    return predicted
