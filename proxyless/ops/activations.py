"""Activations by name: a new one is a function and a line in `COMPOSED`, and every runtime and format computes it.

The elementary ones are those that runtimes have operators for, often as part of a convolution. Others are written down
as what they are made of, as operators are: the torch module, the files and the receiver's `model.py` follow.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import AfterValidator

from proxyless.errors import check_name

if TYPE_CHECKING:
    from proxyless.ops.lowered import Chain

Elementary = Literal["relu6", "relu", "h_swish", "swish", "h_sigmoid", "sigmoid", "none"]
"""Known to every writer of files."""


def leaky_relu(chain: "Chain", source: int) -> int:
    """`max(x, x / 100)` (Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013)."""
    return chain.add(chain.affine(chain.act(source, "relu"), scale=0.99), chain.affine(source, scale=0.01))


def h_tanh(chain: "Chain", source: int) -> int:
    """`x` between -1 and 1 (Courbariaux et al., "Binarized Neural Networks", NeurIPS 2016)."""
    moved = chain.act(chain.affine(source, scale=3.0, shift=3.0), "relu6")
    return chain.affine(moved, scale=1 / 3, shift=-1.0)


COMPOSED: dict[str, Callable[["Chain", int], int]] = {"leaky_relu": leaky_relu, "h_tanh": h_tanh}
"""Each writes itself down behind a tensor, and returns the number of the tensor that it made."""


def check_activation(name: str) -> str:
    """The name.

    Raises:
        InputError: there is no such activation.
    """
    check_name("activation", name, (*get_args(Elementary), *COMPOSED))
    return name


Activation = Annotated[str, AfterValidator(check_activation)]
"""The name of any."""
