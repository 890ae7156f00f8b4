"""The fastest way to compute steps on this machine, found by trying: a few steps of a real network, at the start."""

import gc
import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch.nn.functional import cross_entropy

from proxyless.config import RecipeSettings
from proxyless.errors import one_line
from proxyless.execution import ARITHMETICS, Arithmetic, Choice, Execution, MemoryFormat
from proxyless.nn import build_network
from proxyless.nn.depthwise import Kernels, kernels_here
from proxyless.optim import make_sgd
from proxyless.scaling import LossScale
from proxyless.space import LayerSpec

Step = Callable[[], object]

_AUTO: tuple[Arithmetic, ...] = ("16-mixed", "bf16-mixed", "tf32")
"""The first is computed quickly by every GPU that computes any quickly."""

_STEPS, _TIMED_S = 8, 1.0
"""At most so many steps are timed of each, until they have taken so long."""
_HOPELESS = 2.0
"""A second step that takes so many times as long as the best so far is not timed further."""
_BUDGET_S = 90.0
"""Nothing new is tried afterwards: what is slow to begin with is last."""
_SHARE = 0.2
"""Of the time of the whole work that trying may take: a short work is done before it is known how to do it best."""
_NEARLY = 1.03
"""What is nearly as fast as the fastest, and comes before it, is taken instead: it is tried, and rounds less."""
_REPAYS_S = 1800.0
"""Work that takes less without compiled blocks is not worth trying them."""

_CAPTURES_S = 30.0
"""Work that takes less is done before its blocks are captured."""
_WORTH = 1.1
"""So many times as fast must replayed blocks be: they hold the memory of all paths."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What is to be computed.

    layers: of a network like those that are trained. images: per step of this process. steps: of the whole work.
    blocks: how many blocks there are to compile for each of `layers`. once: steps are differentiated once only.
    replays: by one process that reads its images itself, and computes no block again before its backward pass.
    compiles: blocks have one size.
    """

    layers: Sequence[LayerSpec]
    images: int
    steps: int
    blocks: float = 1.0
    once: bool = True
    replays: bool = True
    compiles: bool = True


def fixed_execution(settings: RecipeSettings, device: torch.device) -> Execution:
    """What is known to be good without trying, as on a CPU, where the same run must give the same on every machine."""
    arithmetic: Arithmetic = "32-true" if settings.precision == "auto" else settings.precision
    return Execution(device=device.type, arithmetic=arithmetic, compiled=settings.compile)


def candidates(work: Work, settings: RecipeSettings, device: str, kernels: Sequence[str]) -> list[Execution]:
    """What may be the fastest, all ways to compute in one arithmetic after another. What is differentiated twice is
    neither scaled nor computed by kernels of our own. cuDNN's depthwise kernels for channels last may take minutes to
    begin with, and are left out where there are others."""
    asked = _AUTO if settings.precision == "auto" else (settings.precision,)
    arithmetics = [arithmetic for arithmetic in asked if work.once or arithmetic != "16-mixed"]
    own = work.once and "triton" in kernels
    ways: list[tuple[MemoryFormat, Kernels]] = [
        ("contiguous", "torch"),
        ("channels_last", "triton" if own else "torch"),
    ]
    return [
        Execution(
            device=device,
            arithmetic=arithmetic,
            memory_format=memory_format,
            depthwise=depthwise,
            compiled=settings.compile,
        )
        for arithmetic in arithmetics
        for memory_format, depthwise in ways
    ]


def choose_execution(work: Work, settings: RecipeSettings, device: torch.device) -> Choice:
    """The fastest on a GPU; the fixed one on a CPU, where nothing is tried. No random number is drawn for others."""
    if device.type == "cpu":
        return Choice(chosen=fixed_execution(settings, device))
    with torch.random.fork_rng(devices=[]):
        trial = StepTrial(work, settings, device)
        wait = partial(torch.cuda.synchronize, device)
        choice = fastest_way(
            candidates(work, settings, device.type, kernels_here()),
            lambda executions: fastest(executions, trial.prepare, wait, work.steps),
        )
        if not settings.compile and work.once and work.replays:
            choice = with_replayed(choice, work, trial.prepare, wait)
        if not settings.compile and work.once and work.compiles:
            choice = with_compiled(choice, work, trial.prepare, wait)
    _LOGGER.info("%s", choice)
    return choice.model_copy(update={"gpu": gpu_name(device)})


def fastest_way(executions: Sequence[Execution], choose: Callable[[Sequence[Execution]], Choice]) -> Choice:
    """First the memory format and the kernels, in the first arithmetic; then the arithmetic, with these."""
    try:
        first = choose([execution for execution in executions if execution.arithmetic == executions[0].arithmetic])
    except Exception:  # a GPU, or a library, that cannot compute in it
        return choose(executions)
    way = first.chosen.memory_format, first.chosen.depthwise
    same = [execution for execution in executions if (execution.memory_format, execution.depthwise) == way]
    rest = [execution for execution in same if execution != first.chosen]
    try:
        second = choose(rest) if rest else first
    except Exception:  # none of the others can be computed
        return first
    step_ms = {**first.step_ms, **second.step_ms}
    return Choice(chosen=_best(same, step_ms), step_ms=step_ms, failed={**first.failed, **second.failed})


def usable(recorded: Choice | None, device: torch.device) -> Choice | None:
    """A choice that was recorded, where it was made on such a device, and its kernels are here."""
    if recorded is None or (recorded.chosen.device, recorded.gpu) != (device.type, gpu_name(device)):
        return None
    return recorded if recorded.chosen.depthwise in kernels_here() else None


def gpu_name(device: torch.device) -> str | None:
    """What its maker calls it; None for a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def agree(fabric: Fabric, recorded: Choice | None, work: Work, settings: RecipeSettings) -> Choice:
    """What was recorded for this kind of device, or a choice of the first process; the same in all processes."""
    choice = None
    if fabric.is_global_zero:
        choice = usable(recorded, fabric.device) or choose_execution(work, settings, fabric.device)
        if choice.chosen.replayed and not work.replays:  # in several processes now, for instance
            choice = choice.model_copy(update={"chosen": choice.chosen.model_copy(update={"replayed": False})})
    agreed = fabric.broadcast(choice)
    assert agreed is not None
    return agreed


@dataclass(frozen=True)
class StepTrial:
    """Weight steps of one network, on random images."""

    work: Work
    settings: RecipeSettings
    device: torch.device

    def prepare(self, execution: Execution) -> Step:
        """A step that is repeated; it holds the memory that it needs."""
        layers, device = self.work.layers, self.device
        network = execution.prepare(build_network(layers).to(device))
        sgd = make_sgd(network, self.settings.lr, self.settings.momentum, self.settings.weight_decay)
        scale = LossScale(execution.needs_scaling, device)
        images = execution.arrange(torch.randn(self.work.images, 3, *layers[0].in_shape[:2], device=device))
        labels = torch.arange(self.work.images, device=device) % layers[-1].out_shape[-1]

        def step() -> None:
            sgd.zero_grad(set_to_none=True)
            with execution.autocast():
                logits = network(images)
            loss = cross_entropy(scale.outputs(logits.float()), labels)
            torch.autograd.backward(loss)
            scale.reduce(network.parameters())
            sgd.step()

        return step


def step_seconds(execution: Execution, trial: StepTrial) -> float:
    """What a step takes; by few of them, the first of which is not counted."""
    wait = partial(torch.cuda.synchronize, trial.device) if trial.device.type == "cuda" else _nothing
    return _timed(execution, trial.prepare, wait, best_s=0.0).step_s


@dataclass(frozen=True)
class Timing:
    """Seconds of the first step, which compiles and allocates, and the median of the later ones."""

    first_s: float
    step_s: float


def fastest(
    executions: Sequence[Execution],
    prepare: Callable[[Execution], Step],
    wait: Callable[[], object],
    steps: float = float("inf"),
    budget_s: float = _BUDGET_S,
) -> Choice:
    """Try all of them; what cannot be computed here counts as failed, unless it is all.

    wait: for the device. steps: of the work; trying may take a fifth of it, and at most budget_s seconds: then the rest
    is not tried.
    """
    start, step_ms, failed = time.perf_counter(), dict[str, float](), dict[str, str]()
    for execution in executions:
        best_s = min(step_ms.values(), default=float("inf")) / 1e3
        taken_s = time.perf_counter() - start
        if step_ms and taken_s > min(budget_s, _SHARE * steps * best_s):
            failed[str(execution)] = f"not tried: the others took {taken_s:.1f} s"
            continue
        try:
            step_ms[str(execution)] = 1e3 * _timed(execution, prepare, wait, best_s).step_s
        except Exception as error:  # a library may lack a kernel, memory, or a compiler, each in its own words
            if execution is executions[-1] and not step_ms:
                raise
            failed[str(execution)] = _reason(error)
    return Choice(chosen=_best(executions, step_ms), step_ms=step_ms, failed=failed)


def _best(executions: Sequence[Execution], step_ms: Mapping[str, float]) -> Execution:
    """Of what was timed the one that rounds least of those that are nearly as fast as the fastest."""
    timed = [execution for execution in executions if str(execution) in step_ms]
    limit_ms = _NEARLY * min(step_ms[str(execution)] for execution in timed)
    careful = sorted(timed, key=lambda execution: ARITHMETICS.index(execution.arithmetic))
    return next(execution for execution in careful if step_ms[str(execution)] <= limit_ms)


def _timed(
    execution: Execution, prepare: Callable[[Execution], Step], wait: Callable[[], object], best_s: float
) -> Timing:
    def seconds() -> float:
        start = time.perf_counter()
        step()
        wait()
        return time.perf_counter() - start

    try:
        with execution.flags():
            step = prepare(execution)
            first_s, times = seconds(), [seconds()]
            while len(times) < _STEPS and sum(times) < _TIMED_S and min(times) < _HOPELESS * best_s:
                times.append(seconds())
        return Timing(first_s, statistics.median(times))
    finally:
        step = _nothing
        if torch.cuda.is_available():  # on a CPU nothing is short of it, and to look through all objects takes a while
            gc.collect()
            torch.cuda.empty_cache()


def _nothing() -> None:
    """Holds no memory."""


def with_replayed(
    choice: Choice, work: Work, prepare: Callable[[Execution], Step], wait: Callable[[], object]
) -> Choice:
    """The same with blocks replayed from CUDA graphs, where a GPU waits for launches: images are few or small."""
    if _left_s(choice, work) < _CAPTURES_S:
        return choice
    tried = _tried(choice, choice.chosen.model_copy(update={"replayed": True}), prepare, wait)
    if tried.timing and tried.timing.step_s < tried.eager_s / _WORTH and _repays(tried, tried.timing, work):
        return tried.choice
    return tried.kept


def with_compiled(
    choice: Choice, work: Work, prepare: Callable[[Execution], Step], wait: Callable[[], object]
) -> Choice:
    """The same with compiled blocks, where the steps that they save are worth their compilation."""
    if _left_s(choice, work) < _REPAYS_S:
        return choice
    execution = choice.chosen.model_copy(update={"compiled": True, "replayed": False})
    tried = _tried(choice, execution, prepare, wait)
    return tried.choice if tried.timing and _repays(tried, tried.timing, work) else tried.kept


def _repays(tried: "_Tried", timing: Timing, work: Work) -> bool:
    """Whether the steps that it saves are worth what all blocks take to begin with."""
    return (tried.eager_s - timing.step_s) * work.steps > timing.first_s * work.blocks


def _left_s(choice: Choice, work: Work) -> float:
    return choice.step_ms[str(choice.chosen)] / 1e3 * work.steps


class _Tried(NamedTuple):
    """kept: what was chosen before, with what was found now; choice: the same with the other way chosen."""

    eager_s: float
    timing: Timing | None
    kept: Choice
    choice: Choice


def _tried(
    choice: Choice, execution: Execution, prepare: Callable[[Execution], Step], wait: Callable[[], object]
) -> _Tried:
    step_ms, failed, timing = dict(choice.step_ms), dict(choice.failed), None
    try:
        timing = _timed(execution, prepare, wait, float("inf"))
        step_ms[str(execution)] = 1e3 * timing.step_s
    except Exception as error:  # as in `fastest`
        failed[str(execution)] = _reason(error)
    kept = choice.model_copy(update={"step_ms": step_ms, "failed": failed})
    eager_s = choice.step_ms[str(choice.chosen)] / 1e3
    return _Tried(eager_s, timing, kept, kept.model_copy(update={"chosen": execution}))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(str(error))[:200]}"
