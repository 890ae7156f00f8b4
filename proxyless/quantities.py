"""Budgets and limits as a user writes them: read without importing anything heavy."""

import re

from proxyless.errors import InputError, shown
from proxyless.space.latency import LayerCosts

MAX_MILLISECONDS, MAX_LIMIT = 1e9, 1e18
"""More than any network needs."""

_UNITS_MS = {"ms": 1.0, "s": 1000.0, "us": 0.001}

NO_BUDGET = "none"
_EVERYTHING = 10_000.0
"""Per cent of the largest network's latency: more than any network takes, however wrong the table is."""


def read_budget(text: str) -> tuple[float, str]:
    """Number and unit of a budget: `15ms`, `0.015s`, `800us`, `60%` of the largest network's latency, or `none`.

    The unit is empty where it is missing.

    Raises:
        InputError: none of these.
    """
    if text.strip().casefold() == NO_BUDGET:
        return _EVERYTHING, "%"
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|us|s|%|)\s*", text)
    if match is None:
        raise InputError(
            f"the budget {shown(text)} is not understood; write it as 15ms, 800us, 60% of the largest network, or none"
        )
    number, unit = float(match[1]), match[2]
    if number * _UNITS_MS.get(unit, 1.0) > MAX_MILLISECONDS:
        raise InputError(f"the budget {shown(text)} is absurdly large; write it as 15ms, or 60% of the largest network")
    return number, unit


def parse_budget(text: str, costs: LayerCosts, *, may_hold_nothing_back: bool = False) -> float:
    """Milliseconds of a budget (`read_budget`) for networks with these costs.

    may_hold_nothing_back: one that every network can meet is taken, as that of a fast target among others.

    Raises:
        InputError: not a budget, one without a unit, or one that no network, or every network can meet.
    """
    number, unit = read_budget(text)
    if not unit:
        raise InputError(
            f"the budget {shown(text)} has no unit: write {number:g}ms or {number:g}%; predicted latencies go from "
            f"{costs.min_ms:.4g} to {costs.max_ms:.4g} ms"
        )
    budget_ms = costs.max_ms * number / 100 if unit == "%" else number * _UNITS_MS[unit]
    costs.check_budget(budget_ms)
    if number != _EVERYTHING and not may_hold_nothing_back and costs.bound_ms(budget_ms) > _ABOVE * costs.max_ms:
        raise InputError(
            f"the budget {shown(text)} ({budget_ms:.4g} ms) is above all networks of the space, which go from "
            f"{costs.min_ms:.4g} to {costs.max_ms:.4g} ms; ask for less, or say 'none' for no bound on latency"
        )
    return budget_ms


_ABOVE = 1.0 + 1e-9
"""Of the largest network's latency, up to rounding."""

_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def parse_quantity(text: str, unit: str = "") -> float:
    """A number with k, M, G (or Ki, Mi, Gi) such as `4M`, followed by the unit, which may be left out: `2MB`.

    Raises:
        InputError: not such a number.
    """
    match = re.fullmatch(rf"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kMG]i?|)\s*(?:{unit})?\s*", text)
    if match is None or float(match[1]) == 0:
        raise InputError(
            f"the limit {shown(text)} is not understood; write it as a number such as 4M{unit} or 500k{unit}"
        )
    number = float(match[1]) * _FACTORS[match[2]]
    if number > MAX_LIMIT:
        raise InputError(f"the limit {shown(text)} is absurdly large and holds nothing back; leave it out")
    return number


def power_of_ten(count: int) -> str:
    """`2.2e+17`, of numbers of any size."""
    exponent = len(str(count)) - 1
    return f"{count:.2g}" if exponent < 300 else f"{count // 10 ** (exponent - 1) / 10:.2g}e+{exponent}"
