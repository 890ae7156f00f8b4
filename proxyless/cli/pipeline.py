"""The stages from a device to deployable files, from one configuration, each resumable."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from proxyless.cli.console import ERR, reporting
from proxyless.cli.export import Report, export_to_folder
from proxyless.cli.search import search_in_folder
from proxyless.cli.target import make_target, parse_budget
from proxyless.cli.train import train_in_folder
from proxyless.config import Settings, changed_fields, read_yaml, write_yaml
from proxyless.errors import InputError
from proxyless.files import output_folder, read_json
from proxyless.search.config import SearchSettings
from proxyless.train.config import TrainSettings

if TYPE_CHECKING:
    from latency.table import LatencyTable
    from proxyless.space import Architecture, Op, Space


class TargetSettings(Settings):
    """A runtime on a device, to measure with `profile`."""

    runtime: str = Field("litert", description="Runtime to measure on.")
    device: str = Field("local", description="Where to measure.")
    threads: int = Field(1, ge=1, description="Threads that the runtime may use.")
    delegate: str | None = Field(None, description="How the runtime executes; none: its default.")
    calibrate: int = Field(12, ge=0, description="Whole networks to fit the table to.")
    rounds: int = Field(15, ge=2, description="Times that each item is measured.")


class PipelineSettings(Settings):
    """Everything that `proxyless run` needs."""

    output: Path = Field(description="Folder of everything that is made.")
    space: str = Field("tiny", description="Search space.")
    space_args: dict[str, Any] = Field({}, description="Arguments of the space.")
    data: str = Field("digits", description="Images to search and train on.")
    budget: str = Field("60%", description="Latency bound: 15ms, or 60% of the largest network.")
    target: TargetSettings = Field(TargetSettings(), description="What the network is for.")
    compare: list[TargetSettings] = Field([], description="Other targets to derive a network for, to compare.")
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
        search = folder / "search"
        path = str(self._table_path(settings.target))
        found = search_in_folder(
            search, settings.space, settings.data, path, settings.budget, settings.search, resume=True
        )
        self._say("train")
        info = train_in_folder(folder / "trained", found, settings.data, settings.train, resume=True)
        self._say("export, verify and measure")
        report = self._export()
        networks = [found, *(self._derive(search, table) for table in tables[1:])]
        return {
            "architecture": found.document(),
            "trained": info.model_dump(),
            "export": report,
            "networks": self._compare(networks, tables) if settings.compare else [],
        }

    def _say(self, stage: str) -> None:
        ERR.print(f"[bold]{stage}[/bold] in {self.folder}", highlight=False)

    def _table_path(self, target: TargetSettings) -> Path:
        return self.folder / f"{target.runtime}-{target.delegate or 'default'}-{target.threads}.json"

    def _table(self, target: TargetSettings) -> "LatencyTable":
        from latency.profile import ProfileSettings, profile
        from latency.table import LatencyTable

        path = self._table_path(target)
        if path.exists():
            return LatencyTable.load(path)
        self._say(f"profile {target.runtime}")
        with reporting(f"profile {target.runtime}", "visits") as reporter:
            return profile(self._space(), path, ProfileSettings(**target.model_dump()), reporter.visits)

    def _space(self) -> "Space":
        """The space, with one output per class of the data."""
        from proxyless.data import load_data
        from proxyless.space import build_space

        args, settings = dict(self.settings.space_args), self.settings
        space = build_space(settings.space, args)
        if "num_classes" in args:
            return space
        classes = load_data(settings.data, space.resolution, settings.search.limit).classes
        return build_space(settings.space, {**args, "num_classes": len(classes)})

    def _derive(self, search: Path, table: "LatencyTable") -> "Architecture":
        """The network for another target, at the same share of the largest network, or the same budget."""
        from proxyless.search.run import derive, load_result

        result = load_result(search)
        costs = table.costs(result.build_space())
        return derive(result, costs, make_target(table, parse_budget(self.settings.budget, costs)))

    def _export(self) -> Report:
        from export.formats import find_formats

        folder = self.folder / "model"
        if (folder / "report.json").exists():
            report: Report = read_json(folder / "report.json", "export report")
            return report
        return export_to_folder(self.folder / "trained", folder, find_formats(self.settings.formats), None)

    def _compare(self, networks: "list[Architecture]", tables: "list[LatencyTable]") -> list[dict[str, Any]]:
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


def _measure_on(table: "LatencyTable", space: "Space", networks: "dict[str, tuple[Op, ...]]") -> dict[str, float]:
    from latency.deployed import Conditions, measure_files, write_networks
    from latency.devices import find_device
    from latency.runtimes import find_runtime

    runtime = find_runtime(table.runtime.name)
    conditions = Conditions(
        runtime, space, table.runtime.threads, table.runtime.delegate, table.batch, tuple(table.anchors)
    )
    with tempfile.TemporaryDirectory(prefix="proxyless-") as folder:
        files = write_networks(networks, conditions, Path(folder))
        measured = measure_files(files, find_device("local"), conditions)
    return {name: latency.at_profiled_speed_ms for name, latency in measured.items()}
