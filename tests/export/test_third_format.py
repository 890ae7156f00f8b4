"""A format that is added as `docs/adding.md` says, in one new file and a line, goes the whole path of an export."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.images import png

_ROOT = Path(__file__).parents[2]

_FORMAT = '''
"""ONNX back to front: no other program can read it."""

from pathlib import Path

from export.format import Format, Receiver, Tools
from export.onnx_metadata import read_entries as read_onnx
from export.onnx_metadata import write_entries as write_onnx
from export.receiver.classify import Network


def _onnx(path):
    plain = path.with_suffix(".onnx-of-toy")
    plain.write_bytes(path.read_bytes()[::-1])
    return plain


def convert(network, resolution, path):
    from export import onnx

    onnx.convert(network, resolution, path)
    path.write_bytes(path.read_bytes()[::-1])


def structure(path):
    from export import onnx

    plain = _onnx(path)
    try:
        return onnx.structure(plain)
    finally:
        plain.unlink()


def load(path):
    from export import onnx

    plain = _onnx(path)
    try:
        return onnx.load(plain)
    finally:
        plain.unlink()


def read_entries(path):
    plain = _onnx(path)
    try:
        return read_onnx(plain)
    finally:
        plain.unlink()


def write_entries(path, entries):
    plain = _onnx(path)
    try:
        write_onnx(plain, entries)
        path.write_bytes(plain.read_bytes()[::-1])
    finally:
        plain.unlink()


def load_toy(path: Path, threads: int = 1) -> Network:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes()[::-1], providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    return lambda images: session.run(None, {source.name: images})[0], source.shape


TOY = Format(
    "toy", ".toy", "NCHW", "toy-runtime", ("Transpose",), (), lambda: Tools(convert, structure, load, {}), read_entries,
    write_entries, Receiver("toy-package", load_toy), ("onnx",), "onnx",
)
'''

_RUNNER = """
import numpy as np
import onnxruntime

def version():
    return "toy 1"

def load(path, threads, delegate, batch):
    session = onnxruntime.InferenceSession(open(path, "rb").read()[::-1], providers=["CPUExecutionProvider"])
    source, fed = session.get_inputs()[0], {}
    feed = lambda images: fed.update({source.name: images})
    return (lambda: session.run(None, fed)), feed, None, [batch, *source.shape[1:]], np.float32
"""

_PROGRAM = """
import json, sys
from pathlib import Path
from latency.runtimes import RUNTIMES
from latency.runtimes.base import Runtime
RUNTIMES["toy-runtime"] = Runtime("toy-runtime", ".toy", ("cpu",), lambda: None, Path(sys.argv[3]), "onnxruntime")
from proxyless.workflow import export, predict
report = export(sys.argv[1], sys.argv[2], ["toy"])
found = predict(Path(sys.argv[2]) / "model.toy", [sys.argv[4]], top=1)
print(json.dumps([report["files"], found[0].top]))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code with a format more: a file, and a line in the list."""
    root = tmp_path_factory.mktemp("code")
    shutil.copytree(_ROOT / "export", root / "export", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "export" / "toy.py").write_text(_FORMAT)
    formats = root / "export" / "formats.py"
    text = formats.read_text().replace("for format_ in (ONNX, TFLITE)}", "for format_ in (ONNX, TFLITE, TOY)}")
    formats.write_text(text.replace("FORMATS: dict", "from export.toy import TOY\n\nFORMATS: dict"))
    for name in ("latency", "proxyless"):
        (root / name).symlink_to(_ROOT / name)
    (root / "runner.py").write_text(_RUNNER)
    return root


@pytest.mark.slow
def test_a_third_format_goes_the_whole_path(package: Path, small: Path, tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(png(99))
    places = [small, tmp_path / "model", package / "runner.py", tmp_path / "image.png"]
    command = [sys.executable, "-c", _PROGRAM, *map(str, places)]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    files, top = json.loads(done.stdout.splitlines()[-1])
    assert files["toy"]["runtime"] == "toy-runtime" and files["toy"]["measured_ms"] > 0
    readme = (tmp_path / "model" / "README.md").read_text()
    assert "pip install numpy pillow toy-package" in readme and "onnxruntime" not in readme
    told = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "model" / "classify.py"), str(tmp_path / "image.png")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[1].endswith(f"  {top[0][0]}")
