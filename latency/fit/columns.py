"""Networks as counts of layers: the shape in which linear models see them."""

from collections.abc import Hashable, Sequence

import numpy as np

from latency.fit.features import WORK, work_matrix
from latency.fit.grouped import Array
from proxyless.ops import layer_parts
from proxyless.space import LayerSpec

_STAGED = tuple(WORK.index(name) for name in ("pointwise_mmacs", "depthwise_mmacs", "activation_mb", "calls"))
"""The kinds of work whose cost may differ between stages."""


def count_layers(specs: Sequence[LayerSpec], networks: Sequence[Sequence[LayerSpec]]) -> Array:
    """How often each network has each layer, or a layer that it is a part of, (networks, layers)."""
    column = {spec: index for index, spec in enumerate(specs)}
    counts = np.zeros((len(networks), len(specs)))
    for row, layers in zip(counts, networks, strict=True):
        np.add.at(row, [column[part] for spec in layers for part in layer_parts(spec)], 1)
    return counts


def physical_groups(specs: Sequence[LayerSpec]) -> dict[str, Array]:
    """What the layers' costs may depend on, (layers, features) by name of the group."""
    work = work_matrix(specs)
    total = work / np.maximum(work.max(axis=0), 1e-12)
    stage = indicator([spec.in_shape for spec in specs])
    return {
        "total": total,
        "kind": indicator([(spec.op, spec.kernel, spec.expand, spec.se > 0, spec.groups, spec.act) for spec in specs]),
        "stage": np.hstack([stage * total[:, [kind]] for kind in _STAGED]),
    }


def indicator(keys: Sequence[Hashable]) -> Array:
    """One-hot (keys, distinct keys); None is no key."""
    distinct = [key for key in dict.fromkeys(keys) if key is not None]
    return np.array([[float(key == other) for other in distinct] for key in keys])
