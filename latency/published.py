"""Read the latency tables that ProxylessNAS and Once-for-All published (YAML, one key per layer)."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from latency.table import UNKNOWN, DeviceInfo, LatencyTable, Row, RuntimeInfo
from proxyless.config import parse_yaml
from proxyless.errors import InputError, shown
from proxyless.files import MAX_JSON_BYTES
from proxyless.ops import Activation, LayerSpec, Shape
from proxyless.ops.cost import squeeze_channels

_KEY = re.compile(
    r"(?P<kind>\w+)-input:(?P<in>\d+x\d+x\d+)-output:(?P<out>\d+(?:x\d+x\d+)?)"
    r"(?:-expand:(?P<expand>\d+)-kernel:(?P<kernel>\d+)-stride:(?P<stride>\d+)-idskip:(?P<idskip>[01])"
    r"(?:-se:(?P<se>[01])-hs:(?P<hs>[01]))?)?"
)


def import_published(path: Path, device: str, runtime: str = UNKNOWN) -> LatencyTable:
    """Convert a published YAML table, which does not say where it was measured.

    device: its name. runtime: such as tflite, where it is known.

    Raises:
        InputError: missing, damaged, or an entry that is not understood.
    """
    entries = _read(path)
    squeeze = any("-se:" in key for key in entries)
    rows = [_row(key, values, squeeze) for key, values in entries.items()]
    return LatencyTable(
        device=DeviceInfo(name=device),
        runtime=RuntimeInfo(name=runtime, version=UNKNOWN, threads=1, delegate=UNKNOWN),
        fixed=[row for row in rows if row.op != "mbconv" or row.expand == 1],
        rows=[row for row in rows if row.op == "mbconv" and row.expand > 1],
        origin=path.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _read(path: Path) -> dict[str, dict[str, Any]]:
    entries = parse_yaml(path, "table", MAX_JSON_BYTES)
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{path} is not a published latency table: expected a mapping of layers to {{mean: ms}}")
    return entries


def _shape(text: str) -> Shape:
    sizes = [int(size) for size in text.split("x")]
    return (1, 1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1], sizes[2])


def _row(key: object, values: object, squeeze: bool) -> Row:
    match = _KEY.fullmatch(str(key))
    mean = values.get("mean") if isinstance(values, dict) else None
    if match is None or not isinstance(values, dict) or not isinstance(mean, int | float) or not mean >= 0:
        raise InputError(f"the published table has an entry that is not understood: {shown(key)}: {shown(values)}")
    try:
        return Row.of(_spec(match, squeeze), ms=float(mean), n=values.get("count"), source="published")
    except (ValidationError, ZeroDivisionError):
        raise InputError(f"the published table has an impossible entry: {shown(key)}: {shown(values)}") from None


def _spec(match: re.Match[str], squeeze: bool) -> LayerSpec:
    """ProxylessNAS writes the expansion ratio, Once-for-All the expanded channels."""
    kind, in_shape, out_shape = match["kind"], _shape(match["in"]), _shape(match["out"])
    act: Activation = "h_swish" if squeeze else "relu6"
    match kind:
        case "Conv":
            return LayerSpec("conv", in_shape, out_shape, 3, stride=in_shape[0] // out_shape[0], act=act)
        case "Conv_1" | "Conv_2":
            return LayerSpec("conv", in_shape, out_shape, act=act)
        case "AvgPool2D":
            return LayerSpec("avgpool", in_shape, out_shape, act="none")
        case "Logits":
            return LayerSpec("linear" if in_shape[0] == 1 else "classifier", in_shape, out_shape, act="none")
        case "expanded_conv" if match["expand"]:
            ratio = int(match["expand"]) // (in_shape[2] if squeeze else 1)
            se = squeeze_channels(ratio * in_shape[2]) if match["se"] == "1" else 0
            act = ("h_swish" if match["hs"] == "1" else "relu") if squeeze else "relu6"
            kernel, stride = int(match["kernel"]), int(match["stride"])
            return LayerSpec(
                "mbconv",
                in_shape,
                out_shape,
                kernel,
                ratio,
                stride,
                match["idskip"] == "1",
                act,
                se,
            )
    raise InputError(f"the published table has a layer of an unknown kind: {shown(match[0])}")
