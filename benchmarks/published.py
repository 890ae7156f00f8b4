"""Published networks, built of our operators: parameters and MACs of ours beside theirs.

python benchmarks/published.py --archs FILE.json --json

FILE is a list of networks as Once-for-All and ProxylessNAS publish them: `stem`, `blocks`, `head`, `input_res`, and
`computed` or `published` with `params_M` and `macs_M`. One line per network; exit code 1 when any differs by more than
the rounding of the figure that it is held to.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from proxyless.errors import InputError
from proxyless.files import read_json
from proxyless.ops import LayerSpec, network_cost
from proxyless.ops.cost import squeeze_channels

_ROUNDING = {"computed": {"params_M": 0.00005, "macs_M": 0.0005}, "published": {"params_M": 0.05, "macs_M": 0.5}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archs", type=Path, required=True)
    parser.add_argument("--json", action="store_true", help="one JSON line per network")
    arguments = parser.parse_args()
    try:
        rows = [
            _compared(number, entry) for number, entry in enumerate(read_json(arguments.archs, "list of networks"), 1)
        ]
    except InputError as error:
        parser.error(str(error))
    for row in rows:
        print(json.dumps(row) if arguments.json else _words(row))
    sys.exit(not all(row["agrees"] for row in rows))


def _compared(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    try:
        return compare(entry)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        reason = f"{type(error).__name__} {error}"
        raise InputError(f"network {number} is not as Once-for-All publishes them ({reason}); correct it") from None


def compare(entry: dict[str, Any]) -> dict[str, Any]:
    """Parameters and MACs in millions, theirs, and whether they agree up to rounding.

    `agrees` is with what was computed from their architecture, where that is given: a few published figures are not
    those of the published architecture.
    """
    cost = network_cost(network_layers(entry))
    ours = {"params_M": cost.params / 1e6, "macs_M": cost.macs / 1e6}
    row: dict[str, Any] = {"name": entry["name"], "ours": ours}
    for kind, rounding in _ROUNDING.items():
        theirs = {name: entry.get(kind, {}).get(name) for name in ours}
        known = {name: value for name, value in theirs.items() if value is not None}
        row[kind] = theirs
        row[f"agrees_{kind}"] = (
            all(abs(ours[n] - v) <= 1.0001 * rounding[n] for n, v in known.items()) if known else None
        )
    row["agrees"] = row["agrees_published"] if row["agrees_computed"] is None else row["agrees_computed"]
    return row


def network_layers(entry: dict[str, Any]) -> list[LayerSpec]:
    """The layers of a published network; what skips a block is no layer."""
    stem, side = entry["stem"], entry["input_res"]
    size = -(-side // stem["stride"])
    layers = [
        LayerSpec(
            "conv",
            (side, side, 3),
            (size, size, stem["out_c"]),
            stem["kernel"],
            1,
            stem["stride"],
            act=stem.get("act", "relu6"),
        )
    ]
    for block in entry["blocks"]:
        if block["op"] != "zero":
            layers.append(_block(block, layers[-1].out_shape))
    last, act = layers[-1].out_shape, layers[0].act
    feature, *rest = entry["head"]
    layers.append(LayerSpec("conv", last, (*last[:2], feature["out_c"]), act=act))
    wide = [part for part in rest if part["op"] == "conv1x1"]
    inputs, classes = layers[-1].out_shape, (1, 1, rest[-1]["out_c"])
    if wide:
        expand = wide[0]["out_c"] / wide[0]["in_c"]
        layers.append(LayerSpec("mixed_classifier", inputs, classes, expand=expand, act=act))
    else:
        layers.append(LayerSpec("classifier", inputs, classes, act="none"))
    return layers


def _block(block: dict[str, Any], in_shape: tuple[int, int, int]) -> LayerSpec:
    size = -(-in_shape[0] // block["stride"])
    return LayerSpec(
        "mbconv",
        in_shape,
        (size, size, block["out_c"]),
        block["kernel"],
        block["mid_c"] / block["in_c"],
        block["stride"],
        bool(block["residual"]),
        block.get("act", "relu6"),
        squeeze_channels(block["mid_c"]) if block.get("se") else 0,
    )


def _words(row: dict[str, Any]) -> str:
    figures = [
        f"{name} {value:.4f} ({', '.join(f'{kind} {row[kind][name]}' for kind in _ROUNDING)})"
        for name, value in row["ours"].items()
    ]
    return f"{'agrees' if row['agrees'] else 'DIFFERS'}  {row['name']}: {', '.join(figures)}"


if __name__ == "__main__":
    main()
