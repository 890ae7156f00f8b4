"""A checkpoint is taken up by the work that wrote it, whole, and by nothing else."""

import logging
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from proxyless.checkpoint import load_checkpoint, save_checkpoint, taking_up, work_state
from proxyless.errors import InputError
from proxyless.files import write_json
from proxyless.nn import save_weights
from proxyless.space import tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training
from tests.helpers import architecture, toy_data

_SETTINGS = TrainSettings(epochs=2, warmup_epochs=0, batch_size=16, device="cpu")


def _training(
    settings: TrainSettings = _SETTINGS, ops: str = "k3e3 skip k5e6 k7e3 k3e6 k3e3 skip k3e3 k7e6"
) -> Training:

    return Training(architecture(ops, tiny_fixed(resolution=16, num_classes=2)), toy_data(60), settings)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("training")
    _training().run(folder, folder / "checkpoint.pt")
    return load_checkpoint(folder / "checkpoint.pt")


def _poisoned(state: dict[str, Any]) -> None:
    next(iter(state["network"].values())).fill_(float("nan"))


_CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "NaN": (_poisoned, "not all numbers"),
    "epoch": (lambda state: state.update(epoch=999), "its epoch is 999 of 2"),
    "negative epoch": (lambda state: state.update(epoch=-1), "its epoch is -1 of 2"),
    "text": (lambda state: state.update(epoch="2"), "its epoch is '2' of 2"),
    "truth": (lambda state: state.update(epoch=True), "its epoch is True of 2"),
    "short history": (lambda state: state.update(history=[]), "its history is not that of its epochs"),
    "odd history": (lambda state: state.update(history=[1, 2]), "its history is not that of its epochs"),
    "identity": (lambda state: state.update(identity="0" * 64), "made with other settings, other data or another"),
    "no identity": (lambda state: state.pop("identity"), "made with other settings, other data or another"),
    "weights are a list": (lambda state: state.update(network=[1]), "choose another folder"),
    "momentum is text": (lambda state: state.update(sgd="x"), "choose another folder"),
    "best is a list": (lambda state: state.update(best=[1]), "choose another folder"),
    "nothing": (lambda state: state.pop("scale"), "choose another folder"),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_what_is_not_the_state_of_this_training_is_refused(name: str, saved: dict[str, Any], tmp_path: Path) -> None:
    change, message = _CHANGES[name]
    save_checkpoint(tmp_path / "c.pt", saved)
    state = load_checkpoint(tmp_path / "c.pt")
    change(state)
    save_checkpoint(tmp_path / "c.pt", state)
    with pytest.raises(InputError, match=message) as error:
        _training().resume(tmp_path / "c.pt")
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_work_of_equal_shape_is_refused(saved: dict[str, Any], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.pt", saved)
    _training().resume(tmp_path / "c.pt")
    for other in (
        _training(_SETTINGS.model_copy(update={"seed": 1})),
        _training(_SETTINGS.model_copy(update={"lr": 0.1})),
    ):
        with pytest.raises(InputError, match="made with other settings"):
            other.resume(tmp_path / "c.pt")


def test_a_compressed_checkpoint_is_not_expanded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "plain.pt", {"x": torch.zeros(10**6)})
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as plain,
        zipfile.ZipFile(tmp_path / "c.pt", "w", zipfile.ZIP_DEFLATED) as c,
    ):
        for entry in plain.infolist():
            c.writestr(entry.filename, plain.read(entry.filename))
    with pytest.raises(InputError, match="it is compressed, which none of this program is"):
        load_checkpoint(tmp_path / "c.pt")


def test_other_threads_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="proxyless.checkpoint")
    state = work_state("x", 0, [])
    for threads, told in ((state["threads"], False), (state["threads"] + 3, True)):
        save_checkpoint(tmp_path / "c.pt", {**state, "threads": threads})
        with taking_up(tmp_path / "c.pt", "search", "x", 1):
            pass
        assert (f"set OMP_NUM_THREADS={threads}" in caplog.text) == told


@pytest.mark.parametrize(
    "save",
    [
        lambda path: save_checkpoint(path, {"x": torch.zeros(10**6)}),
        lambda path: save_weights(path, nn.Linear(500, 500)),
        lambda path: write_json(path, {"x": "y" * 10**5}),
    ],
    ids=["checkpoint", "weights", "JSON"],
)
def test_where_there_is_no_room_it_is_one_line_and_what_was_there_stays(
    save: Callable[[Path], None], tmp_path: Path
) -> None:
    """A limit on the size of files stands for a disk that is full."""
    (tmp_path / "file").write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large|cannot write .*/file \(") as error:
            save(tmp_path / "file")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert (tmp_path / "file").read_text() == "before" and len(list(tmp_path.iterdir())) == 1
