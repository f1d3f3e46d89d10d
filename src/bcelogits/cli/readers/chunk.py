"""What every reader yields, and the rules they share."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcelogits.cli.errors import CommandError

_MAX_ROWS = 1 << 16
_MIN_ROWS = 1 << 12
_MAX_VALUES = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """The columns to read.

    Attributes
    ----------
    numbers : tuple of str
        Columns of numbers, each named once.
    group : str or None
        A column of any scalar type; may be one of `numbers`.
    """

    numbers: tuple[str, ...]
    group: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, each once."""
        if self.group is None or self.group in self.numbers:
            return self.numbers
        return (*self.numbers, self.group)

    @property
    def chunk_rows(self) -> int:
        """Rows of a full chunk: fewer the more columns there are, so that its memory is bounded."""
        rows = _MAX_VALUES // max(1, len(self.columns)) // _MIN_ROWS * _MIN_ROWS
        return min(max(rows, _MIN_ROWS), _MAX_ROWS)


@dataclass(frozen=True)
class Groups:
    """A column of groups, encoded.

    Attributes
    ----------
    codes : ndarray of int, shape (rows,)
        Index into `names`.
    names : list of (str or None)
        What `bcelogits.cli.groups.spelling` makes of the values; several may have one name. None is
        the group of missing values.
    """

    codes: NDArray[np.integer]
    names: list[str | None]


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a file.

    Attributes
    ----------
    path : str
        The file.
    first_row : int
        Data row of the first; rows count from 1 in every format.
    rows : int
        How many there are.
    numbers : dict of str to ndarray, shape (rows,)
        The columns of numbers: bool, integers or floats of any width and byte order.
    groups : Groups or None
        The column of groups.
    position : int
        How much of the file, or of the part, in bytes, has been read so far; an estimate in some
        formats.
    """

    path: str
    first_row: int
    rows: int
    numbers: dict[str, NDArray[Any]]
    groups: Groups | None
    position: int


def check_columns(path: str, wanted: Wanted, available: Sequence[str]) -> None:
    """Check that a file has every wanted column, once.

    Raises
    ------
    CommandError
        Otherwise.
    """
    for name in wanted.columns:
        count = sum(name == other for other in available)
        if count == 0:
            raise missing_column(path, name, available)
        if count > 1:
            raise CommandError(f"{path}: column {name!r} stands there {count} times")


def missing_column(path: str, name: str, available: Sequence[object]) -> CommandError:
    """Return the error for a column that a file does not have."""
    shown = 12
    names = ", ".join(repr(str(other)) for other in available[:shown])
    if len(available) > shown:
        names += f" and {len(available) - shown} more"
    return CommandError(f"{path}: no column {name!r}; it has {names or 'none'}")


def changed(path: str) -> CommandError:
    """Return the error for a file that was written to, or became another."""
    return CommandError(f"{path}: was changed while it was read")


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what a reading library raises into one line that names the file.

    On absent, corrupt, truncated or encrypted files these libraries raise exceptions of many kinds
    without a common base, so all are taken: keep the body to calls of the library.
    """
    try:
        yield
    except CommandError:
        raise
    except MemoryError as error:  # of a corrupt file, the sizes may be anything
        raise CommandError(f"{path}: not enough memory: {describe(error)}") from error
    except Exception as error:
        raise CommandError(f"{path}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Return what an exception says, without its number or the quotes of a KeyError."""
    if isinstance(error, OSError) and error.strerror and error.errno:
        return error.strerror
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return text or type(error).__name__
