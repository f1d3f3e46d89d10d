"""What the arguments name: files, folders, patterns and standard input, as a list of files."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence

from bcelogits.cli.errors import CommandError
from bcelogits.cli.formats import is_known

STANDARD_INPUT = "-"


@contextlib.contextmanager
def input_files(paths: Sequence[str], suffix: str) -> Iterator[list[str]]:
    """Find the files; those that had to be made are gone afterwards.

    Parameters
    ----------
    paths : sequence of str
        A folder stands for the files below it that have a known suffix, a pattern for what it
        matches, both in the order of their names. "-" is standard input. It is kept in a temporary
        file: most formats are read from both ends, and some options read everything twice.
    suffix : str
        Tells the format of standard input.

    Yields
    ------
    list of str

    Raises
    ------
    CommandError
        If there is nothing, or standard input cannot be kept.
    """
    with contextlib.ExitStack() as stack:
        files = []
        for path in paths:
            if path == STANDARD_INPUT:
                files.append(stack.enter_context(_kept_input(suffix)))
            else:
                files += _found(path)
        yield files


def _found(path: str) -> list[str]:
    if os.path.isdir(path):
        return _files_below(path)
    if glob.has_magic(path) and not os.path.lexists(path):
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            raise CommandError(f"{path}: no file matches")
        return [
            file
            for match in matches
            for file in (_files_below(match) if os.path.isdir(match) else [match])
        ]
    return [path]


def _files_below(folder: str) -> list[str]:
    """Return the data files of a folder; names that begin with . or _ are notes beside them."""

    def fail(error: OSError) -> None:
        raise CommandError(f"{error.filename}: {error.strerror}") from None

    files = []
    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        files += [
            os.path.join(parent, name)
            for name in sorted(names)
            if not name.startswith((".", "_")) and is_known(name)
        ]
    if not files:
        raise CommandError(f"{folder}: the folder has no file of a known format")
    return files


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
