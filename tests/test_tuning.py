"""How steps are computed: what is tried, what is taken, and that it is the same computation."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from proxyless.errors import InputError
from proxyless.execution import ARITHMETICS, Choice, Execution, load_choice, save_choice
from proxyless.nn import build_network
from proxyless.nn.depthwise import DepthwiseConv
from proxyless.search.config import SearchSettings
from proxyless.search.work import search_work
from proxyless.space import tiny_fixed
from proxyless.tuning import (
    StepTrial,
    Work,
    candidates,
    choose_execution,
    fastest,
    fastest_way,
    usable,
    with_compiled,
    with_replayed,
)
from tests.helpers import MIXED_OPS, architecture

_CPU = torch.device("cpu")
_WORK = Work(architecture(MIXED_OPS, tiny_fixed(resolution=16)).layers, images=4, steps=1000)
_SLOW, _FAST, _NEARLY = (Execution(arithmetic=name) for name in ("tf32", "16-mixed", "bf16-mixed"))


def _sleeping(milliseconds: dict[str, float]) -> Callable[[Execution], Callable[[], None]]:
    def prepare(execution: Execution) -> Callable[[], None]:
        if execution.arithmetic not in milliseconds:
            raise RuntimeError("no kernel\nof that kind")
        return lambda: time.sleep(milliseconds[execution.arithmetic] / 1e3)

    return prepare


def test_the_fastest_is_taken_and_what_fails_is_recorded() -> None:
    choice = fastest([_SLOW, _FAST, _NEARLY], _sleeping({"tf32": 40, "16-mixed": 10}), lambda: None)
    assert choice.chosen == _FAST and list(choice.step_ms) == [str(_SLOW), str(_FAST)]
    assert choice.failed == {str(_NEARLY): "RuntimeError: no kernel of that kind"}
    assert 10 <= choice.step_ms[str(_FAST)] < 40 <= choice.step_ms[str(_SLOW)]
    assert f"computed in {_FAST}: 1" in str(choice)


def test_of_what_is_about_as_fast_the_one_that_rounds_least_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyless.tuning._NEARLY", 2.0)  # no machine is so uneven
    choice = fastest([_FAST, _NEARLY, _SLOW], _sleeping({"tf32": 60, "bf16-mixed": 11, "16-mixed": 10}), lambda: None)
    assert choice.chosen == _NEARLY


def test_nothing_new_is_tried_when_time_is_up_and_the_last_failure_is_told() -> None:
    choice = fastest([_SLOW, _FAST], _sleeping({"tf32": 5, "16-mixed": 1}), lambda: None, budget_s=0.001)
    assert choice.chosen == _SLOW and "not tried" in choice.failed[str(_FAST)]
    short = fastest([_SLOW, _FAST], _sleeping({"tf32": 5, "16-mixed": 1}), lambda: None, steps=3)
    assert short.chosen == _SLOW and "not tried" in short.failed[str(_FAST)]
    with pytest.raises(RuntimeError, match="no kernel"):
        fastest([_SLOW, _FAST], _sleeping({}), lambda: None)


@pytest.mark.parametrize(("steps", "compiled"), [(100, False), (10**6, True), (10**9, True)])
def test_blocks_are_compiled_where_the_steps_repay_it(steps: int, compiled: bool) -> None:
    eager = Choice(chosen=_FAST, step_ms={str(_FAST): 50.0})
    tried: list[Execution] = []

    def prepare(execution: Execution) -> Callable[[], None]:
        tried.append(execution)
        return lambda: time.sleep(0.01)

    choice = with_compiled(eager, replace(_WORK, steps=steps), prepare, lambda: None)
    assert choice.chosen.compiled == compiled == bool(tried)


@pytest.mark.parametrize(("sleep_ms", "steps", "replayed"), [(5, 10**6, True), (49, 10**6, False), (5, 10, False)])
def test_blocks_are_replayed_where_that_is_faster(sleep_ms: float, steps: int, replayed: bool) -> None:
    eager = Choice(chosen=_FAST, step_ms={str(_FAST): 50.0})
    choice = with_replayed(
        eager, replace(_WORK, steps=steps), lambda _: lambda: time.sleep(sleep_ms / 1e3), lambda: None
    )
    assert choice.chosen.replayed == replayed
    assert len(choice.step_ms) == (2 if steps > 10 else 1)


def test_blocks_that_cannot_be_captured_are_left_as_they_are() -> None:
    eager = Choice(chosen=_SLOW, step_ms={str(_SLOW): 50.0})
    choice = with_replayed(eager, replace(_WORK, steps=10**6), _sleeping({}), lambda: None)
    assert choice.chosen == _SLOW and list(choice.failed.values()) == ["RuntimeError: no kernel of that kind"]


def test_what_is_tried_on_a_gpu() -> None:
    every = candidates(_WORK, SearchSettings(), "cuda", ["torch", "triton"])
    assert len(set(every)) == len(every) == 6
    assert {(e.memory_format, e.depthwise) for e in every} == {("contiguous", "torch"), ("channels_last", "triton")}
    (only,) = {e.arithmetic for e in candidates(_WORK, SearchSettings(precision="32-true"), "cuda", ["torch"])}
    assert only == "32-true"
    twice = candidates(replace(_WORK, once=False), SearchSettings(), "cuda", ["torch", "triton"])
    assert {(e.arithmetic, e.depthwise) for e in twice} == {("tf32", "torch"), ("bf16-mixed", "torch")}


def test_first_the_memory_format_then_the_arithmetic() -> None:
    every = candidates(_WORK, SearchSettings(), "cuda", ["torch", "triton"])
    ms = {("contiguous", "16-mixed"): 30.0, ("channels_last", "16-mixed"): 10.0, ("channels_last", "bf16-mixed"): 8.0}
    tried: list[Execution] = []

    def choose(executions: Sequence[Execution]) -> Choice:
        tried.extend(executions)
        found = {str(e): ms.get((e.memory_format, e.arithmetic), 20.0) for e in executions}
        return Choice(chosen=min(executions, key=lambda e: found[str(e)]), step_ms=found)

    choice = fastest_way(every, choose)
    assert (choice.chosen.memory_format, choice.chosen.arithmetic) == ("channels_last", "bf16-mixed")
    assert len(tried) == len(set(tried)) == 4 == len(choice.step_ms)  # none twice
    assert fastest_way(every[:2], choose).chosen == every[1]


def test_a_gpu_without_the_first_arithmetic_is_computed_with_in_another() -> None:
    every = candidates(_WORK, SearchSettings(), "cuda", ["torch"])
    choice = fastest_way(every, lambda tried: fastest(tried, _sleeping({"tf32": 1}), lambda: None))
    assert choice.chosen.arithmetic == "tf32" and len(choice.failed) == 4


def test_on_a_cpu_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyless.tuning.fastest", None)
    assert choose_execution(_WORK, SearchSettings(), _CPU) == Choice(chosen=Execution())
    asked = SearchSettings(precision="bf16-mixed")
    assert choose_execution(_WORK, asked, _CPU).chosen == Execution(arithmetic="bf16-mixed")


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_trial_takes_real_steps_and_every_way_computes_the_same(arithmetic: Any, memory_format: Any) -> None:
    execution = Execution(arithmetic=arithmetic, memory_format=memory_format)
    before = torch.get_rng_state()
    assert fastest([execution], StepTrial(_WORK, SearchSettings(), _CPU).prepare, lambda: None).chosen == execution
    torch.set_rng_state(before)
    network = build_network(_WORK.layers)
    images = torch.randn(4, 3, 16, 16)
    expected = network(images)
    with execution.flags(), execution.autocast():
        found = execution.prepare(network)(execution.arrange(images)).float()
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.02)
    assert {conv.kernels for conv in network.modules() if isinstance(conv, DepthwiseConv)} == {"torch"}


def test_flags_are_a_gpus_and_are_put_back() -> None:
    def flags() -> tuple[object, ...]:
        cudnn = torch.backends.cudnn
        return cudnn.allow_tf32, torch.get_float32_matmul_precision()

    before = flags()
    for arithmetic, inside in (("tf32", (True, "high")), ("32-true", (False, "highest"))):
        with pytest.raises(KeyError), Execution.model_validate({"device": "cuda", "arithmetic": arithmetic}).flags():
            assert flags() == inside
            raise KeyError
        assert flags() == before
    with Execution(arithmetic="tf32").flags():
        assert flags() == before


def test_the_work_of_a_search_has_every_kind_of_operation() -> None:
    space = tiny_fixed(resolution=16)
    settings = SearchSettings(batch_size=20, warmup_epochs=1, epochs=3)
    work = search_work(space, settings, 110)
    assert work.steps == 110 and work.images == 20 and work.once
    assert {layer.kernel for layer in work.layers if layer.op == "mbconv"} == {3, 5, 7}
    assert work.blocks == pytest.approx(6, abs=0.01)
    assert work.replays
    assert not search_work(space, settings.model_copy(update={"strategy": "darts"}), 110).replays


def test_a_choice_is_recorded(tmp_path: Path) -> None:
    assert load_choice(tmp_path) is None
    choice = Choice(chosen=Execution(device="cuda", depthwise="triton"), step_ms={"a": 1.5}, failed={"b": "c"})
    save_choice(tmp_path, choice)
    assert load_choice(tmp_path) == choice
    (tmp_path / "execution.json").write_text('{"chosen": {"arithmetic": "8-bit"}}')
    with pytest.raises(InputError, match="arithmetic"):
        load_choice(tmp_path)


def test_a_choice_of_another_gpu_or_without_its_kernels_is_not_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyless.tuning.gpu_name", lambda device: "H200")
    cuda = torch.device("cuda")
    choice = Choice(chosen=Execution(device="cuda", depthwise="triton"), gpu="H200")
    for kernels, taken in ((["torch", "triton"], choice), (["torch"], None)):
        monkeypatch.setattr("proxyless.tuning.kernels_here", lambda kernels=kernels: kernels)
        assert usable(choice, cuda) == taken
    plain = choice.model_copy(update={"chosen": Execution(device="cuda")})
    assert usable(plain, cuda) == plain
    assert usable(plain.model_copy(update={"gpu": "V100"}), cuda) is None
    assert usable(plain, _CPU) is None and usable(None, cuda) is None
