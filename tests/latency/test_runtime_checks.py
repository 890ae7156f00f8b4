"""What the host checks of a runtime before anything is measured."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from latency.deployed import runtime_of
from latency.runtimes import RUNTIMES
from latency.settings import ProfileSettings
from proxyless.errors import InputError


def test_the_help_names_every_runtime() -> None:
    assert re.findall(r"[a-z-]+", ProfileSettings.describe("runtime").replace(" or ", " "))[1:] == list(RUNTIMES)


def test_a_package_that_is_missing_is_named_with_its_extra() -> None:
    missing = replace(RUNTIMES["ncnn"], package="nothing_like_it")
    with pytest.raises(InputError, match=r'not installed here; install it with: pip install "proxyless\[ncnn\]"'):
        missing.check_target(None, 1, here=True)
    assert missing.check_target(None, 1, here=False) == "cpu"  # the device may have it
    with pytest.raises(InputError, match="not installed here"):
        replace(missing, writes_with_package=True).check_target(None, 1, here=False)


def test_every_runtime_is_a_dependency_or_an_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    required = {re.split("[><=]", line)[0].replace("-", "_") for line in project["dependencies"]}
    for runtime in RUNTIMES.values():
        extra = project["optional-dependencies"].get(runtime.name, [])
        assert runtime.package in required or [line.split(">=")[0] for line in extra] == [runtime.package]


def test_a_batch_that_a_runtime_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match="takes one image at a time, got a batch of 2; use --batch 1"):
        RUNTIMES["ncnn"].check_batch(2)
    RUNTIMES["litert"].check_batch(1000)


def test_a_file_is_executed_by_the_first_runtime_of_its_suffix_or_the_one_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("not empty")
    assert runtime_of(path).name == "onnxruntime"
    assert runtime_of(path, "openvino").name == "openvino"
    with pytest.raises(InputError, match=r"model.onnx has an unknown suffix for the runtime 'mnn'; .* ending in .mnn"):
        runtime_of(path, "mnn")
