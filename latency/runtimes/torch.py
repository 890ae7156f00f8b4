"""Eager PyTorch, BatchNorm folded, channels last: on the CPU, and on a CUDA device."""

from latency.runtimes.base import RUNNERS, Runtime
from latency.writers.torch import write_torch

TORCH = Runtime("torch", ".npz", ("cpu",), lambda: write_torch, RUNNERS / "torch.py", "torch")
TORCH_CUDA = Runtime("torch-cuda", ".npz", ("cuda",), lambda: write_torch, RUNNERS / "torch.py", "torch")
