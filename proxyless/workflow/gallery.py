"""A gallery: networks for several budgets and targets from one search, ranked with the weights that they share."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latency.devices import Device
from latency.table import LatencyTable
from proxyless.errors import InputError
from proxyless.extras import missing
from proxyless.files import file_name, output_folder, write_json
from proxyless.progress import Lines, Reporter
from proxyless.search.result import SearchResult, load_result
from proxyless.search.run import load_evaluator
from proxyless.search.worth import Worth
from proxyless.space import Architecture
from proxyless.space.bounds import Bound
from proxyless.space.memory import peak_bytes
from proxyless.workflow.derive import budget_bounds, first_table
from proxyless.workflow.refine import measurable, measured_architecture
from proxyless.workflow.shares import latency_warnings
from proxyless.workflow.target import make_architecture

GALLERY, PICTURE = "gallery.json", "pareto.png"

_Path = tuple[int, ...]


@dataclass(frozen=True)
class GalleryNetwork:
    """One network of a gallery.

    file: its name. rank: 1 is the best for its target and budget. target: in words, with the device.
    log_prob: of the network, under the probabilities that were found. worth: with the shared weights on held-out
    images, None where nothing was evaluated. warnings: of layers that take most of the milliseconds.
    """

    file: str
    rank: int
    target: str
    architecture: Architecture
    log_prob: float
    worth: Worth | None
    warnings: tuple[str, ...] = ()

    @property
    def budget_ms(self) -> float:
        assert self.architecture.target is not None
        return self.architecture.target.budget_ms

    @property
    def predicted_ms(self) -> float:
        assert self.architecture.target is not None
        return self.architecture.target.predicted_ms

    @property
    def measured_ms(self) -> float | None:
        assert self.architecture.target is not None
        return self.architecture.target.measured_ms

    def document(self) -> dict[str, Any]:
        cost = self.architecture.cost
        return {
            "file": self.file,
            "rank": self.rank,
            "target": self.target,
            "budget_ms": self.budget_ms,
            "predicted_ms": self.predicted_ms,
            "measured_ms": self.measured_ms,
            "params": cost.params,
            "macs": cost.macs,
            "peak_memory_bytes": peak_bytes(self.architecture.layers),
            "log_prob": self.log_prob,
            "held_out_accuracy": self.worth.accuracy if self.worth else None,
            "held_out_loss": self.worth.loss if self.worth else None,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class _Cell:
    """The candidates for one target and budget. name: of its best network's file, without the suffix."""

    name: str
    target: str
    table: LatencyTable
    budget_ms: float
    bounds: tuple[Bound, ...]
    paths: list[_Path]


def derive_gallery(
    run: Path | str,
    budgets: Sequence[str] = (),
    tables: Sequence[LatencyTable] = (),
    candidates: int = 5,
    *,
    reporter: Reporter | None = None,
) -> list[GalleryNetwork]:
    """Up to `candidates` distinct networks per table and budget, the best first.

    They are the most probable ones that keep all bounds (and, of a strategy that evaluates networks, its best), ranked
    by the cross entropy on the held-out images with the weights of the search and statistics of BatchNorm taken anew,
    which tells networks of one latency apart that give as many right answers. With one candidate nothing is evaluated,
    and the images are not needed.
    budgets, tables: as for `derive_networks`.

    Raises:
        InputError: not a finished run, a budget that no network meets, images that are gone, or a target given twice.
    """
    if candidates < 1:
        raise InputError(f"the number of candidates must be at least 1, got {candidates}")
    folder = Path(run)
    result = load_result(folder)
    cells = _cells(result, list(tables) or [first_table(folder)], budgets, candidates)
    paths = list(dict.fromkeys(path for cell in cells for path in cell.paths))
    worths = _evaluate(folder, result, paths, reporter or Lines("rank networks", "networks")) if candidates > 1 else {}
    return [network for cell in cells for network in _ranked(result, cell, worths)]


def measured_gallery(
    run: Path | str,
    budgets: Sequence[str] = (),
    tables: Sequence[LatencyTable] = (),
    *,
    devices: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> list[GalleryNetwork]:
    """One network per table and budget, the best one that keeps the budget when it is measured (`derive_measured`).

    devices: those of the tables, as typed by the user, where they are not this machine.

    Raises:
        InputError: as `derive_gallery`, or a table that was not measured here.
        CheckError: nothing keeps a budget when measured.
    """
    folder, reporter = Path(run), reporter or Lines("measure networks", "networks")
    result = load_result(folder)
    cells = _cells(result, list(tables) or [first_table(folder)], budgets, 1)
    places = measurable([cell.table for cell in cells], devices)
    networks = []
    for done, (cell, place) in enumerate(zip(cells, places, strict=True)):
        reporter.progress(done, len(cells), cell.name)
        networks.append(_measured(result, cell, place))
    return networks


def _measured(result: SearchResult, cell: _Cell, device: Device) -> GalleryNetwork:
    architecture = measured_architecture(result, cell.table, cell.budget_ms, cell.bounds, device)
    log_prob, warnings = result.log_prob(result.path(architecture)), latency_warnings(architecture, cell.table)
    return GalleryNetwork(f"{cell.name}.json", 1, cell.target, architecture, log_prob, None, tuple(warnings))


def _cells(
    result: SearchResult, tables: Sequence[LatencyTable], budgets: Sequence[str], candidates: int
) -> list[_Cell]:
    cells = [
        _Cell(f"{name}-{budget_ms:.4g}ms", _target(table), table, budget_ms, bounds, paths)
        for name, table in zip(_target_names(tables), tables, strict=True)
        for budget_ms, bounds in budget_bounds(result, table, budgets)
        for paths in [[tuple(path) for path in result.candidates(bounds, candidates)]]
    ]
    _check_distinct([cell.name for cell in cells])
    return cells


def _target_names(tables: Sequence[LatencyTable]) -> list[str]:
    """Runtime, delegate and threads, what is unusual, and the device where that alone does not tell them apart."""
    names = [_target_name(table) for table in tables]
    distinct = [
        name if names.count(name) == 1 else f"{file_name(table.device.name)}-{name}"
        for name, table in zip(names, tables, strict=True)
    ]
    _check_distinct(distinct)
    return distinct


def _target_name(table: LatencyTable) -> str:
    target = table.target
    unusual = [target.dtype] * (target.dtype != "float32") + [f"batch{target.batch}"] * (target.batch != 1)
    return "-".join([target.runtime, target.delegate, str(target.threads), *unusual])


def _check_distinct(names: Sequence[str]) -> None:
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{count} of the targets and budgets have the same name {name!r}; leave one out")


def _target(table: LatencyTable) -> str:
    return f"{table.label} on {table.device.name}"


def _evaluate(folder: Path, result: SearchResult, paths: Sequence[_Path], reporter: Reporter) -> dict[_Path, Worth]:
    evaluator = load_evaluator(folder, result)
    worths = {}
    for done, path in enumerate(paths):
        reporter.progress(done, len(paths), "held-out images")
        worths[path] = evaluator.evaluate(path)
    reporter.progress(len(paths), len(paths), "held-out images")
    return worths


def _ranked(result: SearchResult, cell: _Cell, worths: dict[_Path, Worth]) -> list[GalleryNetwork]:
    places = {tuple(path): place for place, path in enumerate(result.settled_paths())}

    def place(path: _Path) -> tuple[int, float]:
        """Networks that were trained come first, in their order."""
        return places.get(path, len(places)), worths[path].loss

    paths = sorted(cell.paths, key=place) if worths else cell.paths
    made = [make_architecture(result, cell.table, cell.budget_ms, cell.bounds[0], path) for path in paths]
    return [
        GalleryNetwork(
            file=f"{cell.name}.json" if rank == 1 else f"{cell.name}-{rank}.json",
            rank=rank,
            target=cell.target,
            architecture=architecture,
            log_prob=result.log_prob(path),
            worth=worths.get(path),
            warnings=tuple(latency_warnings(architecture, cell.table)),
        )
        for rank, (path, architecture) in enumerate(zip(paths, made, strict=True), 1)
    ]


def on_front(networks: Sequence[GalleryNetwork]) -> list[bool]:
    """Which networks are on the Pareto front of their target: none is faster and has no higher loss, or is as fast
    and has a lower one. None of those that were not evaluated is."""
    return [network.worth is not None and not any(_beats(other, network) for other in networks) for network in networks]


def _beats(first: GalleryNetwork, second: GalleryNetwork) -> bool:
    if first.target != second.target or first.worth is None or second.worth is None:
        return False
    a, b = (first.predicted_ms, first.worth.loss), (second.predicted_ms, second.worth.loss)
    return a != b and a[0] <= b[0] and a[1] <= b[1]


def gallery_documents(networks: Sequence[GalleryNetwork]) -> list[dict[str, Any]]:
    """What `gallery.json` says of the networks."""
    fronts = on_front(networks)
    return [
        {**network.document(), "on_front": front if network.worth else None}
        for network, front in zip(networks, fronts, strict=True)
    ]


def save_gallery(networks: Sequence[GalleryNetwork], folder: Path | str) -> list[Path]:
    """Write every network, then `gallery.json`; returns the first ones.

    Where they were evaluated there is `pareto.png` too, unless matplotlib is not installed.
    Each file is complete or not there.
    """
    folder = output_folder(Path(folder))
    paths = [folder / network.file for network in networks]
    for network, path in zip(networks, paths, strict=True):
        network.architecture.save(path)
    write_json(folder / GALLERY, {"format": "gallery/1", "networks": gallery_documents(networks)})
    if all(network.worth for network in networks) and not missing(["matplotlib"]):
        from proxyless.workflow.gallery_plot import plot_gallery

        plot_gallery(networks, on_front(networks), folder / PICTURE)
    return paths
