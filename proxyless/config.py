"""Settings as validated data; each field's description is also the help of its command-line flag."""

from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxyless.errors import InputError, one_line, shown
from proxyless.files import first_problem, read_text, write_text

MAX_SETTINGS_BYTES = 2**16
MAX_COUNT = 2**20
"""Of epochs, rounds, images per step and the like."""
MAX_DEPTH = 50
MAX_SEED = 2**63 - 1

CONFIG = "config.yaml"
"""In the folder of whatever can be resumed: what was asked for, with all defaults."""

Precision = Literal["auto", "32-true", "tf32", "bf16-mixed", "16-mixed"]
Accelerator = Literal["auto", "cpu", "cuda"]


class Settings(BaseModel):
    """Base of all settings: immutable, unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def make(cls, kind: str, **values: Any) -> Self:
        """Build from values, leaving out those that are None.

        Raises:
            InputError: a value that is not legal, with its rule.
        """
        try:
            return cls.model_validate({key: value for key, value in values.items() if value is not None})
        except ValidationError as error:
            raise InputError(f"{kind}: {first_problem(error)}") from None

    @classmethod
    def describe(cls, name: str) -> str:
        """The description of a field."""
        return str(cls.model_fields[name].description)


class RecipeSettings(Settings):
    """What searching and training have in common. The defaults suit the embedded data."""

    batch_size: int = Field(32, ge=2, le=MAX_COUNT, description="Images per step.")
    lr: float = Field(0.05, gt=0, description="Peak learning rate of the weights; cosine to zero.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(4e-5, ge=0, description="Weight decay of convolutions and the classifier.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Label smoothing of the training loss.")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="Seed of everything random.")
    device: Accelerator = Field("auto", description="Where to train: auto, cpu or cuda.")
    precision: Precision = Field(
        "auto",
        description="Arithmetic: 32-true, tf32, bf16-mixed or 16-mixed; auto: the fastest on a GPU, 32-true on a CPU.",
    )
    compile: bool = Field(
        False,
        description="Compile the blocks with torch.compile; a GPU does so by itself where it is measured to repay.",
    )
    limit: int | None = Field(None, ge=1, le=MAX_SEED, description="Use at most so many images of each split.")


AnySettings = TypeVar("AnySettings", bound=Settings)


class _Loader(yaml.SafeLoader):
    """Without aliases, a few lines of which stand for gigabytes, and without depths that take quadratic time."""

    def fetch_more_tokens(self) -> None:
        if self.flow_level + len(self.indents) > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"it is nested deeper than {MAX_DEPTH} levels")
        super().fetch_more_tokens()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise yaml.MarkedYAMLError(problem=f"the key {shown(repeated)} is there twice; remove one")
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not read, write the value out")
        return super().compose_node(parent, index)


def parse_yaml(path: Path, kind: str, limit_bytes: int) -> Any:
    """Parse a YAML file.

    Raises:
        InputError: the file is missing, unreadable, too large or not YAML.
    """
    text = read_text(path, kind, limit_bytes)
    try:
        return yaml.load(text, _Loader)  # noqa: S506
    except Exception as error:  # PyYAML passes on whatever its conversions of numbers, dates and tags raise
        reason = one_line(str(error)) or type(error).__name__
        raise InputError(f"{kind} {path} cannot be read as YAML: {reason}; correct it") from None


def read_yaml(path: Path, model: type[AnySettings]) -> AnySettings:
    """Read settings from YAML.

    Raises:
        InputError: missing, not YAML, or an illegal value.
    """
    document = parse_yaml(path, "configuration", MAX_SETTINGS_BYTES)
    if not isinstance(document, dict):
        raise InputError(f"configuration {path} must be a mapping of settings, got {type(document).__name__}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InputError(f"configuration {path}: {first_problem(error)}") from None


def write_yaml(path: Path, settings: Settings) -> None:
    """Write all settings, defaults included."""
    write_text(path, yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))


def changed_fields(old: Settings, new: Settings) -> list[str]:
    """Names of the settings that differ, as `name (old, not new)`; of those with parts, the parts."""
    return _changed("", old.model_dump(), new.model_dump())


def _changed(name: str, before: Any, after: Any) -> list[str]:
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        keys = dict.fromkeys([*before, *after])
        return [
            text for key in keys for text in _changed(f"{name}.{key}" if name else key, before.get(key), after.get(key))
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after) and name != "ops":
        pairs = enumerate(zip(before, after, strict=True))
        return [text for number, (a, b) in pairs for text in _changed(f"{name}[{number}]", a, b)]
    return [f"{name} ({before}, not {after})"]
