"""A process that trains networks for another: JSON lines on its input say which, those on its output how it goes."""

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from proxyless.errors import CheckError, InputError, said
from proxyless.progress import Record
from proxyless.train.config import TrainSettings


class TrainingJob(BaseModel):
    """A training in a folder. architecture: its file. init: a search whose weights it starts from."""

    model_config = ConfigDict(extra="forbid")
    architecture: Path
    data: str
    folder: Path
    settings: TrainSettings
    init: Path | None = None


class _Lines:
    """Reports as lines of JSON."""

    def progress(self, done: int, total: int, status: str) -> None:
        say(event="progress", done=done, total=total, status=status)

    def epoch(self, record: Record) -> None:
        pass


_EVENTS = sys.stdout


def say(**event: Any) -> None:
    _EVENTS.write(json.dumps(event) + "\n")
    _EVENTS.flush()


def main() -> None:
    """Do what comes until the input ends. Whoever started this is gone then: unfinished work ends, too."""
    threads = int(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    sys.stdout = sys.stderr  # what libraries print is no event
    import torch

    if threads:
        torch.set_num_threads(threads)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    while True:
        _do(TrainingJob.model_validate_json(lines.get()))


def _listen(lines: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _do(job: TrainingJob) -> None:
    from proxyless.space import Architecture
    from proxyless.workflow.train import train

    try:
        network = Architecture.load(job.architecture)
        train(network, job.data, job.folder, job.settings, init=job.init, resume=True, reporter=_Lines())
        say(event="done")
    except InputError as error:
        say(event="refused", text=str(error))
    except (CheckError, OSError) as error:
        say(event="failed", text=str(error))
    except (MemoryError, RuntimeError) as error:
        say(event="failed", text=said(error))


if __name__ == "__main__":
    main()
