"""What other installed packages add, announced by their entry points."""

from importlib.metadata import entry_points
from typing import Any

from proxyless.errors import InputError, one_line


def announced(kind: str) -> dict[str, Any]:
    """Objects by name from the entry points of the group `proxyless.<kind>s`, such as `proxyless.spaces`.

    Raises:
        InputError: one of them cannot be imported.
    """
    found = {}
    for point in entry_points(group=f"proxyless.{kind}s"):
        try:
            found[point.name] = point.load()
        except Exception as error:  # whatever another package does when it is imported
            reason = one_line(str(error)) or type(error).__name__
            raise InputError(
                f"the {kind} {point.name!r} of another package ({point.value}) cannot be imported: {reason}; repair or "
                "remove that package"
            ) from None
    return found
