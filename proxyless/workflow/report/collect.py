"""Everything that a run's folder says, as the content of its page."""

from collections.abc import Sequence
from pathlib import Path

from latency.table import LatencyTable
from proxyless.quantities import power_of_ten
from proxyless.report.content import Content, Exported, FitFacts, LatencyFigure, Question, TargetFacts
from proxyless.space import Architecture, Space
from proxyless.workflow.report.commands import missing_parts, reproduction
from proxyless.workflow.report.folders import RunFolders, find_folders
from proxyless.workflow.report.network import describe_network
from proxyless.workflow.report.read import (
    is_for,
    read_configs,
    read_course,
    read_environment,
    read_exported,
    read_galleries,
    read_ladder,
    read_network,
    read_result,
    read_tables,
    read_trained,
    searched_space,
)
from proxyless.workflow.search import searched_costs


def collect(run: Path | str) -> Content:
    """What there is of a run, and what is missing, with the commands that make it.

    Raises:
        InputError: not the folder of a run, or a damaged file in it.
    """
    folders = find_folders(Path(run))
    tables, result = read_tables(folders), read_result(folders)
    found = read_network(folders, tables[0] if tables else None)
    network = found[1] if found else None
    trained, classes = read_trained(folders)
    exported, galleries = read_exported(folders), read_galleries(folders)
    space = searched_space(folders, tables)
    return Content(
        run=str(folders.root),
        question=_question(folders, space, tables, classes, network),
        answer=describe_network(found[1], _table_of(found[1], tables), result, str(found[0])) if found else None,
        latencies=_latencies(network, exported),
        trained=trained,
        exported=exported,
        course=read_course(folders, result, space),
        ladder=read_ladder(folders),
        galleries=galleries,
        environment=read_environment(folders),
        commands=reproduction(folders, exported),
        configs=read_configs(folders),
        seed=(folders.config.search or {}).get("seed"),
        missing=missing_parts(folders, bool(tables), bool(galleries)),
    )


def _table_of(network: Architecture, tables: Sequence[LatencyTable]) -> LatencyTable | None:
    """The table of the network's target, else the first."""
    return next((table for table in tables if is_for(network, table)), tables[0] if tables else None)


def _question(
    folders: RunFolders,
    space: Space,
    tables: Sequence[LatencyTable],
    classes: list[str],
    network: Architecture | None,
) -> Question:
    config = folders.search_config
    asked: list[float | None] = [target.budget_ms for target in config.targets]
    budgets_ms = asked if len(asked) == len(tables) else [None] * len(tables)
    return Question(
        space=space.name,
        space_args=dict(space.args),
        networks=power_of_ten(space.size),
        data=config.data,
        classes=classes,
        budget=folders.config.budget,
        limits={name: value for name, value in config.limits.model_dump().items() if value is not None},
        targets=[_target(t, ms, space, network) for t, ms in zip(tables, budgets_ms, strict=True)],
    )


def _target(table: LatencyTable, budget_ms: float | None, space: Space, network: Architecture | None) -> TargetFacts:
    costs = searched_costs(table, space) if table.covers(space) else None
    fit, layers = table.fit, network.layers if network else []
    return TargetFacts(
        name=table.label,
        device=table.device.model_dump(exclude_none=True),
        batch=table.batch,
        dtype=table.dtype,
        created=table.created,
        budget_ms=budget_ms,
        allowed_ms=costs.bound_ms(budget_ms) if costs and budget_ms else None,
        min_ms=costs.min_ms if costs else None,
        max_ms=costs.max_ms if costs else None,
        predicted_ms=table.predict(layers) if layers and all(map(table.has, layers)) else None,
        fit=FitFacts(
            nets=fit.nets,
            heldout=fit.heldout,
            rmse_pct=fit.rmse_pct,
            within_5pct=fit.within_5pct,
            kendall=fit.kendall,
            predicted_ms=[net.predicted_ms for net in fit.networks],
            measured_ms=[net.measured_ms for net in fit.networks],
        )
        if fit
        else None,
    )


def _latencies(network: Architecture | None, exported: Exported | None) -> list[LatencyFigure]:
    """Predicted and measured, of the network and of its files; those that the budget is for first."""
    target = network.target if network else None
    figures = []
    if target:
        figures.append(_figure("predicted", target.runtime, target.predicted_ms))
        if target.measured_ms:
            figures.append(_figure("measured before training", target.runtime, target.measured_ms))
    for kind, entry in (exported.files if exported else {}).items():
        on_target = target is not None and entry.on_target
        name, runtime = entry.file or kind, entry.runtime or "?"
        if entry.measured_ms is not None:
            figures.append(_figure(f"{name}, measured", runtime, entry.measured_ms, on_target))
        if entry.at_profiled_speed_ms is not None:
            figures.append(_figure(f"{name}, at profiled speed", runtime, entry.at_profiled_speed_ms, on_target))
    return sorted(figures, key=lambda figure: not figure.on_target)


def _figure(label: str, runtime: str, ms: float, on_target: bool = True) -> LatencyFigure:
    return LatencyFigure(label=label, runtime=runtime, ms=ms, on_target=on_target)
