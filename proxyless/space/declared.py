"""Spaces of users: definitions from YAML files, which every document carries as a whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from proxyless.config import parse_yaml
from proxyless.errors import InputError
from proxyless.files import first_problem
from proxyless.space.build import build
from proxyless.space.definition import SUFFIXES, Definition, Numbers
from proxyless.space.space import Space

DEFINITION = "definition"
"""The argument of a space that has its whole definition."""
_MAX_BYTES = 2**16
_MAX_CHARACTERS = 24_000
"""As JSON: every run keeps it among its settings, whose file may have 64 KiB as YAML."""

TEMPLATE = """\
# A search space for proxyless: proxyless profile --space THIS.yaml ...
name: mine
resolution: 96          # side of the square input in pixels, or several to choose from: [80, 96, 112]
num_classes: 10         # --num-classes overrides it
act: relu6              # relu6, relu, h_swish or swish; stages and operations may have their own

stem: {width: [8, 16], kernel: 3, stride: 2}     # a width, or several to choose from
fixed:                  # blocks that every network has
  - {op: mbconv, kernel: 3, expand: 1}           # without a width: as wide as its input

ops:                    # what every block is chosen from, by names of your own
  k3e3: {op: mbconv, kernel: 3, expand: 3}
  k5e3: {op: mbconv, kernel: 5, expand: 3}
  k3e6: {op: mbconv, kernel: 3, expand: 6}
  k5e6se: {op: mbconv, kernel: 5, expand: 6, se: 0.25}      # squeeze-and-excite
  fused: {op: fused_mbconv, kernel: 3, expand: 3, act: h_swish}

stages:                 # the first block of a stage has its stride; others may be skipped, beyond min_depth
  - {width: [16, 24, 32], depth: 2, stride: 2}
  - {width: 40, depth: 3, stride: 2, min_depth: 2}
  - {width: [64, 80], depth: [2, 3], stride: 2, se: 0.25, shared: true}   # a depth and one operation for all blocks
  - width: 96
    depth: 1
    ops:                # a stage may have operations of its own
      k3e3: {kernel: 3, expand: 3}
      k3e6: {kernel: 3, expand: 6}

head: {width: 480, classifier: wide_classifier, hidden: 640}   # or classifier: classifier
"""


def is_file(name: str) -> bool:
    """Whether the name of a space is that of a file with its definition."""
    return name.endswith(SUFFIXES)


def load_definition(path: Path) -> Mapping[str, Any]:
    """The definition in a YAML file, as plain data.

    Raises:
        InputError: missing, not YAML, or not a mapping.
    """
    document = parse_yaml(path, "space", _MAX_BYTES)
    if not isinstance(document, dict):
        raise InputError(
            f"space {path} must be a mapping, got {type(document).__name__}; `proxyless spaces --template` writes one"
        )
    return document


def declared_space(
    definition: object,
    resolution: Numbers | None = None,
    num_classes: int | None = None,
    width_mult: float = 1.0,
) -> Space:
    """The space of a definition; the other arguments override what it says.

    Raises:
        InputError: a definition that is not valid, or networks that cannot be.
    """
    try:
        plain = Definition.model_validate(definition)
    except ValidationError as error:
        raise InputError(f"the definition of the space is not valid: {first_problem(error)}") from None
    written = plain.model_dump(exclude_unset=True)
    if (size := len(json.dumps(written))) > _MAX_CHARACTERS:
        raise InputError(
            f"the definition of the space {plain.name!r} has {size:,} characters, more than {_MAX_CHARACTERS:,}; name "
            "operations once, in `ops` of the whole space"
        )
    overrides = {"resolution": resolution, "num_classes": num_classes}
    given = {key: value for key, value in overrides.items() if value is not None}
    args: dict[str, Any] = {DEFINITION: written, **given}
    if width_mult != 1.0:
        args["width_mult"] = width_mult
    return build(plain.model_copy(update=given), args, width_mult)
