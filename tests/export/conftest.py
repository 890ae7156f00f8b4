"""What tests of exports share: made once."""

from pathlib import Path

import pytest

from proxyless.train.config import TrainSettings
from proxyless.workflow.train import train
from tests.export.converted import Converted, make_converted
from tests.helpers import architecture


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, trained until it is better than guessing, without a target."""
    folder = tmp_path_factory.mktemp("trained")
    network = architecture("k3e3 skip k3e3 skip skip k3e3 skip skip k3e3")
    train(network, "synthetic:100", folder, TrainSettings(epochs=16, batch_size=16, device="cpu"))
    return folder


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    return make_converted(tmp_path_factory.mktemp("export"))
