"""What the host checks of a runtime before anything is measured."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from export.formats import FORMATS
from latency.deployed import runtime_of
from latency.runtimes import RUNTIMES, Runtime
from latency.settings import ProfileSettings
from latency.table import RuntimeInfo
from proxyless.errors import InputError
from proxyless.space import Anchor, Target, tiny_fixed
from proxyless.workflow.measure import can_measure
from proxyless.workflow.refine import measurable
from tests.helpers import table_by_macs

_TARGET = Target(runtime="ncnn", delegate="cpu")


def test_the_help_names_every_runtime() -> None:
    assert re.findall(r"[a-z-]+", ProfileSettings.describe("runtime").replace(" or ", " "))[1:] == list(RUNTIMES)


def test_a_package_that_is_missing_is_named_with_its_extra() -> None:
    missing = replace(RUNTIMES["ncnn"], package="nothing_like_it")
    with pytest.raises(InputError, match=r'not installed here; install it with: pip install "proxyless\[ncnn\]"'):
        missing.check_target(_TARGET, here=True)
    missing.check_target(_TARGET, here=False)  # the device may have it
    with pytest.raises(InputError, match="not installed here"):
        replace(missing, writes_with=("nothing_like_it",)).check_target(_TARGET, here=False)


def test_every_runtime_is_a_dependency_or_an_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for runtime in RUNTIMES.values():
        extra = project["optional-dependencies"].get(runtime.extra or runtime.name, [])
        brought = {re.split("[><=]", line)[0].replace("-", "_") for line in (*project["dependencies"], *extra)}
        assert {runtime.package, *runtime.writes_with, *runtime.quantizes_with} <= brought


def test_every_format_is_written_with_its_extra() -> None:
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for format_ in FORMATS.values():
        assert set(format_.packages) <= {re.split("[><=]", line)[0].replace("-", "_") for line in extras[format_.extra]}


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


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=lambda runtime: runtime.name)
def test_numbers_that_a_runtime_cannot_compute_with_have_no_writer(runtime: Runtime) -> None:
    for dtype in {"float16", "int4", "int8"} - set(runtime.dtypes):
        with pytest.raises(InputError, match=f"runtime '{runtime.name}' has no dtype '{dtype}'; choose of float32"):
            runtime.writer_of(dtype)


def test_a_table_of_numbers_that_cannot_be_measured_is_not_measured() -> None:
    runtime = RuntimeInfo(name="litert", version="1", threads=1, delegate="xnnpack")
    anchors = [Anchor(ops=["k3e3"] * 9, ms=1.0)]
    table = table_by_macs(tiny_fixed()).changed(device={"name": "local"}, runtime=runtime, anchors=anchors)
    assert can_measure(table) and measurable([table], [])[0].name == "local"
    for changes in ({"dtype": "float16"}, {"runtime": runtime.model_copy(update={"delegate": "gpu"})}):
        with pytest.raises(InputError, match="runtime 'litert' has no"):
            measurable([table.changed(**changes)], [])
        assert not can_measure(table.changed(**changes))
