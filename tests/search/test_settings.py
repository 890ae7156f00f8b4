"""Settings of a search, and those that only its strategy has."""

from pathlib import Path

import pytest

from proxyless.config import Settings, read_yaml, write_yaml
from proxyless.errors import InputError
from proxyless.search.config import SearchSettings
from proxyless.search.strategies import STRATEGIES, LearningSettings, MixtureSettings, SamplingSettings
from proxyless.search.strategies.settings import DartsSettings, GradientSettings


class _Run(Settings):
    search: SearchSettings = SearchSettings()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_in_files_all_settings_stand_side_by_side(strategy: str, tmp_path: Path) -> None:
    run = _Run(search=SearchSettings.make("test", strategy=strategy, epochs=3))
    write_yaml(tmp_path / "run.yaml", run)
    written = (tmp_path / "run.yaml").read_text()
    assert all(f"\n  {name}: " in written for name in STRATEGIES[strategy].settings.model_fields)
    assert read_yaml(tmp_path / "run.yaml", _Run) == run


def test_a_setting_keeps_its_type_and_its_strategy() -> None:
    settings = SearchSettings.make("test", strategy="darts", unrolled=True, arch_every=4)
    assert settings.own == DartsSettings(unrolled=True, arch_every=4)
    assert settings == SearchSettings(strategy="darts", own=DartsSettings(unrolled=True, arch_every=4))
    assert (settings.learning.arch_every, settings.evaluations) == (4, 0)
    sampled = SearchSettings(strategy="random", own=SamplingSettings(evaluations=7))
    assert (sampled.learning, sampled.evaluations) == (LearningSettings(), 7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gates": "three"}, r"search.gates: Input should be 'two' or 'all' \(got 'three'\)"),
        ({"strategy": "random", "gates": "two"}, "'gates' is a setting of the strategy gradient, not of random"),
        ({"strategy": 3}, "search.strategy: Input should be a valid string"),
        ({"gate": "two"}, "search.gate: Extra inputs are not permitted"),
        ({"own": {"gates": "all"}}, "'own' is no setting; write those of a strategy beside the others"),
        ({"own": MixtureSettings()}, "the strategy 'gradient' are GradientSettings, not MixtureSettings; give those"),
        ({"strategy": "darts", "unrolled": True, "compile": True}, "'unrolled' differentiates twice"),
    ],
)
def test_what_does_not_fit_is_one_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _Run.make("test", search=values)


def test_what_a_step_takes_follows_from_the_settings() -> None:
    counts = [6, 6]
    assert GradientSettings().steps_per_gradient(counts) == 3.0
    assert GradientSettings(gates="all").steps_per_gradient(counts) == 1.0
    first, second = (DartsSettings(unrolled=twice).weight_steps_per_step(counts) for twice in (False, True))
    assert second == 2 * first == pytest.approx(4 * 1.3 * 6)
