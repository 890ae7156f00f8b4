"""A device without Python: TFLite's own `benchmark_model`, once per visit.

It prints a summary, not each run: a visit has one sample, the median where the tool says it, else the mean.
"""

import re
import shlex
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from latency.devices.attempts import run_schedule
from latency.devices.base import DeviceError, Event, Job, OnEvent
from latency.devices.events import LEAST_MS, MOST_MS
from latency.devices.lines import Ended, last_line, run_lines
from latency.devices.link import Link, call, connection_lost, fill, remove
from latency.devices.pack import content_name, folder_name
from latency.devices.remote import BEAT_S, PAUSES_S
from proxyless.errors import InputError

_LINES = 10_000
"""Of what the tool prints; of more the last ones are read."""
_NUMBER = r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)"

# Standard input stays open as long as we are there; a tool that hangs is killed when it closes. On a phone, input and
# output are one socket: no process may be left that holds it, or the shell does not end; hence `read`, not `cat`.
_KILL_WHEN_ALONE = (
    "exec 3<&0; {tool} </dev/null & tool=$!; "
    "(while read -r beat; do :; done; kill -9 $tool) <&3 >/dev/null 2>&1 & waiting=$!; "
    "wait $tool; code=$?; kill $waiting; echo; echo exit=$code"
)

_DESCRIBE = (
    "uname -m; getprop ro.soc.model 2>/dev/null || echo; getprop ro.product.model 2>/dev/null || echo; "
    "getprop ro.build.version.release 2>/dev/null || echo; OMP_NUM_THREADS= nproc"
)


class BenchmarkModel:
    """Pushes the tool and the models, and parses what the tool prints.

    binary: the tool, built for the device. silence_s, pauses_s: as for `RemoteDevice`.
    """

    def __init__(
        self, link: Link, binary: Path, silence_s: float = 120.0, pauses_s: Sequence[float] = PAUSES_S
    ) -> None:
        self.link, self.binary, self.silence_s, self.pauses_s = link, binary, silence_s, pauses_s

    @property
    def name(self) -> str:
        return self.link.name

    def run(self, job: Job, on_event: OnEvent) -> None:
        _check(self.name, job)
        names = {item: content_name(path) for item, path in job.items.items()}
        tool = content_name(self.binary)
        files = {names[item]: path for item, path in job.items.items()} | {tool: self.binary}
        folder = f"{self.link.folder}/{folder_name(files)}"

        def attempt(part: Job, record: OnEvent) -> Ended:
            fill(self.link, folder, files)
            record(self._environment(folder, tool))
            for number, item in part.schedule:
                event, ended = self._visit(part, folder, tool, names[item])
                if ended.silent_s:
                    return ended
                record({**event, "id": item, "round": number})
            return Ended(0, "")

        if run_schedule(self.name, job, attempt, on_event, self.pauses_s):
            remove(self.link, folder)

    def _environment(self, folder: str, tool: str) -> Event:
        ended, text = call(self.link, f"cd {folder} && chmod 755 {tool} && {{ {_DESCRIBE}; }}")
        if ended.code:
            raise DeviceError(f"cannot prepare benchmark_model on {self.name}: {last_line(ended.errors)}")
        machine, processor, model, release, cpus = (text.splitlines() + [""] * 5)[:5]
        return {
            "event": "ready",
            "runtime": f"benchmark_model {Path(tool).stem[:12]}",  # it tells no version; this is its SHA-256
            "machine": machine,
            "system": f"{model} Android {release}".strip(),
            "processor": processor or "unknown",
            "cpus": int(cpus) if cpus.isdigit() else None,
        }

    def _visit(self, job: Job, folder: str, tool: str, model: str) -> tuple[Event, Ended]:
        """Run the tool once; returns the event without its visit."""
        lines: deque[str] = deque(maxlen=_LINES)
        command = f"./{tool} {shlex.join(_arguments(job, model))}"
        script = f"cd {folder} && {{ {_KILL_WHEN_ALONE.format(tool=command)}; }}"

        def keep(line: str) -> bool:
            lines.append(line)
            return False  # a visit is short: the time is for all of it

        ended = run_lines(self.link.command(script), keep, self.silence_s, BEAT_S)
        exits = [int(line[5:]) for line in lines if re.fullmatch(r"exit=\d{1,3}\s*", line)]
        if not exits and not ended.silent_s:
            raise connection_lost(self.link, ended)
        printed = "".join(line for line in lines if not line.startswith("exit=")) + ended.errors
        ms = parse_ms(printed)
        if ended.silent_s or exits[0] or ms is None:
            code = exits[0] if exits else None
            why = f"benchmark_model ended with {code}: {last_line(printed)}"
            if code == 0:
                why = "what ran printed no statistics (count=.. avg=..), as benchmark_model of TFLite and LiteRT do"
            return {"event": "failed", "error": why}, ended
        return {"event": "sample", "ms": [ms]}, ended


def _check(name: str, job: Job) -> None:
    if job.runner.stem != "litert":
        raise InputError(f"{name} measures with benchmark_model, which runs TFLite only; choose --runtime litert")
    if job.batch != 1:
        raise InputError(f"{name} measures with benchmark_model, one image at a time; choose batch 1, not {job.batch}")


def _arguments(job: Job, model: str) -> list[str]:
    return [
        f"--graph={model}",
        f"--num_threads={job.threads}",
        f"--use_xnnpack={'false' if job.delegate == 'none' else 'true'}",
        "--warmup_runs=1",
        f"--warmup_min_secs={job.warmup_ms / 1000:g}",
        f"--num_runs={job.min_runs}",
        f"--min_secs={job.visit_ms / 1000:g}",
    ]


def parse_ms(printed: str) -> float | None:
    """Milliseconds per run from what the tool printed; None when it holds no result.

    All versions print a line of statistics in microseconds for the warm-up and then for the runs: `count=50 first=..
    curr=.. min=.. max=.. avg=.. std=..`, newer ones with `median=`; that of 2026 is LiteRT's. Of a single run it is
    `count=1 curr=..`. Only the last counts.
    """
    lines = re.findall(r"^.*\bcount=\d+ .*\b(?:median|avg|curr)=.*$", printed, re.MULTILINE)
    if lines:
        name = next(name for name in ("median", "avg", "curr") if f" {name}=" in lines[-1])
        found = re.search(rf"\b{name}={_NUMBER}(?![\w.])", lines[-1])
    else:  # some print nothing but the summary
        found = re.search(rf"Inference timings in us:.*Inference \(avg\): {_NUMBER}", printed)
    ms = float(found[1]) / 1000 if found else 0.0
    return ms if LEAST_MS <= ms <= MOST_MS else None
