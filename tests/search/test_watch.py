"""Watching a search: warnings where it stops choosing and nowhere else, on the terminal once; TensorBoard."""

import itertools
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from proxyless.cli.console import reporting
from proxyless.progress import Record, Silent
from proxyless.search.board import BoardReporter
from proxyless.search.config import SearchSettings
from proxyless.search.loop import Search
from proxyless.search.problem import Problem
from proxyless.search.result import EVALUATIONS
from proxyless.search.strategies import SamplingSettings
from proxyless.search.watch import collapse_warnings, ending_warnings
from proxyless.space import network_cost
from tests.helpers import bound_at, toy_data, toy_space

_SPACE = toy_space([(8, 2, 1), (12, 2, 2)])


def _record(expected: float = 9.8, skips: float | None = 0.2, entropy: float = 1.0, multiplier: float = 1.0) -> Record:
    """A bound of 10 whose cheapest network costs 4."""
    bound = {"name": "latency", "expected": expected, "limit": 10.0, "smallest": 4.0, "multiplier": multiplier}
    return {"bounds": [bound], "entropy": entropy, "skip_share": skips}


@pytest.mark.parametrize(
    ("records", "warned"),
    [
        ([_record()], None),
        ([_record(expected=4.6, skips=0.95)], "skips have more than 90% of the probability"),
        ([_record(expected=9.9, skips=0.95)], None),  # a tight budget leaves little but skips
        ([_record(expected=4.6, skips=0.85)], None),
        ([_record(expected=4.6, skips=None)], None),  # a space without skips
        ([_record(expected=12, entropy=0.01)], "every layer has decided, but the expected latency is above"),
        ([_record(expected=10.1, entropy=0.01)], None),  # the last steps of a search that converges
        ([_record(expected=12, entropy=0.3)], None),
        ([_record(expected=12, multiplier=100.0)] * 2, "the multiplier of the latency is at its highest value"),
        ([_record(expected=12, multiplier=100.0)], None),
        ([_record(expected=12), _record(expected=12, multiplier=100.0)], None),  # for one epoch only
        ([_record(expected=9, multiplier=100.0)] * 2, None),  # it is enough
    ],
)
def test_what_is_warned_of(records: list[Record], warned: str | None) -> None:
    previous = records[-2] if len(records) > 1 else None
    warnings = collapse_warnings(records[-1], previous)
    assert len(warnings) == (warned is not None)
    assert all(warning.startswith(warned or "") for warning in warnings)


def test_a_penalty_that_the_user_chose_is_not_called_a_multiplier_at_its_highest_value(tmp_path: Path) -> None:
    record = _record(expected=12, multiplier=100.0)
    assert collapse_warnings(record, record) and not collapse_warnings(record, record, multipliers_are_found=False)
    history = _search(0.05, tmp_path, objective="add-linear", penalty=100.0, arch_lr=1e-3, epochs=3).history
    assert history[0]["bounds"][0]["expected"] > 1.02 * history[0]["bounds"][0]["limit"]
    assert not any("highest value" in warning for record in history for warning in record["warnings"])


def _ending(entropy: float, expected: float = 9.8) -> list[str]:
    return ending_warnings({**_record(expected=expected, entropy=entropy), "probabilities": [[0.25] * 4, [0.5] * 2]})


def test_what_a_search_should_not_end_with() -> None:
    even = (np.log(4) + np.log(2)) / 2
    assert not _ending(0.5 * even) and not _ending(0.5 * even, expected=10.4)
    (undecided,) = _ending(0.85 * even)
    assert undecided.startswith("the search ended with little decided: 85% of the entropy of equal probabilities")
    (above,) = _ending(0.5 * even, expected=12)
    assert above.startswith("the search ended with the expected latency above its limit")
    assert not _ending(0.01, expected=12)  # what every epoch is watched for


@pytest.mark.parametrize(("strategy", "warned"), [("gradient", True), ("random", False)])
def test_only_what_learns_is_told_that_it_decided_little(strategy: str, warned: bool, tmp_path: Path) -> None:
    more = {"arch_lr": 1e-4} if warned else {"arch_lr": None, "evaluations": 2}
    history = _search(0.9, tmp_path, strategy=strategy, epochs=2, **more).history
    assert not history[0]["warnings"]
    assert [text.startswith("the search ended with little decided") for text in history[1]["warnings"]] == [
        True
    ] * warned


def test_every_bound_must_leave_room_before_skips_are_a_problem() -> None:
    record = _record(expected=4.6, skips=0.95)
    other = {"name": "parameters", "expected": 99.0, "limit": 100.0, "smallest": 10.0, "multiplier": 1.0}
    assert collapse_warnings(record, None) and not collapse_warnings(
        {**record, "bounds": [*record["bounds"], other]}, None
    )


def _search(share: float, folder: Path, **more: Any) -> Search:
    values = {"warmup_epochs": 0, "epochs": 5, "batch_size": 8, "arch_lr": 1.0, "device": "cpu", **more}
    problem = Problem(_SPACE, toy_data(resolution=8), (bound_at(_SPACE, share),))
    search = Search(problem, SearchSettings.make("test", **values))
    search.run(folder / "checkpoint.pt")
    return search


@pytest.mark.parametrize(
    ("share", "penalty", "warned"), [(0.9, 20.0, "skips have more"), (0.1, 0.0, "every layer has decided")]
)
def test_searches_that_collapse_say_so(share: float, penalty: float, warned: str, tmp_path: Path) -> None:
    """A penalty that is far too strong, and none at all with a tight budget."""
    search = _search(share, tmp_path, objective="add-linear", penalty=penalty, arch_lr=3.0)
    assert [warning.startswith(warned) for warning in search.history[-1]["warnings"]] == [True]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_searches_under_the_constraint_do_not(share: float, tmp_path: Path) -> None:
    search = _search(share, tmp_path, arch_lr=0.6)
    assert [record["warnings"] for record in search.history] == [[]] * 5


def test_the_record_has_the_probabilities_and_what_the_cheapest_network_costs(tmp_path: Path) -> None:
    search = _search(0.5, tmp_path, epochs=1)
    record = search.history[0]
    for row, layer in zip(record["probabilities"], _SPACE.decisions, strict=True):
        assert len(row) == len(layer.choices) and sum(row) == pytest.approx(1)
    networks = [_SPACE.network(ops) for ops in itertools.product(*(layer.choices for layer in _SPACE.decisions))]
    fewest_macs = min(network_cost(layers).macs for layers in networks)
    assert record["bounds"][0]["smallest"] == pytest.approx(fewest_macs / 1e6)


def test_each_warning_is_printed_once_and_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("search", "steps") as reporter:
        for epoch in (1, 2, 3):
            reporter.epoch({"epoch": epoch, "warnings": ["too [bold] fast"] if epoch > 1 else []})
        reporter.epoch({"epoch": 4, "train_loss": 1.0})
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == "warning: epoch 2: too [bold] fast\n"


def _records(count: int) -> list[Record]:
    means = {f"{part}_{what}": 0.5 for part in ("train", "held_out") for what in ("loss", "accuracy")}
    return [
        {**_record(), **means, "epoch": epoch, "held_out_loss": None, "probabilities": [[0.25, 0.75], [1.0]]}
        for epoch in range(1, count + 1)
    ]


def _watch(folder: Path, before: int, count: int) -> None:
    """Epochs `before` + 1 to `count`, after a resume if there were any before."""
    records = _records(count)
    history = records[:before]
    reporter = BoardReporter(folder, history, Silent())
    for record in records[before:]:
        history.append(record)
        reporter.epoch(record)


def test_nothing_is_written_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    _watch(tmp_path / "board", 0, 2)
    assert not (tmp_path / "board").exists()


def test_a_resumed_search_writes_every_epoch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for TensorBoard's writer that keeps each point as a line of an event file."""

    class Writer:
        def __init__(self, folder: str) -> None:
            Path(folder).mkdir(exist_ok=True)
            self.path = Path(folder) / f"events.out.tfevents.{len(list(tmp_path.rglob('*')))}"

        def add_scalar(self, name: str, value: float, step: int) -> None:
            with self.path.open("a") as file:
                file.write(f"{step} {name} {value:.3g}\n")

        def add_image(self, name: str, image: np.ndarray, step: int) -> None:
            assert image.shape == (1, 32, 32) and image[0, 0, 0] == 0.25 and image[0, 31, 31] == 0
            self.add_scalar(name, 0, step)

        def flush(self) -> None:
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    _watch(tmp_path / "board", 0, 2)
    _watch(tmp_path / "board", 2, 5)
    lines = [line for path in (tmp_path / "board").iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == len(set(lines))
    assert [line for line in lines if "expected_over_limit" in line] == [
        f"{epoch} expected_over_limit/latency 0.98" for epoch in range(1, 6)
    ]
    assert not any("loss/held_out" in line for line in lines)  # there is none in a warm-up


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the package tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _watch(tmp_path / "board", 0, 2)
    _watch(tmp_path / "board", 2, 4)
    events = EventAccumulator(str(tmp_path / "board")).Reload()
    assert [point.step for point in events.Scalars("architecture/entropy")] == [1, 2, 3, 4]
    assert [point.value for point in events.Scalars("loss/train")] == [0.5] * 4
    assert [image.step for image in events.Images("probabilities")] == [1, 2, 3, 4]


def test_every_evaluated_network_has_a_line(tmp_path: Path) -> None:
    bound = bound_at(_SPACE, 0.5)
    settings = SearchSettings(
        strategy="evolution",
        own=SamplingSettings(evaluations=12),
        warmup_epochs=0,
        epochs=1,
        batch_size=8,
        device="cpu",
    )
    search = Search(Problem(_SPACE, toy_data(resolution=8), (bound,)), settings)
    search.run(tmp_path / "checkpoint.pt")
    records = [json.loads(line) for line in (tmp_path / EVALUATIONS).read_text().splitlines()]
    assert [record["number"] for record in records] == list(range(1, 13))
    for record in records:
        ops = record["ops"]
        assert record["costs"]["latency"] == pytest.approx(network_cost(_SPACE.network(ops)).macs / 1e6)
        assert record["costs"]["latency"] <= bound.limit
        assert record["score"] == pytest.approx(-record["held_out_loss"], rel=1e-6)
        path = [layer.choices.index(op) for layer, op in zip(_SPACE.decisions, ops, strict=True)]
        assert search.evaluator.evaluate(path).accuracy == record["held_out_accuracy"]
    best = min(records, key=lambda record: record["held_out_loss"])
    assert best["ops"] == list(_SPACE.path_ops(search.strategy.trials[0]))


def test_a_search_that_evaluates_nothing_writes_no_evaluations(tmp_path: Path) -> None:
    settings = SearchSettings(warmup_epochs=0, epochs=1, batch_size=8, device="cpu")
    Search(Problem(_SPACE, toy_data(resolution=8), (bound_at(_SPACE, 0.5),)), settings).run(tmp_path / "checkpoint.pt")
    assert not (tmp_path / EVALUATIONS).exists()
