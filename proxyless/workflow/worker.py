"""A process that trains networks for another: JSON lines on its input say which, those on its output how it goes."""

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

from proxyless.errors import CheckError, InputError, said
from proxyless.progress import Record, Reporter
from proxyless.train.config import TrainSettings

WORK = f"from {__name__} import main; main()"
"""What the process runs; its argument is the number of threads, 0 for torch's own choice."""


class TrainingJob(BaseModel):
    """A training in a folder. architecture: its file. init: what its weights are to begin with, see `train`."""

    model_config = ConfigDict(extra="forbid")
    architecture: Path
    data: str
    folder: Path
    settings: TrainSettings
    init: Path | None = None

    def run(self, reporter: Reporter) -> None:
        """Train, or go on with the training.

        Raises:
            InputError: data, a folder or a setting that cannot be used.
            CheckError: a loss became infinite.
        """
        from proxyless.space import Architecture
        from proxyless.workflow.train import train

        train(
            Architecture.load(self.architecture),
            self.data,
            self.folder,
            self.settings,
            init=self.init,
            resume=True,
            reporter=reporter,
            announce=False,
        )


class _Lines:
    """Says how it goes, as lines of JSON."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def say(self, **event: Any) -> None:
        self.stream.write(json.dumps(event) + "\n")
        self.stream.flush()

    def progress(self, done: int, total: int, status: str) -> None:
        self.say(event="progress", done=done, total=total, status=status)

    def epoch(self, record: Record) -> None:
        pass


def main() -> None:
    """Do what comes until the input ends. Whoever started this is gone then: unfinished work ends, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    lines = _Lines(_own_output())
    import torch

    if threads := int(sys.argv[1]):
        torch.set_num_threads(threads)
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while True:
        _do(TrainingJob.model_validate_json(jobs.get()), lines)


def _own_output() -> IO[str]:
    """What stands for the standard output; that is the standard error from now on, for whatever libraries print."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own


def _listen(jobs: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def _do(job: TrainingJob, lines: _Lines) -> None:
    try:
        job.run(lines)
        lines.say(event="done")
    except InputError as error:
        lines.say(event="refused", text=str(error))
    except (CheckError, OSError) as error:
        lines.say(event="failed", text=str(error))
    except Exception as error:  # one network's trouble, which the other process has to hear of
        lines.say(event="failed", text=f"the training in {job.folder} failed: {type(error).__name__}, {said(error)}")
