"""One array in a .npy file."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bcelogits.cli.errors import CommandError
from bcelogits.cli.readers.arrays import check_shape, split_index, to_chunk
from bcelogits.cli.readers.chunk import Chunk, Wanted, changed, missing_column, reading

# Of columns whose values lie apart, few rows are read at a time.
_BLOCK_BYTES = 1 << 20


def read_npy(path: str, wanted: Wanted) -> Iterator[Chunk]:
    """Read a .npy file.

    The columns of a structured array are its fields, those of a 2-D array are named 0, 1, ...,
    that of a 1-D array is named 0. Pickled objects are refused.

    A map of the file tells NumPy where the columns are and that no row is missing. The rows are
    read from the file: to touch what was cut off a mapped file ends the process by a signal.

    See Also
    --------
    bcelogits.cli.readers.read : parameters, results and errors.
    """
    with reading(path):
        size = os.path.getsize(path)
        mapped = np.lib.format.open_memmap(path, mode="r")
        array = np.asarray(mapped)
    structured = array.dtype.names is not None
    if not 1 <= array.ndim <= (1 if structured else 2):
        raise CommandError(f"{path}: an array of shape {array.shape} has no columns")
    find = _field if structured else _numbered
    columns = {name: find(path, name, array) for name in wanted.columns}
    begins = {name: mapped.offset + _address(c) - _address(array) for name, c in columns.items()}
    total = len(array)
    with ExitStack() as stack:
        with reading(path):
            file = stack.enter_context(open(path, "rb"))
        for start in range(0, total, wanted.chunk_rows):
            stop = min(start + wanted.chunk_rows, total)
            with reading(path):
                parts = {
                    name: _read(path, file, begins[name], column[start:stop], start)
                    for name, column in columns.items()
                }
            yield to_chunk(path, wanted, parts, start + 1, size * stop // total)


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _read(path: str, file: IO[bytes], begin: int, mapped: NDArray[Any], row: int) -> NDArray[Any]:
    """Return a copy of some rows of a column that begins there, without a look at the map."""
    values = np.empty_like(mapped)
    (apart,) = mapped.strides
    step = max(1, _BLOCK_BYTES // max(apart, 1))
    for start in range(0, len(values), step):
        part = values[start : start + step]
        file.seek(begin + (row + start) * apart)
        count = (len(part) - 1) * apart + part.itemsize
        data = file.read(count)
        if len(data) < count:
            raise changed(path)
        part[:] = np.ndarray(len(part), part.dtype, data, strides=(apart,))
    return values


def _field(path: str, name: str, array: NDArray[Any]) -> NDArray[Any]:
    names = array.dtype.names or ()
    field, index = (name, None) if name in names else split_index(name)
    if field not in names:
        raise missing_column(path, name, names)
    values = array[field]
    check_shape(path, field, values.shape, index)
    return values if index is None else values[:, index]


def _numbered(path: str, name: str, array: NDArray[Any]) -> NDArray[Any]:
    table = array if array.ndim == 2 else array[:, np.newaxis]
    number = int(name) if re.fullmatch(r"0|[1-9][0-9]{0,17}", name) else table.shape[1]
    if number >= table.shape[1]:
        raise missing_column(path, name, range(table.shape[1]))
    return table[:, number]
