"""Reading and writing files so that a reader never sees half of one."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from proxyless.errors import InputError, one_line, said, shown
from proxyless.processes import is_first

Model = TypeVar("Model", bound=BaseModel)

MAX_JSON_BYTES = 2**24


def first_problem(error: ValidationError) -> str:
    """The first problem that pydantic found, as `field: rule (value)`."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(part if _is_plain(part) else shown(part) for part in map(str, problem["loc"]))
    rule = one_line(problem["msg"].removeprefix("Value error, "))
    if not where and problem["type"] == "value_error":  # of settings that do not go together
        return str(rule)
    return f"{where or 'document'}: {rule} (got {shown(problem['input'])})"


def _is_plain(text: str) -> bool:
    """Whether it can stand in a message as it is."""
    return len(text) <= 60 and text.isprintable()


def read_text(path: Path, kind: str, limit_bytes: int) -> str:
    """The text of a file; no more than the limit is ever read.

    Raises:
        InputError: the file is missing, unreadable, too large or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
        if len(content) > limit_bytes:
            raise InputError(f"{kind} {path} has more than {limit_bytes:,} bytes, which none needs; check the path")
        return content.decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{kind} not found: {path}; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{kind} {path} cannot be read: {error}") from None


def read_bytes(path: Path, kind: str) -> bytes:
    """The content of a file, however large.

    Raises:
        InputError: the file is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{kind} {path} cannot be read: {error.strerror}; check the path") from None


def read_json(path: Path, kind: str) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is missing, unreadable or not JSON.
    """
    text = read_text(path, kind, MAX_JSON_BYTES)
    try:
        return json.loads(text, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError) as error:  # not JSON, a number of more than 4,300 digits, or too deep
        raise InputError(f"{kind} {path} is damaged (not valid JSON: {error}); correct it, or write it again") from None


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values of one name, one would be taken without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(repeated)} is there twice")
    return found


def read_model(path: Path, kind: str, model: type[Model]) -> Model:
    """Parse and validate a JSON file as `model`, with one sentence for whatever is wrong."""
    document = read_json(path, kind)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{kind} {path} is not valid: {first_problem(error)}") from None


def file_name(text: str) -> str:
    """Text without what a file's name cannot have, such as the slashes of ssh://host, and still distinct."""
    plain = text.replace(" ", "-")
    allowed = re.sub(r"[^\w.@-]+", "-", plain)
    return allowed if allowed == plain else f"{allowed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def home_path(text: str) -> Path:
    """A path that may begin with the home folder of this user, or of another.

    Raises:
        InputError: there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"the path {shown(text)} is not understood ({said(error)}); write it out") from None


def output_folder(path: Path) -> Path:
    """Create `path` (and parents) and prove that it can be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path} is not a folder; choose another output") from None
    except OSError as error:
        raise InputError(f"cannot write to the folder {path}: {error.strerror}; choose another output") from None


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """As `replacing`; but of several processes that all write, only the first one's file counts."""
    if is_first():
        with replacing(path) as temporary:
            yield temporary
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / path.name


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success rename it to `path`, else delete it."""
    output_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """For libraries that have errors of their own for a disk that is full.

    Raises:
        OSError: whatever they raise.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        free = shutil.disk_usage(path.parent).free / 2**20
        raise OSError(f"cannot write {path} ({said(error)}); {free:,.0f} MiB are free there") from None


def write_text(path: Path, text: str) -> None:
    """Replace the file in one step."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: object) -> None:
    """Replace the file in one step; indented, keys in the order given."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def write_lines(path: Path, documents: Iterable[object]) -> None:
    """Replace the file in one step; one JSON document per line."""
    write_text(path, "".join(json.dumps(document) + "\n" for document in documents))
