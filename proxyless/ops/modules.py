"""Torch modules of users as operators: which module a name means, and what it is called with (no torch)."""

import importlib
import inspect
import re
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from proxyless.errors import InputError, said, shown
from proxyless.ops.lowered import Lowered
from proxyless.ops.spec import LayerSpec, Shape

Factory = Callable[..., Any]
"""A subclass of torch.nn.Module, or a function that makes one."""
Arguments = tuple[tuple[str, Any], ...]
"""By name, in the order of the names."""

REFERENCE = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
"""`package.module:Class`."""
_TRACER = "proxyless.nn.tracing:lower_module"
"""Lowers a module. It is found by its name when the first one is met, as that needs torch, and nothing here does."""


def is_reference(name: str) -> bool:
    """Whether the name of an operator says where its module is, instead of being that of a registered one."""
    return ":" in name


def makes_modules(found: Callable[..., Any]) -> bool:
    """Whether an operator of another package is a module, or makes one, instead of writing down primitives."""
    return isinstance(found, type) or "in_channels" in inspect.signature(found).parameters


def import_module_class(reference: str) -> Factory:
    """The class that `package.module:Class` names; importing it runs that package.

    Raises:
        InputError: it is no such name, cannot be imported, or is no torch module.
    """
    if not re.fullmatch(REFERENCE, reference):
        raise InputError(f"the operator {shown(reference)} is no name of a module; write package.module:Class")
    place, name = reference.split(":")
    try:
        found = getattr(importlib.import_module(place), name)
    except Exception as error:  # whatever another package does when it is imported
        raise InputError(
            f"the module {reference!r} cannot be imported: {said(error)}; install the package that has it, or add the "
            "folder with it to PYTHONPATH"
        ) from None
    if not _is_module_class(found):
        raise InputError(
            f"the operator {reference!r} is {shown(found)}, which is no subclass of torch.nn.Module; name one that is"
        )
    return found  # type: ignore[no-any-return]


def lower_by_tracing(name: str, factory: Factory, spec: LayerSpec) -> Lowered:
    """What the module computes where that layer stands.

    Raises:
        InputError: it cannot be made, or computes what there is no primitive for.
    """
    lower: Callable[[str, Factory, Arguments, Shape], Lowered] = resolve_name(_TRACER)
    return lower(name, factory, _arguments(name, factory, spec), spec.in_shape)


def _is_module_class(found: object) -> bool:
    bases = found.__mro__ if isinstance(found, type) else ()
    return any((base.__module__, base.__name__) == ("torch.nn.modules.module", "Module") for base in bases)


def _arguments(name: str, factory: Factory, spec: LayerSpec) -> Arguments:
    """Those that it takes of what is known of a layer."""
    known = {
        "in_channels": spec.in_shape[2],
        "out_channels": spec.out_shape[2],
        "kernel": spec.kernel,
        "kernel_size": spec.kernel,
        "stride": spec.stride,
        "expand": spec.expand,
        "act": spec.act,
        "se": spec.se,
        "groups": spec.groups,
    }
    for parameter in inspect.signature(factory).parameters.values():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variable and not (named and parameter.name in known):
            raise InputError(
                f"the module {name!r} must be given {parameter.name!r}, and is only called with {', '.join(known)}; "
                "rename it, or give it a default"
            )
    return tuple((key, value) for key, value in known.items() if key in inspect.signature(factory).parameters)
