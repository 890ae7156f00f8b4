"""Flags of search strategies, ours and those of other packages, in a group of the help for those that have them."""

from proxyless.cli.flags import Flag
from proxyless.errors import InputError
from proxyless.plugins import names_with_plugins
from proxyless.search.config import SearchSettings
from proxyless.search.strategies import STRATEGIES, StrategyKind, find_kind


def strategy_names() -> str:
    """All that `--strategy` can be given."""
    return ", ".join(names_with_plugins("strategy", STRATEGIES))


def strategy_flags() -> list[Flag]:
    """The settings that only some strategies have. A field that several have is one flag."""
    users: dict[str, list[str]] = {}
    owners: dict[str, StrategyKind] = {}
    for strategy in names_with_plugins("strategy", STRATEGIES):
        for field in _own_fields(strategy):
            users.setdefault(field, []).append(strategy)
            owners.setdefault(field, find_kind(strategy))
    return [
        Flag(field, owners[field].settings, panel=f"Only with --strategy {' or '.join(names)}")
        for field, names in users.items()
    ]


def _own_fields(strategy: str) -> list[str]:
    """None of a package that cannot be imported, which is said when it is chosen: all else works without it."""
    try:
        fields = find_kind(strategy).settings.model_fields
    except InputError:
        return []
    return [field for field in fields if field not in SearchSettings.model_fields]
