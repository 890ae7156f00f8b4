"""Classes: from what data name them by to numbers, and from the numbers of one data set to those of another."""

from collections.abc import Sequence

import numpy as np

from proxyless.errors import InputError, shown


def label_line(name: str) -> str:
    """A class as a line of labels.txt."""
    return " ".join(name.splitlines())


def check_names(source: str, names: Sequence[str]) -> None:
    """Raise InputError unless every class has a name of its own that can be written down."""
    seen: dict[str, str] = {}
    for name in names:
        line = label_line(name)
        if not line.strip():
            raise InputError(f"{source} has a class named {name!r}, which says nothing; name it")
        if not _is_utf8(name):
            raise InputError(f"{source} has a class named {shown(name)}, which is not UTF-8; rename it")
        if line in seen:
            with_whom = "two classes named" if seen[line] == name else f"the classes {seen[line]!r} and"
            raise InputError(f"{source} has {with_whom} {name!r}, which are one label; rename one")
        seen[line] = name


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def renumbering(where: str, names: Sequence[str], known: Sequence[str], known_where: str) -> np.ndarray | None:
    """The number in `known` of every class in `names`, int64 (N,); None where all have theirs already.

    Raises:
        InputError: the names are not the same.
    """
    if list(names) == list(known):
        return None
    strange = next((name for name in names if name not in set(known)), None)
    missing = next((name for name in known if name not in set(names)), None)
    if strange is not None or missing is not None:
        only, what = (strange, "has") if strange is not None else (missing, "lacks")
        raise InputError(
            f"{where} {what} the class {only!r}, and {known_where} {'has not' if what == 'has' else 'has it'}; "
            "give data with the same classes"
        )
    numbers = {name: number for number, name in enumerate(known)}
    return np.array([numbers[name] for name in names], np.int64)


def number_classes(
    source: str, values: Sequence[np.ndarray], names: Sequence[str] | None
) -> tuple[list[np.ndarray], list[str]]:
    """Labels from 0, int64, for the values of the training and of other images; and the names of the classes.

    names: of the values 0, 1, ...; where there are none, each value among the training images is a class.

    Raises:
        InputError: a value without a class.
    """
    known = np.unique(values[0]) if names is None else np.arange(len(names))
    classes = [str(value) for value in known] if names is None else list(names)
    for part in values:
        strange = np.setdiff1d(part, known)
        if len(strange):
            where = "class names" if names else "training labels"
            raise InputError(
                f"{source} has the label {shown(strange.tolist()[0])}, which is not among its {len(classes)} {where}; "
                "correct or remove these rows"
            )
    return [np.searchsorted(known, part).astype(np.int64) for part in values], classes
