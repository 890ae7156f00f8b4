"""Large spaces: a part of the rows is measured, the others are predicted, a cliff is found and measured."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latency.choose import TARGET_PCT, Predicted
from latency.design import FULL_KIND, kind_of, spread_rows
from latency.devices import Event, Job, Visit
from latency.fit.features import work
from latency.fit.row_model import RowModel
from latency.plan import FIRST_ROWS
from latency.profile import profile
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from latency.tables import load_table
from latency.timing import ROUNDS_PER_PASS, Samples
from proxyless.errors import InputError
from proxyless.space import LayerSpec, mobile, tiny
from tests.helpers import table_by_macs

_WIDE = mobile(num_classes=10)
_SPECS = _WIDE.specs()


def _smooth_ms(spec: LayerSpec) -> float:
    """Of a made-up processor that computes while it loads, with a fixed time for each call."""
    done = work(spec)
    compute = done.pointwise_mmacs / 60 + done.depthwise_mmacs / 12 + done.dense_mmacs / 40
    return float(np.hypot(compute, done.activation_mb / 20 + done.weight_mb / 10)) + 0.002 * done.calls


def _cliff_ms(spec: LayerSpec) -> float:
    """Large depthwise kernels on many channels fall off what the processor is fast at."""
    return (3.0 if spec.kernel == 7 and spec.mid_channels > 400 else 1.0) * _smooth_ms(spec)


Truth = Callable[[LayerSpec], float]


def test_the_design_has_all_kinds_rare_ones_in_full_and_the_extremes() -> None:
    chosen = spread_rows(_SPECS, 100, _WIDE.fixed)
    assert len(set(chosen)) == 100 and set(_WIDE.fixed) <= set(chosen)
    assert chosen == spread_rows(_SPECS, 100, _WIDE.fixed)
    kinds = [kind_of(spec) for spec in _SPECS]
    for kind in dict.fromkeys(kinds):
        taken, there = [kind_of(spec) for spec in chosen].count(kind), kinds.count(kind)
        assert taken == there if there <= FULL_KIND else taken >= 4
    for size in (0, 2):
        sizes = {spec.in_shape[size] for spec in _SPECS if spec.op == "mbconv"}
        taken_sizes = {spec.in_shape[size] for spec in chosen if spec.op == "mbconv"}
        assert {min(sizes), max(sizes)} <= taken_sizes
    assert spread_rows(_SPECS[:20], 100) == _SPECS[:20]


def test_published_rows_of_five_resolutions_are_predicted_from_a_quarter_of_them() -> None:
    tables = [load_table(f"note10-{resolution}") for resolution in (160, 176, 192, 208, 224)]
    truth = {row.spec: row.ms for table in tables for row in [*table.fixed, *table.rows] if row.ms > 0}
    kinds = Counter(map(kind_of, truth))
    measured = spread_rows(list(truth), FIRST_ROWS)
    hidden = [spec for spec in truth if spec not in set(measured)]
    alike = [spec for spec in measured if kinds[kind_of(spec)] > FULL_KIND]
    model = RowModel.fit(alike, [truth[spec] for spec in alike])
    ms, deviation = model.predict(hidden)
    errors = ms / [truth[spec] for spec in hidden] - 1
    assert len(hidden) > 300
    assert 100 * np.sqrt(np.mean(errors**2)) < min(3.0, 1.5 * model.rmse_pct)
    assert np.mean(np.abs(errors) < 2 * deviation) > 0.9


def _found(truth: Truth) -> tuple[set[LayerSpec], Predicted]:
    """What is measured in all passes where `truth` is, to 1 %, and the other rows."""
    rng = np.random.default_rng(0)
    noisy = {spec: truth(spec) * float(rng.normal(1, 0.01)) for spec in _SPECS}
    measured = set(spread_rows(_SPECS, FIRST_ROWS, _WIDE.fixed))
    while True:
        predicted = Predicted.of(_WIDE, {spec: noisy[spec] for spec in _SPECS if spec in measured})
        assert predicted is not None
        if not (rows := predicted.next_rows()):
            return measured, predicted
        assert measured.isdisjoint(rows)
        measured.update(rows)


def _errors(predicted: Predicted, truth: Truth) -> np.ndarray:
    return np.asarray(predicted.ms / [truth(spec) for spec in predicted.specs] - 1)


def test_where_there_is_no_cliff_the_first_rows_are_enough() -> None:
    measured, predicted = _found(_smooth_ms)
    assert len(measured) == FIRST_ROWS
    assert 100 * np.sqrt(np.mean(_errors(predicted, _smooth_ms) ** 2)) < 3
    assert predicted.network_pct < TARGET_PCT


def _network_errors(predicted: Predicted, truth: Truth) -> np.ndarray:
    """Relative errors of random networks by what was predicted, where the measured rows are exact."""
    wrong = dict(zip(predicted.specs, predicted.ms, strict=True))
    rng = random.Random(7)
    networks = [_WIDE.network(_WIDE.random_ops(rng)) for _ in range(200)]
    sums = [(sum(wrong.get(spec, truth(spec)) for spec in net), sum(map(truth, net))) for net in networks]
    return np.array([found / true - 1 for found, true in sums])


def test_a_cliff_is_found_and_more_is_measured_around_it() -> None:
    design = spread_rows(_SPECS, FIRST_ROWS, _WIDE.fixed)
    first = Predicted.of(_WIDE, {spec: _cliff_ms(spec) for spec in design})
    assert first is not None and np.abs(_network_errors(first, _cliff_ms)).max() > 0.04
    measured, predicted = _found(_cliff_ms)
    added = measured - set(design)
    assert sum(spec.kernel == 7 for spec in added) > len(added) / 2
    assert len(measured) < len(_SPECS) / 2
    assert np.abs(_network_errors(predicted, _cliff_ms)).max() < 0.02
    assert np.mean(np.abs(_errors(predicted, _cliff_ms)) < 2 * predicted.deviation) > 0.9


class _Interrupted(KeyboardInterrupt):
    pass


class _Device:
    """Times the layers and networks of the wide space as `_cliff_ms` says, with noise; `stop_after` visits it ends."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.stop_after, self.visits = stop_after, list[Visit]()

    def __call__(self, device: object, job: Job, samples: Samples, on_event: Callable[[Event], None]) -> None:
        self._tell({"event": "ready", "runtime": "made-up 1"}, samples, on_event)
        for visit in job.schedule:
            if visit not in samples.visits:
                if len(self.visits) == self.stop_after:
                    raise _Interrupted
                self.visits.append(visit)
                event = {"event": "sample", "id": visit[1], "round": visit[0], "ms": [self.ms(visit)]}
                self._tell(event, samples, on_event)

    def _tell(self, event: Event, samples: Samples, on_event: Callable[[Event], None]) -> None:
        samples.add(event)
        on_event(event)

    def ms(self, visit: Visit) -> float:
        """A later pass finds the machine slower."""
        slower = 1.3 if visit[0] >= ROUNDS_PER_PASS else 1.0
        return slower * _item_ms(visit[1]) * random.Random(str(visit)).uniform(1.0, 1.02)


_BY_ITEM = {str(spec): spec for spec in _SPECS}


def _item_ms(item: str) -> float:
    if item in _BY_ITEM:
        return 0.01 + _cliff_ms(_BY_ITEM[item])
    return network_ms(tuple(item.split()[1:]))


def network_ms(ops: tuple[str, ...]) -> float:
    return 0.02 + 1.1 * sum(map(_cliff_ms, _WIDE.network(ops)))


def _profile(path: Path, device: _Device, monkeypatch: pytest.MonkeyPatch, rows: str | None = None) -> LatencyTable:
    monkeypatch.setattr("latency.profile.time_models", device)
    monkeypatch.setattr("latency.profile.check_registered", lambda space: None)
    monkeypatch.setattr("latency.plan.Plan.write_models", lambda *arguments: {})
    settings = ProfileSettings.make("profile", runtime="onnxruntime", rounds=3, rows=rows)
    return profile(_WIDE, path / "t.json", settings)


def test_a_large_space_gets_a_table_with_predicted_rows_whose_margin_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = _Device()
    table = _profile(tmp_path, device, monkeypatch)
    sources = Counter(row.source for row in [*table.fixed, *table.rows])
    assert table.covers(_WIDE) and table.prediction is not None and table.fit is not None
    assert sources["predicted"] == table.prediction.rows > 200 and sources["calibrated"] < len(_SPECS) / 2
    assert {row.source for row in table.fixed} == {"calibrated"}
    assert max(number for number, _ in device.visits) > ROUNDS_PER_PASS
    assert table.margin < 0.05
    rng = random.Random(1)
    networks = [tuple(_WIDE.random_ops(rng)) for _ in range(200)]
    slower = [network_ms(ops) / table.predict(_WIDE.network(ops)) - 1 for ops in networks]
    assert np.mean(np.array(slower) < table.margin) > 0.97
    assert np.sqrt(np.mean(np.square(slower))) < 0.02


@pytest.mark.slow
def test_a_design_that_is_interrupted_in_its_second_pass_goes_on_with_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, again = _Device(), _Device()
    (tmp_path / "whole").mkdir()
    table = _profile(tmp_path / "whole", whole, monkeypatch)
    assert min(number for number, _ in whole.visits[-10:]) >= ROUNDS_PER_PASS
    first = _Device(stop_after=round(0.98 * len(whole.visits)))
    with pytest.raises(_Interrupted):
        _profile(tmp_path, first, monkeypatch)
    resumed = _profile(tmp_path, again, monkeypatch)
    assert first.visits + again.visits == whole.visits
    assert resumed.changed(created=table.created) == table


def test_all_rows_can_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = _profile(tmp_path, _Device(), monkeypatch, rows="all")
    assert table.prediction is None and {row.source for row in [*table.fixed, *table.rows]} == {"calibrated"}


def test_rows_do_not_go_with_a_transfer(tmp_path: Path) -> None:
    known = {"known": table_by_macs(tiny())}
    with pytest.raises(InputError, match="--rows all does not go with --transfer"):
        profile(tiny(), tmp_path / "t.json", ProfileSettings(rows="all"), known=known)
