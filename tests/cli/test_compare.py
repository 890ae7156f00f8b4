"""`proxyless compare`: baselines of the same latency, trained alike."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from latency.deployed import measure_files
from latency.devices import LocalDevice
from latency.table import LatencyTable, RuntimeInfo
from proxyless.cli.main import app
from proxyless.errors import InputError
from proxyless.search.config import SearchSettings
from proxyless.search.result import Limits
from proxyless.space import SKIP, Anchor, Architecture, Space, mobile_fixed, tiny_fixed
from proxyless.space.bounds import params_bound
from proxyless.workflow import search
from proxyless.workflow.compare import summary
from proxyless.workflow.contender_files import load_contenders
from proxyless.workflow.contenders import open_contest
from proxyless.workflow.measured_contest import measured_contenders
from proxyless.workflow.uniform import USUAL, fitted, scaled
from tests.helpers import bound_at, table_by_macs

_SPACE = tiny_fixed(resolution=16)
_FLAGS = "--seeds 2 --nets 2 --epochs 1 --warmup-epochs 0 --batch-size 16 --device cpu"


def _search(folder: Path, seed: int, budget: str = "60%") -> Path:
    settings = SearchSettings(warmup_epochs=0, epochs=1, batch_size=16, device="cpu", seed=seed)
    limits = Limits(max_params=250_000)
    search(_SPACE, "synthetic:240", table_by_macs(_SPACE), budget, folder, settings, limits=limits)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _search(tmp_path_factory.mktemp("compare") / "run", 0)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another search of the same."""
    return _search(tmp_path_factory.mktemp("compare") / "again", 1)


def _invoke(runs: Path | list[Path], output: Path, more: str = "") -> tuple[int, str, str]:
    folders = map(str, [runs] if isinstance(runs, Path) else runs)
    result = CliRunner().invoke(app, ["compare", *folders, "-o", str(output), *_FLAGS.split(), *more.split()])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
def test_all_are_trained_alike_and_nothing_is_trained_twice(run: Path, tmp_path: Path) -> None:
    code, stdout, stderr = _invoke(run, tmp_path / "out", "--json")
    assert code == 0, stderr
    document = json.loads(stdout)
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == document
    rows = {row["row"]: row for row in document["rows"]}
    assert list(rows) == ["found", "uniform-k3e3", "uniform-k3e6", "uniform-k5e6", "uniform-k7e6", "random"]
    assert document["left_out"] == []
    assert document["uniform"] == "scaled in depth, by the table's prediction"
    assert [network["name"] for network in rows["random"]["networks"]] == ["random-1", "random-2"]
    for row in rows.values():
        for network in row["networks"]:
            made = Architecture(_SPACE, tuple(network["ops"]))
            assert network["predicted_ms"] == pytest.approx(made.cost.macs / 1e6) and network["measured_ms"] is None
            assert network["predicted_ms"] <= document["budget_ms"] and made.cost.params <= 250_000
        assert row["trainings"] == 2 == sum(len(network["trainings"]) for network in row["networks"])
    trained = sorted((tmp_path / "out").glob("*/seed-*/trained.json"))
    assert len(trained) == 12
    stamps = [path.stat().st_mtime_ns for path in trained]
    trained[0].unlink()  # as if interrupted before it was done
    code, again, _ = _invoke(run, tmp_path / "out", "--json")
    assert code == 0 and json.loads(again) == document
    assert [path.stat().st_mtime_ns for path in trained][1:] == stamps[1:]
    code, stdout, _ = _invoke(run, tmp_path / "out")
    assert code == 0 and "uniform networks are scaled in depth" in " ".join(stdout.split())
    code, _, stderr = _invoke(run, tmp_path / "out", "--lr 0.2")
    assert code == 2 and "holds a comparison with another train" in stderr


@pytest.mark.slow
def test_the_networks_of_several_searches_are_one_row(run: Path, again: Path, tmp_path: Path) -> None:
    code, stdout, stderr = _invoke([run, again], tmp_path / "out", "--seeds 1 --json")
    assert code == 0, stderr
    found, *others = json.loads(stdout)["rows"]
    assert [network["name"] for network in found["networks"]] == ["found-1", "found-2"]
    networks = [Architecture.load(folder / "architecture.json").ops for folder in (run, again)]
    assert [tuple(network["ops"]) for network in found["networks"]] == networks and networks[0] != networks[1]
    accuracies = [network["trainings"][0]["test_accuracy"] for network in found["networks"]]
    assert found["mean"] == np.mean(accuracies) and found["standard_deviation"] == np.std(accuracies, ddof=1)
    assert [row["trainings"] for row in (found, *others)] == [2, 1, 1, 1, 1, 2]
    trained = sorted(path.parent.name for path in (tmp_path / "out").glob("found-*/seed-*/trained.json"))
    assert trained == ["seed-0", "seed-1"]
    code, _, stderr = _invoke(run, tmp_path / "out", "--seeds 1")
    assert code == 2 and "holds a comparison of 2 searches, not 1; choose another folder" in stderr


def test_searches_of_different_things_are_not_one_row(run: Path, tmp_path: Path) -> None:
    tighter = _search(tmp_path / "tighter", 1, "50%")
    code, _, stderr = _invoke([run, tighter], tmp_path / "out")
    assert code == 2 and "tighter is a search with another targets[0].budget_ms (" in stderr
    code, _, stderr = _invoke([run, tmp_path / "nothing"], tmp_path / "out")
    assert code == 2 and stderr.startswith("error: run not found: ") and "nothing; check the path" in stderr
    code, _, stderr = _invoke([run, run], tmp_path / "out")
    assert code == 2 and "2 of the searches have the same seed, 0" in stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"found": {}}, "document: Input should be a valid list"),
        ([], "its first network is not the found one"),
        ([{"name": "found", "group": "found"}], "0.measured_ms: Field required"),
        ([{"name": "../found", "group": "found", "measured_ms": None}], "0.name: String should match"),
        ([{"name": "random-1", "group": "found", "measured_ms": None}], "do not begin with their groups"),
        ([{"name": "random-1", "group": "random", "measured_ms": None}], "its first network is not the found one"),
        ([{"name": "found", "group": "found", "measured_ms": None}], "architecture not found"),
    ],
)
def test_a_list_of_networks_that_is_none_is_refused(document: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "networks.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=message) as caught:
        load_contenders(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_random_networks_are_near_the_budget(run: Path) -> None:
    contest = open_contest([run], None, "50%")
    made = [c.architecture for c in contest.predicted_contenders(8, 0) if c.group == "random"]
    bound = contest.bounds[0]
    assert len({network.ops for network in made}) == 8
    for network in made:
        spent_ms = network.cost.macs / 1e6 - bound.constant
        assert 0.95 * (bound.limit - bound.constant) <= spent_ms <= bound.limit - bound.constant + 1e-9


def test_the_contest_is_about_the_network_of_the_run_unless_another_is_asked_for(run: Path) -> None:
    assert open_contest([run], None, None).found == Architecture.load(run / "architecture.json")
    slower = open_contest([run], table_by_macs(_SPACE, 2.0), "5ms")
    assert slower.found.target is not None and slower.found.target.predicted_ms <= 5
    assert slower.found.target.predicted_ms == pytest.approx(2 * slower.found.cost.macs / 1e6)


def _local(table: LatencyTable) -> LatencyTable:
    runtime = RuntimeInfo(name="onnxruntime", version="1", threads=1, delegate="cpu")
    return table.changed(device={"name": "local"}, runtime=runtime)


def test_the_widest_network_within_budget_and_limits_is_taken(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the target can be measured: here a device whose every multiply-accumulate takes a nanosecond."""

    def measure(
        table: LatencyTable, space: Space, networks: Mapping[str, Architecture], device: object
    ) -> dict[str, float]:
        assert space == _SPACE
        return {name: network.cost.macs / 1e6 for name, network in networks.items()}

    monkeypatch.setattr("proxyless.workflow.measured_contest.measure_networks", measure)
    contest = open_contest([run], None, None)
    made = measured_contenders(contest, LocalDevice(), 2, 0)
    assert [contender.group for contender in made] == ["found", *["uniform"] * 4, "random", "random"]
    for contender in made[1:5]:
        op, cost = contender.architecture.ops[0], contender.architecture.cost
        assert contender.name == f"uniform-{op}" and contender.measured_ms == cost.macs / 1e6
        fitting = [
            wide.macs
            for step in range(5, 60)
            for wide in [Architecture(tiny_fixed(resolution=16, width_mult=step / 20), (op,) * 9).cost]
            if wide.macs / 1e6 <= 0.984 * contest.budget_ms and wide.params <= 250_000
        ]
        assert cost.macs == max(fitting)


def test_a_width_beyond_a_leap_of_the_latency_is_not_needed_to_find_the_widest_before_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on LiteRT: at width 2.0 within the budget, at 2.25 two and a half times as slow."""

    def measure(
        table: LatencyTable, space: Space, networks: Mapping[str, Architecture], device: object
    ) -> dict[str, float]:
        widths = {name: float(network.space.args.get("width_mult", 1.0)) for name, network in networks.items()}
        return {name: width / 2 if width <= 2.15 else 1 + width for name, width in widths.items()}

    monkeypatch.setattr("proxyless.workflow.measured_contest.measure_networks", measure)
    contest = replace(open_contest([run], None, None), budget_ms=1.3)
    contest = replace(contest, result=contest.result.model_copy(update={"limits": Limits()}))
    made = measured_contenders(contest, LocalDevice(), 2, 0)
    widths = [each.architecture.space.args["width_mult"] for each in made if each.group == "uniform"]
    assert widths == [2.15] * 4


def test_every_contender_may_use_the_budget_by_the_stopwatch(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table whose predictions are 25 % too high on this device, with a margin: all would leave a third unused."""

    def measure(
        table: LatencyTable, space: Space, networks: Mapping[str, Architecture], device: object
    ) -> dict[str, float]:
        return {name: 0.8 * network.cost.macs / 1e6 for name, network in networks.items()}

    monkeypatch.setattr("proxyless.workflow.measured_contest.measure_networks", measure)
    monkeypatch.setattr("proxyless.workflow.refine.measure_networks", measure)
    contest = open_contest([run], None, None)
    anchors = [Anchor(ops=contest.found.ops, ms=1.0)]
    free = contest.result.model_copy(update={"limits": Limits()})
    contest = replace(
        contest, result=free, table=_local(contest.table).changed(anchors=anchors), bounds=contest.bounds[:1]
    )
    for each in measured_contenders(contest, LocalDevice(), 3, 0):
        assert each.measured_ms is not None
        least = 0.8 if each.group == "uniform" else 0.94  # channels come in steps of eight
        assert least * contest.budget_ms <= each.measured_ms <= contest.budget_ms, each.name


@pytest.mark.slow
def test_networks_of_several_widths_are_measured_on_a_runtime(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxyless.workflow.measure.measure_files", partial(measure_files, rounds=2))
    monkeypatch.setattr("proxyless.workflow.uniform.USUAL", USUAL[:1])
    contest = open_contest([run], None, None)
    measured = measured_contenders(replace(contest, table=_local(contest.table), budget_ms=50.0), LocalDevice(), 2, 0)
    assert [contender.name for contender in measured] == ["found", "uniform-k3e3", "random-1", "random-2"]
    assert all(contender.measured_ms is not None and 0 < contender.measured_ms < 50 for contender in measured)
    assert measured[1].architecture.cost.params <= 250_000  # fast enough at any width: the limit decides


@pytest.mark.parametrize(
    "space",
    [tiny_fixed(resolution=16), mobile_fixed(resolution=64, num_classes=10)],
    ids=["tiny-fixed", "mobile-fixed"],
)
def test_fitted_networks_keep_the_bounds_with_the_fewest_skips_from_the_end_of_stages(space: Space) -> None:
    for op, share in itertools.product(USUAL, (0.05, 0.3, 0.6, 1.0)):
        bound = bound_at(space, share)
        path = fitted(space, op, [bound, params_bound(space, 1e9)])
        full = space.ops_path([op] * len(space.decisions))
        if path is None:
            every = [
                layer.choices.index(SKIP) if SKIP in layer.choices else layer.choices.index(op)
                for layer in space.decisions
            ]
            assert bound.cost(every) > bound.limit
            continue
        skipped = [index for index, op in enumerate(space.path_ops(path)) if op == SKIP]
        assert bound.cost(path) <= bound.limit and all(path[i] == full[i] for i in range(len(path)) if i not in skipped)
        for index in skipped:  # whatever follows it in its stage is skipped too
            following = space.decisions[index + 1 : index + 2]
            assert not following or SKIP not in following[0].choices or index + 1 in skipped
        assert bound.cost(full) > bound.limit or not skipped


def test_widths_multiply_those_that_the_space_has() -> None:
    space = mobile_fixed(resolution=64, width_mult=0.5)
    assert scaled(space, USUAL[0], 5).space.args["width_mult"] == 0.125
    assert scaled(space, USUAL[0], 20).cost == Architecture(space, (USUAL[0],) * len(space.decisions)).cost
    assert scaled(space, USUAL[0], 200).space.args["width_mult"] == 5.0
    costs = [scaled(space, USUAL[0], step).cost.macs for step in range(5, 60)]
    assert costs == sorted(costs) and costs[0] < costs[-1]


def test_the_difference_and_its_standard_error() -> None:
    """Against a simulation: the error is the spread of differences of means of independent draws."""
    rng = np.random.default_rng(0)
    draws = [(0.9 + 0.02 * rng.standard_normal(4), 0.8 + 0.05 * rng.standard_normal(6)) for _ in range(4000)]
    found = [summary(list(a), list(b)) for a, b in draws]
    spread = np.std([each["found_minus_this"] for each in found])
    variance = np.mean([each["standard_error"] ** 2 for each in found])
    assert np.sqrt(variance) == pytest.approx(spread, rel=0.05)
    assert np.mean([each["found_minus_this"] for each in found]) == pytest.approx(0.1, abs=0.002)
    assert summary([0.9], [0.8, 0.7])["standard_error"] is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--seeds 0", "the number of seeds must be at least 1, got 0"),
        ("--nets 1", "the number of random networks must be at least 2"),
        ("--budget 0.001ms", "predicted latencies go from"),
        ("--lr=-1", "lr: Input should be greater than 0"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(run: Path, tmp_path: Path, more: str, message: str) -> None:
    code, _, stderr = _invoke(run, tmp_path / "out", more)
    assert code == 2 and message in stderr and stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
