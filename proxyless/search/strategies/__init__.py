"""Search strategies by name: a file each, settings, and a line in `STRATEGIES`; or an entry point of another package.

Nothing here imports torch: settings are checked, and help is shown, before anything else is loaded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from proxyless.plugins import find_with_plugins, with_plugins
from proxyless.search.strategies.settings import (
    DartsSettings,
    GradientSettings,
    LearningSettings,
    MixtureSettings,
    ReinforceSettings,
    SamplingSettings,
    StrategySettings,
)

if TYPE_CHECKING:
    from proxyless.search.strategies.base import Strategy


@dataclass(frozen=True)
class StrategyKind:
    """What there is to choose. settings: all of its own. load: returns the class; called when a search begins."""

    settings: type[StrategySettings]
    load: "Callable[[], type[Strategy]]"


def _gradient() -> "type[Strategy]":
    from proxyless.search.strategies.gradient import GradientStrategy

    return GradientStrategy


def _reinforce() -> "type[Strategy]":
    from proxyless.search.strategies.reinforce import ReinforceStrategy

    return ReinforceStrategy


def _gumbel() -> "type[Strategy]":
    from proxyless.search.strategies.gumbel import GumbelStrategy

    return GumbelStrategy


def _darts() -> "type[Strategy]":
    from proxyless.search.strategies.darts import DartsStrategy

    return DartsStrategy


def _sampled(name: str) -> "type[Strategy]":
    from proxyless.search.samplers import SAMPLERS
    from proxyless.search.strategies.sampled import sampled_by

    return sampled_by(SAMPLERS[name])


STRATEGIES: dict[str, StrategyKind] = {
    "gradient": StrategyKind(GradientSettings, _gradient),
    "reinforce": StrategyKind(ReinforceSettings, _reinforce),
    "gumbel": StrategyKind(MixtureSettings, _gumbel),
    "darts": StrategyKind(DartsSettings, _darts),
    # Spelled out: the samplers import scikit-learn.
    **{name: StrategyKind(SamplingSettings, partial(_sampled, name)) for name in ("random", "evolution", "predictor")},
}


def known_strategies() -> dict[str, StrategyKind]:
    """Ours, and those of other packages.

    Raises:
        InputError: one cannot be imported.
    """
    return with_plugins("strategy", STRATEGIES)


def find_kind(name: str) -> StrategyKind:
    """The strategy of that name, as what there is to choose.

    Raises:
        InputError: there is none.
    """
    return find_with_plugins("strategy", name, STRATEGIES)


def find_strategy(name: str) -> "type[Strategy]":
    """The class of the strategy of that name.

    Raises:
        InputError: there is none.
    """
    return find_kind(name).load()


__all__ = [
    "STRATEGIES",
    "LearningSettings",
    "MixtureSettings",
    "SamplingSettings",
    "StrategyKind",
    "StrategySettings",
    "find_kind",
    "find_strategy",
    "known_strategies",
]
