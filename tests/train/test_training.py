import math
from pathlib import Path

import pytest
import torch

from proxyless.data import Batches
from proxyless.errors import CheckError, InputError
from proxyless.optim import SafeSteps, cosine_lr, make_sgd
from proxyless.space import tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.evaluate import evaluate
from proxyless.train.loop import Training
from proxyless.train.trained import load_trained
from tests.helpers import architecture, toy_data

_SMALLEST = architecture("k3e3 skip k3e3 skip skip k3e3 skip skip k3e3", tiny_fixed(resolution=16, num_classes=2))
_QUICK = TrainSettings(epochs=3, warmup_epochs=1, batch_size=8, validation=0.2, device="cpu")


def test_a_network_learns_and_is_saved_with_what_it_needs(tmp_path: Path) -> None:
    data = toy_data(240)
    _SMALLEST.save(tmp_path / "architecture.json")
    info = Training(_SMALLEST, data, _QUICK).run(tmp_path, tmp_path / "checkpoint.pt")
    assert info.test_accuracy > 0.9
    trained = load_trained(tmp_path)
    assert trained.info == info and trained.architecture.ops == _SMALLEST.ops
    test = Batches(data, data.test, 32, torch.device("cpu"))
    assert evaluate(trained.network, test).accuracy == info.test_accuracy


def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path: Path) -> None:
    training = Training(_SMALLEST, toy_data(), _QUICK)
    training.train.mean[0] = math.nan
    before = {name: value.clone() for name, value in training.network.state_dict().items() if "running" not in name}
    with pytest.raises(CheckError, match="the training loss or its gradient became nan; the last checkpoint is kept"):
        training.run(tmp_path, tmp_path / "checkpoint.pt")
    for name, value in training.network.state_dict().items():
        assert "running" in name or "num_batches" in name or torch.equal(value, before[name])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_stops_before_the_step_though_the_loss_is(value: float) -> None:
    network = torch.nn.Linear(3, 2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    sgd = make_sgd(network, 0.1, 0.9, 1e-4)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    assert network.weight.grad is not None
    network.weight.grad[1, 2] = value
    with pytest.raises(CheckError, match=f"the weight loss or its gradient became {value:g}"):
        SafeSteps(sgd).step(torch.tensor(1.0), "weight loss")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_overflowed_in_float16_is_left_out_and_is_no_failure() -> None:
    network = torch.nn.Linear(3, 2)
    before = network.weight.detach().clone()
    steps = SafeSteps(make_sgd(network, 0.1, 0.9, 1e-4))
    for skip, gradient in ((True, math.inf), (False, 1.0)):
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        steps.step(torch.tensor(1.0), "weight loss", torch.tensor(skip))
        steps.check()
        assert torch.equal(network.weight, before) == skip


def test_classes_of_data_and_network_must_agree() -> None:
    with pytest.raises(InputError, match="has 5 classes, but the networks are made for 2"):
        Training(_SMALLEST, toy_data(classes=5), _QUICK)


def test_norms_and_biases_are_not_decayed() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    groups = make_sgd(network, 0.1, 0.9, 1e-4).param_groups
    assert [group["weight_decay"] for group in groups] == [1e-4, 0.0]
    assert [len(group["params"]) for group in groups] == [2, 4]


def test_learning_rate_rises_and_falls_to_zero() -> None:
    rates = [cosine_lr(1.0, step, 100, warmup_steps=10) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == 1.0 and rates[100] < 1e-12
    assert rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("architecture.json", "is not a trained network"),
        ("trained.json", "has not finished"),
        ("weights.safetensors", "cannot be used"),
    ],
)
def test_incomplete_folders_get_one_sentence(tmp_path: Path, remove: str, message: str) -> None:
    _SMALLEST.save(tmp_path / "architecture.json")
    Training(_SMALLEST, toy_data(), _QUICK).run(tmp_path, tmp_path / "checkpoint.pt")
    (tmp_path / remove).unlink()
    with pytest.raises(InputError, match=message):
        load_trained(tmp_path)
