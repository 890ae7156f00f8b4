"""The program that runs on the device."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from latency.devices.program import Models


def _visit(folder: Path, order: str, **runner: bool) -> tuple[list[str], Models]:
    """What is loaded when models are visited in this order, and what then still is."""
    loads: list[str] = []

    def load(path: str, *_: object) -> Any:
        loads.append(Path(path).name)
        return (lambda: None), (lambda array: None), None, [1], "float32"

    for name in "abc":
        (folder / name).write_bytes(b"x" * 100)
    job = {"items": {name: name for name in "abc"}, "threads": 1, "delegate": "", "batch": 1}
    models = Models(job, str(folder), SimpleNamespace(load=load, **runner), limit_bytes=250)
    for name in order:
        models.runnable(name)()
    return loads, models


def test_models_not_used_for_longest_are_unloaded_where_memory_is_short(tmp_path: Path) -> None:
    loads, models = _visit(tmp_path, "abacab")
    assert loads == ["a", "b", "c", "b"]
    assert list(models.loaded) == ["a", "b"]


def test_some_runners_load_a_model_anew_for_every_visit(tmp_path: Path) -> None:
    loads, models = _visit(tmp_path, "aab", RELOAD=True)
    assert loads == ["a", "a", "b"] and list(models.loaded) == ["b"]
