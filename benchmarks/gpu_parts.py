"""Runs the parts of benchmarks/gpu.sh, each in a process and a time of its own, and passes on their JSON lines.

bash benchmarks/gpu.sh [PART ...]

Imports nothing that may be missing: what is, it names.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent
_NEEDED = (
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "PIL",
    "pyarrow",
    "safetensors",
    "pydantic",
    "yaml",
    "lightning_fabric",
)
_TOTAL_S = 475.0
_SLOWER = 5.0
"""Times as long may a part take on a CPU, where eight minutes are not asked for."""


class Part(NamedTuple):
    """A script beside this one, what it is called with on a GPU and on a CPU, and its seconds."""

    name: str
    script: str
    on_gpu: str
    on_cpu: str
    limit_s: float


PARTS = (
    Part("numbers", "gpu_numbers.py", "", "", 40),
    Part("depthwise", "gpu_depthwise.py", "--batch 256", "--batch 2 --shrink 8 --repeats 2", 40),
    Part(
        "speed-224",
        "gpu_speed.py",
        "--batch 256 --resolution 224 --cycles 2",
        "--space tiny-fixed --batch 4 --resolution 32 --cycles 1",
        150,
    ),
    Part(
        "speed-32",
        "gpu_speed.py",
        "--batch 1024 --resolution 32 --cycles 3",
        "--space tiny-fixed --batch 8 --resolution 16 --cycles 1",
        80,
    ),
    Part("strategies", "gpu_strategies.py", "--epochs 1", "--epochs 1", 70),
    Part("path", "gpu_path.py", "", "", 35),
    Part("cifar10", "gpu_cifar.py", "--limit 20000 --batch 512 --epochs 3", "--limit 200 --batch 32 --epochs 1", 60),
)


def main() -> None:
    chosen = [part for part in PARTS if part.name in sys.argv[1:] or len(sys.argv) == 1]
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        say(
            "environment",
            error=f"missing packages: {', '.join(missing)}; put them into a folder and name it by GPU_SITE",
        )
        sys.exit(1)
    has_gpu = _environment()
    start = time.monotonic()
    results = [_run(part, has_gpu, _TOTAL_S - (time.monotonic() - start)) for part in chosen]
    say("all", failed=[part.name for part, good in zip(chosen, results, strict=True) if not good])
    sys.exit(not all(results))


def say(part: str, **facts: object) -> None:
    print(json.dumps({"part": part, **facts}), flush=True)


def _environment() -> bool:
    import torch

    has_gpu = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if has_gpu else "cpu"
    say("environment", device=device, torch=torch.__version__, triton=importlib.util.find_spec("triton") is not None)
    return has_gpu


def _run(part: Part, has_gpu: bool, left_s: float) -> bool:
    """Whether it ended well. What it had printed until then is printed in any case."""
    limit_s = min(part.limit_s, left_s) if has_gpu else _SLOWER * part.limit_s
    if limit_s <= 0:
        say(part.name, error="no time was left")
        return False
    command = [sys.executable, str(_HERE / part.script), *(part.on_gpu if has_gpu else part.on_cpu).split()]
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=limit_s)
        error = None if process.returncode == 0 else _last_line(err) or f"exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # compilers that it started hold its output too
        out, err = process.communicate()
        error = f"not done after {limit_s:.0f} s"
    for line in out.splitlines():
        _pass_on(part.name, line)
    say(
        part.name, done=error is None, seconds=round(time.monotonic() - start, 1), **({"error": error} if error else {})
    )
    return error is None


def _pass_on(part: str, line: str) -> None:
    try:
        say(part, **json.loads(line))
    except (ValueError, TypeError):  # a library that prints
        say(part, said=line)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""


if __name__ == "__main__":
    main()
