"""Is a run that is killed at any moment and resumed the same as one that was not?

python benchmarks/kill_resume.py --table table.json --kills 10

Runs a search and a training once without interruption. Then, for every kill, runs one of them again, sends SIGKILL at
a random moment after it has started to work (warm-up, search, evaluation of networks, retraining), resumes it to its
end, and compares every file and tensor that it left with those of the uninterrupted run.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from proxyless.checkpoint import load_checkpoint
from proxyless.config import CONFIG
from proxyless.search.result import ENVIRONMENT
from proxyless.search.samplers import SAMPLERS

_SEARCH = (
    "search --space tiny-fixed --data synthetic:480 --table TABLE --budget 60% --warmup-epochs 4 --epochs 6 "
    "--batch-size 16 --device cpu"
)
_TRAIN = "train {network} --data synthetic:480 --epochs 12 --batch-size 16 --device cpu"


@dataclass(frozen=True)
class Task:
    """A command, and the folder that it wrote when nobody disturbed it."""

    name: str
    arguments: list[str]
    undisturbed: Path
    seconds: float


def start(arguments: list[str], output: Path, *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "proxyless.cli.main", *arguments, "-o", str(output), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: "subprocess.Popen[bytes]") -> None:
    _, errors = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"a command failed: {errors.decode(errors='replace')[-500:]}")


def undisturbed(name: str, arguments: list[str], output: Path) -> Task:
    """Run to the end; the time of work is counted from the first file in the folder."""
    process = start(arguments, output)
    begin = begun(process, output)
    finish(process)
    return Task(name, arguments, output, time.monotonic() - begin)


def begun(process: "subprocess.Popen[bytes]", output: Path) -> float:
    """Wait until the folder holds a configuration: imports are over, the work begins."""
    while not (output / CONFIG).exists():
        if process.poll() is not None:
            finish(process)
        time.sleep(0.005)
    return time.monotonic()


def kill_and_resume(task: Task, output: Path, share: float) -> dict[str, Any]:
    """Kill after a share of the undisturbed time, resume, compare. A run that was quicker than that is run again."""
    while not kill(task, output, share):
        shutil.rmtree(output)
        share *= 0.7
    log = output / "log.jsonl"
    epochs = len(log.read_text().splitlines()) if log.exists() else 0
    finish(start(task.arguments, output, "--resume"))
    different = differences(task.undisturbed, output)
    return {"task": task.name, "at": round(share, 3), "epochs_done": epochs, "different": different}


def kill(task: Task, output: Path, share: float) -> bool:
    """False when it had ended before."""
    process = start(task.arguments, output)
    begin = begun(process, output)
    time.sleep(max(0.0, begin + share * task.seconds - time.monotonic()))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def differences(one: Path, other: Path) -> list[str]:
    """Names of files that are not the same; checkpoints are compared tensor by tensor."""
    names = {path.relative_to(folder) for folder in (one, other) for path in folder.rglob("*") if path.is_file()}
    compared = (name for name in names if name.name != ENVIRONMENT)  # it says when the run ended
    return sorted(str(name) for name in compared if not same_file(one / name, other / name))


def same_file(one: Path, other: Path) -> bool:
    if not one.exists() or not other.exists():
        return False
    if one.suffix == ".pt":
        return same(load_checkpoint(one), load_checkpoint(other))
    return one.read_bytes() == other.read_bytes()


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="latency table of the space tiny for 10 classes")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--strategies", default="gradient,evolution", help="searched in turn")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        searches = [
            undisturbed(strategy, search_arguments(arguments.table, strategy), folder / strategy)
            for strategy in arguments.strategies.split(",")
        ]
        network = str(searches[0].undisturbed / "architecture.json")
        training = undisturbed("train", _TRAIN.format(network=network).split(), folder / "train")
        tasks = [*searches, training]
        results = []
        for number in range(arguments.kills):
            output = folder / f"killed-{number}"
            results.append(kill_and_resume(tasks[number % len(tasks)], output, rng.random()))
            shutil.rmtree(output)
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    identical = sum(not result["different"] for result in results)
    print(
        json.dumps({"torch": torch.__version__, "identical": identical, "of": len(results), "kills": results}, indent=1)
    )


def search_arguments(table: str, strategy: str) -> list[str]:
    evaluations = ["--evaluations", "60"] if strategy in SAMPLERS else []
    return [*_SEARCH.replace("TABLE", table).split(), "--strategy", strategy, *evaluations]


if __name__ == "__main__":
    main()
