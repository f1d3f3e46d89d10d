"""What the command tells its user when it cannot go on."""

import reprlib

_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = 60


class CommandError(Exception):
    """A failure that one line on standard error explains; exit status 2."""


class DataError(CommandError):
    """A value that cannot be scored.

    Parameters
    ----------
    path, column : str
        Where the value stands.
    row : int
        Its data row: the first is 1, a header is not counted.
    problem : str
        What is wrong with it.
    """

    def __init__(self, path: str, column: str, row: int, problem: str) -> None:
        super().__init__(f"{path}: column {column!r}, data row {row}: {problem}")


def shown(value: object) -> str:
    """Return the repr of a value from a file, of bounded length."""
    return _shorten.repr(value)


def one_line(text: str) -> str:
    """Return text in one line, with whatever could confuse a terminal or a log escaped."""
    text = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
