"""The networks of a comparison in its folder, where an interrupted one finds them again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from proxyless.files import read_model, write_json
from proxyless.space import Architecture
from proxyless.train.trained import ARCHITECTURE
from proxyless.workflow.contenders import Contender, Group

NETWORKS = "networks.json"


class _Entry(BaseModel):
    """A contender, whose architecture lies in the folder of its name."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern=r"^(found(-\d+)?|uniform-[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}|random-\d+)$")
    group: Group
    measured_ms: float | None


class _Entries(RootModel[list[_Entry]]):
    @model_validator(mode="after")
    def _named_by_groups(self) -> Self:
        if any(entry.name.partition("-")[0] != entry.group for entry in self.root):
            raise ValueError("the names of its networks do not begin with their groups")
        if not self.root or self.root[0].group != "found":
            raise ValueError("its first network is not the found one")
        return self


def save_contenders(folder: Path, contenders: Sequence[Contender]) -> None:
    """Write every architecture, then the list of them."""
    for contender in contenders:
        contender.architecture.save(folder / contender.name / ARCHITECTURE)
    entries = [_Entry(name=c.name, group=c.group, measured_ms=c.measured_ms) for c in contenders]
    write_json(folder / NETWORKS, _Entries(entries).model_dump())


def load_contenders(folder: Path) -> list[Contender]:
    """Those that were saved, in their order.

    Raises:
        InputError: a file is missing or damaged.
    """
    entries = read_model(folder / NETWORKS, "list of networks", _Entries).root
    return [
        Contender(entry.name, entry.group, Architecture.load(folder / entry.name / ARCHITECTURE), entry.measured_ms)
        for entry in entries
    ]
