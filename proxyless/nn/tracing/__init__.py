"""Torch modules of users as primitives."""

from proxyless.nn.tracing.module import lower_module

__all__ = ["lower_module"]
