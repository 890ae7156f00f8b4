"""The events among the lines that a timing program prints."""

import json
from collections.abc import Callable

from latency.devices.base import OnEvent


def events_only(on_event: OnEvent) -> Callable[[str], None]:
    """Takes lines; hands over those that are events.

    A runtime may print messages of its own, and a connection that breaks may leave half a line.
    """

    def on_line(line: str) -> None:
        if not line.startswith("{"):
            return
        try:
            event = json.loads(line)
        except ValueError:
            return
        if "event" in event:
            on_event(event)

    return on_line
