"""Time a set of models on a device, in rounds of random order, so that drift hits all alike."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from latency.devices import Device, Event, Job, Visit
from latency.drift import Visits, correct_drift
from latency.measurement import Measurement, Measurements, Summary, fastest, middle, repeatability_pct
from proxyless.config import MAX_COUNT
from proxyless.errors import CheckError

OnEvent = Callable[[Event], None]


ROUNDS_PER_PASS = MAX_COUNT
"""A later pass numbers its rounds from its own multiple of this, however many rounds there are."""


def make_schedule(items: Sequence[str], rounds: int, seed: int, number: int = 0) -> tuple[Visit, ...]:
    """Every item once in each round, each round in a new order. number: of the pass."""
    rng, start = random.Random(f"{seed} {number}" if number else seed), number * ROUNDS_PER_PASS  # noqa: S311
    return tuple((start + visited, item) for visited in range(rounds) for item in rng.sample(items, len(items)))


@dataclass
class Samples:
    """What was measured so far: milliseconds per visit, and the device's description of itself.

    chosen: the items of each pass after the first, as they were chosen from what was measured before.
    """

    visits: dict[Visit, tuple[float, ...]] = field(default_factory=dict)
    environment: dict[str, object] = field(default_factory=dict)
    failed: dict[Visit, str] = field(default_factory=dict)
    chosen: list[tuple[str, ...]] = field(default_factory=list)

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
            case "chosen":
                self.chosen.append(tuple(event["items"]))

    def passes(self) -> list["Samples"]:
        """The visits of each pass."""
        parts: dict[int, Samples] = {}
        for visit, ms in self.visits.items():
            parts.setdefault(visit[0] // ROUNDS_PER_PASS, Samples()).visits[visit] = ms
        return [part for _, part in sorted(parts.items())]

    def measurements(self) -> dict[str, Measurement]:
        """Per item, its rounds in order, as they were timed; an item counts as its fastest rounds."""
        return _by_item(self.visits, fastest)

    def corrected(self) -> dict[str, Measurement]:
        """The same with the machine's drift taken out; an item counts as the median of its rounds."""
        return _by_item(correct_drift(self.visits), middle)

    def steadiest(self) -> tuple[str, Measurements]:
        """Of the two, the one that repeats better on this device, and its name.

        A machine that switches between speeds has fast moments for every item; one that gets slower and
        slower (throttling) has them for the first rounds only. Later passes are brought to the speed of the first
        by the items that they share with it.
        """
        first, *later = self.passes()
        found = {name: summarise(first) for name, summarise in _SUMMARIES.items()}
        name, measured = min(found.items(), key=lambda entry: repeatability_pct(entry[1]))
        for samples in later:
            measured = _joined(measured, _SUMMARIES[name](samples))
        return name, measured


_SUMMARIES: dict[str, Callable[[Samples], Measurements]] = {
    "fastest rounds": Samples.measurements,
    "drift corrected": Samples.corrected,
}


def _joined(known: Measurements, new: Measurements) -> Measurements:
    """With what is new at the speed that the machine had for the items of both."""
    ratios = [known[item].ms / new[item].ms for item in new if item in known]
    factor = float(np.median(ratios)) if ratios else 1.0
    return {**{item: measurement.scaled(factor) for item, measurement in new.items()}, **known}


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
