"""Search spaces and the networks in them, as plain data (no torch)."""

from proxyless.ops import Cost, LayerSpec, Shape, layer_cost, network_cost
from proxyless.space.architecture import Anchor, Architecture, BudgetedTarget
from proxyless.space.decisions import SKIP, Decision, Slot
from proxyless.space.declared import declared_space
from proxyless.space.mobile import mobile, mobile_fixed
from proxyless.space.registry import SPACES, build_space, check_registered, load_space
from proxyless.space.space import Space
from proxyless.space.target import Target
from proxyless.space.tiny import tiny, tiny_fixed

__all__ = [
    "SKIP",
    "SPACES",
    "Anchor",
    "Architecture",
    "Cost",
    "Decision",
    "LayerSpec",
    "Shape",
    "Slot",
    "Space",
    "Target",
    "BudgetedTarget",
    "build_space",
    "check_registered",
    "declared_space",
    "layer_cost",
    "load_space",
    "mobile",
    "mobile_fixed",
    "network_cost",
    "tiny",
    "tiny_fixed",
]
