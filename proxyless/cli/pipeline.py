"""The stages from a device to deployable files, from one configuration, each resumable."""

import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from latency.deployed import Conditions, measure_files, write_networks
from latency.devices import find_device
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from proxyless.api.export import Report, export
from proxyless.api.search import derive_networks, search, table_space
from proxyless.api.train import train
from proxyless.cli.console import ERR, reporting
from proxyless.config import Settings, changed_fields, read_yaml, write_yaml
from proxyless.data import load_data
from proxyless.errors import InputError
from proxyless.files import output_folder, read_json
from proxyless.search.config import SearchSettings
from proxyless.space import Architecture, Op, Space, build_space
from proxyless.train.config import TrainSettings


class PipelineSettings(Settings):
    """Everything that `proxyless run` needs."""

    output: Path = Field(description="Folder of everything that is made.")
    space: str = Field("tiny", description="Search space.")
    space_args: dict[str, Any] = Field({}, description="Arguments of the space.")
    data: str = Field("digits", description="Images to search and train on.")
    budget: str = Field("60%", description="Latency bound: 15ms, or 60% of the largest network.")
    target: ProfileSettings = Field(ProfileSettings(), description="What the network is for.")
    compare: list[ProfileSettings] = Field([], description="Other targets to derive a network for, to compare.")
    search: SearchSettings = Field(SearchSettings(), description="How to search.")
    train: TrainSettings = Field(TrainSettings(), description="How to train.")
    formats: list[Literal["onnx", "tflite"]] = Field(["onnx", "tflite"], description="Files to write.")


class Pipeline:
    """The stages in order; a stage whose result is there is not repeated."""

    def __init__(self, settings: PipelineSettings) -> None:
        self.settings, self.folder = settings, settings.output
        path = output_folder(self.folder) / "config.yaml"
        if path.exists():
            changed = [
                name for name in changed_fields(read_yaml(path, PipelineSettings), settings) if "output" not in name
            ]
            if changed:
                raise InputError(f"{self.folder} was made with another {', '.join(changed)}; choose another output")
        write_yaml(path, settings)

    def run(self) -> dict[str, Any]:
        """What was found, exported and compared, as a document."""
        settings, folder = self.settings, self.folder
        tables = [self._table(target) for target in (settings.target, *settings.compare)]
        self._say("search")
        found = self._search(tables[0])
        self._say("train")
        with reporting("train", "steps") as reporter:
            info = train(found, settings.data, folder / "trained", settings.train, resume=True, reporter=reporter)
        self._say("export, verify and measure")
        report = self._export()
        search_folder, budget = folder / "search", [settings.budget]
        networks = [found, *(derive_networks(search_folder, budget, table)[0] for table in tables[1:])]
        return {
            "architecture": found.document(),
            "trained": info.model_dump(),
            "export": report,
            "networks": self._compare(networks, tables) if settings.compare else [],
        }

    def _say(self, stage: str) -> None:
        ERR.print(f"[bold]{stage}[/bold] in {self.folder}", highlight=False)

    def _table_path(self, target: ProfileSettings) -> Path:
        return self.folder / f"{target.runtime}-{target.delegate or 'default'}-{target.threads}.json"

    def _table(self, target: ProfileSettings) -> LatencyTable:

        path = self._table_path(target)
        if path.exists():
            return LatencyTable.load(path)
        self._say(f"profile {target.runtime}")
        with reporting(f"profile {target.runtime}", "visits") as reporter:
            return profile(self._space(), path, target, reporter.visits)

    def _space(self) -> Space:
        """The space, with one output per class of the data."""

        args, settings = dict(self.settings.space_args), self.settings
        space = build_space(settings.space, args)
        if "num_classes" in args:
            return space
        classes = load_data(settings.data, space.resolution, settings.search.limit).classes
        return build_space(settings.space, {**args, "num_classes": len(classes)})

    def _search(self, table: LatencyTable) -> Architecture:
        settings = self.settings
        with reporting("search", "steps") as reporter:
            return search(
                table_space(settings.space, table),
                settings.data,
                table,
                settings.budget,
                self.folder / "search",
                settings.search,
                resume=True,
                reporter=reporter,
            )

    def _export(self) -> Report:

        folder = self.folder / "model"
        if (folder / "report.json").exists():
            report: Report = read_json(folder / "report.json", "export report")
            return report
        return export(self.folder / "trained", folder, self.settings.formats)

    def _compare(self, networks: list[Architecture], tables: list[LatencyTable]) -> list[dict[str, Any]]:
        """Every network on every target, untrained, in milliseconds at the speed that the machine was profiled at."""
        self._say("compare targets")
        chosen = {table.runtime.name: network.ops for table, network in zip(tables, networks, strict=True)}
        measured = {table.runtime.name: _measure_on(table, networks[0].space, chosen) for table in tables}
        return [
            {
                "target": name,
                "budget_ms": network.target.budget_ms if network.target else None,
                "ops": network.op_names,
                "ms": {runtime: by_network[name] for runtime, by_network in measured.items()},
            }
            for name, network in zip(chosen, networks, strict=True)
        ]


def _measure_on(table: LatencyTable, space: Space, networks: dict[str, tuple[Op, ...]]) -> dict[str, float]:

    runtime = find_runtime(table.runtime.name)
    conditions = Conditions(
        runtime, space, table.runtime.threads, table.runtime.delegate, table.batch, tuple(table.anchors)
    )
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        files = write_networks(networks, conditions, Path(folder))
        measured = measure_files(files, find_device("local"), conditions)
    return {name: latency.at_profiled_speed_ms for name, latency in measured.items()}
