"""Is every command that writes as good after it was stopped at any moment as if it had not been?

python benchmarks/kill_anywhere.py --kills 50

Runs each command once undisturbed. Then, for every kill, runs one again, sends KILL, TERM or INT at a random moment,
and in some cases starts the same command a second time meanwhile, which has to be refused in one sentence or to find
the work done. Then runs the command again (with --resume where it has it): it must end well, with the files of the
undisturbed run, and where nothing is measured with the same content. No process may be left, no hidden or temporary
file, and no traceback.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from kill_resume import differences

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_CODES = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
_ENDS_S, _BEGUN_S = 8.0, 3.0
_SPACE = "--space tiny-fixed"
_LEARN = "--data synthetic:240 --batch-size 16 --device cpu"
_SEARCH = f"search {_SPACE} {_LEARN} --table table.json --budget 60% --warmup-epochs 2 --epochs 3 --finalists 2 -o OUT"

_RUN = """\
output: OUT
space: tiny-fixed
space_args: {resolution: 16, num_classes: 10}
data: synthetic:240
target: {runtime: onnxruntime, rounds: 4, calibrate: 5}
search: {warmup_epochs: 8, epochs: 1, batch_size: 16, device: cpu, halving: false}
train: {epochs: 8, batch_size: 16, device: cpu}
formats: [onnx]
"""


@dataclass(frozen=True)
class Command:
    """A command, whose output is OUT. goes_on: what makes it take up what is there. same: its files are the same each
    time, since nothing in them was measured."""

    name: str
    line: str
    goes_on: str = ""
    same: bool = False
    is_file: bool = False

    def arguments(self, output: Path, *, again: bool) -> list[str]:
        words = self.line.replace("OUT", str(output)).split()
        return [*words, *self.goes_on.split()] if again and output.exists() else words


_PROFILE = f"profile {_SPACE} --resolution 16 --runtime onnxruntime --rounds 8 --calibrate 5 -o OUT"

COMMANDS = (
    Command("profile", _PROFILE, is_file=True),
    Command("search, gradient", _SEARCH, "--resume", same=True),
    Command("search, evolution", f"{_SEARCH} --strategy evolution --evaluations 12", "--resume", same=True),
    Command("derive --measure", "derive run --measure -o OUT"),
    Command("train", f"train run {_LEARN} --epochs 8 -o OUT", "--resume", same=True),
    Command("export", "export trained --format onnx --int8 --max-int8-loss 100 -o OUT"),
    Command("compare", "compare run --seeds 1 --nets 2 --epochs 1 --limit 100 --device cpu --jobs 1 -o OUT"),
    Command("run", "run OUT.yaml"),
)


@dataclass
class Found:
    """What was wrong after one kill."""

    command: str
    signal: str
    at: float
    twice: bool
    problems: list[str] = field(default_factory=list)


class Place:
    """A folder in which commands run, with temporary files of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.temporary = folder, folder / "temporary"
        self.temporary.mkdir()

    def start(self, arguments: list[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "proxyless.cli.main", *arguments],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def must(self, arguments: list[str]) -> float:
        """Run to the end; returns seconds."""
        start, process = time.monotonic(), self.start(arguments)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed: {errors[-600:]}")
        return time.monotonic() - start

    def left_running(self) -> list[int]:
        """Processes that have this place's folder for temporary files."""
        mark = f"TMPDIR={self.temporary}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def leftovers(self, output: Path) -> list[str]:
        """Hidden files around and in an output, unfinished work, and temporary folders."""
        here = [path for path in output.parent.iterdir() if path.name.startswith(".") and path != self.temporary]
        inside = list(output.rglob(".*")) if output.is_dir() else []
        partial = list(output.parent.glob(f"{output.name}.partial"))
        return [str(path) for path in (*here, *inside, *partial, *self.temporary.glob("proxyless-temporary-*"))]


def prepare(place: Place) -> None:
    """What the commands need of each other."""
    place.must(_PROFILE.replace("--resolution 16 ", "").replace("OUT", "table.json").split())
    place.must(_SEARCH.replace("OUT", "run").replace("--warmup-epochs 2", "--warmup-epochs 8").split())
    place.must(f"train run {_LEARN} --epochs 8 -o trained".split())


def output_of(place: Place, command: Command, name: str) -> Path:
    output = place.folder / f"{name}{'.json' if command.is_file else ''}"
    if command.name == "run":
        (place.folder / f"{name}.yaml").write_text(_RUN.replace("OUT", str(output)))
    return output


def disturb(place: Place, command: Command, whole: Path, seconds: float, found: Found, signum: int) -> None:
    """Stop the command, run it again, and look."""
    output = output_of(place, command, "killed")
    process = place.start(command.arguments(output, again=False))
    time.sleep(found.at * seconds)
    if found.twice:
        refused(place, command, output, process, found)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    begun = found.at * seconds > _BEGUN_S  # before, Python itself ends it
    allowed = {_CODES[signal.Signals(signum)], 0, *(() if begun else (-signum, 1))}
    if process.returncode not in allowed:
        found.problems.append(f"ended with {process.returncode}: {errors[-300:]}")
    if "Traceback" in errors:
        found.problems.append(f"a traceback: {errors[-300:]}")
    deadline = time.monotonic() + _ENDS_S
    while place.left_running() and time.monotonic() < deadline:
        time.sleep(0.2)
    found.problems += [f"process {number} runs on" for number in place.left_running()]
    time.sleep(10.5 if place.leftovers(output) else 0.0)  # temporary folders count as stale after ten seconds
    again(place, command, whole, output, found)


def refused(place: Place, command: Command, output: Path, first: "subprocess.Popen[str]", found: Found) -> None:
    """The same command beside the first one."""
    second = place.start(command.arguments(output, again=False))
    _, errors = second.communicate(timeout=300)
    lines = [line for line in errors.splitlines() if line.startswith(("error:", "failed:"))]
    if "Traceback" in errors or (second.returncode and len(lines) != 1):
        found.problems.append(f"a second command ended with {second.returncode}: {errors[-300:]}")
    if second.returncode == 0 and first.poll() is None and not command.same:
        found.problems.append("a second command ran beside the first")


def again(place: Place, command: Command, whole: Path, output: Path, found: Found) -> None:
    done = place.start(command.arguments(output, again=True))
    _, errors = done.communicate(timeout=600)
    finished = done.returncode == 2 and ("exists already" in errors or "holds networks already" in errors)
    if (done.returncode and not finished) or "Traceback" in errors:
        found.problems.append(f"then ended with {done.returncode}: {errors[-300:]}")
    found.problems += [f"left {path}" for path in place.leftovers(output)]
    if command.same:
        found.problems += [f"{name} differs" for name in differences(whole, output)]
    elif names(whole) != names(output):
        found.problems.append(f"other files: {sorted(names(whole) ^ names(output))[:5]}")


def names(output: Path) -> set[str]:
    """Files of an output; of networks that follow from what was measured, the number of folders may differ."""
    if output.is_file():
        return {"file"}
    return {str(path.relative_to(output)) for path in output.iterdir() if path.suffix != ".png"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one command, by its name")
    arguments = parser.parse_args()
    chosen = [command for command in COMMANDS if arguments.only in (None, command.name)]
    if not chosen or arguments.kills < 1:
        parser.error(f"--only is one of {', '.join(command.name for command in COMMANDS)}, and --kills at least 1")
    rng, results = random.Random(arguments.seed), list[Found]()
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))
        prepare(place)
        undisturbed = {}
        for number, command in enumerate(chosen):
            output = output_of(place, command, f"whole-{number}")
            undisturbed[command] = (output, place.must(command.arguments(output, again=False)))
        for number in range(arguments.kills):
            command, signum = chosen[number % len(chosen)], _SIGNALS[rng.randrange(3)]
            found = Found(command.name, signal.Signals(signum).name, round(rng.random(), 3), rng.random() < 0.3)
            disturb(place, command, *undisturbed[command], found, signum)
            results.append(found)
            print(json.dumps(vars(found)), flush=True)
            remove(place.folder / "killed")
    bad = sum(bool(found.problems) for found in results)
    print(f"{len(results) - bad} of {len(results)} as if undisturbed")
    if bad:
        raise SystemExit(1)


def remove(output: Path) -> None:
    shutil.rmtree(output, ignore_errors=True)
    for path in (output.with_suffix(".json"), output.with_suffix(".yaml")):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
