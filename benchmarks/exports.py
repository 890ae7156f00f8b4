"""Export networks with random weights in both formats, verify every file, and time conversion and execution.

python benchmarks/exports.py --space tiny --resolution 32 --count 200 --int8   random networks, every one verified
python benchmarks/exports.py --hostile                       odd resolutions, 1 and 1,000 classes, narrow, all skips
python benchmarks/exports.py --published --measure           the published networks at 224, with their latencies

Beside the files, the plain `model.py` of the bundle has to compute what the network does. With --int8, the first int8
recipe of every format too: its file has to load and repeat itself, with the operators that are expected; random weights
lose too much in eight bits for their classes to be compared.
"""

import argparse
import json
import multiprocessing
import random
import runpy
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from export.checks import Expected, failed
from export.format import ModelFile
from export.formats import FORMATS, find_formats
from export.receiver.write import write_model
from export.verify import Reference, verify
from latency.deployed import Conditions, measure_files
from latency.devices import find_device
from latency.runtimes import find_runtime
from latency.writers.graph import lower, random_weights
from proxyless.errors import InputError
from proxyless.nn import build_network, save_weights
from proxyless.space import Architecture, Space, Target, build_space

_IMAGES = 16
_PLAIN_ERROR = 1e-4
_NETWORKS = Path(__file__).parents[1] / "tests" / "fixtures" / "published_networks.json"
_PUBLISHED = ("proxyless_mobile", "proxyless_cpu", "proxyless_gpu", "mobilenet_v2_1.0")


_COMPARED = ("largest error of a logit", "same top class as PyTorch", "accuracy lost", "size")
"""What is not asked of int8 files of random weights; the size that is allowed suits networks that are not tiny."""


@dataclass(frozen=True)
class Result:
    """A file: seconds of its conversion, and the checks that failed (or why it could not be made)."""

    network: str
    format: str
    convert_s: float
    max_relative_error: float
    failures: list[str]


def random_networks(space: Space, count: int, seed: int) -> Iterator[tuple[str, Architecture]]:
    rng = random.Random(seed)
    for number in range(count):
        yield f"{space.name} {number}", Architecture(space, space.random_ops(rng))


def hostile_networks() -> Iterator[tuple[str, Architecture]]:
    """Every shape at which something could go wrong, with a random network and with both extremes of skipping."""
    arguments = [
        ("tiny-fixed", {"resolution": resolution, "num_classes": classes, "width_mult": width})
        for resolution, classes, width in [
            (33, 10, 1.0), (47, 10, 1.0), (97, 3, 1.0), (32, 1, 1.0), (32, 1000, 1.0), (32, 10, 0.25), (31, 1, 0.25)
        ]
    ]  # fmt: skip
    arguments += [
        ("mobile-fixed", {"resolution": 97, "num_classes": 1}),
        ("mobile-fixed", {"resolution": 65, "width_mult": 0.25}),
    ]
    rng = random.Random(0)
    for name, values in arguments:
        space = build_space(name, values)
        title = f"{name} " + " ".join(f"{key}={value}" for key, value in values.items())
        skips = tuple("skip" if "skip" in layer.choices else layer.choices[0] for layer in space.decisions)
        none = tuple(next(op for op in layer.choices if op != "skip") for layer in space.decisions)
        chosen = {"random": space.random_ops(rng), "every skip": skips, "no skip": none}
        for kind, ops in chosen.items():
            yield f"{title}, {kind}", Architecture(space, ops)


def published_networks() -> Iterator[tuple[str, Architecture]]:
    for entry in json.loads(_NETWORKS.read_text())["networks"]:
        if entry["name"] in _PUBLISHED:
            space = build_space("mobile-fixed", entry["space_args"])
            yield entry["name"], Architecture(space, tuple(entry["ops"]))


def random_network(architecture: Architecture) -> nn.Module:
    """Random weights, with the statistics of random images in its normalisation: outputs depend on inputs."""
    torch.manual_seed(0)
    network = build_network(architecture.layers)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.momentum = None
    resolution = architecture.space.resolution
    with torch.no_grad():
        for _ in range(2):
            network(torch.randn(16, 3, resolution, resolution))
    return network.eval()


def examine(job: tuple[str, Architecture, str, Path | None, bool]) -> list[Result]:
    """Convert and verify one network in one format; keep the file where a folder is given."""
    title, architecture, name, keep, int8 = job
    torch.set_num_threads(1)
    network, file = random_network(architecture), ModelFile(FORMATS[name])
    resolution = architecture.space.resolution
    images = np.random.default_rng(1).standard_normal((_IMAGES, 3, resolution, resolution), dtype=np.float32)
    with torch.no_grad():
        logits = network(torch.from_numpy(images)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = (keep or Path(folder)) / f"{title}{file.format.suffix}"
        start = time.perf_counter()
        try:
            file.format.tools.convert(network, resolution, path)
            seconds = time.perf_counter() - start
            reference = Reference(lambda: iter([images]), logits.argmax(1), logits)
            expected = Expected.of(architecture.layers)
            report = verify(file, path, reference, expected)
            failures = [str(check) for check in failed(report.checks)] + plain_failures(architecture, network, images)
            relative = report.max_abs_error / float(np.abs(logits).max())
        except Exception as error:
            return [broken(title, name, error)]
        results = [Result(title, name, seconds, relative, failures)]
        if int8:
            small = ModelFile(file.format, "int8")
            try:
                results.append(quantise(title, small, path, reference, expected, images))
            except Exception as error:
                results.append(broken(title, small.file_name, error))
    return results


def broken(title: str, name: str, error: Exception) -> Result:
    return Result(title, name, float("nan"), float("nan"), [f"{type(error).__name__}: {error}"])


def quantise(
    title: str, file: ModelFile, source: Path, reference: Reference, expected: Expected, images: np.ndarray
) -> Result:
    start, path = time.perf_counter(), source.with_name(f"int8-{source.name}")
    file.format.tools.recipes["int8"][0].make(source, path, images)
    seconds = time.perf_counter() - start
    report = verify(file, path, reference, expected)
    failures = [str(check) for check in failed(report.checks) if check.name.split(": ")[-1] not in _COMPARED]
    relative = report.max_abs_error / float(np.abs(reference.logits).max())
    return Result(title, file.file_name, seconds, relative, failures)


def plain_failures(architecture: Architecture, network: nn.Module, images: np.ndarray) -> list[str]:
    """Of the bundle's `model.py`, run as its receiver does."""
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), architecture.layers)
        save_weights(Path(folder) / "weights.safetensors", network)
        plain = runpy.run_path(str(Path(folder) / "model.py"))["load"](Path(folder) / "weights.safetensors")
    few = torch.from_numpy(images[:4])
    with torch.no_grad():
        expected = network(few)
        error = float((plain(few) - expected).abs().max() / expected.abs().max())
    return [] if error < _PLAIN_ERROR else [f"model.py differs by {error:.1e} of the largest logit"]


def measure(networks: list[tuple[str, Architecture]], folder: Path) -> None:
    """Milliseconds of the exported files and of PyTorch on one thread, side by side per runtime."""
    space, device = networks[0][1].space, find_device("local")
    kinds = {"litert": ".tflite", "onnxruntime": ".onnx", "torch": ".npz"}
    for title, architecture in networks:
        find_runtime("torch").writer_of("float32")(
            lower(architecture.layers, random_weights()), folder / f"{title}.npz"
        )
    found = {
        runtime: measure_files(
            {title: folder / f"{title}{suffix}" for title, _ in networks},
            device,
            Conditions(Target(runtime=runtime, delegate=find_runtime(runtime).delegates[0]), space),
        )
        for runtime, suffix in kinds.items()
    }
    print("| network | " + " | ".join(f"{runtime} ms" for runtime in kinds) + " |")
    for title, _ in networks:
        print(f"| {title} | " + " | ".join(f"{found[runtime][title].measured_ms:.2f}" for runtime in kinds) + " |")


def choose(arguments: argparse.Namespace) -> list[tuple[str, Architecture]]:
    """The networks that were asked for.

    Raises:
        InputError: an unknown space, or a resolution that it cannot have.
    """
    if arguments.hostile:
        return list(hostile_networks())
    if arguments.published:
        return list(published_networks())
    size = {} if arguments.resolution is None else {"resolution": arguments.resolution}
    return list(random_networks(build_space(arguments.space, size), arguments.count, arguments.seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--formats", default="onnx,tflite")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.count < 1 or arguments.workers < 1:
        parser.error("--count and --workers must be at least 1")
    try:
        networks = choose(arguments)
        formats = [format_.name for format_ in find_formats(arguments.formats.split(","))]
    except InputError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if arguments.measure else None
        jobs = [(title, network, format_, folder, arguments.int8) for title, network in networks for format_ in formats]
        results: list[Result] = []
        with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
            for found in pool.imap_unordered(examine, jobs):
                results += found
                for result in found:
                    print(f"{result.network} {result.format}: {'; '.join(result.failures) or 'ok'}", flush=True)
        summarise(results)
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
        if folder:
            measure(networks, folder)
    count = sum(bool(result.failures) for result in results)
    if count:
        sys.exit(f"{count} of {len(results)} files failed")


def summarise(results: list[Result]) -> None:
    for name in dict.fromkeys(result.format for result in results):
        chosen = [result for result in results if result.format == name]
        seconds = np.median([result.convert_s for result in chosen])
        worst = max(result.max_relative_error for result in chosen)
        failures = sum(bool(result.failures) for result in chosen)
        print(f"{name}: {len(chosen)} files, {failures} failed, {seconds:.1f} s each, largest error {worst:.1e}")


if __name__ == "__main__":
    main()
