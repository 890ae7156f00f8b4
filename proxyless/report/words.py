"""Figures as the page writes them; a dash for what there is not."""

from collections.abc import Callable, Mapping
from typing import Any

DASH = "–"  # noqa: RUF001


def _or_dash(text: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: DASH if value is None else text(value)


def _short(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, float | int):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _bytes(value: float) -> str:
    return f"{value / 2**20:.2f} MiB" if value >= 2**20 else f"{value / 2**10:.1f} KiB"


def _millions(value: float) -> str:
    return f"{value / 1e6:.3g} M"


def _shape(value: tuple[int, int, int]) -> str:
    height, width, _ = value
    return f"{height}×{width}"  # noqa: RUF001


def _items(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_short(item)}" for name, item in value.items()) or DASH


FILTERS: dict[str, Callable[..., Any]] = {
    "ms": _or_dash(lambda value: f"{value:.3g} ms"),
    "number": _or_dash(_short),
    "points": _or_dash(lambda value: f"{value:.2f}"),
    "percent": _or_dash(lambda value: f"{value:.2%}"),
    "share": _or_dash(lambda value: f"{value:.1%}"),
    "bytes": _or_dash(_bytes),
    "millions": _or_dash(_millions),
    "text": _or_dash(str),
    "shape": _shape,
    "items_text": _items,
    "zero": lambda value: value or 0.0,
    "operators": _or_dash(lambda value: ", ".join(f"{count} {name}" for name, count in value.items())),
}
