"""Do the readers refuse whatever is damaged: in one sentence, at once, and without taking memory?

python benchmarks/fuzz.py --cases 2000

Every case is a file or folder that is wrong in some way: arbitrary bytes, arbitrary JSON, a valid document with values
deleted, retyped or extreme, damaged text, a damaged safetensors file; photographs with odd EXIF, trees of folders,
columns of parquet files, lines of a device, checkpoints. A case fails when its reader raises anything but InputError,
says more than one line or 1,000 characters, makes something wrong of it, takes more than two seconds of processor time,
or more than one GiB.
"""

import argparse
import math
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

from fuzz_cases import Files, readers
from fuzz_inputs import inputs
from fuzz_kept import kept
from proxyless.errors import InputError

CASE_S, WAIT_S = 2.0, 60.0
MEMORY_BYTES = 2**30
MESSAGE_CHARACTERS = 1000


@dataclass
class Outcome:
    """What became of a reader's cases: those that it took, refused, and `failures`, as (why, files).

    slowest_s: processor time of a case. seconds: of all of them on the clock, with the making of the files.
    """

    read: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    seconds: float = 0.0
    failures: list[tuple[str, Files]] = field(default_factory=list)


class Late(BaseException):
    """No Exception: a reader may pass on whatever a library raises."""


@contextmanager
def limited_memory() -> Iterator[None]:
    """What allocates more than `MEMORY_BYTES` from here on fails."""
    old = resource.getrlimit(resource.RLIMIT_DATA)
    status = Path("/proc/self/status").read_text()
    used = 1024 * int(status.split("VmData:")[1].split()[0])
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_BYTES, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, old)


@contextmanager
def limited_time() -> Iterator[None]:
    """Raise Late in what takes longer than `CASE_S` of processor time, or `WAIT_S` on the clock."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Late

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, CASE_S), (signal.ITIMER_REAL, signal.SIGALRM, WAIT_S))
    before = [signal.signal(number, stop) for _, number, _ in timers]
    for timer, _, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def refusal(read: Callable[[Path], object], folder: Path) -> str | None:
    """Read a folder; returns the sentence that refused it, None when it was read."""
    try:
        with limited_time():
            read(folder)
    except InputError as error:
        return str(error)
    return None


def problem(message: str | None) -> str | None:
    """What is wrong with a refusal."""
    if message is None or (message.isprintable() and 0 < len(message) <= MESSAGE_CHARACTERS):
        return None
    return f"a message of {len(message)} characters: {message[:300]!r}"


def fuzz(cases: SearchStrategy[Files], read: Callable[[Path], object], count: int) -> Outcome:
    """Read so many cases; goes on past failures."""
    outcome = Outcome()

    def one(files: Files) -> None:
        with tempfile.TemporaryDirectory() as name:
            for file, content in files.items():
                (Path(name) / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(name) / file).write_bytes(content)
            start = time.process_time()
            try:
                message = refusal(read, Path(name))
                wrong = problem(message)
                outcome.read += message is None
                outcome.refused += message is not None
            except (Exception, Late) as error:
                wrong = f"{type(error).__name__}: {str(error)[:300]}"
            outcome.slowest_s = max(outcome.slowest_s, time.process_time() - start)
            if wrong:
                outcome.failures.append((wrong, files))

    limits = settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    start = time.perf_counter()
    with limited_memory():
        seed(0)(limits(given(cases)(one)))()
    outcome.seconds = time.perf_counter() - start
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000, help="cases per reader")
    parser.add_argument("--reader", help="only this one")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    known = {**readers(), **inputs(), **kept()}
    if arguments.reader not in (None, *known) or arguments.cases < 1:
        parser.error(f"--reader is one of {', '.join(known)}, and --cases at least 1")
    chosen = [arguments.reader] if arguments.reader else list(known)
    found = {name: fuzz(known[name].cases, known[name].read, arguments.cases) for name in chosen}
    print("| reader | cases | read | refused | failures | slowest ms | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, outcome in found.items():
        total = outcome.read + outcome.refused
        slowest_ms = math.ceil(1000 * outcome.slowest_s)
        print(
            f"| {name} | {total} | {outcome.read} | {outcome.refused} | {len(outcome.failures)} | {slowest_ms} "
            f"| {outcome.seconds:.0f} |"
        )
    for name, outcome in found.items():
        for why, files in sorted(outcome.failures, key=lambda failure: sum(map(len, failure[1].values())))[:5]:
            print(f"{name}: {why}\n  { ({file: content[:200] for file, content in files.items()}) }")
    if any(outcome.failures for outcome in found.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
