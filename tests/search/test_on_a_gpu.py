"""Everything that a GPU takes part in, on a pretended one: what passes here reads no tensor but through the helper."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from proxyless.checkpoint import load_checkpoint, save_checkpoint
from proxyless.execution import Choice, Execution
from proxyless.host import to_host, tree_to_host
from proxyless.progress import Silent
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.search.result import CHECKPOINT
from proxyless.search.samplers import SAMPLERS
from proxyless.space import Space, tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training
from proxyless.workflow.compare import compare
from proxyless.workflow.gallery import derive_gallery
from proxyless.workflow.search import search as search_in_folder
from proxyless.workflow.uniform import USUAL
from tests.helpers import architecture, bound_at, elastic_space, table_by_macs, toy_data, toy_space
from tests.pretended_gpu import GPU_TYPE, OnGpu, pretended_gpu
from tests.search.strategy_cases import every_strategy

_ROOT = Path(__file__).parents[2]
_SPACE = toy_space()
_FIXED = Choice(chosen=Execution(device=GPU_TYPE))


@pytest.fixture
def gpu() -> Iterator[torch.device]:
    with pretended_gpu() as device:
        yield device


def _settings(strategy: str, **more: Any) -> SearchSettings:
    evaluations = {"evaluations": 3} if strategy in SAMPLERS else {}
    return SearchSettings.make(
        "test", strategy=strategy, warmup_epochs=1, epochs=1, batch_size=8, device="cpu", **evaluations, **more
    )


def _search(settings: SearchSettings, space: Space = _SPACE) -> Search:
    """Without trying: what is tried, and whether it is, has a test of its own."""
    data = toy_data(40, classes=space.num_classes, resolution=space.resolution)
    return Search(Problem(space, data, (bound_at(space, 0.5),)), settings, _FIXED)


@every_strategy
@pytest.mark.parametrize("space", [_SPACE, elastic_space()], ids=["operations", "widths"])
def test_a_search_ends_there_as_on_the_cpu_and_goes_on_from_its_checkpoint_on_either(
    space: Space, strategy: str, more: dict[str, Any], tmp_path: Path
) -> None:
    settings, checkpoint = _settings(strategy, **more), tmp_path / CHECKPOINT
    on_cpu = _search(settings, space)
    on_cpu.run(tmp_path / "cpu.pt")
    with pretended_gpu() as device:
        on_gpu = _search(settings, space)
        assert {parameter.device for parameter in on_gpu.supernet.parameters()} == {device}
        on_gpu.run(checkpoint)
        resumed = _search(settings, space)
        resumed.resume(checkpoint)
        resumed.run(checkpoint)
    moved = _search(settings, space)
    moved.resume(checkpoint)
    moved.run(checkpoint)
    for other in (on_gpu, resumed, moved):
        for found, expected in zip(other.log_probs(), on_cpu.log_probs(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert other.strategy.trials == on_cpu.strategy.trials and other.derive() == on_cpu.derive()


def _values(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: to_host(tensor).numpy() for name, tensor in tensors.items()}


def test_a_training_ends_there_as_on_the_cpu_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    network = architecture("k3e3 skip k5e6 k7e3 k3e6 k3e3 skip k3e3 k7e6", tiny_fixed(resolution=16, num_classes=2))
    settings = TrainSettings(epochs=2, warmup_epochs=0, batch_size=16, device="cpu")

    def train(folder: Path, resume: bool) -> Training:
        folder.mkdir(exist_ok=True)
        training = Training(network, toy_data(60), settings, _FIXED)
        if resume:
            training.resume(tmp_path / CHECKPOINT)
        training.run(folder, folder / CHECKPOINT)
        return training

    on_cpu = train(tmp_path / "cpu", resume=False)
    with pretended_gpu():
        started = Training(network, toy_data(60), settings, _FIXED)
        started._finish_epoch(started._run_epoch(Silent()), tmp_path)
        save_checkpoint(tmp_path / CHECKPOINT, started.state_dict())
        resumed = train(tmp_path / "gpu", resume=True)
        found = _values(resumed.network.state_dict())
    for name, value in _values(on_cpu.network.state_dict()).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-4)
    assert resumed.history[0]["validation_accuracy"] == on_cpu.history[0]["validation_accuracy"]


@pytest.mark.slow
def test_the_path_of_a_user_from_search_to_comparison(
    gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxyless.workflow.uniform.USUAL", USUAL[:1])  # all are trained by the same lines
    space = tiny_fixed(resolution=16)
    settings = SearchSettings(warmup_epochs=0, epochs=1, batch_size=32)
    found = search_in_folder(space, "synthetic:120", table_by_macs(space), "60%", tmp_path / "run", settings)
    networks = derive_gallery(tmp_path / "run", candidates=2)
    assert networks[0].worth is not None and found.ops
    training = TrainSettings(epochs=1, warmup_epochs=0, batch_size=32)
    document = compare(tmp_path / "run", tmp_path / "compared", training, seeds=1, nets=2)
    assert {row["row"] for row in document["rows"]} >= {"found", "uniform-k3e3", "random"}


def test_a_checkpoint_of_a_gpu_holds_tensors_of_the_cpu(gpu: torch.device, tmp_path: Path) -> None:
    _search(_settings("gradient")).run(tmp_path / CHECKPOINT)
    seen: list[Tensor] = []

    def look(tree: Any) -> None:
        if isinstance(tree, Tensor):
            seen.append(tree)
        elif isinstance(tree, dict | list):
            for value in tree.values() if isinstance(tree, dict) else tree:
                look(value)

    look(load_checkpoint(tmp_path / CHECKPOINT))
    assert seen and all(type(tensor) is Tensor and tensor.device.type == "cpu" for tensor in seen)


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.numpy(),
        lambda x: np.asarray(x),
        lambda x: x.tolist(),
        lambda x: x[0].item(),
        lambda x: float(x[0]),
        lambda x: bool(x.any()),
        lambda x: x.cpu(),
        lambda x: torch.ones(2).copy_(x),
        lambda x: x + torch.ones(2),
        lambda x: torch.ones(2)[x.long()],
        lambda x: torch.rand(2, device=x.device, generator=torch.Generator()),
    ],
)
def test_the_pretended_gpu_refuses_what_a_gpu_refuses_and_every_read(
    gpu: torch.device, read: Callable[[Tensor], object]
) -> None:
    with pytest.raises((RuntimeError, AssertionError), match=r"GPU|not supported for tensor subclasses"):
        read(torch.tensor([0.0, 1.0], device=gpu))


def test_the_helper_reads_trees(gpu: torch.device) -> None:
    x = torch.tensor([1.0, 2.0], device=gpu, requires_grad=True)
    assert isinstance(x, OnGpu)
    read = tree_to_host({"a": [x, (x, 3)], "b": None})
    assert read["a"][0].tolist() == [1.0, 2.0] == read["a"][1][0].tolist()
    assert read["a"][1][1] == 3 and read["b"] is None


def _reads(tree: ast.AST) -> Iterator[int]:
    """Lines that read a tensor by a method which is there for nothing else, of something not from the helper."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            helped = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "to_host"
            to_cpu = node.func.attr == "to" and any(isinstance(a, ast.Constant) and a.value == "cpu" for a in node.args)
            if (to_cpu or node.func.attr in ("numpy", "item", "cpu")) and not helped:
                yield node.lineno


def test_nothing_but_the_helper_reads_a_tensor() -> None:
    """Over the syntax, so that it holds for lines that no test runs on the pretended GPU."""
    assert list(_reads(ast.parse("train.labels.numpy()\nx.item()\nx.to('cpu')\nto_host(x).numpy()"))) == [1, 2, 3]
    found = [
        f"{path.relative_to(_ROOT)}:{line}"
        for path in sorted((_ROOT / "proxyless").rglob("*.py"))
        if path.name != "host.py" and "testing" not in path.parts
        for line in _reads(ast.parse(path.read_text()))
    ]
    assert found == []
