"""Trainings that start from weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from proxyless.checkpoint import load_checkpoint
from proxyless.data import load_data
from proxyless.errors import InputError
from proxyless.nn import SuperNet, plain_choices
from proxyless.search.config import SearchSettings
from proxyless.space import Architecture, tiny
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training
from proxyless.train.start import starting_weights
from proxyless.workflow import search
from proxyless.workflow.train import train
from tests.helpers import table_by_macs

_SPACE = tiny(resolution=16)
_SETTINGS = TrainSettings(epochs=1, batch_size=16, device="cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "run"
    settings = SearchSettings(warmup_epochs=0, epochs=1, batch_size=16, device="cpu", halving=False)
    search(_SPACE, "synthetic:240", table_by_macs(_SPACE), "60%", folder, settings)
    return folder


def test_a_training_starts_as_the_network_that_the_supernet_computes(run: Path) -> None:
    found = Architecture.load(run / "architecture.json")
    training = Training(found, load_data("synthetic:240", 16), _SETTINGS, start=starting_weights(run, found))
    supernet = SuperNet(_SPACE)
    supernet.load_state_dict(load_checkpoint(run / "checkpoint.pt")["supernet"])
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = supernet(images, plain_choices(_SPACE.ops_path(found.ops)))
        torch.testing.assert_close(training.network.train()(images), expected)


def test_what_a_file_holds_is_what_is_trained_on(run: Path, tmp_path: Path) -> None:
    found = Architecture.load(run / "architecture.json")
    train(found, "synthetic:240", tmp_path / "first", _SETTINGS, init=run)
    weights = tmp_path / "first" / "weights.safetensors"
    started = Training(found, load_data("synthetic:240", 16), _SETTINGS, start=starting_weights(weights, found))
    held, searched = load_file(weights), starting_weights(run, found)
    weights_of = [name for name in held if "num_batches" not in name]
    assert all(torch.equal(started.network.state_dict()[name], held[name]) for name in weights_of)
    assert any(not torch.equal(tensor, held[name]) for name, tensor in searched.items())


def test_a_training_goes_on_without_what_it_started_from(run: Path, tmp_path: Path) -> None:
    """Which may have been moved, or be gone."""
    found, place = Architecture.load(run / "architecture.json"), tmp_path / "start.safetensors"
    train(found, "synthetic:240", tmp_path / "first", _SETTINGS, init=run)
    (tmp_path / "first" / "weights.safetensors").rename(place)
    settings = _SETTINGS.model_copy(update={"epochs": 2})
    train(found, "synthetic:240", tmp_path / "second", settings, init=place)
    (tmp_path / "second" / "trained.json").unlink()
    place.unlink()
    train(found, "synthetic:240", tmp_path / "second", settings, init=Path("elsewhere/start.safetensors"), resume=True)
    with pytest.raises(InputError, match="another init"):
        train(found, "synthetic:240", tmp_path / "second", settings, init=run, resume=True)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("nowhere", "no such folder or file"),
        ("empty", "is not the folder of a search"),
        ("trained", "is a folder and not that of a search; give the file of weights in it"),
        ("text.safetensors", "cannot be used"),
    ],
)
def test_what_holds_no_such_weights_is_refused(init: str, message: str, run: Path, tmp_path: Path) -> None:
    found = Architecture.load(run / "architecture.json")
    (tmp_path / "empty").mkdir()
    (tmp_path / "trained").mkdir()
    for file in (tmp_path / "trained" / "weights.safetensors", tmp_path / "text.safetensors"):
        file.write_text("no weights")
    with pytest.raises(InputError, match=message):
        train(found, "synthetic:240", tmp_path / "new", _SETTINGS, init=tmp_path / init)
    assert not (tmp_path / "new").exists()


def test_a_search_of_another_space_is_refused(run: Path, tmp_path: Path) -> None:
    other = tiny(resolution=16, width_mult=2.0)
    network = Architecture(other, tuple(decision.choices[0] for decision in other.decisions))
    with pytest.raises(InputError, match="start without --init, or from a search of its space"):
        starting_weights(run, network)
