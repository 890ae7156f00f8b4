"""A space: the declarative description of all networks that can be chosen."""

import hashlib
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

from proxyless.errors import InputError, shown
from proxyless.ops import LayerSpec, layer_parts, structure
from proxyless.space.decisions import Decision, Slot


@dataclass(frozen=True)
class Space:
    """All networks: a chain of slots, whose layers the choices of the decisions determine.

    args: the arguments that built it, enough to build it again.
    """

    name: str
    args: Mapping[str, Any]
    decisions: tuple[Decision, ...]
    slots: tuple[Slot, ...]

    @property
    def resolution(self) -> int:
        """Side of the largest input in pixels."""
        return max(spec.in_shape[0] for spec in self.slots[0].layers)

    @property
    def num_classes(self) -> int:
        return self.slots[-1].layers[0].out_shape[2]

    @property
    def fixed(self) -> tuple[LayerSpec, ...]:
        """The layers that every network has, as they are measured."""
        return tuple(part for slot in self.slots if slot.is_fixed for part in layer_parts(slot.layers[0]))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of choices of every decision."""
        return tuple(len(decision.choices) for decision in self.decisions)

    @property
    def searched(self) -> list[tuple[int, Slot]]:
        """The slots whose operation is one decision's choice, in order, and the index of that decision."""
        operations = [
            ([decision for decision in slot.scope if self.decisions[decision].kind == "operation"], slot)
            for slot in self.slots
        ]
        return [(among[0], slot) for among, slot in operations if len(among) == 1]

    @property
    def size(self) -> int:
        """Number of combinations of choices."""
        return math.prod(self.sizes)

    @cached_property
    def fingerprint(self) -> str:
        """Changes when any network of the space would change; equal for equal spaces."""
        layers = {spec: number for number, spec in enumerate(self._layers())}
        numbers = {id(slot): [layers[spec] if spec else None for spec in slot.specs] for slot in self._distinct()}
        parts = {
            "decisions": [asdict(decision) for decision in self.decisions],
            "layers": [_plain(spec) for spec in layers],
            "slots": [(slot.scope, numbers[id(slot)]) for slot in self.slots],
        }
        if modules := {number: made for spec, number in layers.items() if (made := structure(spec))}:
            parts["modules"] = modules
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def specs(self) -> list[LayerSpec]:
        """Every distinct layer that some network of the space contains, in order of first use; instead of one that is
        composed of others, these."""
        return list(dict.fromkeys(part for spec in self._layers() for part in layer_parts(spec)))

    def _layers(self) -> list[LayerSpec]:
        return list(dict.fromkeys(spec for slot in self._distinct() for spec in slot.layers))

    def _distinct(self) -> list[Slot]:
        """The cells of a stage are one slot, which stands in several places."""
        return list({id(slot): slot for slot in self.slots}.values())

    def check(self, ops: Sequence[str]) -> None:
        """Raise InputError unless `ops` is one legal choice per decision."""
        if len(ops) != len(self.decisions):
            raise InputError(f"space {self.name!r} has {len(self.decisions)} decisions, got {len(ops)} choices")
        for decision, op in zip(self.decisions, ops, strict=True):
            if op not in decision.choices:
                legal = ", ".join(decision.choices)
                raise InputError(f"{decision.name} of space {self.name!r} has no choice {shown(op)}; choose of {legal}")

    def network(self, ops: Sequence[str]) -> list[LayerSpec]:
        """The layers of the network that these choices make, in order, without the skipped ones."""
        return self.path_network(self.ops_path(ops))

    def path_network(self, path: Sequence[int]) -> list[LayerSpec]:
        """The same for a path: the index of the choice of every decision."""
        return [spec for slot in self.slots if (spec := slot.spec(path))]

    def path_ops(self, path: Sequence[int]) -> tuple[str, ...]:
        """The choices that a path names."""
        return tuple(decision.choices[index] for decision, index in zip(self.decisions, path, strict=True))

    def ops_path(self, ops: Sequence[str]) -> list[int]:
        """The index of the choice of every decision.

        Raises:
            InputError: `ops` is not one legal choice per decision.
        """
        self.check(ops)
        return [decision.choices.index(op) for decision, op in zip(self.decisions, ops, strict=True)]

    def live(self, path: Sequence[int]) -> list[int]:
        """The decisions that have a say in a network: not those of blocks beyond its depth."""
        silent = {
            decision
            for decision, slots in self._at_times_silent.items()
            if not any(slot.matters(decision, path) for slot in slots)
        }
        return [decision for decision in range(len(self.decisions)) if decision not in silent]

    def canonical(self, path: Sequence[int]) -> tuple[int, ...]:
        """The same network, with the first choice of every decision that has no say in it."""
        if not self._at_times_silent:
            return tuple(path)
        live = set(self.live(path))
        return tuple(choice if decision in live else 0 for decision, choice in enumerate(path))

    @cached_property
    def _at_times_silent(self) -> dict[int, list[Slot]]:
        """The decisions that have no say in some networks, as in most spaces none has, and their slots."""
        slots = {d: [slot for slot in self.slots if d in slot.scope] for d in range(len(self.decisions))}
        return {d: mine for d, mine in slots.items() if not any(slot.always_matters(d) for slot in mine)}

    def random_ops(self, rng: random.Random) -> tuple[str, ...]:
        """Uniformly random choices."""
        return tuple(rng.choice(decision.choices) for decision in self.decisions)

    def keeping(self, kept: Sequence[Sequence[int]]) -> "Space":
        """With fewer choices. kept: of every decision, the indices of those that stay."""
        decisions = tuple(
            replace(decision, choices=tuple(decision.choices[index] for index in indices))
            for decision, indices in zip(self.decisions, kept, strict=True)
        )
        fewer = {id(slot): slot.keeping(kept) for slot in self._distinct()}
        return replace(self, decisions=decisions, slots=tuple(fewer[id(slot)] for slot in self.slots))


def _plain(spec: LayerSpec) -> dict[str, Any]:
    """Without edges where there are none: fingerprints of layers are older than these."""
    values = {field.name: getattr(spec, field.name) for field in fields(spec)}
    return values if spec.edges else {name: value for name, value in values.items() if name != "edges"}
