"""What devices say and programs have kept, for `fuzz.py`: replies, unfinished profiles and checkpoints.

A reader that takes a case checks what it made of it: a wrong answer in silence is a failure too.
"""

import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fuzz_cases import Files, Reader
from latency.devices import DeviceError, Event, Job
from latency.devices.attempts import run_schedule
from latency.devices.base import OnEvent
from latency.devices.events import events_only
from latency.devices.lines import Ended
from latency.partial import PartialFile
from latency.timing import Samples
from proxyless.checkpoint import load_checkpoint, save_checkpoint
from proxyless.data import Split, make_data
from proxyless.errors import InputError
from proxyless.space import Architecture, tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training

_SIDE = 16


@cache
def kept() -> Mapping[str, Reader]:
    """Every reader by name."""
    return {
        "replies of a device": Reader(_replies(), _use_replies),
        "unfinished profile": Reader(_partials(), _use_partial),
        "checkpoint": Reader(_checkpoints(), _use_checkpoint),
    }


_GOOD = [
    {"event": "ready", "runtime": "x 1", "processor": "y", "cpus": 4},
    {"event": "sample", "id": "a", "round": 0, "ms": [1.5, 1.25]},
    {"event": "failed", "id": "a", "round": 1, "error": "no"},
    {"event": "memory", "peak_bytes": 5},
    {"event": "exit", "code": 0},
    {"event": "loaded", "item": "a", "inputs": {"x": [[1, 3], "float32"]}},
]
_ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    2**70,
    1.5,
    float("nan"),
    float("inf"),
    1e-300,
    1e308,
    "",
    "1",
    "\x1b[31m",
    [],
    {},
    [[]],
    [None],
]
_ODD += [["1"], [1, "x"], {"a": 1}, "x" * 5000, [1e309], [[1.0]], "\ud800"]


@st.composite
def _line(draw: st.DrawFn) -> bytes:
    event: dict[str, Any] = dict(draw(st.sampled_from(_GOOD)))
    match draw(st.sampled_from(["good", "good", "change", "change", "drop", "text", "deep"])):
        case "change":
            event[draw(st.sampled_from(sorted(event)))] = draw(st.sampled_from(_ODD))
        case "drop":
            del event[draw(st.sampled_from(sorted(event)))]
        case "text":
            return draw(st.binary(max_size=60)).replace(b"\n", b"")
        case "deep":
            return b'{"event": ' + b"[" * 50_000
    return json.dumps(event).encode()


def _replies() -> SearchStrategy[Files]:
    return st.lists(_line(), max_size=6).map(lambda lines: {"lines": b"\n".join(lines)})


def _check_samples(samples: Samples) -> None:
    for (number, item), ms in samples.visits.items():
        assert isinstance(number, int) and isinstance(item, str) and ms
        assert all(isinstance(value, float) and 1e-6 <= value <= 1e8 for value in ms)


def _use_replies(folder: Path) -> None:
    """Only visits that were asked for become samples, of times that there can be."""
    lines = (folder / "lines").read_bytes().decode(errors="replace").split("\n")
    samples = Samples()

    def attempt(job: Job, on_event: OnEvent) -> Ended:
        hand_over = events_only(on_event)
        for line in lines:
            hand_over(line)
        return Ended(1, "over")

    def record(event: Event) -> None:
        samples.add(event)

    job = Job(Path("runner.py"), {"a": Path("a")}, ((0, "a"), (1, "a")))
    try:
        run_schedule("board", job, attempt, record)
    except DeviceError as error:
        raise InputError(str(error)) from None
    finally:
        _check_samples(samples)
        assert set(samples.visits) <= set(job.schedule)


def _partials() -> SearchStrategy[Files]:
    heads = st.sampled_from([b"{}", b'{"space": 1}', b"[]", b"x", b"", b"[" * 50_000])
    return st.tuples(heads, st.lists(_line(), max_size=5)).map(
        lambda parts: {"t.json.partial": b"\n".join([parts[0], *parts[1]]) + b"\n"}
    )


def _use_partial(folder: Path) -> None:
    with PartialFile(folder / "t.json", {}) as partial:
        _check_samples(partial.samples)


@cache
def _training() -> Training:
    images = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 3, _SIDE, _SIDE).contiguous()
    split = Split(images, torch.arange(20) % 2)
    space = tiny_fixed(resolution=_SIDE, num_classes=2)
    network = Architecture(space, tuple(decision.choices[0] for decision in space.decisions))
    settings = TrainSettings(epochs=2, warmup_epochs=0, batch_size=4, device="cpu")
    return Training(network, make_data("fuzz", split, split, ["a", "b"], "none"), settings)


def _saved(state: Any, folder: Path) -> bytes:
    save_checkpoint(folder / "checkpoint.pt", state)
    return (folder / "checkpoint.pt").read_bytes()


@st.composite
def _checkpoints(draw: st.DrawFn) -> Files:
    """The state of a training with one value changed, or its bytes damaged."""
    state = _training().state_dict()
    weights = dict(state["network"])
    name = draw(st.sampled_from(sorted(weights)))
    match draw(st.sampled_from(["whole", "top", "top", "weight", "bytes", "bytes"])):
        case "top":
            state[draw(st.sampled_from(sorted(state)))] = draw(
                st.sampled_from([value for value in _ODD if value != "\ud800"])
            )
        case "weight":
            wrong: list[Any] = [torch.full_like(weights[name], float("nan")), torch.zeros(3), None, [1.0], "x"]
            weights[name] = wrong[draw(st.integers(0, len(wrong) - 1))]
            state["network"] = weights
    with tempfile.TemporaryDirectory() as folder:
        content = bytearray(_saved(state, Path(folder)))
    if draw(st.booleans()):
        content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return {"checkpoint.pt": bytes(content)}


def _use_checkpoint(folder: Path) -> None:
    """What is taken up is of this training, and its weights are numbers."""
    training = _training()
    training.resume(folder / "checkpoint.pt")
    assert training.epoch in (0, 1, 2) and len(training.history) == training.epoch
    state = load_checkpoint(folder / "checkpoint.pt")
    assert not any(bool(torch.isnan(tensor).any()) for tensor in state["network"].values())
