"""Readers: from a file of any known format to chunks of NumPy columns."""

import os
import stat
from collections.abc import Callable, Iterator

from bcelogits.cli.errors import CommandError
from bcelogits.cli.formats import format_of
from bcelogits.cli.readers.chunk import Chunk, Wanted, changed, describe

__all__ = ["Chunk", "Wanted", "check_file", "check_unchanged", "read", "split"]

Reader = Callable[..., Iterator[Chunk]]


def check_file(path: str) -> os.stat_result:
    """Return what the system says of a file that can be read.

    Raises
    ------
    CommandError
        If it is absent, no regular file, not readable or of no known format.
    """
    try:
        status = os.stat(path)
        format_of(path)
        if stat.S_ISDIR(status.st_mode):
            raise CommandError(f"{path}: is a directory, not a file")
        if not stat.S_ISREG(status.st_mode):
            raise CommandError(f"{path}: is not a regular file")
        with open(path, "rb"):
            pass
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {describe(error)}") from None
    return status


def check_unchanged(path: str, before: os.stat_result) -> None:
    """Check that a file is still what it was: of another, some rows may be missing, or be halves.

    Raises
    ------
    CommandError
        If it is another file, or was written to.
    """
    try:
        now = os.stat(path)
    except OSError as error:
        raise CommandError(f"{path}: {describe(error)}") from None
    if any(getattr(now, what) != getattr(before, what) for what in _WHAT_CHANGES):
        raise changed(path)


_WHAT_CHANGES = ("st_dev", "st_ino", "st_size", "st_mtime_ns")


def split(path: str) -> list[range | None]:
    """Return parts of a file that may be read apart from each other, in order.

    They are row groups of Parquet, some at a time; any other file is one part, None.

    Raises
    ------
    CommandError
        If the file cannot be read.
    """
    if format_of(path) != "Parquet":
        return [None]
    _reader(path)
    from bcelogits.cli.readers.parquet import split_parquet

    return [*split_parquet(path)]


def read(path: str, wanted: Wanted, part: range | None = None) -> Iterator[Chunk]:
    """Read columns of a file, chunk by chunk.

    Parameters
    ----------
    path : str
        The file; its suffix tells the format.
    wanted : Wanted
        The columns.
    part : range, optional
        One of those that `split` returned. Default: all of the file.

    Yields
    ------
    Chunk
        In the order of the rows; together, all rows. None of them is empty.

    Raises
    ------
    DataError
        If a value is missing or is no number.
    CommandError
        If the file cannot be read or lacks a column, or the library that reads it is not installed.
    """
    reader = _reader(path)
    return reader(path, wanted) if part is None else reader(path, wanted, part)


def _reader(path: str) -> Reader:
    name = format_of(path)
    try:
        return _READERS[name]()
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise CommandError(
            f"{path}: reading {name} files needs pyarrow: pip install 'bcelogits[cli]'"
        ) from None


def _csv() -> Reader:
    from bcelogits.cli.readers.csv import read_csv

    return read_csv


def _parquet() -> Reader:
    from bcelogits.cli.readers.parquet import read_parquet

    return read_parquet


def _arrow() -> Reader:
    from bcelogits.cli.readers.ipc import read_ipc

    return read_ipc


def _npy() -> Reader:
    from bcelogits.cli.readers.npy import read_npy

    return read_npy


def _npz() -> Reader:
    from bcelogits.cli.readers.npz import read_npz

    return read_npz


_READERS = {"CSV": _csv, "Parquet": _parquet, "Arrow": _arrow, "npy": _npy, "npz": _npz}
