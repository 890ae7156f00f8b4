"""`classify.py` prepares images as the training did, and names them as PyTorch does, with nothing of this package."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from PIL import Image

from export.formats import FORMATS
from export.preprocess import FileInput, Preprocess
from export.receiver import classify
from export.receiver.load_tflite import load_tflite
from export.receiver.write import write_classify, write_model
from latency.writers.graph import lower
from latency.writers.onnx import write_onnx
from latency.writers.tflite import write_tflite
from proxyless.data.augment import normalise
from proxyless.data.decode import decode, pixels_of
from proxyless.errors import InputError
from proxyless.space import Architecture
from tests.data.images import empty_png
from tests.helpers import MIXED_OPS, architecture, deployable, folded_weights, random_images

_MEAN, _STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
_LABELS = [f"class {index}" for index in range(9)] + ["Käse"]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("classify.py", {"numpy", "PIL", "onnxruntime", "ai_edge_litert", "tflite_runtime"}),
        ("model.py", {"torch"}),
    ],
)
def test_a_program_for_the_receiver_imports_nothing_else_and_is_python_3_8(
    name: str, allowed: set[str], tmp_path: Path
) -> None:
    write_classify(tmp_path, list(FORMATS.values()))
    write_model(tmp_path, architecture(MIXED_OPS).layers)
    tree = ast.parse((tmp_path / name).read_text(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, *allowed}


def _noise(height: int, width: int, seed: int = 0) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (height // 3 + 2, width // 3 + 2, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def _rotated() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _palette_with_transparency() -> Image.Image:
    image = _noise(40, 60).quantize(16)
    image.info["transparency"] = 3
    return image


_IMAGES: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "rgb": (_noise(50, 70), "PNG", {}),
    "already of this size": (_noise(24, 32), "PNG", {}),
    "grey": (_noise(50, 70).convert("L"), "PNG", {}),
    "grey with alpha": (_noise(50, 70).convert("LA"), "PNG", {}),
    "alpha": (_noise(50, 70).convert("RGBA"), "PNG", {}),
    "black and white": (_noise(50, 70).convert("1"), "PNG", {}),
    "palette with transparency": (_palette_with_transparency(), "PNG", {"transparency": 3}),
    "16 bit": (Image.fromarray(np.random.default_rng(0).integers(0, 65536, (40, 50)).astype(np.uint16)), "PNG", {}),
    "CMYK": (_noise(50, 70).convert("CMYK"), "TIFF", {}),
    "CMYK JPEG": (_noise(50, 70).convert("CMYK"), "JPEG", {}),
    "small JPEG": (_noise(20, 20), "JPEG", {}),
    "JPEG at an eighth": (_noise(900, 700), "JPEG", {}),
    "progressive JPEG": (_noise(300, 500), "JPEG", {"progressive": True}),
    "turned JPEG": (_noise(300, 500), "JPEG", {"exif": _rotated()}),
    "turned PNG": (_noise(30, 50), "PNG", {"exif": _rotated()}),
    "animation": (_noise(50, 70).quantize(8), "GIF", {"save_all": True, "append_images": [_noise(50, 70, 1)]}),
    "one pixel wide": (_noise(200, 1), "PNG", {}),
    "WebP": (_noise(50, 70), "WEBP", {}),
}


@pytest.mark.parametrize("name", _IMAGES)
def test_images_are_read_as_for_training(name: str, tmp_path: Path) -> None:
    image, kind, options = _IMAGES[name]
    image.save(tmp_path / "image", kind, **options)
    expected = decode(tmp_path / "image", 24, "image").transpose(1, 2, 0)
    np.testing.assert_array_equal(pixels_of(tmp_path / "image", 24, 24, "image"), expected)


def test_height_and_width_may_differ(tmp_path: Path) -> None:
    top_left = np.zeros((64, 64, 3), np.uint8)
    top_left[:32] = 255
    Image.fromarray(top_left).save(tmp_path / "image.png")
    pixels = pixels_of(tmp_path / "image.png", 16, 32, "image")
    assert pixels.shape == (16, 32, 3) and pixels[:6].min() == 255 and pixels[-6:].max() == 0


def test_values_are_normalised_to_the_same_bits() -> None:
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    planes = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
    expected = normalise(planes.float().div(255), torch.tensor(_MEAN), torch.tensor(_STD)).numpy()
    np.testing.assert_array_equal(classify.prepare(image, _MEAN, _STD, ["batch", 3, 16, 16]), expected)
    np.testing.assert_array_equal(classify.prepare(image, _MEAN, _STD, [1, 16, 16, 3]), expected.transpose(0, 2, 3, 1))


def test_a_huge_png_is_refused_and_a_huge_jpeg_read_small(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(empty_png(20_000))
    with pytest.raises(InputError, match="pixels"):
        pixels_of(tmp_path / "huge.png", 32, 32, "huge.png")
    Image.new("L", (13_400, 13_400), 200).save(tmp_path / "huge.jpg", quality=30)  # more than Image.open would open
    assert pixels_of(tmp_path / "huge.jpg", 32, 32, "huge.jpg").min() > 190


_PROGRAM = """
import json, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(json.dumps(sorted(name for name in sys.modules if "." not in name)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A folder with a network in both formats and everything that classify.py reads."""
    folder = tmp_path_factory.mktemp("bundle")
    found = architecture(MIXED_OPS)
    network = _undecided(found)
    for write, name in ((write_onnx, "model.onnx"), (write_tflite, "model.tflite")):
        write(lower(found.layers, folded_weights(network), batch=1), folder / name)
    files = {"model.onnx": FileInput(layout="NCHW"), "model.tflite": FileInput(layout="NHWC")}
    Preprocess(size=(32, 32), mean=_MEAN, std=_STD, files=files).save(folder / "preprocess.json")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in _LABELS), encoding="utf-8")
    write_classify(folder, list(FORMATS.values()))
    return folder, network


def _undecided(found: Architecture) -> torch.nn.Module:
    """A network that sees no class in the average image, so that what it sees depends on the image."""
    network = deployable(found.layers)
    linear = network.get_submodule(f"{len(found.layers) - 1}.branch.linear")
    assert isinstance(linear, torch.nn.Linear)
    with torch.no_grad():
        linear.bias.sub_(network(torch.from_numpy(random_images(64, 32, seed=9))).mean(0))
    return network


def _images(folder: Path) -> list[Path]:
    paths = [folder / f"{index}.png" for index in range(12)]
    generator = np.random.default_rng(0)
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return paths


def _run(folder: Path, *arguments: object) -> tuple[int, list[str], str, set[str]]:
    """Exit code, lines on standard output, the first line on standard error, and the modules that were imported."""
    program = [sys.executable, "-I", "-c", _PROGRAM, folder / "classify.py", *arguments]
    done = subprocess.run(list(map(str, program)), capture_output=True, text=True, check=False)
    errors = done.stderr.splitlines()
    return done.returncode, done.stdout.splitlines(), errors[0], set(json.loads(errors[-1]))


def _top_labels(lines: list[str], paths: list[Path]) -> list[str]:
    return [lines[lines.index(str(path)) + 1].split("  ")[-1] for path in paths]


@pytest.mark.parametrize(
    ("model", "runtime", "other"),
    [
        ("model.onnx", "onnxruntime", "ai_edge_litert"),
        ("model.tflite", "ai_edge_litert", "onnxruntime"),
        (None, "onnxruntime", "ai_edge_litert"),
    ],
)
def test_labels_are_those_of_pytorch_and_one_runtime_is_enough(
    model: str | None, runtime: str, other: str, bundle: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    folder, network = bundle
    paths = _images(tmp_path)
    code, lines, _, modules = _run(folder, *([folder / model] if model else []), *paths)
    assert code == 0 and runtime in modules and not modules & {other, "torch", "proxyless", "export", "latency"}
    images = torch.stack([torch.from_numpy(decode(path, 32, "image").copy()) for path in paths])
    with torch.no_grad():
        logits = network(normalise(images.float().div(255), torch.tensor(_MEAN), torch.tensor(_STD)))
    assert _top_labels(lines, paths) == [_LABELS[index] for index in logits.argmax(1)]
    assert len(set(_top_labels(lines, paths))) > 1
    best = logits[0].softmax(0).max().item()
    assert lines[1].split("%")[0].strip() == f"{100 * best:.2f}"


def test_a_damaged_image_is_named_and_the_others_are_classified(
    bundle: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    first, second = _images(tmp_path)[:2]
    first.write_bytes(second.read_bytes()[:100])
    code, lines, error, _ = _run(bundle[0], first, second)
    assert code == 1 and error.startswith(f"{first} is not a readable image: ") and lines[0] == str(second)


_SCALES = {"int8": (0.02, -10, 0.01, 5), "uint8": (0.02, 110, 0.01, 130)}
"""Scale and zero point of input and of output."""


def _channel_means(path: Path, dtype: str) -> None:
    """A quantised network whose logits are the means of the image's channels."""
    model, subgraph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    number = {"int8": schema.TensorType.INT8, "uint8": schema.TensorType.UINT8}[dtype]
    scale, zero_point, result_scale, result_zero_point = _SCALES[dtype]
    axes = _tensor([2], schema.TensorType.INT32, buffer=1)
    image = _tensor([1, 16, 16, 3], number, scale=scale, zero_point=zero_point)
    means = _tensor([1, 3], number, scale=result_scale, zero_point=result_zero_point)
    subgraph.tensors, subgraph.inputs, subgraph.outputs, subgraph.operators = [image, axes, means], [0], [2], [operator]
    operator.inputs, operator.outputs, operator.opcodeIndex = [0, 1], [2], 0
    operator.builtinOptions = schema.ReducerOptionsT()
    operator.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MEAN
    code.version = 2
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.frombuffer(np.array([1, 2], np.int32).tobytes(), np.uint8)
    model.version, model.subgraphs, model.operatorCodes = 3, [subgraph], [code]
    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


def _tensor(shape: list[int], number: int, buffer: int = 0, scale: float = 0.0, zero_point: int = 0) -> Any:
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer, tensor.name = shape, number, buffer, f"t{len(shape)}"
    if scale:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [zero_point]
    return tensor


@pytest.mark.parametrize("dtype", _SCALES)
def test_a_quantised_file_gets_quantised_images_and_its_logits_are_real_numbers(dtype: str, tmp_path: Path) -> None:
    _channel_means(tmp_path / "model.tflite", dtype)
    run, shape = load_tflite(tmp_path / "model.tflite")
    images = np.random.default_rng(0).uniform([-1.2, -0.9, -0.7], [0.6, 0.9, 1.1], shape).astype(np.float32)
    _, _, scale, zero_point = _SCALES[dtype]
    found = run(images)
    assert found.dtype == np.float32 and found.shape == (1, 3)
    np.testing.assert_allclose(found, images.mean((1, 2)), atol=scale)
    largest = scale * (np.iinfo(dtype).max - zero_point)
    np.testing.assert_allclose(run(np.full(shape, 100, np.float32)), largest, rtol=1e-6)
