"""Galleries: ranking by the weights of the search, fronts, several targets; and the shared weights themselves."""

import copy
import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

from latency.table import LatencyTable
from proxyless.checkpoint import load_checkpoint
from proxyless.cli.main import app
from proxyless.data import Batches, load_data
from proxyless.errors import InputError
from proxyless.execution import Execution
from proxyless.nn import SuperNet, plain_choices
from proxyless.search.config import SearchSettings
from proxyless.search.result import Limits, load_result
from proxyless.search.run import load_config, load_evaluator
from proxyless.search.shared import _calibration_rows, inherit, recalibrate
from proxyless.search.worth import Worth
from proxyless.space import Architecture, tiny_fixed
from proxyless.space.bounds import keeps
from proxyless.workflow import derive_gallery, derive_networks, save_gallery, search
from proxyless.workflow.derive import budget_bounds
from proxyless.workflow.gallery import GalleryNetwork, on_front
from tests.helpers import MIXED_OPS, architecture, randomise, table_by_macs

_SPACE = tiny_fixed(resolution=16)
_TABLE = table_by_macs(_SPACE)
_LIMITS = Limits(max_params=150_000)


def _phone(ms_per_mmac: float, name: str) -> LatencyTable:
    return table_by_macs(_SPACE, ms_per_mmac).changed(device={"name": name})


def _run(folder: Path, data: str = "synthetic:240", **more: object) -> Path:
    values = {"warmup_epochs": 0, "epochs": 1, "batch_size": 16, "device": "cpu", "halving": False, **more}
    search(_SPACE, data, _TABLE, "60%", folder, SearchSettings.make("test", **values), limits=_LIMITS)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _run(tmp_path_factory.mktemp("gallery") / "run")


def _path(network: GalleryNetwork) -> list[int]:
    return _SPACE.ops_path(network.architecture.ops)


def _supernet(run: Path) -> SuperNet:
    supernet = Execution().prepare(SuperNet(_SPACE))
    supernet.load_state_dict(load_checkpoint(run / "checkpoint.pt")["supernet"])
    return supernet


def test_networks_are_distinct_keep_every_bound_and_are_ranked_by_what_they_are_worth(run: Path) -> None:
    networks = derive_gallery(run, ["50%", "70%"], candidates=4)
    assert [network.rank for network in networks] == [1, 2, 3, 4] * 2
    for network in networks:
        cost = network.architecture.cost
        assert cost.macs / 1e6 == pytest.approx(network.predicted_ms) and network.predicted_ms <= network.budget_ms
        assert cost.params <= 150_000
    for cell in (networks[:4], networks[4:]):
        assert len({network.architecture.ops for network in cell}) == 4
        losses = [network.worth.loss for network in cell if network.worth]
        assert len(losses) == 4 and losses == sorted(losses)


def test_the_worth_is_that_of_the_plain_network_with_the_supernets_weights(run: Path) -> None:
    """By hand: the same division of the data, statistics of one full batch, exact forward passes."""
    data = load_data("synthetic:240", 16)
    train, held_out = data.divide_train(0.3, 0)
    cpu = torch.device("cpu")
    ((images, labels),) = Batches(data, held_out, len(held_out), cpu).ordered()
    for network in derive_gallery(run, ["60%"], candidates=3):
        plain = inherit(_supernet(run), _SPACE, _path(network))
        recalibrate(plain, Batches(data, train.take(_calibration_rows(train.labels.numpy())), 128, cpu).ordered())
        with torch.no_grad():
            logits = plain(images)
        assert network.worth is not None
        assert network.worth.accuracy == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
        assert network.worth.loss == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-4)


def test_one_candidate_is_that_of_derive_networks_and_needs_no_images(tmp_path: Path) -> None:
    source = tmp_path / "images"
    _images(source)
    folder = _run(tmp_path / "run", f"imagefolder:{source}", batch_size=8)
    source.rename(tmp_path / "elsewhere")
    (network,) = derive_gallery(folder, ["70%"], candidates=1)
    assert network.architecture == derive_networks(folder, ["70%"])[0] and network.worth is None
    with pytest.raises(InputError, match=r"the data 'imagefolder:.*' of the search cannot be loaded .* --candidates 1"):
        derive_gallery(folder, ["70%"], candidates=2)
    save_gallery([network], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["gallery.json", network.file]
    (entry,) = json.loads((tmp_path / "out" / "gallery.json").read_text())["networks"]
    assert entry["held_out_accuracy"] is None and entry["on_front"] is None


def _images(folder: Path) -> None:
    from PIL import Image

    for label, index in itertools.product(range(10), range(6)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (25 * label, 40 * index, 0)).save(folder / str(label) / f"{index}.png")


def test_what_the_search_evaluated_is_among_the_candidates(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", strategy="evolution", evaluations=12)
    result = load_result(folder)
    ((_, bounds),) = budget_bounds(result, _TABLE, [])
    paths = [_SPACE.ops_path(list(names)) for names in result.evaluated]
    best = next(ops for ops, path in zip(result.evaluated, paths, strict=True) if keeps(path, bounds))
    networks = derive_gallery(folder, candidates=4)
    assert tuple(best) in [network.architecture.ops for network in networks]
    assert len({network.architecture.ops for network in networks}) == 4
    evaluator = load_evaluator(folder, load_result(folder))
    trials = load_checkpoint(folder / "checkpoint.pt")["strategy"]["evaluations"]
    path, *_, score = max(trials, key=lambda trial: trial[-1])
    assert evaluator.evaluate(path).loss == pytest.approx(-score, rel=1e-5)  # within the budget there is no penalty


def test_two_devices_with_one_runtime_get_files_and_fronts_of_their_own(run: Path) -> None:
    tables = [_phone(1.0, "local"), _phone(3.0, "ssh://pi@board")]
    networks = derive_gallery(run, ["2.5ms"], [tables[0]], candidates=2)
    both = derive_gallery(run, ["60%"], tables, candidates=2)
    assert len({network.file for network in both}) == 4
    assert all("local" in network.file for network in both[:2])
    assert not any("/" in network.file for network in both) and "local" not in networks[0].file
    assert any(on_front(both)[:2]) and any(on_front(both)[2:])
    both = derive_gallery(run, ["60%"], [_TABLE, _TABLE.changed(dtype="int8"), _TABLE.changed(batch=8)], candidates=1)
    assert [network.file.split("-1-")[1].split("-")[0] for network in both[1:]] == ["int8", "batch8"]
    with pytest.raises(InputError, match=r"2 of the targets and budgets have the same name 'Google-.*'; leave one out"):
        derive_gallery(run, ["60%"], [_TABLE, table_by_macs(_SPACE, 2.0)])
    with pytest.raises(InputError, match=r"2 of the targets and budgets have the same name '.*-2.5ms'; leave one out"):
        derive_gallery(run, ["2.5ms", "2.500001ms"])


def test_a_search_on_a_part_of_synthetic_images_is_evaluated_on_that_part(tmp_path: Path) -> None:
    networks = derive_gallery(_run(tmp_path / "run", "synthetic", limit=60, batch_size=8), candidates=2)
    assert all(network.worth is not None for network in networks)
    assert load_config(tmp_path / "run").data == "synthetic:512"


def test_the_front_against_its_definition() -> None:
    rng = random.Random(0)
    places = [("abc"[rng.randrange(3)], rng.randrange(1, 8), rng.randrange(8) / 8) for _ in range(60)]
    networks = [_made(target, float(ms), loss) for target, ms, loss in places]
    for (target, ms, loss), front in zip(places, on_front(networks), strict=True):
        others = [(m, x) for t, m, x in places if t == target and (m, x) != (ms, loss)]
        assert front == all(m > ms or x > loss for m, x in others)


def _made(target: str, ms: float, loss: float) -> GalleryNetwork:
    from proxyless.workflow.target import make_target

    made = Architecture(_SPACE, architecture(MIXED_OPS, _SPACE).ops, make_target(_TABLE, 10.0, ms))
    return GalleryNetwork("x.json", 1, target, made, -1.0, Worth(loss, 0.5))


def test_the_command_writes_networks_gallery_and_picture(run: Path, tmp_path: Path) -> None:
    command = [
        "derive",
        str(run),
        "--budget",
        "50%",
        "--budget",
        "60%",
        "--candidates",
        "2",
        "-o",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    gallery = json.loads((tmp_path / "out" / "gallery.json").read_text())
    assert gallery["format"] == "gallery/1" and len(gallery["networks"]) == len(printed) == 4
    for entry, line in zip(gallery["networks"], printed, strict=True):
        loaded = Architecture.load(tmp_path / "out" / entry["file"])
        assert list(loaded.ops) == line["ops"] and loaded.cost.params == entry["params"]
        assert entry.items() >= {key: line[key] for key in ("rank", "held_out_accuracy", "on_front")}.items()
    assert (tmp_path / "out" / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "out").iterdir())) == 6
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2 and "out holds networks already; delete them, or choose another output" in again.stderr
    text = CliRunner().invoke(app, [*command[:-1], str(tmp_path / "other")]).stdout
    assert "loss on held-out images" in " ".join(text.split())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    for entry in gallery["networks"]:
        (line,) = (line for line in lines if entry["file"] in line)  # whole, in 80 columns
        assert f"{entry['predicted_ms']:.4g}" in line and f"{entry['held_out_loss']:.4f}" in line
    assert "measured" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--budget 0.001ms", "predicted latencies go from"),
        ("--candidates 0", "the number of candidates must be at least 1, got 0"),
        ("--candidates 3 --measure", "--measure takes one network per budget and table; leave --candidates out"),
        ("--table note10-224", "the latency table has no row for the layer"),
    ],
)
def test_wrong_input_is_one_sentence_and_writes_nothing(
    run: Path, tmp_path: Path, arguments: str, message: str
) -> None:
    result = CliRunner().invoke(app, ["derive", str(run), "-o", str(tmp_path / "out"), *arguments.split()])
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_with_several_tables_derives_for_its_first(tmp_path: Path) -> None:
    settings = SearchSettings(warmup_epochs=0, epochs=1, batch_size=16, device="cpu")
    tables = [_phone(1.0, "a"), _phone(3.0, "b")]
    search(_SPACE, "synthetic:240", tables, ["80%", "60%"], tmp_path / "run", settings)
    (network,) = derive_gallery(tmp_path / "run", ["75%"], candidates=1)
    assert network.budget_ms == pytest.approx(0.75 * tables[0].costs(_SPACE).max_ms)
    assert load_config(tmp_path / "run").targets[1].budget_ms == pytest.approx(0.6 * tables[1].costs(_SPACE).max_ms)


def test_inherit_computes_what_the_supernet_computes_and_shares_nothing_with_it() -> None:
    torch.manual_seed(0)
    supernet = SuperNet(_SPACE)
    randomise(supernet)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    images = torch.randn(8, 3, 16, 16).double()
    exact = copy.deepcopy(supernet).double()
    for seed in range(5):  # in double precision, where nothing but a difference makes a difference
        path = _SPACE.ops_path(_SPACE.random_ops(random.Random(seed)))
        plain = inherit(supernet, _SPACE, path).train().double()
        torch.testing.assert_close(plain(images), exact(images, plain_choices(path)), atol=1e-8, rtol=1e-8)
        for parameter in plain.parameters():
            nn.init.zeros_(parameter)
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())


def test_recalibrated_statistics_are_the_means_and_variances_of_the_images() -> None:
    """Batches of one size: the average of their variances is what deployed BatchNorm is defined by."""
    torch.manual_seed(0)
    supernet = SuperNet(_SPACE)
    plain = inherit(supernet, _SPACE, [0] * len(_SPACE.decisions))
    batches = [(torch.randn(16, 3, 16, 16) + shift, torch.zeros(16)) for shift in range(3)]
    recalibrate(plain, iter(batches))
    conv, norm = (plain.get_submodule(f"0.branch.{name}") for name in ("conv", "conv_norm"))
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        outputs = [conv(images) for images, _ in batches]
    means = torch.stack([out.mean((0, 2, 3)) for out in outputs]).mean(0)
    variances = torch.stack([out.transpose(0, 1).flatten(1).var(1) for out in outputs]).mean(0)
    assert norm.running_mean is not None and norm.running_var is not None and not plain.training
    torch.testing.assert_close(norm.running_mean, means, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(norm.running_var, variances, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("count", [100, 250, 1000, 5000])
def test_batches_for_calibration_hold_all_classes_though_folders_are_in_their_order(count: int) -> None:
    labels = np.arange(count) * 10 // count
    rows = _calibration_rows(labels)
    assert len(set(rows)) == len(rows) and (len(rows) == count if count < 128 else len(rows) % 128 == 0)
    for batch in range(0, len(rows), 128):
        shares = np.bincount(labels[rows[batch : batch + 128]], minlength=10) / len(rows[batch : batch + 128])
        assert np.all(np.abs(shares - 0.1) < 0.09)  # three standard deviations of 128 draws


def test_tables_of_different_dtypes_are_not_mixed(tmp_path: Path) -> None:
    table = table_by_macs(tiny_fixed())
    tables = [table, table.changed(dtype="int8")]
    with pytest.raises(
        InputError, match="of float32 and int8 networks, and one network is searched; give tables of one"
    ):
        search(tiny_fixed(), "digits", tables, ["60%", "60%"], tmp_path / "run")
    assert not (tmp_path / "run").exists()
