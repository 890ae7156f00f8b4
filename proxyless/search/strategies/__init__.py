"""Search strategies: one file each, and a line in `STRATEGIES`."""

from proxyless.errors import find_by_name
from proxyless.search.samplers import SAMPLERS
from proxyless.search.strategies.base import Evaluation, Forward, Setting, StepInputs, StepResult, Strategy
from proxyless.search.strategies.darts import DartsStrategy
from proxyless.search.strategies.gradient import GradientStrategy
from proxyless.search.strategies.gumbel import GumbelStrategy
from proxyless.search.strategies.reinforce import ReinforceStrategy
from proxyless.search.strategies.sampled import SampledStrategy

STRATEGIES: dict[str, type[Strategy]] = {
    "gradient": GradientStrategy,
    "reinforce": ReinforceStrategy,
    "gumbel": GumbelStrategy,
    "darts": DartsStrategy,
    **dict.fromkeys(SAMPLERS, SampledStrategy),
}


def find_strategy(name: str) -> type[Strategy]:
    """The strategy of that name.

    Raises:
        InputError: there is none.
    """
    return find_by_name("strategy", name, STRATEGIES)


__all__ = ["STRATEGIES", "Evaluation", "Forward", "Setting", "StepInputs", "StepResult", "Strategy", "find_strategy"]
