"""The program that runs on the device."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from latency.devices.program import Models


def test_models_not_used_for_longest_are_unloaded_where_memory_is_short(tmp_path: Path) -> None:
    loads: list[str] = []

    def load(path: str, *_: object) -> Any:
        loads.append(Path(path).name)
        return (lambda: None), (lambda array: None), None, [1], "float32"

    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 100)
    job = {"items": {name: name for name in "abc"}, "threads": 1, "delegate": "", "batch": 1}
    models = Models(job, str(tmp_path), SimpleNamespace(load=load), limit_bytes=250)
    for name in ("a", "b", "a", "c", "a", "b"):
        models.runnable(name)()
    assert loads == ["a", "b", "c", "b"]
    assert list(models.loaded) == ["a", "b"]
