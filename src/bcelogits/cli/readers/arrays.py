"""What .npy and .npz share: which dtypes are numbers, how groups are encoded, column names."""

import re
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcelogits.cli.errors import CommandError, DataError, shown
from bcelogits.cli.groups import no_names, spelling
from bcelogits.cli.readers.chunk import Chunk, Groups, Wanted, reading

_INDEXED = re.compile(r"(.*)\[(\d+)\]", re.S)


def split_index(name: str) -> tuple[str, int | None]:
    """Split ``A[1]``, a column of a 2-D array, into the array's name and the column's number."""
    match = _INDEXED.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, None)


def check_shape(path: str, name: str, shape: tuple[int, ...], index: int | None) -> None:
    """Check that an array, with the index given to it, is a column.

    Raises
    ------
    CommandError
        Otherwise.
    """
    if len(shape) == 2 and index is not None and index < shape[1]:
        return
    if len(shape) == 1 and index is None:
        return
    if len(shape) == 2:
        kind = f"has {shape[1]} columns, {name}[0] to {name}[{shape[1] - 1}]"
        if shape[1] == 0:
            kind = "has no columns"
    else:
        kind = f"has shape {shape}, which is not that of a column"
    wanted = name if index is None else f"{name}[{index}]"
    raise CommandError(f"{path}: no column {wanted!r}; {name!r} {kind}")


def to_chunk(
    path: str, wanted: Wanted, columns: dict[str, NDArray[Any]], row: int, position: int
) -> Chunk:
    """Make a chunk of arrays of one length.

    Parameters
    ----------
    path : str
        The file, for messages.
    wanted : Wanted
        The columns.
    columns : dict of str to ndarray, shape (rows,)
        Every one of them.
    row : int
        Data row of the first.
    position : int
        Bytes of the file read so far.

    Returns
    -------
    Chunk

    Raises
    ------
    DataError
        If a value is no number.
    CommandError
        If the values of the group column cannot name groups.
    """
    numbers = {name: _to_numbers(path, name, columns[name], row) for name in wanted.numbers}
    groups = None
    if wanted.group is not None:
        groups = _to_groups(path, wanted.group, columns[wanted.group], row)
    return Chunk(path, row, len(columns[wanted.columns[0]]), numbers, groups, position)


def _to_numbers(path: str, name: str, array: NDArray[Any], row: int) -> NDArray[Any]:
    kind = array.dtype.kind
    if kind in "biu":
        return array
    if kind == "f":
        return array if array.dtype.itemsize <= 8 else array.astype(np.float64)
    what = f"a value of type {array.dtype}"
    if kind in "US":
        with reading(f"{path}: column {name!r}"):
            what = f"text {shown(_values(array[:1])[0])}"
    problem = f"{what} where a number should be"
    if kind == "V" and array.dtype.itemsize == 2 and not array.dtype.names:
        problem += " (bfloat16 is saved so: save .astype(numpy.float32), which keeps every value)"
    raise DataError(path, name, row, problem)


def _to_groups(path: str, name: str, array: NDArray[Any], row: int) -> Groups:
    kind = array.dtype.kind
    if kind not in "biufSUMm":
        raise no_names(path, name, array.dtype)
    with reading(f"{path}: column {name!r}"):
        values, codes = np.unique(array, return_inverse=True)
        # Not as Python's types, which lose the width of floats, and nanoseconds.
        items = _values(values) if kind in "SU" else list(values)
        try:
            return Groups(codes, [spelling(item) for item in items])
        except UnicodeDecodeError as error:
            index = int(np.argmax(array == error.object))
            problem = "bytes that are no text in UTF-8 cannot name a group"
            raise DataError(path, name, row + index, problem) from None


def _values(array: NDArray[Any]) -> list[Any]:
    """Return array.tolist(), unless a text is none: NumPy makes a str of any 32-bit integers."""
    if array.dtype.kind == "U" and array.dtype.itemsize:
        points = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).view(np.uint32)
        if points.max(initial=0) > sys.maxunicode:
            raise ValueError("a text holds what is not Unicode")
    items: list[Any] = array.tolist()
    return items
