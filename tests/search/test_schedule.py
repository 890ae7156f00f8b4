"""How long a search and a training are, and what they refuse of that."""

from pathlib import Path

import pytest

from proxyless.config import read_yaml, write_yaml
from proxyless.errors import InputError
from proxyless.search.config import SearchSettings
from proxyless.space import tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.loop import Training
from tests.helpers import architecture, toy_data


@pytest.mark.parametrize(
    ("steps_per_epoch", "warmup_epochs", "epochs"),
    [(31, 7, 17), (5, 40, 100), (1, 200, 500), (1000, 6, 16), (0, 200, 500)],
)
def test_epochs_follow_the_data_where_none_are_given(steps_per_epoch: int, warmup_epochs: int, epochs: int) -> None:
    """168 images at batch 32 are 5 steps an epoch: 6 epochs made 30 steps, and nothing was learned."""
    schedule = SearchSettings().schedule(steps_per_epoch)
    assert (schedule.warmup_epochs, schedule.epochs) == (warmup_epochs, epochs)
    given = SearchSettings(warmup_epochs=0, epochs=3).schedule(steps_per_epoch)
    assert (given.warmup_epochs, given.epochs, given.total) == (0, 3, 3)


@pytest.mark.parametrize(("given", "epochs", "warmup_steps"), [(None, 30, 120), (2, 2, 8), (300, 300, 120), (1, 1, 4)])
def test_the_warm_up_of_a_training_is_a_tenth_at_most_three_epochs(
    given: int | None, epochs: int, warmup_steps: int
) -> None:
    schedule = TrainSettings(epochs=given).schedule(40)
    assert (schedule.epochs, schedule.steps, schedule.warmup_steps) == (epochs, 40 * epochs, warmup_steps)


def test_the_learning_rate_of_two_epochs_falls() -> None:
    """The default warm-up was three epochs: the rate of a shorter training only rose."""
    smallest = architecture("k3e3 skip k3e3 skip skip k3e3 skip skip k3e3", tiny_fixed(resolution=16, num_classes=2))
    training = Training(smallest, toy_data(80), TrainSettings(epochs=2, batch_size=8, validation=0.2, device="cpu"))
    rates: list[float] = []
    training._run_epoch(_Rates(training, rates))
    training.epoch = 1
    training._run_epoch(_Rates(training, rates))
    assert max(rates) == pytest.approx(0.05) and rates.index(max(rates)) < 3 and rates[-1] < 0.01


class _Rates:
    def __init__(self, training: Training, rates: list[float]) -> None:
        self.training, self.rates = training, rates

    def progress(self, done: int, total: int, status: str) -> None:
        self.rates.append(self.training.sgd.param_groups[0]["lr"])

    def epoch(self, record: object) -> None:
        pass


@pytest.mark.parametrize(("warmup_epochs", "epochs"), [(3, 3), (3, 2)])
def test_a_warm_up_as_long_as_the_training_is_refused(warmup_epochs: int, epochs: int) -> None:
    with pytest.raises(InputError, match=f"a warm-up of 3 epochs leaves nothing of {epochs}: the learning rate would"):
        TrainSettings.make("training settings", warmup_epochs=warmup_epochs, epochs=epochs)
    with pytest.raises(InputError, match="a warm-up of 500 epochs leaves nothing of 30"):
        TrainSettings(warmup_epochs=500).schedule(40)


@pytest.mark.parametrize(
    ("strategy", "name", "value"),
    [
        ("darts", "gates", "two"),
        ("random", "gates", "two"),
        ("gradient", "reward", "loss"),
        ("gradient", "evaluations", 100),
    ],
)
def test_a_setting_that_the_strategy_ignores_is_refused_also_with_its_default_value(
    strategy: str, name: str, value: object
) -> None:
    with pytest.raises(InputError, match=f"'{name}' is a setting of the strategy .*, not of {strategy}; leave it out"):
        SearchSettings.make("search settings", strategy=strategy, **{name: value})


@pytest.mark.parametrize("strategy", ["gradient", "random", "darts", "reinforce"])
def test_settings_that_were_written_are_read_again(strategy: str, tmp_path: Path) -> None:
    settings = SearchSettings(strategy=strategy)
    write_yaml(tmp_path / "config.yaml", settings)
    assert read_yaml(tmp_path / "config.yaml", SearchSettings) == settings
