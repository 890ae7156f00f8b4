"""`proxyless rank`: what is said of orders and spreads, and the way there."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from proxyless.cli.main import app
from proxyless.search.config import SearchSettings
from proxyless.space import Space, tiny_fixed
from proxyless.workflow import search
from proxyless.workflow.rank import Spread, advice, correlation, spread_of
from tests.helpers import table_by_macs

_FLAGS = "--nets 4 --repeats 2 --epochs 1 --batch-size 16 --device cpu --jobs 1"


def _search(folder: Path, seed: int = 0, space: Space | None = None) -> Path:
    space = space or tiny_fixed(resolution=16)
    settings = SearchSettings(warmup_epochs=0, epochs=1, batch_size=16, device="cpu", seed=seed, halving=False)
    search(space, "synthetic:240", table_by_macs(space), "60%", folder, settings)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _search(tmp_path_factory.mktemp("rank") / "run")


def _invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["rank", *map(str, arguments), *_FLAGS.split()])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_networks_are_trained_once_and_rank_any_search_of_the_same(run: Path, tmp_path: Path) -> None:
    code, out, err = _invoke(run, "-o", tmp_path / "ranking", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert [len(network["test_accuracies"]) for network in document["networks"]] == [2, 2, 1, 1]
    costs = [network["macs"] for network in document["networks"]]
    assert min(costs) > 0.9 * max(costs)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("trained.json")}
    again = _search(tmp_path / "again", 1)
    code, out, err = _invoke(run, again, "-o", tmp_path / "ranking", "--json")
    both = json.loads(out)
    assert code == 0 and both["supernets"].keys() == {str(run), str(again)}
    assert both["supernets"][str(run)] == document["supernets"][str(run)]
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("trained.json")} and len(times) == 6


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--nets 3", "--nets must be at least 4, got 3"),
        ("--repeats 1", "--repeats must be from 2 to the number of networks, 4, got 1"),
        ("--jobs 0", "--jobs must be at least 1, got 0"),
    ],
)
def test_counts_that_say_nothing_are_refused(more: str, message: str, run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["rank", str(run), "-o", str(tmp_path / "new"), *_FLAGS.split(), *more.split()])
    assert result.exit_code == 2 and message in result.stderr


def test_another_space_or_ranking_is_refused(run: Path, tmp_path: Path) -> None:
    other = _search(tmp_path / "other", space=tiny_fixed(resolution=16, width_mult=0.5))
    code, _, err = _invoke(run, other, "-o", tmp_path / "ranking")
    assert code == 2 and "has another space_args, targets than the first; rank it alone" in err
    assert not (tmp_path / "ranking").exists()  # which does not stand in the way of the next one
    assert _invoke(run, "-o", tmp_path / "ranking")[0] == 0
    code, _, err = _invoke(run, "-o", tmp_path / "ranking", "--seed", "5")
    assert code == 2 and "holds a ranking with another train.seed" in err


def test_orders_that_agree_and_that_are_reversed() -> None:
    losses = [0.5, 0.1, 0.9, 0.3]
    same, reversed_ = correlation([-loss for loss in losses], losses), correlation(losses, losses)
    assert same["kendall"] == pytest.approx(1) and same["spearman"] == pytest.approx(1)
    assert reversed_["kendall"] == pytest.approx(-1)
    one_swap = correlation([0.5, 0.9, 0.1, 0.4], losses)  # of six pairs, one is the other way round
    assert one_swap["kendall"] == pytest.approx(4 / 6)
    assert correlation([0.5] * 4, losses)["kendall"] is None


def test_by_chance_the_correlation_is_as_large_as_is_said() -> None:
    rng = np.random.default_rng(0)
    drawn = [correlation(rng.random(24).tolist(), rng.random(24).tolist()) for _ in range(2000)]
    found = np.std([float(each["kendall"] or 0) for each in drawn])
    assert drawn[0]["kendall_by_chance"] == pytest.approx(float(found), rel=0.05)


@pytest.mark.parametrize(("networks", "seeds"), [(0.02, 0.01), (0.0, 0.01), (0.01, 0.03)])
def test_spreads_are_told_apart(networks: float, seeds: float) -> None:
    rng = np.random.default_rng(1)
    values = 0.8 + networks * rng.normal(size=(20_000, 1)) + seeds * rng.normal(size=(20_000, 2))
    found = spread_of(values.tolist())
    assert found.seeds == pytest.approx(seeds, rel=0.03)
    assert found.networks == pytest.approx(networks, rel=0.05, abs=2e-3)
    true = 0.8 + networks * np.random.default_rng(1).normal(size=(20_000, 1))
    if networks:
        assert found.ceiling == pytest.approx(np.corrcoef(true[:, 0], values[:, 0])[0, 1], abs=0.02)


@pytest.mark.parametrize(
    ("spread", "kendall", "word"),
    [
        (Spread(0.005, 0.001), 0.9, "hardly differ"),
        (Spread(0.005, 0.01), 0.1, "do not rank"),
        (Spread(0.012, 0.01), 0.1, "no order can be told"),
        (Spread(0.012, 0.01), 0.4, "but not well"),
        (Spread(0.005, 0.01), 0.4, "but not well"),
        (Spread(0.005, 0.01), 0.7, "as training them alone does"),
    ],
)
def test_what_to_do_follows(spread: Spread, kendall: float, word: str) -> None:
    assert word in advice(spread, kendall)
