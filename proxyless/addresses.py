"""Addresses of devices in files. What stands in a file is not what the user typed: it names a device, and no more.

Behind the question mark of `--device` stand places and programs of this computer (`config`, `benchmark_model`) and of
the device (`python`). A file that could carry them would let whoever wrote it choose what runs here.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer

_LONGEST = 300
LOCAL = "local"
"""This machine."""


def address_of(device: str) -> str:
    """What names a device, without the options after the question mark."""
    return device.partition("?")[0]


def same_device(one: str, other: str) -> bool:
    """Whether two addresses are of one device: users and options may differ."""
    return _without_user(one) == _without_user(other)


def _without_user(device: str) -> str:
    scheme, slashes, place = address_of(device).partition("://")
    return f"{scheme}{slashes}{place.rpartition('@')[2]}"


def _named(device: str) -> str:
    address = address_of(device)
    if not address or not address.isprintable():
        raise ValueError("it names no device")
    return address


def _short(device: str) -> str:
    if len(address_of(device)) > _LONGEST:
        raise ValueError(f"its name has more than {_LONGEST} characters")
    return device


Address = Annotated[str, Field(max_length=_LONGEST), AfterValidator(_named)]
"""Of a device, in a document: options that stand there are not read."""

TypedDevice = Annotated[str, Field(max_length=2000), AfterValidator(_short), PlainSerializer(address_of)]
"""Of a device, in settings that the user types: options count, and are not written."""
