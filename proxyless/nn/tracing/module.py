"""A torch module of a user as primitives: its calls are recorded, written down, and what comes of it is compared."""

from functools import cache

import torch
from torch import Tensor, nn

from proxyless.errors import InputError, said
from proxyless.nn.blocks import Branch, running_norm
from proxyless.nn.tracing.calls import write_down
from proxyless.nn.tracing.recorded import record
from proxyless.nn.tracing.written import Written
from proxyless.ops import Lowered, Shape
from proxyless.ops.modules import Arguments, Factory

_BATCH = 2
_SAME = 1e-4
"""Difference of what primitives compute, relative to the largest value: rounding."""


@cache
def lower_module(name: str, factory: Factory, arguments: Arguments, in_shape: Shape) -> Lowered:
    """What the module that `factory` makes of the arguments computes of images of a shape, in evaluation mode.

    Raises:
        InputError: it cannot be made, or computes what there is no primitive for, in one sentence that names it.
    """
    try:
        # A layer is lowered once: whether this is now or was before must not change what is random afterwards.
        with torch.random.fork_rng(devices=[]), torch.device("cpu"), torch.autocast("cpu", enabled=False):
            torch.manual_seed(0)
            return _lower(_made(factory, arguments), in_shape)
    except InputError as error:
        raise InputError(f"the module {name!r} cannot be an operation: {error}") from None


def _made(factory: Factory, arguments: Arguments) -> nn.Module:
    given = dict(arguments)
    try:
        module = factory(**given)
    except Exception as error:  # whatever the module does
        listed = ", ".join(f"{key}={value!r}" for key, value in given.items())
        raise InputError(f"making it with {listed} fails: {said(error)}; let it take these values") from None
    if not isinstance(module, nn.Module):
        raise InputError(f"it is a {type(module).__name__}, no torch.nn.Module; return one")
    return module.float().eval()


@torch.no_grad()
def _lower(module: nn.Module, in_shape: Shape) -> Lowered:
    _randomise(module)
    height, width, channels = in_shape
    images = torch.randn(_BATCH, channels, height, width)
    recorded = record(module, images.clone())
    written = write_down(recorded, in_shape)
    unused = [name for name, _ in module.named_parameters() if name not in written.weights.values()]
    if unused:
        raise InputError(f"its parameter {unused[0]!r} takes no part in what it computes; leave it out")
    difference = _difference(module, written, images, recorded.output)
    if not difference <= _SAME:
        raise InputError(
            f"its primitives compute something else, by {difference:.2g} of the largest value; do without what acts in "
            "place, or write the operator down: docs/adding.md"
        )
    return written.lowered


def _randomise(module: nn.Module) -> None:
    """Values that a comparison notices if they are lost, as those are not that modules begin with."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=(2 / max(1, parameter[0].numel())) ** 0.5)
        else:
            parameter.uniform_(0.5, 1.5)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            assert part.running_var is not None
            part.running_mean.normal_(std=0.2)
            part.running_var.uniform_(0.5, 1.5)


def _difference(module: nn.Module, written: Written, images: Tensor, expected: Tensor) -> float:
    """Between what the primitives compute with the module's weights and what it computes itself."""
    theirs = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    branch = Branch(written.lowered.nodes, running_norm).eval()
    for key, value in branch.state_dict().items():
        if key in written.weights:
            value.copy_(theirs[written.weights[key]].view_as(value))
    found = branch(images)
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
