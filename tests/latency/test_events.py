"""What a timing program prints, as events."""

from latency.devices import Event
from latency.devices.events import events_only


def test_only_events_are_handed_over() -> None:
    events: list[Event] = []
    for line in ('{"event": "ready"}\n', "{not JSON}\n", '{"a": 1}\n', "hello\n", '{"event": "sample", "id": "cut o'):
        events_only(events.append)(line)
    assert events == [{"event": "ready"}]
