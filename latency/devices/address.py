"""The parts of a device's name: `ssh://user@host?python=PATH`."""

from urllib.parse import parse_qsl

from proxyless.errors import InputError


def split_options(name: str, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """What stands before the question mark, and the options after it.

    Raises:
        InputError: an option that is not known, empty, unprintable or given twice.
    """
    address, _, query = name.partition("?")
    pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    for key, value in pairs:
        if key not in known or not value or not value.isprintable():
            raise InputError(f"device {name!r}: {key!r} is not understood; write ?{'=..., ?'.join(known)}=...")
    if len(dict(pairs)) != len(pairs):
        raise InputError(f"device {name!r} has an option twice; give it once")
    return address, dict(pairs)
