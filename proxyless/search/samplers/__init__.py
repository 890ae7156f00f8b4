"""Black-box optimisers that propose architectures from the history of what was evaluated (no torch)."""

from proxyless.search.samplers.base import Domain, Path, Sampler, Trial
from proxyless.search.samplers.evolution import Evolution
from proxyless.search.samplers.predictor import Predictor
from proxyless.search.samplers.uniform import Random

SAMPLERS: dict[str, type[Sampler]] = {"random": Random, "evolution": Evolution, "predictor": Predictor}

__all__ = ["SAMPLERS", "Domain", "Path", "Sampler", "Trial"]
