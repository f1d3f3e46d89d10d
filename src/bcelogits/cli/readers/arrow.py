"""From Arrow arrays to NumPy: what counts as a number, and how groups are encoded."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bcelogits.cli.errors import DataError, shown
from bcelogits.cli.groups import no_names, spelling, time_of_day, zoned
from bcelogits.cli.readers.chunk import Chunk, Groups, Wanted, reading

_Codes = NDArray[np.intp]

_TIME_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


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
    CommandError
        If the values of the group column cannot name groups.
    """
    numbers = {name: _to_numbers(path, name, batch.column(name), row) for name in wanted.numbers}
    groups = None
    if wanted.group is not None:
        field = batch.schema.field(wanted.group)
        groups = _to_groups(path, field, batch.column(wanted.group), row)
    return Chunk(path, row, batch.num_rows, numbers, groups, position)


def _values(array: pa.Array) -> tuple[pa.Array, _Codes | None, str | None]:
    """Return an array without its encodings: dictionaries, runs, extensions.

    Returns
    -------
    values : pyarrow.Array
    codes : ndarray or None
        Of each row, which of the values it has, -1 for none. None stands for 0, 1, 2, ...
    extension : str or None
        The name of the extension type of the values.
    """
    codes: _Codes | None = None
    extension = None
    while True:
        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            extension = kind.extension_name
            array = array.storage
            continue
        if pa.types.is_dictionary(kind):
            inner = _integers(array.indices)
            array = array.dictionary
        elif pa.types.is_run_end_encoded(kind):
            runs = pa.array(np.arange(len(array.values)))
            numbered = pa.RunEndEncodedArray.from_arrays(array.run_ends, runs)
            inner = _integers(pc.run_end_decode(numbered.slice(array.offset, len(array))))
            array = array.values
        else:
            return array, codes, extension
        codes = inner if codes is None else np.append(inner, -1)[codes]


def _integers(array: pa.Array) -> _Codes:
    """Return integers as indices, -1 where one is missing."""
    indices: _Codes = pc.fill_null(array, 0).to_numpy().astype(np.intp)
    if array.null_count:
        indices[array.is_null().to_numpy(zero_copy_only=False)] = -1
    return indices


def _to_numbers(path: str, name: str, array: pa.Array, row: int) -> NDArray[Any]:
    with reading(f"{path}: column {name!r}"):
        values, codes, extension = _values(array)
        missing = values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
    if codes is not None:
        # The last element stands for the index -1.
        nulls = np.zeros(len(values), np.bool_) if missing is None else missing
        missing = np.append(nulls, True)[codes]
    if missing is not None and missing.any():
        raise DataError(path, name, row + int(np.argmax(missing)), "a value is missing (null)")
    kind = values.type
    if not (
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        what = f"a value of type {kind}"
        if _is_text(kind):
            what = f"text {_shown_text(values[0 if codes is None else int(codes[0])])}"
        raise DataError(path, name, row, f"{what} where a number should be")
    with reading(f"{path}: column {name!r}"):
        if codes is not None:
            values = values.take(pa.array(codes))
        if pa.types.is_decimal(kind):  # what casts it to a float does not round to the nearest
            values = pc.cast(pc.cast(values, pa.string()), pa.float64())
        numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers != 0 if extension == "arrow.bool8" else numbers


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _shown_text(value: pa.Scalar) -> str:
    try:
        return shown(value.as_py())
    except UnicodeDecodeError:
        return shown(value.cast(pa.binary()).as_py())


def _to_groups(path: str, field: pa.Field, array: pa.Array, row: int) -> Groups:
    with reading(f"{path}: column {field.name!r}"):
        values, codes, extension = _values(array)
        # Without the library that knows the type, it is told by the metadata alone.
        metadata = field.metadata or {}
        extension = extension or metadata.get(b"ARROW:extension:name", b"").decode() or None
        name_all = _names_of(values.type, extension)
        if name_all is None:
            raise no_names(path, field.name, extension or values.type)
        values = _computable(values)
        if codes is None:
            encoded = values.dictionary_encode()
            values, codes = encoded.dictionary, _integers(encoded.indices)
        used, numbers = np.unique(codes, return_inverse=True)
        without = int(len(used) > 0 and used[0] < 0)
        values = values.take(pa.array(used[without:]))
        names: list[str | None] = [None] * without
        try:
            names += name_all(values)
        except UnicodeDecodeError:
            bad = _first_without_text(values) + without
            raise DataError(
                path, field.name, row + int(np.argmax(numbers == bad)),
                f"bytes that are no text in UTF-8 (type {field.type}) cannot name a group: "
                "write them as texts",
            ) from None  # fmt: skip
    return Groups(numbers, names)


def _computable(values: pa.Array) -> pa.Array:
    """Return the values as a type that Arrow can look up: of some it cannot."""
    kind = values.type
    if _is_text(kind) or _is_bytes(kind):
        return values.cast(pa.string() if _is_text(kind) else pa.binary()).cast(pa.large_binary())
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return values.cast(pa.decimal128(kind.precision, kind.scale))
    return values


def _first_without_text(values: pa.Array) -> int:
    for index, value in enumerate(values.to_pylist()):
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return index
    raise AssertionError("all are texts")


def _names_of(
    kind: pa.DataType, extension: str | None
) -> Callable[[pa.Array], list[str | None]] | None:
    """Return what names values of a type; None if nothing does."""
    if extension is not None:
        return {
            "arrow.uuid": _names_of_uuids,
            "arrow.bool8": _names_of_bool8,
            "arrow.json": _names_of_python,
        }.get(extension)
    if pa.types.is_floating(kind) or pa.types.is_date(kind) or pa.types.is_duration(kind):
        return _names_of_numpy
    if pa.types.is_timestamp(kind):
        return _names_of_numpy if kind.tz is None else _names_of_zoned
    if pa.types.is_time(kind):
        return _names_of_times
    if (
        _is_text(kind)
        or _is_bytes(kind)
        or pa.types.is_null(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
    ):
        return _names_of_python
    return None


def _names_of_python(values: pa.Array) -> list[str | None]:
    return [spelling(value) for value in values.to_pylist()]


def _names_of_numpy(values: pa.Array) -> list[str | None]:
    """Name values whose Python types lose something: the width of floats, nanoseconds."""
    names = [spelling(value) for value in values.to_numpy(zero_copy_only=False)]
    if values.null_count:
        missing = values.is_null().to_pylist()
        names = [None if m else name for m, name in zip(missing, names, strict=True)]
    return names


def _names_of_zoned(values: pa.Array) -> list[str | None]:
    return [zoned(value) for value in values.to_numpy(zero_copy_only=False)]


def _names_of_times(values: pa.Array) -> list[str | None]:
    factor = _TIME_UNITS[values.type.unit]
    integers = pa.int32() if pa.types.is_time32(values.type) else pa.int64()
    numbers = values.cast(integers).to_pylist()
    return [None if number is None else time_of_day(number * factor) for number in numbers]


def _names_of_uuids(values: pa.Array) -> list[str | None]:
    return [None if value is None else spelling(UUID(bytes=value)) for value in values.to_pylist()]


def _names_of_bool8(values: pa.Array) -> list[str | None]:
    return [None if value is None else spelling(value != 0) for value in values.to_pylist()]
