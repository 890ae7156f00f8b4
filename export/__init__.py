"""What is deployed: conversion, quantization, verification and the folder that is handed over."""

from export.checks import Check, Expected, failed
from export.convert import convert_all
from export.format import Dtype, ModelFile
from export.formats import FORMATS, all_files, find_formats
from export.ladder import Made, quantize
from export.verify import FileReport, Reference, verify

__all__ = [
    "FORMATS",
    "Check",
    "Dtype",
    "Expected",
    "FileReport",
    "Made",
    "ModelFile",
    "Reference",
    "all_files",
    "convert_all",
    "failed",
    "find_formats",
    "quantize",
    "verify",
]
