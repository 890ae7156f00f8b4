"""`proxyless tables`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxyless.cli.console import OUT, command, print_json, print_table
from proxyless.cli.options import Json
from proxyless.errors import InputError

if TYPE_CHECKING:
    from latency.table import LatencyTable

_UNRELIABLE_PCT = 10.0
"""Held-out error above which a table should rather be made again."""


@command
def tables(
    table: Annotated[str | None, typer.Argument(help="A shipped table or a file; without it, list all.")] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", help="Convert a YAML table of ProxylessNAS or Once-for-All.")
    ] = None,
    device: Annotated[str, typer.Option(help="With --import: the device that was measured.")] = "unknown",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="With --import: where to write.")] = None,
    json: Json = False,
) -> None:
    """List the shipped latency tables, describe one, or import a published one.

    Examples: `proxyless tables`, `proxyless tables pixel1`,
    `proxyless tables --import lookup_table.yaml --device note10 -o note10.json`
    """
    from latency.published import import_published
    from latency.tables import load_table, shipped_names

    if import_ is not None:
        if output is None:
            raise InputError("--import needs -o FILE.json, where the converted table is written")
        imported = import_published(import_, device)
        imported.save(output)
        found = {str(output): imported}
    else:
        found = {name: load_table(name) for name in ([table] if table else shipped_names())}
    if json:
        documents = {name: summary(entry) for name, entry in found.items()}
        print_json(next(iter(documents.values())) if table or import_ else documents)
    elif table or import_:
        for name, entry in found.items():
            describe(name, entry)
    else:
        rows = [[name, entry.device["name"], entry.target, str(_count(entry))] for name, entry in found.items()]
        print_table("Shipped latency tables", ("table", "device", "target", "rows"), rows)


def _count(table: "LatencyTable") -> int:
    return len(table.fixed) + len(table.rows)


def summary(table: "LatencyTable") -> dict[str, Any]:
    """Provenance, coverage, fit and noise of a table."""
    rows = [*table.fixed, *table.rows]
    noise = [100 * row.iqr / row.ms for row in rows if row.iqr is not None and row.ms > 0]
    document = table.model_dump(
        mode="json",
        include={"device", "runtime", "batch", "dtype", "space", "fit", "stability", "origin", "licence", "created"},
    )
    document |= {"rows": len(rows), "overhead_ms": table.overhead_ms}
    document["median_row_iqr_pct"] = round(sorted(noise)[len(noise) // 2], 2) if noise else None
    if table.space is not None:
        document["latency_range_ms"] = _range(table)
    return {key: value for key, value in document.items() if value is not None}


def _range(table: "LatencyTable") -> dict[str, float]:
    from proxyless.space import build_space

    assert table.space is not None
    costs = table.costs(build_space(table.space.name, table.space.args))
    return {"smallest": costs.min_ms, "typical": costs.mean_ms, "largest": costs.max_ms, "margin": costs.margin}


def describe(name: str, table: "LatencyTable") -> None:
    """Print what `summary` says, in words."""
    facts = summary(table)
    rows = [["device", _device(facts["device"])], ["runtime", table.target], ["rows", str(facts["rows"])]]
    if table.space is not None:
        span = facts["latency_range_ms"]
        rows.append(["space", f"{table.space.name} {table.space.args}"])
        rows.append(
            ["networks", f"{span['smallest']:.4g} to {span['largest']:.4g} ms, typical {span['typical']:.4g} ms"]
        )
    if table.fit is not None:
        fit = table.fit
        rows.append(["held-out error", f"{fit.rmse_pct:.1f} % RMSE on {fit.nets} networks ({fit.heldout})"])
        rows.append(["within 5 % / 10 %", f"{fit.within_5pct:.0f} % / {fit.within_10pct:.0f} % of the networks"])
        if fit.spearman is not None and fit.kendall is not None:
            rows.append(["rank correlation", f"Spearman {fit.spearman:.3f}, Kendall {fit.kendall:.3f}"])
        rows.append(["repeatability", f"{fit.repeatability_pct:.1f} % between two halves of the networks' measurement"])
    if (stability := table.stability) is not None:
        rows.append(["machine", f"up to {stability.slowness_p95:.2f}x slower than in its faster moments"])
        rows.append(["counted", f"{stability.summary}; two halves differ by {stability.repeatability_pct:.1f} %"])
    rows += [[key, str(facts[key])] for key in ("origin", "licence", "created") if key in facts]
    print_table(f"Latency table {name}", ("", ""), rows)
    if table.fit is not None and table.fit.rmse_pct > _UNRELIABLE_PCT:
        OUT.print(
            f"this table predicts badly (held-out error {table.fit.rmse_pct:.0f} %): close other programs and profile "
            "again, with more --rounds and --calibrate",
            highlight=False,
        )
    if table.fit is None and table.origin is None:
        OUT.print("not calibrated: sums of isolated operations are biased; profile with --calibrate 30")


def _device(device: dict[str, Any]) -> str:
    return ", ".join(str(device[key]) for key in ("name", "processor", "system") if device.get(key))
