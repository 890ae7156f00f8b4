"""How steps are computed on a machine: arithmetic, memory format, and whose kernels. What they compute is the same."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from proxyless.files import read_model, write_json
from proxyless.nn import AnyModule, compile_blocks, replay_blocks, set_depthwise
from proxyless.nn.depthwise import Kernels

EXECUTION = "execution.json"
"""In the folder of a search or a training: how its steps were computed, and what else was tried."""

Arithmetic = Literal["32-true", "tf32", "bf16-mixed", "16-mixed"]
"""float32; with TensorFloat-32 products; bfloat16 or float16 where it is safe, the latter with loss scaling."""
ARITHMETICS = get_args(Arithmetic)
"""From the one that rounds least, and needs least care."""
MemoryFormat = Literal["channels_last", "contiguous"]

_HALF = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


class Execution(BaseModel):
    """One way to compute steps. device: the type of the device that it was chosen for, such as `cuda`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    device: str = "cpu"
    arithmetic: Arithmetic = "32-true"
    memory_format: MemoryFormat = "channels_last"
    depthwise: Kernels = "torch"
    compiled: bool = False
    replayed: bool = False

    def __str__(self) -> str:
        words = self.memory_format.replace("_", " ")
        parts = [self.arithmetic, words, f"depthwise convolutions of {self.depthwise}"]
        return ", ".join(parts + ["compiled blocks"] * self.compiled + ["replayed blocks"] * self.replayed)

    @property
    def needs_scaling(self) -> bool:
        """Whether small gradients would vanish: float16 has five bits of exponent."""
        return self.arithmetic == "16-mixed"

    def prepare(self, network: AnyModule) -> AnyModule:
        """The network itself, with its weights and kernels as they are asked for; its values do not change."""
        network.to(memory_format=_FORMATS[self.memory_format])  # type: ignore[call-overload]
        set_depthwise(network, self.depthwise)
        if self.compiled:
            compile_blocks(network)
        if self.replayed:
            replay_blocks(network)
        return network

    def arrange(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in the memory format of the network; no copy where they are already."""
        return images.contiguous(memory_format=_FORMATS[self.memory_format])

    def autocast(self) -> AbstractContextManager[object]:
        """Around a forward pass."""
        dtype = _HALF.get(self.arithmetic)
        return torch.autocast(self.device, dtype, enabled=dtype is not None)

    @contextmanager
    def flags(self) -> Iterator[None]:
        """PyTorch's switches of a GPU for everything inside, backward passes too; as they were afterwards.

        cuDNN's own trials stay off: with every operation's shapes to try, they took minutes before the first step.
        """
        if self.device != "cuda":
            yield
            return
        cudnn, fast = torch.backends.cudnn, self.arithmetic != "32-true"
        before = cudnn.allow_tf32, torch.get_float32_matmul_precision()
        try:
            _set_flags(tf32=fast, products="high" if fast else "highest")
            yield
        finally:
            _set_flags(*before)


def _set_flags(tf32: bool, products: str) -> None:
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision(products)


class Choice(BaseModel):
    """What `execution.json` holds.

    gpu: the name of the one that it was chosen on. step_ms: of what was tried, in words. failed: the rest, with the
    reason.
    """

    model_config = ConfigDict(extra="forbid")
    format: Literal["execution/1"] = "execution/1"
    chosen: Execution
    gpu: str | None = None
    step_ms: dict[str, float] = {}
    failed: dict[str, str] = {}

    def __str__(self) -> str:
        slowest = max(self.step_ms.values(), default=0.0)
        own = self.step_ms.get(str(self.chosen))
        measured = f": {own:.4g} ms a step, {slowest:.4g} ms the slowest of {len(self.step_ms)}" if own else ""
        return f"computed in {self.chosen}{measured}"


def save_choice(folder: Path, choice: Choice) -> None:
    """Write `execution.json`."""
    write_json(folder / EXECUTION, choice.model_dump())


def load_choice(folder: Path) -> Choice | None:
    """What was chosen for the work in a folder; None where nothing was.

    Raises:
        InputError: a damaged file.
    """
    path = folder / EXECUTION
    return read_model(path, "record of how steps are computed", Choice) if path.exists() else None
