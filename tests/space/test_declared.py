"""Spaces of users: a YAML file, from the template to a search, and what is wrong with one in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from proxyless.cli.main import app
from proxyless.errors import InputError
from proxyless.ops import network_cost
from proxyless.search.config import SearchSettings
from proxyless.space import Architecture, build_space, declared_space, load_space, mobile_fixed
from proxyless.space.declared import TEMPLATE
from proxyless.space.definition import Definition
from proxyless.workflow.search import search, table_space
from tests.helpers import table_by_macs


def _written(folder: Path, **changes: Any) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(TEMPLATE), **changes}, sort_keys=False))
    return str(path)


def test_the_template_is_a_space(tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["spaces", "--template"]).stdout
    assert printed == TEMPLATE
    (tmp_path / "mine.yaml").write_text(printed)
    described = json.loads(CliRunner().invoke(app, ["spaces", str(tmp_path / "mine.yaml"), "--json"]).stdout)
    assert (described["name"], described["num_classes"], len(described["decisions"])) == ("mine", 10, 11)
    decisions = described["decisions"]
    assert decisions["stage1.block2"] == ["k3e3", "k5e3", "k3e6", "k5e6se", "fused", "skip"]
    assert decisions["stage1.width"] == ["16", "24", "32"] and decisions["stage3.depth"] == ["2", "3"]
    assert decisions["stage2.block2"] == ["k3e3", "k5e3", "k3e6", "k5e6se", "fused"]  # of the first two of three
    assert decisions["stage4.block1"] == ["k3e3", "k3e6"]


def test_the_schema_is_that_of_definitions() -> None:
    schema = json.loads(CliRunner().invoke(app, ["spaces", "--schema"]).stdout)
    assert schema == Definition.model_json_schema() and set(schema["required"]) == {"name", "stem", "stages", "head"}


def test_the_same_definition_is_the_same_space_as_mobile(tmp_path: Path) -> None:
    ops = {f"k{k}e{e}": {"kernel": k, "expand": e} for e in (3, 6) for k in (3, 5, 7)}
    stages = zip((24, 40, 80, 96, 192, 320), (4, 4, 4, 4, 4, 1), (2, 2, 2, 1, 2, 1), strict=True)
    path = _written(
        tmp_path,
        resolution=224,
        num_classes=1000,
        act="relu6",
        stem={"width": 32},
        fixed=[{"width": 16}],
        ops=ops,
        stages=[{"width": width, "depth": depth, "stride": stride} for width, depth, stride in stages],
        head={"width": 1280},
    )
    assert load_space(path).fingerprint == mobile_fixed().fingerprint


def test_documents_carry_the_whole_space(tmp_path: Path) -> None:
    path = _written(tmp_path, resolution=32)
    space = load_space(path, {"num_classes": 10})
    table = table_by_macs(space)
    table.save(tmp_path / "table.json")
    settings = SearchSettings.make("test", warmup_epochs=1, epochs=1, batch_size=8)
    found = search(space, "synthetic:120", table, "60%", tmp_path / "run", settings)
    Path(path).unlink()
    again = Architecture.load(tmp_path / "run" / "architecture.json")
    assert again.ops == found.ops and again.space.fingerprint == space.fingerprint
    assert network_cost(again.layers) == network_cost(found.layers)


def test_a_table_of_another_definition_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path)
    table = table_by_macs(load_space(path))
    assert table_space(path, table).fingerprint == load_space(path).fingerprint
    _written(tmp_path, act="relu")
    with pytest.raises(InputError, match=r"another definition of the space 'mine' than .*mine.yaml has now; profile"):
        table_space(path, table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": []}, "stages: .*at least 1"),
        ({"depth": 3}, "depth: .*not permitted"),
        ({"name": "my space"}, "name: "),
        ({"ops": {"a": {"op": "mbconvv"}}}, "unknown operator 'mbconvv'; .*mbconv"),
        ({"ops": {"a": {"expand": 0}}}, "ops.a.expand: .*greater than 0"),
        ({"ops": {"a": {"kernel": 4}}}, "no convolution of .* with kernel 4"),
        ({"ops": {"a": {"groups": 7, "op": "mbconv_expanded"}}}, "no convolution of 16 to 16 channels in 7 groups"),
        ({"ops": {}}, "stage 1 of space 'mine' has no operations"),
        ({"ops": {"skip": {}}}, "stage 1 of space 'mine' has an operation 'skip'; leave it out, see min_depth"),
        ({"ops": {"a": {"op": "pool_max"}}}, "would have an output of"),
        ({"stem": {"width": 0}}, "stem_width of space 'mine' must be from 1 to 65536, got 0"),
        ({"stages": [{"width": 24, "stride": 3}]}, "stage_stride of space 'mine' must be from 1 to 2, got 3"),
        ({"stages": [{"width": 60_000, "depth": 20}]}, "would have up to .* parameters"),
        ({"resolution": 4}, "resolution of space 'mine' must be from 8 to 4096, got 4"),
        ({"act": "gelu"}, "act: .*relu6"),
        ({"name": "tiny-fixed"}, "'tiny-fixed' is the name of a space of proxyless"),
        ({"name": "mine.yaml"}, "'mine.yaml' is that of a file"),
        ({"ops": {"a": {}, "b": {"op": "mbconv", "kernel": 3}}}, "operations 'a' and 'b' are the same; leave one out"),
        ({"ops": {"a": {"op": "conv"}, "b": {"op": "conv", "expand": 2}}}, "operations 'a' and 'b' are the same"),
        ({"ops": {"a": {"op": "linear"}}}, "no single pixel that can be flattened"),
        ({"ops": {"a": {"op": "pool_mean", "kernel": 4}}}, "no mean over 4x4 with stride 2"),
        ({"head": {"width": 64, "classifier": "wide_classifier", "hidden": 0}}, "head.hidden: .*greater than or equal"),
        ({"head": {"width": 64, "hidden": 64}}, "hidden is for wide_classifier and mixed_classifier"),
        ({"stages": [{"width": 24, "depth": 2, "min_depth": 3}]}, "min_depth 3 is more than depth 2"),
        (
            {"stages": [{"width": 24, "depth": 900}, {"width": 24, "depth": 900}]},
            "1800 blocks, more than 1000",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_space(_written(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "- a", "name: [", "!!python/object:os.system x", "\x00"])
def test_what_is_no_definition(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load_space(str(tmp_path / "mine.yaml"))
    with pytest.raises(InputError, match=r"none\.yaml"):
        load_space(str(tmp_path / "none.yaml"))


def test_a_definition_must_fit_into_the_settings_of_a_run(tmp_path: Path) -> None:
    ops = {f"operation-{number}": {"kernel": 3, "expand": 1 + number / 8} for number in range(90)}
    stages = [{"width": 16, "ops": ops} for _ in range(10)]
    (tmp_path / "mine.yaml").write_text(json.dumps({**yaml.safe_load(TEMPLATE), "stages": stages}))
    with pytest.raises(InputError, match=r"the definition of the space 'mine' has 4.,... characters, more than 24,000"):
        load_space(str(tmp_path / "mine.yaml"))


def test_documents_cannot_name_a_file(tmp_path: Path) -> None:
    path = _written(tmp_path)
    for name in (path, "\x00.yaml", "\ud800.yaml"):
        with pytest.raises(InputError, match="unknown space"):
            build_space(name)


def test_a_small_expansion_is_one_channel(tmp_path: Path) -> None:
    space = load_space(_written(tmp_path, ops={"a": {"expand": 0.01}}))
    assert space.searched[0][1].layers[0].mid_channels == 1


def test_as_many_networks_as_there_may_be_are_described(tmp_path: Path) -> None:
    stages = [{"width": 16, "stride": 1, "depth": 1000}]
    done = CliRunner().invoke(app, ["spaces", _written(tmp_path, stages=stages, head={"width": 64})])
    assert done.exit_code == 0 and "e+778" in done.stdout  # six operations each, 1000 times


def test_a_definition_made_in_python_goes_everywhere() -> None:
    space = declared_space(yaml.safe_load(TEMPLATE), num_classes=3, width_mult=0.5)
    again = build_space(space.name, space.args)
    assert again.fingerprint == space.fingerprint and again.num_classes == 3
    assert {spec.out_shape[2] for spec in space.searched[0][1].layers} == {8, 16}
