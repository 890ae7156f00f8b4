"""Predict rows that were not measured (another kernel, width, resolution) from the work that the layers do."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from latency.fit.features import WORK, work_matrix
from latency.table import LatencyTable, Prediction, Row
from proxyless.errors import InputError
from proxyless.space import LayerSpec, Space

MIN_ROWS = 12
"""Fewer measured rows than this carry neither a regression nor an estimate of its error."""

MAX_REACH = 2.5
"""How far beyond the measured layers' memory traffic a prediction may go."""

Attribute = Callable[[LayerSpec], float]
ATTRIBUTES: dict[str, Attribute] = {
    "kernel": lambda spec: spec.kernel,
    "expand": lambda spec: spec.expand,
    "width": lambda spec: spec.out_shape[2],
    "resolution": lambda spec: spec.in_shape[0],
}
_LEAST_WORK = 1e-4  # keeps the logarithm of work that a layer has none of near that of the least layers


def predict_rows(table: LatencyTable, space: Space, name: str = "another table") -> LatencyTable:
    """The table for another space: its own rows where it has them, predictions, marked so, where not.

    A Gaussian process on the logarithm of the layers' work (linear and squared-exponential kernel). The error
    is that of predicting measured rows from those of other kernels, expansions, widths or resolutions, for the
    attributes that are new in the space. name: of the table, for the new one's origin.

    Raises:
        InputError: too few rows to learn from, no row is missing, or one is far from all that were measured.
    """
    kept = [row for row in [*table.fixed, *table.rows] if row.source != "predicted"]
    measured = [row for row in kept if row.ms > 0]
    known = {row.spec for row in kept}
    missing = [spec for spec in space.specs() if spec not in known]
    if not missing:
        raise InputError(f"the latency table has all layers of space {space.name!r}; there is nothing to predict")
    if len(measured) < MIN_ROWS:
        raise InputError(
            f"the latency table has {len(measured)} rows that were measured, predicting others needs at least "
            f"{MIN_ROWS}; profile this space instead"
        )
    _check_kinds([row.spec for row in measured], missing)
    _check_reach([row.spec for row in measured], missing)
    model, errors_pct = _choose(measured)
    ms = model.fit([row.spec for row in measured], [row.ms for row in measured]).predict(missing)
    rows = {row.spec: row for row in kept}
    rows |= {spec: Row.of(spec, ms=float(value), source="predicted") for spec, value in zip(missing, ms, strict=True)}
    new = {attribute for attribute, value in ATTRIBUTES.items() if {*map(value, missing)} - {*map(value, known)}}
    used = [errors_pct[attribute] for attribute in new] or [min(errors_pct.values())]
    fitted = [table.fit.rmse_pct] if table.fit is not None else []
    error_pct = float(np.linalg.norm([*used, *fitted]))
    return table.filled(
        space,
        rows,
        prediction=Prediction(rows=len(missing), rmse_pct=error_pct, left_out_pct=errors_pct),
        fit=None,
        stability=None,
        anchors=[],
        origin=f"rows predicted from {name}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _check_kinds(measured: Sequence[LayerSpec], missing: Sequence[LayerSpec]) -> None:
    """What another operator costs, the rows of some do not tell."""
    known = {_kind(spec) for spec in measured}
    strange = next((spec for spec in missing if _kind(spec) not in known), None)
    if strange is not None:
        raise InputError(f"the latency table has no layer of the kind of [{strange}]; profile this space instead")


def _kind(spec: LayerSpec) -> tuple[object, ...]:
    return spec.op, spec.se > 0, spec.groups > 1, spec.act


def _check_reach(measured: Sequence[LayerSpec], missing: Sequence[LayerSpec]) -> None:
    """Outside the range of what was measured a regression only guesses."""
    known, wanted = (work_matrix(specs)[:, WORK.index("activation_mb")] for specs in (measured, missing))
    beyond = max(wanted.max() / known.max(), known.min() / wanted.min())
    if beyond > MAX_REACH:
        raise InputError(
            f"layers of the space move {beyond:.1f} times more or less memory than any that was measured (at most "
            f"{MAX_REACH:g} times); profile this space instead"
        )


@dataclass
class _Model:
    """by_kernel: each kernel size that was measured gets an offset of its own, for runtimes that have fast and slow
    kernels; else latency is a smooth function of the work."""

    by_kernel: bool
    kernels: tuple[int, ...] = ()
    pipeline: Pipeline | None = None

    def _features(self, specs: Sequence[LayerSpec]) -> np.ndarray:
        work = np.log(work_matrix(specs) + _LEAST_WORK)
        return np.hstack([work, [[float(spec.kernel == kernel) for kernel in self.kernels] for spec in specs]])

    def fit(self, specs: Sequence[LayerSpec], ms: Sequence[float]) -> "_Model":
        self.kernels = tuple(sorted({spec.kernel for spec in specs})) if self.by_kernel else ()
        kernel = ConstantKernel() * DotProduct() + ConstantKernel() * RBF(3.0) + WhiteKernel(1e-3)
        process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
        self.pipeline = make_pipeline(StandardScaler(), process)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a hyper-parameter at its bound is a valid fit
            self.pipeline.fit(self._features(specs), np.log(ms))
        return self

    def predict(self, specs: Sequence[LayerSpec]) -> np.ndarray:
        """Milliseconds of each layer."""
        assert self.pipeline is not None
        return np.asarray(np.exp(self.pipeline.predict(self._features(specs))))


def _choose(rows: Sequence[Row]) -> tuple[_Model, dict[str, float]]:
    """The variant with the smaller errors, and these, per attribute."""
    variants = [_Model(by_kernel) for by_kernel in (False, True)]
    errors = [{name: _left_out_pct(model, rows, value) for name, value in ATTRIBUTES.items()} for model in variants]
    best = int(np.argmin([sum(found.values()) for found in errors]))
    return variants[best], errors[best]


def _left_out_pct(model: _Model, rows: Sequence[Row], attribute: Attribute) -> float:
    """RMS error in per cent of predicting the rows of each value of an attribute from all the others."""
    values = np.array([attribute(row.spec) for row in rows])
    errors: list[float] = []
    for value in np.unique(values):
        train = [row for row, own in zip(rows, values, strict=True) if own != value]
        test = [row for row, own in zip(rows, values, strict=True) if own == value]
        if train:
            model.fit([row.spec for row in train], [row.ms for row in train])
            errors += list(model.predict([row.spec for row in test]) / [row.ms for row in test] - 1)
    return float(100 * np.sqrt(np.mean(np.square(errors)))) if errors else 100.0
