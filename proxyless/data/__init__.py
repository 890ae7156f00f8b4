"""Image data: one file per source, and a line in `_SOURCES`."""

from collections.abc import Callable, Sequence

from proxyless.data import digits, huggingface, imagefolder, parquet, synthetic
from proxyless.data.base import ImageData, ImageSplit, Split, make_data
from proxyless.data.batches import Batches
from proxyless.errors import InputError

_SOURCES: dict[str, Callable[[str, int, int | None], ImageData]] = {
    "digits": digits.load,
    "hf": huggingface.load,
    "imagefolder": imagefolder.load,
    "parquet": parquet.load,
    "synthetic": synthetic.load,
}


def load_data(
    source: str, resolution: int, limit: int | None = None, classes: Sequence[str] | None = None
) -> ImageData:
    """Load `digits`, `imagefolder:PATH`, `parquet:PATH`, `hf:NAME` or `synthetic` at a resolution in pixels.

    limit: use at most so many images of each split, stratified by class. classes: of a network that is there already,
    in the order of its outputs; None where there is none yet.

    Raises:
        InputError: unknown source, data that cannot be used, or other classes than those.
    """
    kind, _, argument = source.partition(":")
    if kind not in _SOURCES:
        raise InputError(f"unknown data {source!r}; choose of {', '.join(_SOURCES)} (with :PATH or :NAME)")
    if limit is not None and limit < 1:
        raise InputError(f"the limit on images must be at least 1, got {limit}")
    data = _SOURCES[kind](argument, resolution, limit)
    return data if classes is None else data.numbered_as(classes)


__all__ = ["Batches", "ImageData", "ImageSplit", "Split", "load_data", "make_data"]
