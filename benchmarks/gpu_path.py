"""A training, and the same that stops after an epoch and is resumed: in one way to compute its steps, to the same end.

python benchmarks/gpu_path.py
"""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import load_file

from proxyless.execution import load_choice
from proxyless.progress import Record, Silent
from proxyless.space import Architecture, tiny_fixed
from proxyless.train.config import TrainSettings
from proxyless.train.trained import LAST_WEIGHTS
from proxyless.workflow.train import train

_OPS = "k3e3 skip k5e6 k7e3 k3e6 k3e3 skip k3e3 k7e6"
_LARGEST = 0.1
"""Difference of weights that may be rounding still, after two epochs in which it grows."""


class _Stops(Silent):
    """Ends the training after its first epoch, as a kill would."""

    def epoch(self, record: Record) -> None:
        raise KeyboardInterrupt


def main() -> None:
    network = Architecture(tiny_fixed(resolution=16), tuple(_OPS.split()))
    settings = TrainSettings(epochs=3, warmup_epochs=1, batch_size=32)
    with tempfile.TemporaryDirectory() as folder:
        straight, stopped = Path(folder) / "straight", Path(folder) / "stopped"
        info = train(network, "synthetic:400", straight, settings)
        with suppress(KeyboardInterrupt):
            train(network, "synthetic:400", stopped, settings, reporter=_Stops())
        before, first = load_choice(stopped), load_choice(straight)
        train(network, "synthetic:400", stopped, settings, resume=True)
        after = load_choice(stopped)
        ours, theirs = (load_file(place / LAST_WEIGHTS) for place in (straight, stopped))
    assert before and after and first
    difference = max(float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours)
    facts: dict[str, object] = {"test_accuracy": info.test_accuracy, "resumed_in_the_same_way": before == after}
    facts |= {"both_chose": [str(first.chosen), str(before.chosen)], "largest_difference": difference}
    print(json.dumps(facts))
    # Libraries of a GPU may sum in another order the next time; a CPU does not.
    largest = _LARGEST if torch.cuda.is_available() else 0
    if before != after or (first.chosen == before.chosen and difference > largest):
        raise SystemExit("a resumed training did not end as one that was not stopped")


if __name__ == "__main__":
    main()
