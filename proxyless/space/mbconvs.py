"""Operations that several spaces offer."""

from collections.abc import Iterable

from proxyless.space.definition import Operation


def mbconvs(kernels: Iterable[int], expands: Iterable[float]) -> dict[str, Operation]:
    """Inverted bottlenecks `kKeE`, the narrow ones first."""
    sizes = [(kernel, expand) for expand in expands for kernel in kernels]
    return {f"k{kernel}e{expand:g}": Operation(kernel=kernel, expand=expand) for kernel, expand in sizes}
