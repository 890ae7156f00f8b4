"""The two ways in which a command fails on purpose."""


class InputError(ValueError):
    """What the user gave cannot be used: the command line prints the message and exits with 2.

    The message is one sentence that says what was wrong, the value seen and what to do.
    """


class CheckError(RuntimeError):
    """A promise did not hold (a verification, a measurement): the command exits with 1."""
