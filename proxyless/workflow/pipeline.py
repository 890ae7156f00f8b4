"""The stages from a device to deployable files, from one configuration, each resumable."""

from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from export.formats import find_formats
from export.settings import ExportSettings
from latency.devices import agreed_devices, find_device
from latency.profile import profile
from latency.runtimes import find_runtime
from latency.settings import ProfileSettings
from latency.table import LatencyTable
from proxyless.addresses import LOCAL, address_of
from proxyless.chance import SEARCHED_AT_CHANCE
from proxyless.config import CONFIG, Settings, changed_fields, read_yaml, write_yaml
from proxyless.data import ImageData, load_data
from proxyless.data.base import limited, stratified
from proxyless.errors import CheckError, InputError
from proxyless.files import file_name, output_folder, read_json
from proxyless.host import to_host
from proxyless.ownership import owned_folder
from proxyless.progress import LineStages, Reporter, Stages
from proxyless.quantities import parse_budget, read_budget
from proxyless.search.config import SearchSettings
from proxyless.search.problem import check_classes
from proxyless.space import Architecture, Space, load_space
from proxyless.train.config import TrainSettings
from proxyless.workflow.derive import derive_networks
from proxyless.workflow.export import Report, export
from proxyless.workflow.measure import measure_networks, measuring_devices
from proxyless.workflow.refine import derive_measured
from proxyless.workflow.report import PAGE, report, require_report
from proxyless.workflow.search import search
from proxyless.workflow.shares import latency_warnings
from proxyless.workflow.train import train


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
    formats: list[str] = Field(["onnx", "tflite"], description="Files to write.")
    export: ExportSettings = Field(ExportSettings(), description="Their numbers, and what those may lose.")


class Pipeline:
    """The stages in order; a stage whose result is there is not repeated."""

    def __init__(self, settings: PipelineSettings, stages: Stages | None = None) -> None:
        self.settings, self.folder, self.stages = settings, settings.output, stages or LineStages()
        self.targets = {_name(target): target for target in (settings.target, *settings.compare)}
        self.space = self._check()

    def _check(self) -> Space:
        """Refuse what can be refused before anything is measured; returns the space, sized for the data.

        Raises:
            InputError: a name, a setting or data that cannot be used.
        """
        settings = self.settings
        if len(self.targets) != 1 + len(settings.compare):
            raise InputError(f"the targets {', '.join(self.targets)} are not all different; remove the repeated one")
        read_budget(settings.budget)
        for target in self.targets.values():
            runtime, here = find_runtime(target.runtime), find_device(target.device).name == LOCAL
            runtime.check_target(runtime.target_of(target), here=here)
        require_report()
        for format_ in find_formats(settings.formats):
            format_.require()
        space = load_space(settings.space, settings.space_args)
        limits = [settings.search.limit, settings.train.limit]
        most = max((limit for limit in limits if limit), default=None) if all(limits) else None
        data = load_data(settings.data, space.resolution, most)
        if "num_classes" not in settings.space_args:
            space = load_space(settings.space, {**settings.space_args, "num_classes": len(data.classes)})
        check_classes(space, data)
        _check_parts(data, settings)
        return space

    def run(self) -> dict[str, Any]:
        """What was found, exported and compared, as a document.

        Raises:
            InputError: another command is writing to the folder, or what a stage refuses.
            CheckError: a device failed, or nothing was learned.
        """
        with owned_folder(self.folder):
            self._begin()
            return self._run()

    def _begin(self) -> None:
        """Write down what is to be done.

        Raises:
            InputError: the folder was made with something else.
        """
        path = output_folder(self.folder) / CONFIG
        if path.exists():
            before = read_yaml(path, PipelineSettings)
            changed = changed_fields(_without_rounds(before), _without_rounds(self.settings))
            different = [name for name in changed if not name.startswith("output ")]
            if different:
                raise InputError(f"{self.folder} was made with another {', '.join(different)}; choose another output")
        write_yaml(path, self.settings)

    def _run(self) -> dict[str, Any]:
        settings, folder = self.settings, self.folder
        tables = {name: self._table(name) for name in self.targets}
        for number, table in enumerate(tables.values()):  # refuses what no network can meet
            parse_budget(settings.budget, table.costs(self.space), may_hold_nothing_back=number > 0)
        self._say("search")
        self._search(tables[next(iter(tables))])
        self._say("measure candidates")
        networks = [self._derive(name, table) for name, table in tables.items()]
        found = networks[0]
        if found.target and found.target.at_chance:
            raise CheckError(f"the search in {folder / 'search'} is of no use: {SEARCHED_AT_CHANCE}")
        self._say("train")
        with self.stages.reporting("train", "steps") as reporter:
            info = train(found, settings.data, folder / "trained", settings.train, resume=True, reporter=reporter)
        self._say("export, verify and measure")
        exported = self._export()
        compared = self._compare(networks, tables) if len(networks) > 1 else []
        self._say("report")
        report(folder)
        return {
            "architecture": found.document(),
            "warnings": [*latency_warnings(found, tables[next(iter(tables))]), *info.warnings],
            "trained": info.model_dump(),
            "export": exported,
            "networks": compared,
            "report": str(folder / PAGE),
        }

    def _say(self, stage: str) -> None:
        self.stages.say(f"{stage} in {self.folder}")

    def _table(self, name: str) -> LatencyTable:
        path = self.folder / f"{file_name(name)}.json"
        if path.exists():
            table = LatencyTable.load(path)
            agreed_devices([table.device.name], [self.targets[name].device], f"{name}: the device")
            return table
        self._say(f"profile {name}")
        with self.stages.reporting(f"profile {name}", "visits") as reporter:
            return profile(self.space, path, self.targets[name], partial(_visits, reporter))

    def _derive(self, name: str, table: LatencyTable) -> Architecture:
        path = self.folder / f"network-{file_name(name)}.json"
        if not path.exists():
            run, budgets = self.folder / "search", [self.settings.budget]
            if table.anchors:
                (network,) = derive_measured(run, budgets, table, self.targets[name].device)
            else:
                self.stages.say(f"not measured for {name}: its table has no networks that were timed whole")
                (network,) = derive_networks(run, budgets, table)
            network.save(path)
        return Architecture.load(path)

    def _search(self, table: LatencyTable) -> None:
        settings = self.settings
        with self.stages.reporting("search", "steps") as reporter:
            search(
                self.space,
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
            saved: Report = read_json(folder / "report.json", "export report")
            return saved
        with self.stages.reporting("export", "steps") as reporter:
            return export(
                self.folder / "trained",
                folder,
                self.settings.formats,
                settings=self.settings.export,
                reporter=reporter,
                device=self.settings.target.device,
            )

    def _compare(self, networks: list[Architecture], tables: dict[str, LatencyTable]) -> list[dict[str, Any]]:
        """Every network on every target, untrained, in milliseconds at the speed that the machine was profiled at."""
        self._say("compare targets")
        chosen = dict(zip(tables, networks, strict=True))
        measured = {}
        for name, table in tables.items():
            (device,) = measuring_devices([table], [self.targets[name].device])
            measured[name] = measure_networks(table, self.space, chosen, device, waits=False)
        return [
            {
                "target": name,
                "budget_ms": network.target.budget_ms if network.target else None,
                "ops": network.ops,
                "ms": {target: by_network[name] for target, by_network in measured.items()},
            }
            for name, network in zip(tables, networks, strict=True)
        ]


def _check_parts(data: ImageData, settings: PipelineSettings) -> None:
    """Raise InputError where search or training would refuse the images: it is known before anything is measured."""
    labels = to_host(data.train.labels).numpy()
    for what, fraction, recipe, batched in (
        ("search", settings.search.held_out, settings.search, 2),  # both parts are taken in batches
        ("train", settings.train.validation, settings.train, 1),
    ):
        chosen = labels[limited(labels, recipe.limit)]
        parts = stratified(chosen, fraction, recipe.seed, data.classes)
        smallest = min(map(len, parts[:batched]))
        if smallest < recipe.batch_size:
            raise InputError(
                f"{what}: a batch of {recipe.batch_size} images is more than the {smallest} of a part of the training "
                f"images; set {what}.batch_size to {smallest} or less, or give more images"
            )


def _visits(reporter: Reporter, done: int, total: int) -> None:
    reporter.progress(done, total, "")


def _name(target: ProfileSettings) -> str:
    """A target in a few words: what differs from the defaults."""
    words = [target.runtime, target.delegate, address_of(target.device) if target.device != LOCAL else None]
    words += [f"{target.threads} threads" if target.threads > 1 else None]
    words += [f"batch {target.batch}" if target.batch > 1 else None]
    words += [target.dtype if target.dtype != "float32" else None]
    return " ".join(word for word in words if word)


def _without_rounds(settings: PipelineSettings) -> PipelineSettings:
    """More rounds go on from what was measured: they make no other run."""
    rounds = {"rounds": ProfileSettings().rounds}
    compare = [target.model_copy(update=rounds) for target in settings.compare]
    return settings.model_copy(update={"target": settings.target.model_copy(update=rounds), "compare": compare})
