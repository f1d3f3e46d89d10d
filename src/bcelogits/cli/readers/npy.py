"""One array in a .npy file, mapped into memory."""

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcelogits.cli.errors import CommandError
from bcelogits.cli.readers.arrays import check_shape, split_index, to_chunk
from bcelogits.cli.readers.chunk import Chunk, Wanted, missing_column, reading


def read_npy(path: str, wanted: Wanted) -> Iterator[Chunk]:
    """Read a .npy file.

    The columns of a structured array are its fields, those of a 2-D array are named 0, 1, ...,
    that of a 1-D array is named 0. Pickled objects are refused.

    See Also
    --------
    bcelogits.cli.readers.read : parameters, results and errors.
    """
    with reading(path):
        size = os.path.getsize(path)
        array = np.asarray(np.lib.format.open_memmap(path, mode="r"))
    structured = array.dtype.names is not None
    if not 1 <= array.ndim <= (1 if structured else 2):
        raise CommandError(f"{path}: an array of shape {array.shape} has no columns")
    find = _field if structured else _numbered
    columns = {name: find(path, name, array) for name in wanted.columns}
    total = len(array)
    for start in range(0, total, wanted.chunk_rows):
        stop = min(start + wanted.chunk_rows, total)
        parts = {name: column[start:stop] for name, column in columns.items()}
        yield to_chunk(path, wanted, parts, start + 1, size * stop // total)


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
