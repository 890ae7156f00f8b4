"""Random images, for timing only: there is nothing to learn that a user would want."""

import torch

from proxyless.data.base import ImageData, Split, limited, make_data
from proxyless.errors import InputError
from proxyless.host import to_host
from proxyless.seeds import stream_generator

_CLASSES = 10


def load(argument: str, resolution: int, limit: int | None) -> ImageData:
    """`synthetic` or `synthetic:N`: N training images (default 512) of 10 classes, half as many test images.

    Raises:
        InputError: N is not a whole number of at least 100.
    """
    if argument and (not argument.isdigit() or int(argument) < 100):
        raise InputError(f"synthetic:N needs a whole number of images of at least 100, got {argument!r}")
    count = int(argument or 512)
    generator = stream_generator(0, "synthetic")

    def draw(size: int) -> Split:
        labels = torch.arange(size) % _CLASSES
        images = torch.randint(0, 156, (size, 3, resolution, resolution), generator=generator, dtype=torch.uint8)
        split = Split(images + 10 * labels[:, None, None, None].to(torch.uint8), labels)
        return split.take(limited(to_host(labels).numpy(), limit))

    source = f"synthetic:{count}"
    return make_data(source, draw(count), draw(count // 2), [str(i) for i in range(_CLASSES)], "none")
