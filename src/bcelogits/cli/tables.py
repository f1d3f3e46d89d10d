"""Tables whose files are not their rows: a log says which files, and which of their rows, count."""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Sequence

from bcelogits.cli.errors import CommandError

# What tells such a table, in its top folder: its kind, and a folder or a pattern of files in one.
_MARKS = (
    ("a Delta table", "_delta_log"),
    ("an Iceberg table", "metadata/*.metadata.json"),
    ("an Iceberg table", "metadata/*.metadata.json.gz"),
    ("a Hudi table", ".hoodie"),
    ("a Paimon table", "manifest/manifest-*"),
    ("the output of a Spark stream", "_spark_metadata"),
)

# The top folder of a table, its kind and its log.
_Table = tuple[str, str, str]


def check_no_table(files: Sequence[str], but_one: bool = False) -> None:
    """Refuse files of a table: those that were deleted or replaced are still there.

    Parameters
    ----------
    files : sequence of str
        Each once.
    but_one : bool
        Whether one file of a table is allowed: who names it means it. Two are what a shell makes of
        a pattern.

    Raises
    ------
    CommandError
        Names the table and what tells it.
    """
    known: dict[str, _Table | None] = {}
    seen = set()
    for file in files:
        table = _table_around(file, known)
        if table is None:
            continue
        if but_one and table not in seen:
            seen.add(table)
            continue
        folder, kind, log = table
        raise CommandError(
            f"{folder}: is {kind}: its log ({log}) tells which rows count, and its files hold "
            "deleted and replaced ones too: read it with a library for such tables, and score what "
            "that writes"
        )


def _table_around(file: str, known: dict[str, _Table | None]) -> _Table | None:
    """Return the table of a file, by its name or by where links lead."""
    names = [os.path.abspath(file)]
    with contextlib.suppress(ValueError):  # a NUL: the readers say so
        names.append(os.path.realpath(file))
    tables = (_table_of(os.path.dirname(name), known) for name in names)
    return next((table for table in tables if table is not None), None)


def _table_of(folder: str, known: dict[str, _Table | None]) -> _Table | None:
    """Return the table that a folder is or belongs to; look at no folder twice."""
    if folder not in known:
        parent = os.path.dirname(folder)
        above = None if parent == folder else _table_of(parent, known)
        known[folder] = _table_at(folder) or above
    return known[folder]


def _table_at(folder: str) -> _Table | None:
    for kind, log in _MARKS:
        parent, pattern = os.path.split(os.path.join(folder, log))
        if parent == folder:
            if os.path.isdir(os.path.join(parent, pattern)):
                return folder, kind, log
            continue
        try:
            names = os.listdir(parent)
        except OSError:  # there is none, or it is no folder
            continue
        if found := sorted(fnmatch.filter(names, pattern)):
            return folder, kind, f"{os.path.basename(parent)}/{found[-1]}"
    return None
