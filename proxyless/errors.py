"""The two ways in which a command fails on purpose, what most often causes the first, and how messages show values."""

import reprlib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """What the user gave cannot be used: the command line prints the message and exits with 2.

    The message is one sentence that says what was wrong, the value seen and what to do; it is printable, whatever the
    names in it are.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class CheckError(RuntimeError):
    """A promise did not hold (a verification, a measurement): the command exits with 1."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


_ALIKE = 0.7
_MEANT = {
    "runtime": {"tflite": "litert", "tensorflow": "litert", "onnx": "onnxruntime", "ort": "onnxruntime"}
    | {"pytorch": "torch", "pt": "torch", "cuda": "torch", "openvino-ir": "openvino"},
    "format": {"litert": "tflite", "onnxruntime": "onnx", "ort": "onnx", "tf": "tflite"},
}
"""What people type, and what it is called here."""


def check_name(kind: str, name: str, known: Collection[str]) -> None:
    """Raise InputError, with the choices, unless the name is known. kind: what it names, such as `runtime`."""
    if name in known:
        return
    plain = name.strip().casefold()
    meant = [_MEANT.get(kind, {}).get(plain, ""), *get_close_matches(plain, known, 1, _ALIKE)]
    hint = next((f"did you mean {like!r}? " for like in meant if like in known), "")
    raise InputError(f"unknown {kind} {shown(name)}; {hint}choose of {', '.join(known)}")


def find_by_name(kind: str, name: str, known: Mapping[str, T]) -> T:
    """What has that name.

    Raises:
        InputError: nothing has.
    """
    check_name(kind, name, known)
    return known[name]


class _Short(reprlib.Repr):
    """Looks at no more of a value than it shows."""

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 1000 else f"<a number of {x.bit_length()} bits>"


_SHOWN_CHARACTERS = 60
_SHORT = _Short()
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 12
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _SHOWN_CHARACTERS


def shown(value: object) -> str:
    """A value in a message: on one line and short, however long, deep or unprintable it is."""
    text = _SHORT.repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


_LINE_CHARACTERS = 400


def said(error: Exception) -> str:
    """What an error of a library says, or else what it is, for a message."""
    return one_line(str(error)) or type(error).__name__


def printable(text: str) -> str:
    """Text of anybody's, for a terminal: without line ends, and what a terminal would take for commands."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def flat(text: str) -> str:
    """On one line and printable, however long."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def one_line(text: str) -> str:
    """What a library says, in a message: on one line, printable and not too long."""
    line = flat(text)
    return line if len(line) <= _LINE_CHARACTERS else line[: _LINE_CHARACTERS - 3] + "..."
