"""The settings of a profile, and of a benchmark."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from proxyless.addresses import LOCAL, TypedDevice
from proxyless.config import MAX_COUNT, MAX_SEED, Settings

MIN_NETS = 5
"""Fewer whole networks than this cannot carry a fit of two coefficients and an error estimate."""


RowsMeasured = Literal["all", "designed"]


class ProfileSettings(Settings):
    """How to measure."""

    # Spelled out: the list itself imports numpy, and every command would wait for it.
    runtime: str = Field(
        "litert",
        description="Runtime: litert, onnxruntime, torch, torch-cuda, ncnn, mnn, openvino or executorch.",
    )
    device: TypedDevice = Field(
        LOCAL, description="Where to measure: local (this machine), ssh://user@host or adb:SERIAL."
    )
    threads: int = Field(1, ge=1, le=MAX_COUNT, description="Threads that the runtime may use.")
    batch: int = Field(1, ge=1, le=MAX_COUNT, description="Images per call.")
    delegate: str | None = Field(
        None, description="How the runtime executes; for litert xnnpack (its default) or none."
    )
    dtype: str = Field("float32", description="Numbers that the networks compute with: float32 or int8.")
    calibrate: int = Field(
        30, ge=0, le=10_000, description=f"Whole networks to fit the table to: at least {MIN_NETS}, or 0 for none."
    )
    rounds: int = Field(
        40,
        ge=2,
        le=MAX_COUNT,
        description="Times that each item is visited, at least 2, in a new random order each time.",
    )
    rows: RowsMeasured | None = Field(
        None,
        description="Layers to measure: all, or designed: a part, chosen so that the others can be predicted. "
        "Default: designed where there are more than 300.",
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="Seed of the order and of the networks.")

    @field_validator("calibrate")
    @classmethod
    def _enough_networks(cls, value: int) -> int:
        if 0 < value < MIN_NETS:
            raise ValueError(f"must be 0 or at least {MIN_NETS} networks")
        return value


Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


class BenchSettings(Settings):
    """How to measure model files, of this program or any other."""

    runtime: str | None = Field(None, description="What executes them, where several can. Default: by suffix.")
    device: TypedDevice = Field(LOCAL, description="Where to measure: local, ssh://user@host or adb:SERIAL.")
    delegate: str | None = Field(None, description="How the runtime executes; for litert xnnpack or none.")
    threads: tuple[Count, ...] = Field((1,), min_length=1, description="Threads of the runtime; several: 1,2,4.")
    batch: Count = Field(1, description="Size of the first dimension of inputs that leave it open.")
    rounds: int = Field(40, ge=1, le=MAX_COUNT, description="Times that each file is visited, in random order.")
    shapes: dict[str, tuple[Count, ...]] = Field(
        {}, description="Shape of an input that leaves more than its first dimension open: NAME=1,3,224,224."
    )
