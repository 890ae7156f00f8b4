"""The events among the lines that a timing program prints."""

import json
from collections.abc import Callable

from latency.devices.base import OnEvent


def events_only(on_event: OnEvent) -> Callable[[str], None]:
    """Takes lines; hands over those that are events. A runtime may print messages of its own."""

    def on_line(line: str) -> None:
        if line.startswith("{"):
            on_event(json.loads(line))

    return on_line
