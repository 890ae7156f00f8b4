"""The most probable network that fits the budget: a multiple-choice knapsack, solved exactly."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_diag, csr_matrix

from proxyless.errors import InputError
from proxyless.space.latency import LayerCosts

_LOG_PROB_FLOOR = -1e4
"""Stands for the log of a probability that underflowed: worse than any other, yet finite."""


def derive_path(log_probs: Sequence[Sequence[float]], costs: LayerCosts, bound_ms: float) -> list[int]:
    """Maximise `sum_l log p_l,a_l` subject to `c + sum_l F_l,a_l <= bound_ms`.

    A mixed-integer linear programme (HiGHS, through SciPy), with a relative gap of zero.
    log_probs: per layer and operation. Returns the index of the operation in each layer.

    Raises:
        InputError: no network fits.
    """
    gains = np.maximum(np.concatenate([np.asarray(row, float) for row in log_probs]), _LOG_PROB_FLOOR)
    spent = np.concatenate([np.asarray(row, float) for row in costs.layers_ms])
    sizes = [len(row) for row in costs.layers_ms]
    one_per_layer = LinearConstraint(csr_matrix(block_diag([np.ones((1, size)) for size in sizes])), 1, 1)
    room = bound_ms - costs.constant_ms
    # The solver may overstep a bound by its tolerance; the answer must not.
    for slack in (0.0, 1e-7, 1e-6, 1e-5):
        bounds = LinearConstraint(spent[None, :] / bound_ms, -np.inf, room / bound_ms - slack)
        answer = milp(
            -gains,
            constraints=[one_per_layer, bounds],
            integrality=np.ones(len(gains)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        if answer.x is None:
            break
        path = [int(part.argmax()) for part in np.split(answer.x, np.cumsum(sizes)[:-1])]
        if costs.path_ms(path) <= bound_ms:
            return path
    raise InputError(f"no network fits {bound_ms:.4g} ms; the smallest is predicted to take {costs.min_ms:.4g} ms")
