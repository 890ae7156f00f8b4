"""Where and how a network is executed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from proxyless.addresses import LOCAL, Address


class Target(BaseModel):
    """A runtime on a device, and how it computes: two measurements are comparable where all of it is equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    device: Address = LOCAL
    runtime: str
    threads: int = Field(1, gt=0, lt=2**31)
    batch: int = Field(1, gt=0, lt=2**31)
    delegate: str
    dtype: Literal["float32", "float16", "int8"] = "float32"
