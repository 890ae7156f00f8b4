"""Where the parts of a run lie.

A run of `proxyless run` has them in sub-folders. One of `proxyless search` is the search itself; what was derived,
trained and exported from it is found when it was written into sub-folders of the same names.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from proxyless.config import CONFIG, Settings, read_yaml
from proxyless.errors import InputError
from proxyless.search.result import RESULT, Limits
from proxyless.search.run import TargetConfig
from proxyless.train.trained import DESCRIPTION
from proxyless.workflow.search import numbered

_EXPORT_REPORT, _GALLERY = "report.json", "gallery.json"


class SavedConfig(Settings):
    """What the page needs of the `config.yaml` of a run, a search or a training."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    output: str | None = None
    space: str
    space_args: dict[str, Any] = Field({})
    data: str
    budget: str | None = None
    targets: list[TargetConfig] = Field([])
    limits: Limits = Limits()
    search: dict[str, Any] | None = None
    train: dict[str, Any] = Field({})
    ops: list[str] | None = None
    formats: list[str] = Field(["onnx", "tflite"])

    @property
    def is_pipeline(self) -> bool:
        return self.output is not None


@dataclass(frozen=True)
class RunFolders:
    """The folder that was given, its settings, and where the parts are or would be."""

    root: Path
    config: SavedConfig

    @property
    def search(self) -> Path:
        return self.root / "search" if self.config.is_pipeline else self.root

    @cached_property
    def search_config(self) -> SavedConfig:
        """The settings of the search, with everything resolved; before it begins, those of the run."""
        path = self.search / CONFIG
        return read_yaml(path, SavedConfig) if path.exists() else self.config

    @cached_property
    def tables(self) -> list[Path]:
        """Those that were searched with, in the order of their budgets."""
        paths = (self.search / numbered("table", number) for number in count(1))
        return list(takewhile(Path.exists, paths))

    @property
    def trained(self) -> Path:
        return self.root / "trained"

    @cached_property
    def trained_config(self) -> SavedConfig | None:
        """The settings of the training; None before it begins."""
        path = self.trained / CONFIG
        return read_yaml(path, SavedConfig) if path.exists() else None

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def export_report(self) -> Path:
        return self.model / _EXPORT_REPORT

    @cached_property
    def galleries(self) -> list[Path]:
        return sorted(self.root.glob(f"*/{_GALLERY}"))

    @cached_property
    def configs(self) -> list[Path]:
        """The settings of every stage that has begun."""
        folders = dict.fromkeys((self.root, self.search, self.trained))
        return [folder / CONFIG for folder in folders if (folder / CONFIG).exists()]

    @property
    def search_has_finished(self) -> bool:
        return (self.search / RESULT).exists()

    @property
    def training_has_finished(self) -> bool:
        return (self.trained / DESCRIPTION).exists()


def find_folders(run: Path) -> RunFolders:
    """The parts of a run.

    Raises:
        InputError: not the folder of `run` or `search`, or its settings are damaged.
    """
    wanted = "give the output folder of 'run' or 'search'"
    if not run.is_dir():
        raise InputError(f"{run} is not a folder; {wanted}")
    if (run / _EXPORT_REPORT).exists():
        raise InputError(f"{run} is an export, not a run; {wanted}")
    if not (run / CONFIG).exists():
        raise InputError(f"{run} is not the folder of a run (it has no {CONFIG}); {wanted}")
    config = read_yaml(run / CONFIG, SavedConfig)
    if config.ops is not None:
        raise InputError(f"{run} is a trained network, not a run; {wanted}")
    if config.search is None:
        raise InputError(f"{run / CONFIG} is not of a run (it has no 'search'); {wanted}")
    return RunFolders(run, config)
