"""The one place where values of a device are read.

NumPy cannot read a tensor of a GPU, and Python can only by waiting for it. So every value that the host needs comes
through here: what runs on a CPU then runs on a GPU too, and whoever looks for waits finds them.
"""

from typing import Any

from torch import Tensor


def to_host(tensor: Tensor) -> Tensor:
    """The values on the CPU, without their graph; waits for a GPU. A tensor of the CPU is not copied."""
    return tensor.detach().cpu()


def tree_to_host(tree: Any) -> Any:
    """The same dictionaries, lists and tuples with every tensor in them on the CPU."""
    if isinstance(tree, Tensor):
        return to_host(tree)
    if isinstance(tree, dict):
        return type(tree)((key, tree_to_host(value)) for key, value in tree.items())
    if isinstance(tree, list | tuple):
        return type(tree)(tree_to_host(value) for value in tree)
    return tree
