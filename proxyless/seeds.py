"""Independent random streams from one seed, so that any epoch can be repeated on its own after a resume."""

import numpy as np
import torch


def stream_seed(seed: int, stream: str, index: int = 0) -> int:
    """A 63-bit seed for the `index`-th use of the named stream."""
    sequence = np.random.SeedSequence([seed, *stream.encode(), index])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def stream_generator(seed: int, stream: str, index: int = 0) -> torch.Generator:
    """A CPU generator at the start of the `index`-th use of the named stream."""
    return torch.Generator().manual_seed(stream_seed(seed, stream, index))
