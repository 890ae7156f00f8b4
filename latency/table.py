"""The latency table: milliseconds per layer, with everything that one must know to trust it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from proxyless.addresses import Address
from proxyless.errors import InputError, shown
from proxyless.files import read_model, write_json
from proxyless.ops import Activation, layer_parts
from proxyless.space import Anchor, LayerSpec, Space, Target
from proxyless.space.factors import space_factors
from proxyless.space.latency import LayerCosts

_MOST = 1e9
"""In ms (11 days), per cent and the like: sums of such numbers stay finite."""

Positive = Annotated[float, Field(gt=0, le=_MOST)]
NotNegative = Annotated[float, Field(ge=0, le=_MOST)]
Finite = Annotated[float, Field(ge=-_MOST, le=_MOST)]
Size = Annotated[int, Field(gt=0, lt=2**31)]
Squeezed = Annotated[int, Field(strict=True, ge=0, lt=2**31), BeforeValidator(lambda value: value or 0)]
"""Channels; older tables say false where there is no squeeze-and-excite."""
UNKNOWN = "unknown"
"""What stands for software of which a published table says nothing."""
MAX_ROWS = 20_000
"""A space needs hundreds; a file of twice so many, its fixed layers too, can still be read."""
Rows = Annotated[list["Row"], Field(max_length=MAX_ROWS)]


_SPEC = tuple(field.name for field in fields(LayerSpec) if field.name != "edges")
"""What a row says of its layer, by the same names; one with edges has no row, but its parts have."""


def check_rows(space: Space) -> None:
    """Raise InputError where a table could not hold the layers of a space."""
    if (count := len(space.specs())) > MAX_ROWS:
        raise InputError(
            f"space {space.name!r} has {count:,} different layers, more than the {MAX_ROWS:,} of a latency table; "
            "list fewer resolutions, widths or operations"
        )


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True, allow_inf_nan=False)


class Row(_Part):
    """Latency of one layer. measured_ms: before calibration; where `source` says predicted, as it was predicted."""

    op: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,200}$")
    kernel: Size
    expand: Annotated[float, Field(gt=0, lt=2**31)]
    in_shape: tuple[Size, Size, Size] = Field(alias="in")
    out_shape: tuple[Size, Size, Size] = Field(alias="out")
    stride: Size
    residual: bool
    act: Activation
    se: Squeezed = 0
    groups: Size = 1
    ms: NotNegative
    iqr: NotNegative | None = None
    n: Size | None = None
    source: Literal["measured", "calibrated", "predicted", "published"]
    measured_ms: NotNegative | None = None

    @property
    def spec(self) -> LayerSpec:
        return LayerSpec(**{name: getattr(self, name) for name in _SPEC})

    @staticmethod
    def of(spec: LayerSpec, **values: Any) -> "Row":
        """The row of a layer; `values` are the remaining fields."""
        return Row(**{name: getattr(spec, name) for name in _SPEC}, **values)


class DeviceInfo(_Part):
    """What was measured: its address, and whatever it said of itself."""

    model_config = ConfigDict(extra="allow")
    name: Address
    processor: str | None = None
    system: str | None = None


class RuntimeInfo(_Part):
    """The target's software: part of its identity."""

    name: str
    version: str
    threads: Size
    delegate: str


class SpaceInfo(_Part):
    """The space that the table was made for."""

    name: str
    args: dict[str, Any]
    fingerprint: str

    @staticmethod
    def of(space: Space) -> "SpaceInfo":
        return SpaceInfo(name=space.name, args=dict(space.args), fingerprint=space.fingerprint)


class HeldOut(_Part):
    """A whole network that was measured, and what a fit without it predicts."""

    ops: list[str]
    measured_ms: Positive
    predicted_ms: Finite


class Fit(_Part):
    """How sums of rows were fitted to whole networks, and the error on networks left out of the fit.

    scale, call_ms: a row is scale times its isolated measurement, minus one call of the runtime.
    corrections: the fit's coefficients by name, in units of their prior; see `latency/fit/calibrate.py`.
    weights: of the methods whose average a transferred table is, instead of all these; see `latency/fit/transfer.py`.
    repeatability_pct: difference of two measurements of the same network, the floor for any error.
    """

    nets: Size
    heldout: str
    scale: Positive | None = None
    call_ms: Finite | None = None
    corrections: dict[str, Finite] = {}
    weights: dict[str, NotNegative] = {}
    rmse_pct: NotNegative
    bias_pct: Finite
    within_5pct: NotNegative
    within_10pct: NotNegative
    spearman: Finite | None = None
    kendall: Finite | None
    repeatability_pct: NotNegative
    networks: list[HeldOut] = []


class Stability(_Part):
    """How steady the device was while it was measured.

    summary: how the rounds of an item became one value, the way that repeats better on this device.
    repeatability_pct: difference between two halves of the rounds, over all items.
    slowness_median, slowness_p95: slowness against its faster moments, over the visits.
    course: slowness over the time of the measurement, in equal steps.
    """

    summary: str
    repeatability_pct: NotNegative
    slowness_median: Positive
    slowness_p95: Positive
    course: list[Positive]


class Prediction(_Part):
    """How rows that were not measured were predicted from those that were.

    rmse_pct: error to expect of them. left_out_pct: error of predicting measured rows of a kernel, expansion,
    width or resolution from all others, or rows of the same space from the other ones, in per cent. network_pct: the
    error that they bring into random networks, where the rows around them were measured; otherwise as a row's own.
    """

    rows: Size
    rmse_pct: NotNegative
    left_out_pct: dict[str, NotNegative]
    network_pct: NotNegative | None = None

    @property
    def margin_pct(self) -> float:
        """The error to expect of a whole network for the sake of these rows."""
        return self.rmse_pct if self.network_pct is None else self.network_pct


class LatencyTable(_Part):
    """A latency table of the format `latency-table/1`.

    A network's latency is `overhead_ms` plus its rows. Rows of `fixed` are layers that every network has.
    anchors: whole networks with their measured latency; measured again, they show the machine's drift.
    """

    format: Literal["latency-table/1"] = "latency-table/1"
    device: DeviceInfo
    runtime: RuntimeInfo
    batch: Size = 1
    dtype: Literal["float32", "float16", "int8"] = "float32"
    unit: Literal["ms"] = "ms"
    space: SpaceInfo | None = None
    overhead_ms: Finite = 0.0
    fixed: Rows
    rows: Rows
    fit: Fit | None = None
    stability: Stability | None = None
    prediction: Prediction | None = None
    anchors: list[Anchor] = []
    origin: str | None = None
    licence: str | None = None
    created: str

    @model_validator(mode="after")
    def _check_unique(self) -> Self:
        """Of two rows of one layer, one would count without a word."""
        seen: set[LayerSpec] = set()
        for row in [*self.fixed, *self.rows]:
            if row.spec in seen:
                raise ValueError(f"it has two rows for the layer [{row.spec}]; remove one of them")
            seen.add(row.spec)
        return self

    @cached_property
    def _by_spec(self) -> dict[LayerSpec, Row]:
        return {row.spec: row for row in [*self.fixed, *self.rows]}

    def changed(self, **values: Any) -> "LatencyTable":
        """A table with other values in some fields; unlike a copy it shares no index of rows with this one."""
        return LatencyTable(**({name: getattr(self, name) for name in LatencyTable.model_fields} | values))

    def filled(self, space: Space, rows: Mapping[LayerSpec, Row], **values: Any) -> "LatencyTable":
        """A table with these rows for a space, one per layer that it can ask for, and other values in some fields."""
        fixed = dict.fromkeys(space.fixed)
        return self.changed(
            space=SpaceInfo.of(space),
            fixed=[rows[spec] for spec in fixed],
            rows=[rows[spec] for spec in space.specs() if spec not in fixed],
            **values,
        )

    def lookup(self, spec: LayerSpec) -> float:
        """Milliseconds of one layer; of one that is composed of others, of these together.

        Raises:
            InputError: the table has no such row; the message names it and the nearest ones.
        """
        return sum(self._row_ms(part) for part in layer_parts(spec))

    def _row_ms(self, spec: LayerSpec) -> float:
        row = self._by_spec.get(spec)
        if row is None:
            near = sorted(self._by_spec, key=lambda known: -_likeness(known, spec))[:2]
            listed = "; ".join(str(known) for known in near)
            raise InputError(
                f"the latency table has no row for the layer [{spec}]; the nearest are [{listed}]; "
                "profile the space that you search, with its resolution and number of classes"
            )
        return row.ms

    def has(self, spec: LayerSpec) -> bool:
        """Whether there is a row for the layer, or one for each of its parts."""
        return all(part in self._by_spec for part in layer_parts(spec))

    def covers(self, space: Space) -> bool:
        """Whether there is a row for every layer that the space can ask for."""
        return all(map(self.has, space.specs()))

    def predict(self, layers: Iterable[LayerSpec]) -> float:
        """Milliseconds of a whole network."""
        return self.overhead_ms + sum(self.lookup(spec) for spec in layers)

    def costs(self, space: Space) -> LayerCosts:
        """The cost model of a space. The identity is no layer in any exported file and costs nothing.

        Raises:
            InputError: the table was made for another version of the space, lacks a row, or predicts no time at all.
        """
        if self.space and self.space.name == space.name and self.space.fingerprint != space.fingerprint:
            made = ", ".join(f"{k}={shown(v)}" for k, v in self.space.args.items() if space.args.get(k) != v)
            raise InputError(
                f"the latency table was made for the space {space.name!r} with other arguments "
                f"({made or 'another version'}); profile this space again"
            )
        constant_ms, factors = space_factors(space, self.lookup)
        costs = LayerCosts(self.overhead_ms + constant_ms, space.sizes, factors, self.margin)
        if not costs.min_ms > 0:
            raise InputError(
                f"the latency table predicts {costs.min_ms:.4g} ms for the smallest network, and none takes no time; "
                "profile again"
            )
        for anchor in self.anchors:
            anchor.check(space)
        return costs

    @property
    def margin(self) -> float:
        """Share by which a network may be slower than predicted: about 39 of 40 stay within it.

        Twice the held-out error of the fit, and of predicted rows.
        """
        fit_pct = self.fit.rmse_pct if self.fit is not None else 0.0
        prediction_pct = self.prediction.margin_pct if self.prediction is not None else 0.0
        return min(2 * math.hypot(fit_pct, prediction_pct) / 100, 0.5)

    @property
    def target(self) -> Target:
        """Where and how it was measured."""
        runtime = self.runtime
        return Target(
            device=self.device.name,
            runtime=runtime.name,
            threads=runtime.threads,
            batch=self.batch,
            delegate=runtime.delegate,
            dtype=self.dtype,
        )

    @property
    def label(self) -> str:
        """The target's software in words."""
        runtime = self.runtime
        plural = "" if runtime.threads == 1 else "s"
        repeated = runtime.version.startswith(runtime.name)
        if runtime.name == runtime.version == UNKNOWN:
            return "an unknown runtime"
        named = runtime.version if repeated else f"{runtime.name} {runtime.version}"
        dtype = "" if self.dtype == "float32" else f", {self.dtype}"
        return f"{named} ({runtime.delegate}, {runtime.threads} thread{plural}{dtype})"

    def save(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json", by_alias=True, exclude_none=True))

    @staticmethod
    def load(path: Path) -> "LatencyTable":
        """Read and validate a table.

        Raises:
            InputError: missing, damaged, or not a latency table.
        """
        return read_model(path, "latency table", LatencyTable)


def _likeness(a: LayerSpec, b: LayerSpec) -> float:
    """How alike two layers are: the kind counts most, then shapes, then the rest."""
    shapes = sum(x == y for x, y in zip(a.in_shape + a.out_shape, b.in_shape + b.out_shape, strict=True))
    rest = sum(bool(getattr(a, name) == getattr(b, name)) for name in ("kernel", "expand", "stride", "residual", "act"))
    return 100 * (a.op == b.op) + 2 * shapes + rest
