"""`proxyless run`: profile, search, train and export, from one configuration file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import Field

from proxyless.cli.console import ERR, OUT, command, print_json, print_table, reporting
from proxyless.cli.export import export_to_folder
from proxyless.cli.options import Json
from proxyless.cli.search import search_in_folder
from proxyless.cli.target import make_target, parse_budget
from proxyless.cli.train import train_in_folder
from proxyless.config import Settings, changed_fields, read_yaml, write_yaml
from proxyless.errors import InputError
from proxyless.files import output_folder
from proxyless.search.config import SearchSettings
from proxyless.train.config import TrainSettings

if TYPE_CHECKING:
    from latency.table import LatencyTable
    from proxyless.space import Architecture


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


@command
def run(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Instead of the file's 'output'.")] = None,
    json: Json = False,
) -> None:
    """Profile, search, train and export; run again, it goes on where it stopped.

    Example: `proxyless run examples/demo.yaml`
    """
    settings = read_yaml(config, PipelineSettings)
    if output is not None:
        settings = settings.model_copy(update={"output": output})
    result = Pipeline(settings).run()
    if json:
        print_json(result)


class Pipeline:
    """The stages in order; a stage whose result is there is not repeated."""

    def __init__(self, settings: PipelineSettings) -> None:
        self.settings, self.folder = settings, settings.output
        path = output_folder(self.folder) / "config.yaml"
        if path.exists():
            changed = [name for name in changed_fields(read_yaml(path, PipelineSettings), settings) if "output" not in name]
            if changed:
                raise InputError(f"{self.folder} was made with another {', '.join(changed)}; choose another output")
        write_yaml(path, settings)

    def run(self) -> dict[str, Any]:
        """Returns what is printed, as a document."""
        settings = self.settings
        table = self._table(settings.target)
        others = [self._table(target) for target in settings.compare]
        self._say("search")
        search = self.folder / "search"
        architecture = search_in_folder(
            search, settings.space, settings.data, str(self._path(settings.target)), settings.budget, settings.search, True
        )
        compared = [architecture, *(self._derive(search, other) for other in others)]
        self._say("train")
        info = train_in_folder(self.folder / "trained", architecture, settings.data, settings.train, resume=True)
        self._say("export, verify and measure")
        report = self._export()
        latencies = self._compare(compared, [table, *others]) if others else {}
        self._print(architecture, report, latencies)
        return {
            "architecture": architecture.document(),
            "trained": info.model_dump(),
            "export": report,
            "compared_ms": latencies,
        }

    def _say(self, stage: str) -> None:
        ERR.print(f"[bold]{stage}[/bold] in {self.folder}", highlight=False)

    def _path(self, target: TargetSettings) -> Path:
        return self.folder / f"{target.runtime}-{target.delegate or 'default'}-{target.threads}.json"

    def _table(self, target: TargetSettings) -> "LatencyTable":
        from latency.profile import Settings as ProfileSettings
        from latency.profile import profile
        from latency.table import LatencyTable
        from proxyless.data import load_data
        from proxyless.space import build_space

        path = self._path(target)
        if path.exists():
            return LatencyTable.load(path)
        self._say(f"profile {target.runtime}")
        args = dict(self.settings.space_args)
        space = build_space(self.settings.space, args)
        if "num_classes" not in args:
            classes = load_data(self.settings.data, space.resolution, self.settings.search.limit).classes
            space = build_space(self.settings.space, {**args, "num_classes": len(classes)})
        with reporting(f"profile {target.runtime}", "visits") as reporter:
            return profile(space, path, ProfileSettings(**target.model_dump()), reporter.visits)

    def _derive(self, search: Path, table: "LatencyTable") -> "Architecture":
        """The network for another target, at the same share of the largest network, or the same budget."""
        from proxyless.search.run import derive, load_result

        result = load_result(search)
        costs = table.costs(result.build_space())
        return derive(result, costs, make_target(table, parse_budget(self.settings.budget, costs)))

    def _export(self) -> dict[str, Any]:
        from export.formats import find_formats

        return export_to_folder(
            self.folder / "trained", self.folder / "model", find_formats(self.settings.formats), None
        )

    def _compare(self, networks: "list[Architecture]", tables: "list[LatencyTable]") -> dict[str, dict[str, float]]:
        """Per network (named after the target that it is for), milliseconds on every target."""
        from latency.deployed import measure_networks
        from latency.devices import find_device

        names = [f"network for {table.runtime.name}" for table in tables]
        chosen = {name: network.ops for name, network in zip(names, networks, strict=True)}
        measured = {
            table.runtime.name: measure_networks(
                chosen, networks[0].space, table.runtime.name, find_device("local"), table.runtime.threads
            )
            for table in tables
        }
        return {name: {runtime: by_name[name].ms for runtime, by_name in measured.items()} for name in names} | {
            "operations": {name: " ".join(net.op_names) for name, net in zip(names, networks, strict=True)}  # type: ignore[misc]
        }

    def _print(self, architecture: "Architecture", report: dict[str, Any], latencies: dict[str, Any]) -> None:
        target = architecture.target
        assert target is not None
        files = report["files"]
        rows = [
            ["budget", f"{target.budget_ms:.3g} ms on {target.runtime}, {target.threads} thread(s)"],
            ["predicted", f"{target.predicted_ms:.3g} ms"],
        ]
        for entry in files.values():
            note = ""
            if entry["machine_slowness"] != 1:
                note = f" ({entry['at_profiled_speed_ms']:.3g} at the machine's speed when profiled)"
            rows.append([f"measured {entry['runtime']}", f"{entry['measured_ms']:.3g} ms{note}"])
        rows.append(["accuracy PyTorch", f"{report['pytorch_accuracy']:.2%}"])
        rows += [[f"accuracy {entry['file']}", f"{entry['accuracy']:.2%}"] for entry in files.values()]
        rows.append(["files", str(self.folder / "model")])
        print_table("Result", ("", ""), rows)
        if latencies:
            operations = latencies["operations"]
            runtimes = [name for name in next(iter(latencies.values()))]
            table_rows = [
                [name, operations[name], *(f"{latencies[name][runtime]:.3g}" for runtime in runtimes)]
                for name in operations
            ]
            print_table(
                "The target matters: networks of the same search for each target, measured on all",
                ("", "operations", *(f"{runtime} ms" for runtime in runtimes)),
                table_rows,
            )
            OUT.print()
