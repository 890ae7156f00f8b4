"""A latency table in words: what it is of, how far it can be trusted, and how it differs from another."""

from typing import TYPE_CHECKING, Any

from proxyless.cli.console import OUT, print_table
from proxyless.errors import shown

if TYPE_CHECKING:
    from latency.compare import Comparison
    from latency.table import LatencyTable
    from proxyless.space import Space

_DESCRIBED = {
    "device",
    "runtime",
    "batch",
    "dtype",
    "space",
    "fit",
    "stability",
    "prediction",
    "origin",
    "licence",
    "created",
}
_UNRELIABLE_PCT = 10.0
"""Held-out error above which a table should rather be made again."""


def count_rows(table: "LatencyTable") -> int:
    return len(table.fixed) + len(table.rows)


def summary(table: "LatencyTable") -> dict[str, Any]:
    """Provenance, coverage, fit and noise of a table."""
    rows = [*table.fixed, *table.rows]
    noise = [100 * row.iqr / row.ms for row in rows if row.iqr is not None and row.ms > 0]
    document = table.model_dump(mode="json", include=_DESCRIBED)
    document |= {"rows": len(rows), "overhead_ms": table.overhead_ms}
    document["median_row_iqr_pct"] = round(sorted(noise)[len(noise) // 2], 2) if noise else None
    if table.space is not None:
        document["latency_range_ms"] = _range(table)
    return {key: value for key, value in document.items() if value is not None}


def table_space(table: "LatencyTable") -> "Space | None":
    """The space that the table was made for; None for one that names none."""
    from proxyless.space import build_space

    return build_space(table.space.name, table.space.args) if table.space is not None else None


def _range(table: "LatencyTable") -> dict[str, float]:
    space = table_space(table)
    assert space is not None
    costs = table.costs(space)
    return {"smallest": costs.min_ms, "typical": costs.mean_ms, "largest": costs.max_ms, "margin": costs.margin}


def describe(name: str, table: "LatencyTable") -> None:
    """Print what `summary` says, in words."""
    facts = summary(table)
    rows = [["device", _device(facts["device"])], ["runtime", table.label], ["rows", str(facts["rows"])]]
    if table.space is not None:
        span = facts["latency_range_ms"]
        rows.append(["space", f"{table.space.name} {shown(table.space.args)}"])
        rows.append(
            ["networks", f"{span['smallest']:.4g} to {span['largest']:.4g} ms, typical {span['typical']:.4g} ms"]
        )
    rows += _trust(table)
    rows += [[key, str(facts[key])] for key in ("origin", "licence", "created") if key in facts]
    print_table(f"Latency table {name}", ("", ""), rows)
    if table.fit is not None and table.fit.rmse_pct > _UNRELIABLE_PCT:
        OUT.print(
            f"this table predicts badly (held-out error {table.fit.rmse_pct:.0f} %): close other programs and profile "
            "again, with more --rounds and --calibrate",
        )
    if table.fit is None and table.origin is None:
        OUT.print("not calibrated: sums of isolated operations are biased; profile with --calibrate 30")


def _trust(table: "LatencyTable") -> list[list[str]]:
    rows = []
    if (fit := table.fit) is not None:
        rows.append(["held-out error", f"{fit.rmse_pct:.1f} % RMSE on {fit.nets} networks ({fit.heldout})"])
        rows.append(["within 5 % / 10 %", f"{fit.within_5pct:.0f} % / {fit.within_10pct:.0f} % of the networks"])
        if fit.spearman is not None and fit.kendall is not None:
            rows.append(["rank correlation", f"Spearman {fit.spearman:.3f}, Kendall {fit.kendall:.3f}"])
        rows.append(["repeatability", f"{fit.repeatability_pct:.1f} % between two halves of the networks' timings"])
    if (stability := table.stability) is not None:
        rows.append(["machine", f"up to {stability.slowness_p95:.2f}x slower than in its faster moments"])
        rows.append(["counted", f"{stability.summary}; two halves differ by {stability.repeatability_pct:.1f} %"])
    if (prediction := table.prediction) is not None:
        rows.append(["predicted rows", f"{prediction.rows}, not measured; error to expect {prediction.rmse_pct:.0f} %"])
    return rows


def _device(device: dict[str, Any]) -> str:
    return ", ".join(str(device[key]) for key in ("name", "processor", "system") if device.get(key))


def describe_comparison(names: tuple[str, str], found: "Comparison") -> None:
    """Print both tables' layers with their ranks, and how far the two targets agree."""
    first, second = ([getattr(pair, key) for pair in found.pairs] for key in ("first_ms", "second_ms"))
    ranks = [{ms: rank for rank, ms in enumerate(sorted(costs), 1)} for costs in (first, second)]
    rows = [
        [str(pair.spec), f"{a:.4g}", f"{b:.4g}", f"{b / a:.2f}" if a else "-", str(ranks[0][a]), str(ranks[1][b])]
        for pair, a, b in zip(found.pairs, first, second, strict=True)
    ]
    columns = ("layer", *(f"{name} ms" for name in names), "2nd / 1st", *(f"rank on {name}" for name in names))
    print_table(f"{names[0]} and {names[1]}, layer by layer", columns, rows)
    OUT.print(f"layers: Spearman {_figure(found.spearman)} over {len(found.pairs)}")
    if found.networks is None:
        OUT.print("no space is covered by both tables: networks are not compared")
    else:
        nets = found.networks
        OUT.print(
            f"networks: Spearman {_figure(nets.spearman)}, Kendall {_figure(nets.kendall)} over {nets.networks} random "
            f"ones; of the tenth that is fastest on {names[0]}, {nets.fastest_shared:.0%} are so on {names[1]}",
        )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
