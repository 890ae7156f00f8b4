"""Peak memory of activations while a layer runs.

A runtime that reuses buffers needs, at its worst moment, what the operator that is running reads and writes, and what
still waits for a later one, such as the input of a block with a shortcut (Lin et al., "MCUNet", NeurIPS 2020). Weights
are not counted; activations, sums and products act in place.
"""

from functools import cache
from math import prod

from proxyless.ops.primitives import IN_PLACE
from proxyless.ops.registry import lower_layer
from proxyless.ops.spec import LayerSpec


@cache
def peak_values(spec: LayerSpec) -> int:
    """Activation values that are alive at once while the layer computes one image."""
    lowered = lower_layer(spec)
    sizes = [prod(shape) for shape in lowered.shapes]
    last_use = {source: number for number, node in enumerate(lowered.nodes) for source in node.sources}
    peak = max(sizes[0], sizes[-1])
    for number, node in enumerate(lowered.nodes):
        alive = sum(size for tensor, size in enumerate(sizes[: number + 1]) if last_use.get(tensor, -1) >= number)
        written = 0 if isinstance(node, IN_PLACE) and last_use[node.source] == number else sizes[number + 1]
        peak = max(peak, alive + written)
    return peak
