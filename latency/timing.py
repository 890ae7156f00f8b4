"""Time a set of models on a device, in rounds of random order, so that drift hits all alike."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from latency.devices import Device, Event, Job, Visit
from latency.drift import Visits, correct_drift
from latency.measurement import Measurement, Measurements, Summary, fastest, middle, repeatability_pct
from proxyless.errors import CheckError

OnEvent = Callable[[Event], None]


def make_schedule(items: Sequence[str], rounds: int, seed: int) -> tuple[Visit, ...]:
    """Every item once in each round, each round in a new order."""
    rng = random.Random(seed)  # noqa: S311
    return tuple((number, item) for number in range(rounds) for item in rng.sample(items, len(items)))


@dataclass
class Samples:
    """What was measured so far: milliseconds per visit, and the device's description of itself."""

    visits: dict[Visit, tuple[float, ...]] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)
    failed: dict[Visit, str] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        match event["event"]:
            case "ready":
                self.environment = {key: value for key, value in event.items() if key != "event"}
            case "sample":
                visit = (event["round"], event["id"])
                self.visits[visit] = tuple(event["ms"])
                self.failed.pop(visit, None)
            case "failed":
                self.failed[event["round"], event["id"]] = event["error"]

    def measurements(self) -> dict[str, Measurement]:
        """Per item, its rounds in order, as they were timed; an item counts as its fastest rounds."""
        return _by_item(self.visits, fastest)

    def corrected(self) -> dict[str, Measurement]:
        """The same with the machine's drift taken out; an item counts as the median of its rounds."""
        return _by_item(correct_drift(self.visits), middle)

    def steadiest(self) -> tuple[str, Measurements]:
        """Of the two, the one that repeats better on this device, and its name.

        A machine that switches between speeds has fast moments for every item; one that gets slower and
        slower (throttling) has them for the first rounds only.
        """
        found = {"fastest rounds": self.measurements(), "drift corrected": self.corrected()}
        return min(found.items(), key=lambda entry: repeatability_pct(entry[1]))


def _by_item(visits: Visits, summary: Summary) -> dict[str, Measurement]:
    rounds: dict[str, list[tuple[float, ...]]] = {}
    for (_, item), samples in sorted(visits.items()):
        rounds.setdefault(item, []).append(samples)
    return {item: Measurement(tuple(samples), summary) for item, samples in rounds.items()}


def time_models(device: Device, job: Job, samples: Samples, on_event: OnEvent = lambda event: None) -> None:
    """Run the visits that `samples` does not hold yet, adding to it; what fails is tried once more.

    Raises:
        CheckError: an item failed twice, or the device did.
    """

    def record(event: Event) -> None:
        samples.add(event)
        on_event(event)

    for _ in range(2):
        missing = tuple(visit for visit in job.schedule if visit not in samples.visits)
        if missing:
            device.run(replace(job, schedule=missing), record)
    failed = {visit: samples.failed[visit] for visit in job.schedule if visit in samples.failed}
    if failed:
        (_, item), error = next(iter(failed.items()))
        raise CheckError(f"{item!r} could not be timed on {device.name!r}, tried twice: {error}")


def time_files(
    device: Device, job: Job, rounds: int, seed: int = 0, on_event: OnEvent = lambda event: None
) -> tuple[Measurements, dict[str, object]]:
    """Time all of the job's items for so many rounds; returns measurements and the environment."""
    samples = Samples()
    planned = replace(job, schedule=make_schedule(list(job.items), rounds, seed))
    time_models(device, planned, samples, on_event)
    return samples.measurements(), samples.environment


class VisitCount:
    """How many visits of a schedule are done, counted event by event: what it costs disturbs the measurement.

    done: visits that were made before, a part of the schedule or more.
    """

    def __init__(self, schedule: Collection[Visit], done: Collection[Visit]) -> None:
        self.total = len(schedule)
        self._left = set(schedule).difference(done)

    @property
    def done(self) -> int:
        return self.total - len(self._left)

    def add(self, event: Event) -> None:
        if event["event"] == "sample":
            self._left.discard((event["round"], event["id"]))
