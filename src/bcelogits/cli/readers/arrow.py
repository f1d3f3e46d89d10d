"""From Arrow arrays to NumPy: what counts as a number, and how groups are encoded."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bcelogits.cli.errors import DataError, shown
from bcelogits.cli.readers.chunk import Chunk, Groups, Wanted, reading


def to_chunk(path: str, wanted: Wanted, batch: pa.RecordBatch, row: int, position: int) -> Chunk:
    """Convert a record batch.

    Parameters
    ----------
    path : str
        The file, for messages.
    wanted : Wanted
        The columns.
    batch : pyarrow.RecordBatch
        Has every one of them.
    row : int
        Data row of the batch's first.
    position : int
        Bytes of the file read so far.

    Returns
    -------
    Chunk

    Raises
    ------
    DataError
        If a value is missing or is no number.
    """
    numbers = {name: _to_numbers(path, name, batch.column(name), row) for name in wanted.numbers}
    groups = None
    if wanted.group is not None:
        with reading(f"{path}: column {wanted.group!r}"):
            groups = _to_groups(batch.column(wanted.group))
    return Chunk(path, row, batch.num_rows, numbers, groups, position)


def _plain(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array


def _to_numbers(path: str, name: str, array: pa.Array, row: int) -> NDArray[Any]:
    with reading(f"{path}: column {name!r}"):
        array = _plain(array)
    if array.null_count:
        missing = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
        raise DataError(path, name, row + missing, "a value is missing (null)")
    kind = array.type
    if pa.types.is_decimal(kind):
        with reading(f"{path}: column {name!r}"):
            array = pc.cast(array, pa.float64())
    elif not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        what = f"text {shown(array[0].as_py())}" if _is_text(kind) else f"a value of type {kind}"
        raise DataError(path, name, row, f"{what} where a number should be")
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _to_groups(array: pa.Array) -> Groups:
    encoded = _plain(array).dictionary_encode()
    names: list[str | None] = pc.cast(encoded.dictionary, pa.string()).to_pylist()
    indices = encoded.indices
    if indices.null_count:
        indices = pc.fill_null(indices, len(names))
        names.append(None)
    return Groups(indices.to_numpy(), names)
