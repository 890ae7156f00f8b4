"""What a command does with options that it does not know."""

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """Of options that begin like what was typed it suggests these, not such as look alike."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As ever."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            typed = getattr(error, "option_name", None)
            if typed is not None and hasattr(error, "possibilities"):
                names = [name for parameter in self.params for name in parameter.opts if name.startswith("--")]
                error.possibilities = [name for name in names if name.startswith(typed)] or error.possibilities
            raise
