"""A search strategy with a setting of its own. Nothing heavy is imported before a search begins."""

from typing import TYPE_CHECKING

from pydantic import Field

from proxyless.search.strategies import SamplingSettings, StrategyKind

if TYPE_CHECKING:
    from proxyless.search.strategies.base import Strategy


class ClimbingSettings(SamplingSettings):
    """Becomes flags of `proxyless search`, and names in configurations."""

    patience: int = Field(10, ge=1, description="Neighbours of the best network to try in vain before random ones.")


def _load() -> "type[Strategy]":
    from proxyless.search.strategies.sampled import sampled_by
    from proxyless_example.climber import Climber

    return sampled_by(Climber)


CLIMBING = StrategyKind(ClimbingSettings, _load)
