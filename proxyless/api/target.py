"""Budgets and targets, as a user writes them."""

import re
from collections.abc import Sequence

from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.search.result import SearchResult
from proxyless.space import Architecture, Target, build_space
from proxyless.space.bounds import Bound
from proxyless.space.latency import LayerCosts

_UNITS_MS = {"ms": 1.0, "s": 1000.0, "us": 0.001, "": 1.0}


def parse_budget(text: str, costs: LayerCosts) -> float:
    """Milliseconds from `15ms`, `0.015s`, `800us`, `15` (ms), or `60%` of the largest network's latency.

    Raises:
        InputError: none of these, or a budget that no network can meet.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|us|s|%|)\s*", text)
    if match is None:
        raise InputError(
            f"the budget {text!r} is not understood; write it as 15ms, 800us, or 60% of the largest network"
        )
    number, unit = float(match[1]), match[2]
    budget_ms = costs.max_ms * number / 100 if unit == "%" else number * _UNITS_MS[unit]
    costs.check_budget(budget_ms)
    return budget_ms


_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def parse_quantity(text: str, unit: str = "") -> float:
    """A number with k, M, G (or Ki, Mi, Gi) such as `4M`, followed by the unit, which may be left out: `2MB`.

    Raises:
        InputError: not such a number.
    """
    match = re.fullmatch(rf"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kMG]i?|)\s*(?:{unit})?\s*", text)
    if match is None or float(match[1]) == 0:
        raise InputError(f"the limit {text!r} is not understood; write it as a number such as 4M{unit} or 500k{unit}")
    return float(match[1]) * _FACTORS[match[2]]


def make_architecture(
    result: SearchResult,
    table: LatencyTable,
    budget_ms: float,
    latency: Bound,
    path: Sequence[int],
    measured_ms: float | None = None,
) -> Architecture:
    """The architecture of a path of the space that was searched, for the target of the table.

    latency: the bound on that target, which predicts.
    """
    target = make_target(table, budget_ms, latency.cost(path), measured_ms)
    return Architecture(build_space(result.space, result.space_args), result.build_space().path_ops(path), target)


def make_target(table: LatencyTable, budget_ms: float, predicted_ms: float, measured_ms: float | None = None) -> Target:
    """What a network derived with this table is for."""
    return Target(
        device=str(table.device["name"]),
        runtime=table.runtime.name,
        threads=table.runtime.threads,
        batch=table.batch,
        delegate=table.runtime.delegate,
        dtype=table.dtype,
        budget_ms=budget_ms,
        predicted_ms=predicted_ms,
        margin=table.margin,
        measured_ms=measured_ms,
        anchors=table.anchors,
    )
