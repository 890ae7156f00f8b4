"""Depthwise convolution over channels-last tensors in Triton: forward, and both backward passes.

Neighbouring threads have neighbouring channels, so that every access is one run of memory. A program computes several
rows of outputs at once, and a row of inputs that it has loaded serves all of them. Sums are in float32 whatever the
inputs are, and always in the same order: no atomics, so that a step that is repeated gives the same bits. Kernels are
not compiled again for other sizes, but for filters, strides and types: a compilation takes half a second.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_CHANNELS = 64
"""Channels of one program."""
_PARTS = 256
"""Parts of the positions whose sums for the weights' gradient are computed side by side."""
_ALIGNED = 8
"""Channels that are a multiple of it are loaded in runs of so many."""


_POSITIONS = 16
"""Columns of one program, times images."""
_ROWS = 4
"""Rows of one program; the kernels below have a sum for each."""
_WARPS = 4

_SIZES = ["columns", "from_h", "from_w", "to_h", "to_w", "out_h", "out_w", "units", "blocks"]


@triton.jit(do_not_specialize=_SIZES)
def _correlate(
    source,
    taps,
    out,
    columns,
    from_h,
    from_w,
    to_h,
    to_w,
    out_h,
    out_w,
    units,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    STEP: tl.constexpr,
    PAD: tl.constexpr,
    UNIT: tl.constexpr,
    BP: tl.constexpr,
    BC: tl.constexpr,
):
    """source (N, from_h, from_w, C) to out (N, out_h, out_w, C): to every STEP-th row and column of it, from (a, b) on,
    (to_h, to_w) of them at most, one pair (a, b) after another along the third axis of the grid.

    taps: (STEP * STEP, K * K, C). columns: N * to_w. A program computes four rows of BP columns of BC channels.
    """
    channels = units * UNIT
    groups = (to_h + 3) // 4
    top = tl.program_id(0) % groups * 4
    q = tl.program_id(0) // groups * BP + tl.arange(0, BP)
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    a, b = tl.program_id(2) // STEP, tl.program_id(2) % STEP
    n, w = (q // to_w).to(tl.int64), q % to_w
    here, known = q < columns, (c < channels)[None, :]
    if STEP == 1:
        first, left = top * STRIDE - PAD, w * STRIDE - PAD
    else:  # of a filter of twice the size, only the taps of one parity meet a gradient: see `_spread`
        first, left = top + (PAD + a) // 2 - K + 1, w + (PAD + b) // 2 - K + 1
    corner = source + ((n * from_h + first) * from_w + left)[:, None] * channels + c[None, :]
    filters = taps + tl.program_id(2) * K * K * channels + c
    s0 = tl.zeros((BP, BC), tl.float32)
    s1, s2, s3 = s0, s0, s0
    for across in range(K):
        inside = (here & (left + across >= 0) & (left + across < from_w))[:, None] & known
        for line in tl.static_range(3 * STRIDE + K):
            seen = inside & (first + line >= 0) & (first + line < from_h)
            x = tl.load(corner + (line * from_w + across) * channels, seen, 0.0).to(tl.float32)
            if line < K:
                s0 += x * tl.load(filters + (line * K + across) * channels, c < channels, 0.0)[None, :]
            if line >= STRIDE and line < STRIDE + K:
                s1 += x * tl.load(filters + ((line - STRIDE) * K + across) * channels, c < channels, 0.0)[None, :]
            if line >= 2 * STRIDE and line < 2 * STRIDE + K:
                s2 += x * tl.load(filters + ((line - 2 * STRIDE) * K + across) * channels, c < channels, 0.0)[None, :]
            if line >= 3 * STRIDE and line < 3 * STRIDE + K:
                s3 += x * tl.load(filters + ((line - 3 * STRIDE) * K + across) * channels, c < channels, 0.0)[None, :]
    column = w * STEP + b
    good = (here & (column < out_w))[:, None] & known
    place = out + ((n * out_h + top * STEP + a) * out_w + column)[:, None] * channels + c[None, :]
    below = STEP * out_w * channels
    _store(place, s0, good & (top < to_h) & (top * STEP + a < out_h))
    _store(place + below, s1, good & (top + 1 < to_h) & ((top + 1) * STEP + a < out_h))
    _store(place + 2 * below, s2, good & (top + 2 < to_h) & ((top + 2) * STEP + a < out_h))
    _store(place + 3 * below, s3, good & (top + 3 < to_h) & ((top + 3) * STEP + a < out_h))


@triton.jit
def _store(place, value, mask):
    tl.store(place, value.to(place.dtype.element_ty), mask)


@triton.jit(do_not_specialize=_SIZES)
def _weight_sums(
    x,
    grad,
    sums,
    columns,
    from_h,
    from_w,
    to_h,
    to_w,
    units,
    blocks,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    UNIT: tl.constexpr,
    BP: tl.constexpr,
    BC: tl.constexpr,
):
    """The gradient of one row of the filters from `blocks` times BP of the columns, to sums (parts, K * K, C).

    x: (N, from_h, from_w, C). grad: (N, to_h, to_w, C). columns: N * to_w.
    """
    channels = units * UNIT
    c = tl.program_id(0) * BC + tl.arange(0, BC)
    number, line = tl.program_id(1), tl.program_id(2)
    known = (c < channels)[None, :]
    s0 = tl.zeros((BP, BC), tl.float32)
    s1, s2, s3, s4, s5, s6 = s0, s0, s0, s0, s0, s0
    for block in range(blocks):
        q = (number * blocks + block) * BP + tl.arange(0, BP)
        n, w = (q // to_w).to(tl.int64), q % to_w
        here = q < columns
        left = w * STRIDE - K // 2
        gradients = grad + (n * to_h * to_w + w)[:, None] * channels + c[None, :]
        values = x + ((n * from_h + line - K // 2) * from_w + left)[:, None] * channels + c[None, :]
        for h in range(to_h):
            row = h * STRIDE + line - K // 2
            lit = here & (row >= 0) & (row < from_h)
            g = tl.load(gradients + h * to_w * channels, lit[:, None] & known, 0.0).to(tl.float32)
            at = values + h * STRIDE * from_w * channels
            s0 += _seen(at, left, lit, from_w, known) * g
            s1 += _seen(at + channels, left + 1, lit, from_w, known) * g
            s2 += _seen(at + 2 * channels, left + 2, lit, from_w, known) * g
            if K > 3:
                s3 += _seen(at + 3 * channels, left + 3, lit, from_w, known) * g
                s4 += _seen(at + 4 * channels, left + 4, lit, from_w, known) * g
            if K > 5:
                s5 += _seen(at + 5 * channels, left + 5, lit, from_w, known) * g
                s6 += _seen(at + 6 * channels, left + 6, lit, from_w, known) * g
    first = sums + ((number * K + line) * K).to(tl.int64) * channels + c
    tl.store(first, tl.sum(s0, 0), c < channels)
    tl.store(first + channels, tl.sum(s1, 0), c < channels)
    tl.store(first + 2 * channels, tl.sum(s2, 0), c < channels)
    if K > 3:
        tl.store(first + 3 * channels, tl.sum(s3, 0), c < channels)
        tl.store(first + 4 * channels, tl.sum(s4, 0), c < channels)
    if K > 5:
        tl.store(first + 5 * channels, tl.sum(s5, 0), c < channels)
        tl.store(first + 6 * channels, tl.sum(s6, 0), c < channels)


@triton.jit
def _seen(place, column, lit, width, known):
    """What one tap saw, in float32; zero outside of the image."""
    inside = (lit & (column >= 0) & (column < width))[:, None] & known
    return tl.load(place, inside, 0.0).to(tl.float32)


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """x (N, C, H, W), weight (C, 1, K, K) with K of 3, 5 or 7 and a padding of K // 2; channels last, the type of x."""
    out: Tensor = _Depthwise.apply(x, weight, stride)
    return out


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        assert weight.shape[1] == 1 and weight.shape[2] == weight.shape[3] and weight.shape[2] in (3, 5, 7)
        assert stride in (1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        sides = [(side - 1) // stride + 1 for side in x.shape[2:]]
        return _run(x, _taps(weight), (*x.shape[:2], *sides), stride)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        by_x = by_weight = None
        if ctx.needs_input_grad[0]:
            taps = _taps(weight.flip(2, 3)) if ctx.stride == 1 else _spread(weight)
            by_x = _run(grad, taps, tuple(x.shape), 1, ctx.stride)
        if ctx.needs_input_grad[1]:
            by_weight = _by_weight(x, grad, weight, ctx.stride)
        return by_x, by_weight, None


def _taps(weight: Tensor) -> Tensor:
    """(1, K * K, C) in float32."""
    return weight.detach().float().reshape(1, len(weight), -1).transpose(1, 2).contiguous()


def _spread(weight: Tensor) -> Tensor:
    """The taps that meet the input's rows and columns of every parity when a filter moves by two (4, T * T, C).

    Input row r is seen by output row h through tap r + K // 2 - 2 h: by every second tap only.
    """
    channels, side = len(weight), (weight.shape[-1] + 1) // 2
    padded = torch.nn.functional.pad(weight.detach().float(), (0, 1, 0, 1))
    by_parity = padded.reshape(channels, side, 2, side, 2).permute(2, 4, 1, 3, 0).flip(2, 3)
    if weight.shape[-1] // 2 % 2:
        by_parity = by_parity.flip(0, 1)
    return by_parity.reshape(4, side * side, channels).contiguous()


def _run(source: Tensor, taps: Tensor, shape: tuple[int, ...], stride: int, step: int = 1) -> Tensor:
    """To a tensor of a shape (N, C, H, W). step: 2 for the input's gradient of a convolution with that stride."""
    out = torch.empty(shape, dtype=source.dtype, device=source.device, memory_format=torch.channels_last)
    n, channels, height, width = shape
    kernel = int(taps.shape[1] ** 0.5)
    to_h, to_w = triton.cdiv(height, step), triton.cdiv(width, step)
    block, unit = _block(channels), _unit(channels)
    programs = triton.cdiv(n * to_w, _POSITIONS) * triton.cdiv(to_h, _ROWS)
    _correlate[(programs, triton.cdiv(channels, block), step * step)](
        *(source, taps, out, n * to_w, *source.shape[2:], to_h, to_w, height, width, channels // unit),
        K=kernel,
        STRIDE=stride,
        STEP=step,
        PAD=kernel // 2 if step == 1 else kernel - 1,
        UNIT=unit,
        BP=_POSITIONS,
        BC=block,
        num_warps=_WARPS,
    )
    return out


def _by_weight(x: Tensor, grad: Tensor, weight: Tensor, stride: int) -> Tensor:
    n, channels, to_h, to_w = grad.shape
    kernel, block, unit = weight.shape[-1], _block(channels), _unit(channels)
    blocks = triton.cdiv(n * to_w, _PARTS * _POSITIONS)
    parts = triton.cdiv(n * to_w, blocks * _POSITIONS)
    sums = torch.empty(parts, kernel * kernel, channels, device=x.device)
    _weight_sums[(triton.cdiv(channels, block), parts, kernel)](
        *(x, grad, sums, n * to_w, *x.shape[2:], to_h, to_w, channels // unit, blocks),
        K=kernel,
        STRIDE=stride,
        UNIT=unit,
        BP=_POSITIONS,
        BC=block,
        num_warps=_WARPS if kernel > 5 else _WARPS // 2,
    )
    return sums.sum(0).t().reshape(weight.shape).to(weight.dtype)


def _block(channels: int) -> int:
    return min(_CHANNELS, int(triton.next_power_of_2(channels)))


def _unit(channels: int) -> int:
    return _ALIGNED if channels % _ALIGNED == 0 else 1
