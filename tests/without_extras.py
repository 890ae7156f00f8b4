"""Runs commands as where only `pip install proxyless` was run: packages of the extras are hidden.

Arguments: a JSON list of the packages, as they are imported, and one of the commands' arguments. Prints a JSON list of
exit codes and standard errors, with what was raised where that is no exit.
"""

import json
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, ClassVar


class Hiding(PathFinder):
    """Finds what Python's own finder of installed packages does, but for those that are hidden."""

    hidden: ClassVar[set[str]] = set()

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return None if name.split(".")[0] in cls.hidden else super().find_spec(name, path, target)


def run(commands: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    from typer.testing import CliRunner

    from proxyless.cli.main import app

    ended = [CliRunner().invoke(app, arguments) for arguments in commands]
    return [{"code": one.exit_code, "error": one.stderr + _raised(one.exception)} for one in ended]


def _raised(error: BaseException | None) -> str:
    return "" if error is None or isinstance(error, SystemExit) else "".join(traceback.format_exception(error))


if __name__ == "__main__":
    names, lines = map(json.loads, sys.argv[1:])
    Hiding.hidden = set(names)
    sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
    sys.stdout.write(json.dumps(run(lines)))
