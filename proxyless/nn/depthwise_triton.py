"""Depthwise convolution over channels-last tensors in Triton: forward, and both backward passes.

Neighbouring threads have neighbouring channels, so that every access is one run of memory; a filter's taps find their
inputs in the cache. Sums are in float32 whatever the inputs are, and always in the same order: no atomics, so that a
step that is repeated gives the same bits.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_POSITIONS, _CHANNELS = 32, 64
"""Output positions and channels of one program."""
_PARTS = 128
"""Parts of the positions whose sums for the weights' gradient are computed side by side."""


@triton.jit
def _correlate(
    source,
    weight,
    out,
    positions,
    from_h,
    from_w,
    to_h,
    to_w,
    channels,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    TRANSPOSED: tl.constexpr,
    BP: tl.constexpr,
    BC: tl.constexpr,
):
    """source (N, from_h, from_w, C) to out (N, to_h, to_w, C); transposed, from an output's gradient to its input's.

    weight: (K * K, C). One program computes BP positions of BC channels.
    """
    p = tl.program_id(0) * BP + tl.arange(0, BP)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    n, h, w = (p // (to_h * to_w)).to(tl.int64), (p // to_w) % to_h, p % to_w
    total = tl.zeros((BP, BC), tl.float32)
    for line in range(K):  # not unrolled: a filter of 7 x 7 would be a megabyte of code
        for across in tl.static_range(K):
            if TRANSPOSED:
                up, left = h + K // 2 - line, w + K // 2 - across
                hit = (up >= 0) & (left >= 0) & (up % STRIDE == 0) & (left % STRIDE == 0)
                row, column = up // STRIDE, left // STRIDE
            else:
                row, column = h * STRIDE + line - K // 2, w * STRIDE + across - K // 2
                hit = (row >= 0) & (column >= 0)
            hit = hit & (p < positions) & (row < from_h) & (column < from_w)
            where = ((n * from_h + row) * from_w + column) * channels
            values = tl.load(source + where[:, None] + c[None, :], hit[:, None] & (c < channels)[None, :], 0.0)
            taps = tl.load(weight + (line * K + across) * channels + c, c < channels, 0.0)
            total += values.to(tl.float32) * taps.to(tl.float32)[None, :]
    place = p.to(tl.int64)[:, None] * channels + c[None, :]
    tl.store(out + place, total.to(out.dtype.element_ty), (p < positions)[:, None] & (c < channels)[None, :])


@triton.jit
def _tap_sum(x, grad, n, row, column, here, c, height, width, channels):
    """The sum over the positions of what one tap saw times the gradient there (BC,)."""
    inside = here & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    where = ((n * height + row) * width + column) * channels
    values = tl.load(x + where[:, None] + c[None, :], inside[:, None] & (c < channels)[None, :], 0.0)
    return tl.sum(values.to(tl.float32) * grad, 0)


@triton.jit
def _weight_sums(
    x,
    grad,
    sums,
    positions,
    height,
    width,
    out_h,
    out_w,
    channels,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    BLOCKS: tl.constexpr,
    BP: tl.constexpr,
    BC: tl.constexpr,
):
    """The gradient of one row of the filters from BLOCKS times BP of the positions, to sums (parts, K * K, C)."""
    c = tl.program_id(0) * BC + tl.arange(0, BC)
    number, line = tl.program_id(1), tl.program_id(2)
    t0, t1, t2 = tl.zeros((BC,), tl.float32), tl.zeros((BC,), tl.float32), tl.zeros((BC,), tl.float32)
    t3, t4, t5 = tl.zeros((BC,), tl.float32), tl.zeros((BC,), tl.float32), tl.zeros((BC,), tl.float32)
    t6 = tl.zeros((BC,), tl.float32)
    for block in range(BLOCKS):
        p = (number * BLOCKS + block) * BP + tl.arange(0, BP)
        here = p < positions
        n, h, w = (p // (out_h * out_w)).to(tl.int64), (p // out_w) % out_h, p % out_w
        place = p.to(tl.int64)[:, None] * channels + c[None, :]
        g = tl.load(grad + place, here[:, None] & (c < channels)[None, :], 0.0).to(tl.float32)
        row, left = h * STRIDE + line - K // 2, w * STRIDE - K // 2
        t0 += _tap_sum(x, g, n, row, left, here, c, height, width, channels)
        t1 += _tap_sum(x, g, n, row, left + 1, here, c, height, width, channels)
        t2 += _tap_sum(x, g, n, row, left + 2, here, c, height, width, channels)
        if K > 3:
            t3 += _tap_sum(x, g, n, row, left + 3, here, c, height, width, channels)
            t4 += _tap_sum(x, g, n, row, left + 4, here, c, height, width, channels)
        if K > 5:
            t5 += _tap_sum(x, g, n, row, left + 5, here, c, height, width, channels)
            t6 += _tap_sum(x, g, n, row, left + 6, here, c, height, width, channels)
    first = sums + ((number * K + line) * K).to(tl.int64) * channels + c
    tl.store(first, t0, c < channels)
    tl.store(first + channels, t1, c < channels)
    tl.store(first + 2 * channels, t2, c < channels)
    if K > 3:
        tl.store(first + 3 * channels, t3, c < channels)
        tl.store(first + 4 * channels, t4, c < channels)
    if K > 5:
        tl.store(first + 5 * channels, t5, c < channels)
        tl.store(first + 6 * channels, t6, c < channels)


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """x (N, C, H, W), weight (C, 1, K, K) with K of 3, 5 or 7 and a padding of K // 2; channels last, the type of x."""
    out: Tensor = _Depthwise.apply(x, weight, stride)
    return out


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        assert weight.shape[1] == 1 and weight.shape[2] == weight.shape[3] and weight.shape[2] in (3, 5, 7)
        x = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        sides = [(side - 1) // stride + 1 for side in x.shape[2:]]
        return _run(x, weight, (*x.shape[:2], *sides), stride, transposed=False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        by_x = _run(grad, weight, x.shape, ctx.stride, transposed=True) if ctx.needs_input_grad[0] else None
        by_weight = _by_weight(x, grad, weight, ctx.stride) if ctx.needs_input_grad[1] else None
        return by_x, by_weight, None


def _run(source: Tensor, weight: Tensor, shape: tuple[int, ...], stride: int, transposed: bool) -> Tensor:
    out = torch.empty(shape, dtype=source.dtype, device=source.device, memory_format=torch.channels_last)
    n, channels, height, width = shape
    positions, kernel, block = n * height * width, weight.shape[-1], _block(channels)
    taps = weight.detach().reshape(channels, kernel * kernel).t().contiguous()
    _correlate[(triton.cdiv(positions, _POSITIONS), triton.cdiv(channels, block))](
        *(source, taps, out, positions, *source.shape[2:], height, width, channels),
        K=kernel,
        STRIDE=stride,
        TRANSPOSED=transposed,
        BP=_POSITIONS,
        BC=block,
    )
    return out


def _by_weight(x: Tensor, grad: Tensor, weight: Tensor, stride: int) -> Tensor:
    n, channels, out_h, out_w = grad.shape
    positions, kernel, block = n * out_h * out_w, weight.shape[-1], _block(channels)
    blocks = triton.cdiv(positions, _PARTS * _POSITIONS)
    parts = triton.cdiv(positions, blocks * _POSITIONS)
    sums = torch.empty(parts, kernel * kernel, channels, device=x.device)
    _weight_sums[(triton.cdiv(channels, block), parts, kernel)](
        *(x, grad, sums, positions, *x.shape[2:], out_h, out_w, channels),
        K=kernel,
        STRIDE=stride,
        BLOCKS=blocks,
        BP=_POSITIONS,
        BC=block,
    )
    return sums.sum(0).t().reshape(weight.shape).to(weight.dtype)


def _block(channels: int) -> int:
    return min(_CHANNELS, int(triton.next_power_of_2(channels)))
