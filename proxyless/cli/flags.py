"""Command-line flags that are generated from settings, so that each is written once: where it is checked."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin

import typer

from proxyless.config import Settings

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Flag:
    """A field of settings as a flag. panel: the group of the help that it stands in; None for that of all options."""

    field: str
    settings: type[Settings]
    panel: str | None = None
    more: str = ""

    @property
    def parameter(self) -> inspect.Parameter:
        """Its value is None where the flag is not given: the settings know the default."""
        option = typer.Option(self._names, help=self._help, rich_help_panel=self.panel)
        annotation = Annotated[_value_type(self.settings, self.field) | None, option]  # type: ignore[valid-type]
        return inspect.Parameter(self.field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)

    @property
    def _names(self) -> str:
        name = self.field.replace("_", "-")
        is_switch = _value_type(self.settings, self.field) is bool
        default = self.settings.model_fields[self.field].default
        return f"--{name}/--no-{name}" if is_switch and default is not False else f"--{name}"

    @property
    def _help(self) -> str:
        default = self.settings.model_fields[self.field].default
        says_default = "" if default is None or default is False else f" Default: {default}."
        return f"{self.settings.describe(self.field).removesuffix('.')}{self.more}.{says_default}"


def flags_of(settings: type[Settings], but: Iterable[str] = (), more: Mapping[str, str] | None = None) -> list[Flag]:
    """Of all fields, those that others do not have first. more: what the help says in addition, by field."""
    names = dict.fromkeys([*settings.__annotations__, *settings.model_fields])
    return [
        Flag(name, settings, more=(more or {}).get(name, ""))
        for name in names
        if name in settings.model_fields and name not in but
    ]


def _value_type(settings: type[Settings], field: str) -> Any:
    """What the command line reads: a number or a switch where it is one; all else is text that the settings check."""
    annotation = settings.model_fields[field].annotation
    choices = get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)
    return next((kind for kind in (bool, int, float) if kind in choices), str)


def with_flags(flags: Iterable[Flag]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a command these flags, in place of its `**settings`."""
    generated = [flag.parameter for flag in flags]

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        written = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in written), *generated]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        function.__annotations__ = {each.name: each.annotation for each in parameters}
        return function

    return decorate
