"""Which formats the command reads and writes, as the suffixes of files tell them."""

from __future__ import annotations

import os

from bcelogits.cli.errors import CommandError

_FORMATS = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".arrow": "Arrow",
    ".arrows": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
    ".npy": "npy",
    ".npz": "npz",
}

_COMPRESSED = (".gz", ".bz2", ".zst")

SUFFIXES = (*_FORMATS, *(f"{plain}{more}" for plain in (".csv", ".tsv") for more in _COMPRESSED))

PICTURES = (".png", ".svg", ".pdf")


def format_of(path: str) -> str:
    """Return the name of a file's format.

    Raises
    ------
    CommandError
        If the suffix tells none.
    """
    stem, suffix = os.path.splitext(path.lower())
    if suffix in _COMPRESSED:
        suffix = os.path.splitext(stem)[1]
        if _FORMATS.get(suffix) != "CSV":
            suffix = ""
    if suffix not in _FORMATS:
        known = " ".join(_FORMATS)
        raise CommandError(f"{path}: the suffix tells no known format (known: {known})")
    return _FORMATS[suffix]


def is_known(path: str) -> bool:
    """Return whether the suffix tells a format."""
    try:
        format_of(path)
    except CommandError:
        return False
    return True
