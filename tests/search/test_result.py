"""A result that was damaged or edited is refused with one sentence, before anything is derived from it."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxyless.config import MAX_COUNT
from proxyless.errors import InputError
from proxyless.files import write_json
from proxyless.search.result import SearchResult, best_evaluated, load_result
from proxyless.space import Architecture, mobile_fixed, tiny_fixed
from tests.helpers import MIXED_OPS

_OPS = [list(layer.choices) for layer in tiny_fixed().decisions]
_GOOD: dict[str, Any] = {
    "space": "tiny-fixed",
    "space_args": dict(tiny_fixed().args),
    "budget_ms": 7.0,
    "ops": _OPS,
    "log_probs": [[-1.0] * len(names) for names in _OPS],
    "evaluated": [MIXED_OPS.split()],
}


def _load(folder: Path, **changes: object) -> SearchResult:
    (folder / "config.yaml").touch()
    (folder / "result.json").write_text(json.dumps({**_GOOD, **changes}))
    return load_result(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_probs": _GOOD["log_probs"][:-1]}, "its 'ops' and 'log_probs' are not of the same lengths; search again"),
        ({"log_probs": [[-1.0]] * len(_OPS)}, "its 'ops' and 'log_probs' are not of the same lengths"),
        ({"ops": _OPS[1:]}, "its 'ops' and 'log_probs' are not of the same lengths"),
        ({"evaluated": [["k3e3"]]}, "its network 'k3e3' is not of its 'ops'; search again"),
        ({"evaluated": [["skip"] * len(_OPS)]}, "its network 'skip skip"),
        ({"evaluated": [[*MIXED_OPS.split(), "k3e3"]]}, "is not of its 'ops'"),
    ],
)
def test_lengths_that_do_not_agree(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _load(tmp_path, **changes)
    assert str(caught.value).startswith(f"search result {tmp_path / 'result.json'} is not valid: ")


@pytest.mark.parametrize(
    "ops",
    [
        [*_OPS, ["k3e3"]],
        [["k3e3", "k3e3"], *_OPS[1:]],
        [["k9e9"], *_OPS[1:]],
        [["k5e3", "k3e3"], *_OPS[1:]],
        [_OPS[0][:-1], *_OPS[1:]],
    ],
)
def test_operations_that_the_space_has_not(ops: list[list[str]], tmp_path: Path) -> None:
    result = _load(tmp_path, ops=ops, log_probs=[[-1.0] * len(names) for names in ops], evaluated=[])
    with pytest.raises(InputError, match="made with another version of the space 'tiny-fixed'; search again"):
        result.build_space()


def test_a_layer_without_operations(tmp_path: Path) -> None:
    ops = [[], *_OPS[1:]]
    log_probs = [[-1.0] * len(names) for names in ops]
    limits = {"max_memory_bytes": 1e9}
    with pytest.raises(InputError, match=r"log_probs\.0: List should have at least 1 item"):
        _load(tmp_path, ops=ops, log_probs=log_probs, evaluated=[], limits=limits).build_space()


def test_a_good_one_is_read(tmp_path: Path) -> None:
    assert _load(tmp_path).build_space() == tiny_fixed()


def test_the_result_of_the_largest_search_can_be_read_again(tmp_path: Path) -> None:
    space = mobile_fixed()
    ops = [list(layer.choices) for layer in space.decisions]
    best = [1] * len(ops)  # of a long name, as in all networks here
    evaluated = best_evaluated(space, [best] * MAX_COUNT)
    result = SearchResult(
        space="mobile-fixed",
        space_args=dict(space.args),
        budget_ms=7.0,
        ops=ops,
        log_probs=[[-1 / 3] * len(names) for names in ops],
        evaluated=evaluated,
    )
    (tmp_path / "config.yaml").touch()
    write_json(tmp_path / "result.json", result.model_dump())
    read = load_result(tmp_path)
    assert len(read.evaluated) > 40_000 and read.path(Architecture(space, space.path_ops(best))) == best
