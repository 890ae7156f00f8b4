"""What every device must do: make the visits that it is asked for, tell of each, and survive a bad model."""

from pathlib import Path

import pytest

from latency.devices import Device, Event, Job
from latency.runtimes import find_runtime
from latency.timing import make_schedule
from latency.writers.graph import lower, random_weights
from proxyless.errors import CheckError, InputError
from proxyless.testing.networks import MOBILE


class DeviceContract:
    """runtime: that the device has. A test class gives the device that is tested by overriding `device`."""

    runtime: str = "onnxruntime"

    def device(self) -> Device:
        """What is tested.

        Raises:
            NotImplementedError: unless it is overridden.
        """
        raise NotImplementedError

    def job(self, folder: Path, names: tuple[str, ...], rounds: int = 2, threads: int = 1) -> Job:
        """A network under each of the names; one called `broken` is no model."""
        runtime, items = find_runtime(self.runtime), {}
        for name in names:
            items[name] = folder / f"{name}{runtime.suffix}"
            if name == "broken":
                items[name].write_bytes(b"no model")
            else:
                runtime.writer_of("float32")(lower(MOBILE, random_weights()), items[name])
        schedule = make_schedule(list(items), rounds, seed=0)
        return Job(runtime.runner, items, schedule, threads, runtime.delegates[0])

    def test_its_name_is_what_finds_it(self) -> None:
        from latency.devices import find_device

        assert find_device(self.device().name).name == self.device().name

    def test_every_visit_is_made_once_and_told_of_after_the_device_itself(self, tmp_path: Path) -> None:
        events: list[Event] = []
        job = self.job(tmp_path, ("a", "b"))
        self.device().run(job, events.append)
        assert events[0]["event"] == "ready" and events[0]["runtime"]
        samples = [event for event in events if event["event"] == "sample"]
        assert [(event["round"], event["id"]) for event in samples] == list(job.schedule)
        assert all(0 < ms < 60_000 for event in samples for ms in event["ms"])

    def test_a_model_that_cannot_be_run_is_an_event_and_the_others_are_timed(self, tmp_path: Path) -> None:
        events: list[Event] = []
        job = self.job(tmp_path, ("a", "broken"))
        self.device().run(job, events.append)
        kinds = {(event["event"], event["id"]) for event in events if "id" in event}
        assert kinds == {("sample", "a"), ("failed", "broken")}
        assert all(event["error"].strip() for event in events if event["event"] == "failed")

    def test_without_visits_it_only_says_what_is_there(self, tmp_path: Path) -> None:
        events: list[Event] = []
        self.device().run(self.job(tmp_path, (), rounds=0), events.append)
        assert [event["event"] for event in events] == ["ready"]

    def test_more_threads_than_cores_are_refused_before_anything_is_timed(self, tmp_path: Path) -> None:
        events: list[Event] = []
        with pytest.raises((InputError, CheckError), match="100000 threads"):
            self.device().run(self.job(tmp_path, ("a",), threads=100_000), events.append)
        assert not [event for event in events if event["event"] == "sample"]
