"""What is deployed: conversion, verification and the folder that is handed over."""

from export.convert import convert_all
from export.formats import FORMATS, find_formats
from export.verify import Check, FileReport, failed, verify

__all__ = ["FORMATS", "Check", "FileReport", "convert_all", "failed", "find_formats", "verify"]
