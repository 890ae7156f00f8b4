"""The events among the lines that a timing program prints: what a device says is checked before it is used."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from latency.devices.base import DeviceError, Event, OnEvent
from proxyless.errors import flat, one_line
from proxyless.files import first_problem

Text = Annotated[str, Field(max_length=10_000), AfterValidator(one_line)]
Item = Annotated[str, Field(max_length=10_000)]
Round = Annotated[int, Field(ge=0, le=2**62)]
LEAST_MS, MOST_MS = 1e-6, 1e8
"""Of one run: a nanosecond, and a day."""
Milliseconds = Annotated[float, Field(ge=LEAST_MS, le=MOST_MS, allow_inf_nan=False)]
_LONGEST_REASON = 10_000
_MOST_ONCE = 10_000
"""Events that are no visits, such as of models that were loaded."""
Length = Annotated[int, Field(ge=0, le=2**40)]


def _cut(text: str) -> str:
    """The reason of a failure, which may be a listing of whole files."""
    return flat(text[:_LONGEST_REASON])


class _Event(BaseModel):
    """Fields that a newer program may add are passed over."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Ready(_Event):
    """The program runs; on what."""

    event: Literal["ready"]
    runtime: Text
    processor: Text = "unknown"
    machine: Text = ""
    system: Text = ""
    python: Text | None = None
    numpy: Text | None = None
    cpus: Annotated[int, Field(ge=1, le=2**20)] | None = None
    load_1min: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None


class Sample(_Event):
    """A visit was made; milliseconds of every run."""

    event: Literal["sample"]
    id: Item
    round: Round
    ms: Annotated[list[Milliseconds], Field(min_length=1, max_length=100_000)]


class Failed(_Event):
    """A visit failed."""

    event: Literal["failed"]
    id: Item
    round: Round
    error: Annotated[str, AfterValidator(_cut)]


class Loaded(_Event):
    """A model of any maker; shape and type of its inputs by name."""

    event: Literal["loaded"]
    item: Item
    inputs: Annotated[dict[str, tuple[list[Length], str]], Field(max_length=1000)]


class Memory(_Event):
    """What the models took, at the end."""

    event: Literal["memory"]
    peak_bytes: Length | None = None


class Exit(_Event):
    """The program ended; said by what watches it."""

    event: Literal["exit"]
    code: Annotated[int, Field(ge=-(2**31), lt=2**31)]


class Chosen(_Event):
    """What a later pass of a profile visits; said by the profile itself, in its file."""

    event: Literal["chosen"]
    items: Annotated[list[Item], Field(max_length=1_000_000)]


_SAID: TypeAdapter[_Event] = TypeAdapter(
    Annotated[Ready | Sample | Failed | Loaded | Memory | Exit, Field(discriminator="event")]
)
_KEPT: TypeAdapter[_Event] = TypeAdapter(Annotated[Ready | Sample | Failed | Chosen, Field(discriminator="event")])


def parse_event(line: str, *, kept: bool = False) -> Event:
    """An event from its line of JSON. kept: in the file of a profile, rather than said by a device.

    Raises:
        ValueError: it is none; the message is one line.
    """
    try:
        return (_KEPT if kept else _SAID).validate_json(line).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def events_only(on_event: OnEvent) -> Callable[[str], bool]:
    """Takes lines; hands over those that are events, and says whether a line was one: others are no sign of life.

    A runtime may print messages of its own, and a connection that breaks may leave half a line. What is said but once
    by an honest program is a sign of life but once.

    Raises:
        DeviceError: on a line that calls itself an event, and is none that there could be.
    """
    said = set[str]()

    def on_line(line: str) -> bool:
        if not line.startswith("{") or not _is_event(line):
            return False
        try:
            event = parse_event(line)
        except ValueError as error:
            raise DeviceError(f"the device sent what no timing program sends: {error}; check what runs there") from None
        on_event(event)
        is_new = event["event"] in ("sample", "failed") or line not in said
        if event["event"] not in ("sample", "failed"):
            said.add(line)
        return is_new and len(said) < _MOST_ONCE

    return on_line


def _is_event(line: str) -> bool:
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "event" in document
