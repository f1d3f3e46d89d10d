"""Named arrays in a .npz file, read as streams: a member of a zip file cannot be mapped."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bcelogits.cli.errors import CommandError
from bcelogits.cli.readers.arrays import check_shape, split_index, to_chunk
from bcelogits.cli.readers.chunk import Chunk, Wanted, missing_column, reading

# Of a wide array, few rows are read at a time, and only the columns asked for are kept.
_BLOCK_BYTES = 1 << 20


def read_npz(path: str, wanted: Wanted) -> Iterator[Chunk]:
    """Read a .npz file, compressed or not.

    A column is a 1-D array, by its name, or a column of a 2-D array, as ``name[0]``, ``name[1]``.
    Pickled objects are refused.

    See Also
    --------
    bcelogits.cli.readers.read : parameters, results and errors.
    """
    with reading(path):
        size = os.path.getsize(path)
        archive = zipfile.ZipFile(path)
    with archive, ExitStack() as streams:
        members = _open_members(path, wanted, archive, streams)
        first, total = next((member.name, member.rows) for member in members)
        for member in members:
            if member.rows != total:
                raise CommandError(
                    f"{path}: {first!r} has {total} rows, {member.name!r} has {member.rows}"
                )
        for start in range(0, total, wanted.chunk_rows):
            stop = min(start + wanted.chunk_rows, total)
            parts: dict[str, NDArray[Any]] = {}
            for member in members:
                with reading(f"{path}: {member.name!r}"):
                    parts |= member.read(stop - start)
            yield to_chunk(path, wanted, parts, start + 1, size * stop // total)
        for member in members:
            with reading(f"{path}: {member.name!r}"):
                member.finish()


def _open_members(
    path: str, wanted: Wanted, archive: zipfile.ZipFile, streams: ExitStack
) -> list["_Member"]:
    names = [entry.removesuffix(".npy") for entry in archive.namelist()]
    columns: dict[str, dict[str, int | None]] = {}
    for column in wanted.columns:
        name, index = (column, None) if column in names else split_index(column)
        if name not in names:
            raise missing_column(path, column, names)
        if names.count(name) > 1:
            raise CommandError(f"{path}: array {name!r} stands there {names.count(name)} times")
        columns.setdefault(name, {})[column] = index
    members = []
    for name, indices in columns.items():
        with reading(f"{path}: {name!r}"), _open_member(archive, name) as stream:
            shape, fortran, _ = _read_header(stream)
        for index in indices.values():
            check_shape(path, name, shape, index)
        # In Fortran order each column stands by itself, so each gets a stream of its own.
        for part in [{c: i} for c, i in indices.items()] if fortran else [indices]:
            with reading(f"{path}: {name!r}"):
                stream = streams.enter_context(_open_member(archive, name))
                members.append(_Member(name, stream, part))
    return members


def _open_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    entries = archive.namelist()
    return archive.open(name + ".npy" if name + ".npy" in entries else name)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(stream)
    else:
        raise ValueError(f"arrays of .npy version {version[0]}.{version[1]} are not supported")
    if min(shape, default=0) < 0:
        raise ValueError(f"an array of shape {shape} cannot be")
    if dtype.hasobject:
        raise ValueError("the array holds Python objects, which are never unpickled")
    return shape, fortran and len(shape) > 1, dtype


class _Member:
    """Wanted columns of one array, read from front to back.

    Parameters
    ----------
    name : str
        The array.
    stream : file object
        The member of the archive, at its beginning.
    columns : dict of str to (int or None)
        For the name of each column, its number in a 2-D array, or None for a 1-D array. Of an
        array in Fortran order, one column.
    """

    def __init__(self, name: str, stream: IO[bytes], columns: dict[str, int | None]) -> None:
        self.name = name
        shape, fortran, self._dtype = _read_header(stream)
        self.rows = shape[0]
        self._stream = stream
        self._columns = columns
        self._width = 1
        if fortran:
            (column,) = columns.values()
            self._skip((column or 0) * self.rows * self._dtype.itemsize)
            self._columns = dict.fromkeys(columns)
        elif len(shape) == 2:
            self._width = shape[1]

    def read(self, rows: int) -> dict[str, NDArray[Any]]:
        """Return the next rows of each column."""
        result = {column: np.empty(rows, self._dtype) for column in self._columns}
        row_bytes = self._width * self._dtype.itemsize
        step = max(1, _BLOCK_BYTES // max(1, row_bytes))
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            block = np.frombuffer(self._read_bytes((stop - start) * row_bytes), self._dtype)
            table = block.reshape(stop - start, self._width)
            for column, index in self._columns.items():
                result[column][start:stop] = table[:, index or 0]
        return result

    def finish(self) -> None:
        """Read to the end: only there is the checksum of the member compared."""
        while self._stream.read(_BLOCK_BYTES):
            pass

    def _read_bytes(self, count: int) -> bytes:
        parts = []
        while count:
            part = self._stream.read(count)
            if not part:
                raise EOFError("the array is truncated")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _skip(self, count: int) -> None:
        while count:
            count -= len(self._read_bytes(min(count, _BLOCK_BYTES)))
