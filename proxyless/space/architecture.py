"""An architecture: one choice per decision of a space, to and from JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from proxyless.errors import InputError
from proxyless.files import read_model, write_json
from proxyless.ops import LayerSpec
from proxyless.ops.cost import Cost, network_cost
from proxyless.space.registry import build_space
from proxyless.space.space import Space
from proxyless.space.target import Target

Milliseconds = Annotated[float, Field(gt=0, le=1e9)]
Names = Annotated[list[str], Field(max_length=10_000)]
"""Of choices, decision by decision."""


class Anchor(BaseModel):
    """A network of the same space that was timed with the latency table; timed again, it shows drift."""

    model_config = ConfigDict(extra="forbid")
    ops: Names
    ms: Milliseconds

    def network(self) -> tuple[str, ...]:
        """Its choices."""
        return tuple(self.ops)

    def check(self, space: Space) -> None:
        """Raise InputError unless it is a network of the space."""
        try:
            space.check(self.network())
        except InputError as error:
            raise InputError(f"one of the networks that were timed whole is not of the space: {error}") from None


class BudgetedTarget(Target):
    """What an architecture was derived for.

    margin: share by which a network may be slower than predicted. measured_ms: on the target, untrained, at the speed
    of the profile; None where only predicted. at_chance: the weights of the search were no better than guessing.
    """

    # Of a document no default may decide how a network was timed.
    threads: int = Field(gt=0, lt=2**31)
    batch: int = Field(gt=0, lt=2**31)
    budget_ms: Milliseconds
    predicted_ms: Milliseconds
    measured_ms: Milliseconds | None = None
    margin: float | None = Field(None, ge=0, le=10, allow_inf_nan=False)
    anchors: list[Anchor] = Field([], max_length=10_000)
    at_chance: bool = False

    def unbudgeted(self) -> Target:
        """Where and how alone, to be compared with that of a table."""
        return Target(**self.model_dump(include=set(Target.model_fields)))


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    format: Literal["architecture/1"]
    space: str
    space_args: dict[str, Any]
    ops: Names
    fingerprint: str | None = None
    target: BudgetedTarget | None = None


@dataclass(frozen=True)
class Architecture:
    """One legal choice per decision of `space`.

    Raises:
        InputError: on construction, when `ops` does not fit the space.
    """

    space: Space
    ops: tuple[str, ...]
    target: BudgetedTarget | None = None

    def __post_init__(self) -> None:
        self.space.check(self.ops)

    @property
    def layers(self) -> list[LayerSpec]:
        """The network's layers in order, without the skipped ones."""
        return self.space.network(self.ops)

    @property
    def resolution(self) -> int:
        """Side of the input in pixels."""
        return self.layers[0].in_shape[0]

    @property
    def cost(self) -> Cost:
        return network_cost(self.layers)

    def document(self) -> dict[str, Any]:
        """The JSON document `architecture/1`."""
        target = {"target": self.target.model_dump()} if self.target else {}
        return {
            "format": "architecture/1",
            "space": self.space.name,
            "space_args": dict(self.space.args),
            "ops": list(self.ops),
            "fingerprint": self.space.fingerprint,
            **target,
        }

    def save(self, path: Path) -> None:
        write_json(path, self.document())

    @staticmethod
    def load(path: Path) -> "Architecture":
        """Read and validate an architecture file.

        Raises:
            InputError: missing, damaged, of another format, or not legal in its space.
        """
        document = read_model(path, "architecture", _Document)
        try:
            space = build_space(document.space, document.space_args)
            if document.fingerprint not in (None, space.fingerprint):
                raise InputError(f"it was made for another version of the space {space.name!r}; search again")
            for anchor in document.target.anchors if document.target else ():
                anchor.check(space)
            return Architecture(space, tuple(document.ops), document.target)
        except InputError as error:
            raise InputError(f"architecture {path} is not valid: {error}") from None
