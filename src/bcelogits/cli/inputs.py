"""What the arguments name: files, folders, patterns and standard input, as a list of files."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

from bcelogits.cli.errors import CommandError
from bcelogits.cli.formats import is_known
from bcelogits.cli.tables import check_no_table

STANDARD_INPUT = "-"


@contextlib.contextmanager
def input_files(paths: Sequence[str], suffix: str) -> Iterator[list[str]]:
    """Find the files; those that had to be made are gone afterwards.

    Parameters
    ----------
    paths : sequence of str
        A folder stands for the files below it that have a known suffix, a pattern for what it
        matches, both in the order of their names; links to folders are not followed below them.
        A file counts once, whatever names lead to it. "-" is standard input. It is kept in a
        temporary file: most formats are read from both ends, and some options read everything
        twice.
    suffix : str
        Tells the format of standard input.

    Yields
    ------
    list of str

    Raises
    ------
    CommandError
        If there is nothing, standard input cannot be kept, or the files are those of a table.
    """
    with contextlib.ExitStack() as stack:
        files: list[str] = []
        named: list[str] = []
        for path in paths:
            if path == STANDARD_INPUT:
                files.append(stack.enter_context(_kept_input(suffix)))
            elif (found := _found(path)) is None:
                files.append(path)
                named.append(path)
            else:
                check_no_table(found)
                files += found
        check_no_table(_each_once(named), but_one=True)
        yield _each_once(files)


def _found(path: str) -> list[str] | None:
    """Return what a folder or a pattern stands for; None for the name of a file."""
    if os.path.isdir(path):
        return _files_below(path)
    if glob.has_magic(path) and not os.path.lexists(path):
        matches = sorted(_matches(path))
        if not matches:
            raise CommandError(f"{path}: no file matches")
        return [
            file
            for match in matches
            for file in (_files_below(match) if os.path.isdir(match) else [match])
        ]
    return None


def _each_once(files: Iterable[str]) -> list[str]:
    """Leave out other names of earlier files, lest their rows count twice."""
    found: dict[object, str] = {}
    for file in files:
        found.setdefault(_identity(file), file)
    return list(found.values())


def _identity(file: str) -> object:
    """Return what all names of a file have in common, hard links among them."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):  # the readers say what is wrong with it
        return os.path.abspath(file)
    # Some file systems have no numbers.
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(file)


def _matches(pattern: str) -> Iterator[str]:
    """Yield what a pattern matches; unlike glob's, ``**`` follows no links: they may be loops."""
    parts = PurePath(pattern).parts
    if "**" not in parts:
        yield from glob.iglob(pattern)
        return
    at = parts.index("**")
    start, rest = os.path.join("", *parts[:at]), os.path.join("", *parts[at + 1 :])
    for top in filter(os.path.isdir, glob.glob(start) if start else [os.curdir]):
        for folder, names in _walk(top, hidden=(".",)):
            if rest:
                yield from _matches(os.path.join(glob.escape(folder), rest))
            else:
                yield from (os.path.join(folder, name) for name in names)


def _files_below(folder: str) -> list[str]:
    """Return the data files of a folder; names that begin with . or _ are notes beside them."""
    files = [
        os.path.join(parent, name)
        for parent, names in _walk(folder, hidden=(".", "_"))
        for name in names
        if is_known(name)
    ]
    if not files:
        raise CommandError(f"{folder}: the folder has no file of a known format")
    return files


def _walk(folder: str, hidden: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder and those below it, each with its files, but for names that begin so."""

    def fail(error: OSError) -> None:
        raise CommandError(f"{error.filename}: {error.strerror}") from None

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith(hidden))
        yield parent, sorted(name for name in names if not name.startswith(hidden))


@contextlib.contextmanager
def _kept_input(suffix: str) -> Iterator[str]:
    if sys.stdin is None:
        raise CommandError("standard input is closed")
    try:
        folder = tempfile.TemporaryDirectory(prefix="bcelogits-")
    except OSError as error:
        raise CommandError(f"cannot keep standard input: {error.strerror or error}") from None
    with folder:
        path = os.path.join(folder.name, f"standard input{suffix}")
        try:
            with open(path, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        except OSError as error:
            raise CommandError(f"cannot keep standard input: {error.strerror or error}") from None
        try:
            yield path
        except CommandError as error:
            # nobody knows the file by its name
            raise CommandError(str(error).replace(path, "standard input")) from None
