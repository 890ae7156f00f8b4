"""Budgets and limits as a user writes them: read without importing anything heavy."""

import re

from proxyless.errors import InputError, shown
from proxyless.space.latency import LayerCosts

MAX_MILLISECONDS, MAX_LIMIT = 1e9, 1e18
"""More than any network needs."""

_UNITS_MS = {"ms": 1.0, "s": 1000.0, "us": 0.001, "": 1.0}


def read_budget(text: str) -> tuple[float, str]:
    """Number and unit of a budget: `15ms`, `0.015s`, `800us`, `15` (ms), or `60%` of the largest network's latency.

    Raises:
        InputError: none of these.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|us|s|%|)\s*", text)
    if match is None:
        raise InputError(
            f"the budget {text!r} is not understood; write it as 15ms, 800us, or 60% of the largest network"
        )
    number, unit = float(match[1]), match[2]
    if number * _UNITS_MS.get(unit, 1.0) > MAX_MILLISECONDS:
        raise InputError(f"the budget {shown(text)} is absurdly large; write it as 15ms, or 60% of the largest network")
    return number, unit


def parse_budget(text: str, costs: LayerCosts) -> float:
    """Milliseconds of a budget (`read_budget`) for networks with these costs.

    Raises:
        InputError: not a budget, or one that no network can meet.
    """
    number, unit = read_budget(text)
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
    number = float(match[1]) * _FACTORS[match[2]]
    if number > MAX_LIMIT:
        raise InputError(f"the limit {shown(text)} is absurdly large and holds nothing back; leave it out")
    return number


def power_of_ten(count: int) -> str:
    """`2.2e+17`, of numbers of any size."""
    exponent = len(str(count)) - 1
    return f"{count:.2g}" if exponent < 300 else f"{count // 10 ** (exponent - 1) / 10:.2g}e+{exponent}"
