"""The numbers that a file computes with."""

from typing import Literal

Dtype = Literal["float32", "float16", "int8"]
"""Of float16 files only the weights are stored so."""
