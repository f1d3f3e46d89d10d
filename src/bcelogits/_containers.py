"""Containers: the elements of whatever a caller hands in, and which of them are missing.

`read` returns an ndarray, or a masked array if something is missing. Libraries are known by the
names of their classes: none is imported that the caller has not imported.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from bcelogits import _core
from bcelogits._missing import place, with_missing
from bcelogits._repr import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)
_MOST_DIMENSIONS = 64  # of NumPy
_INTEGERS = ("int8", "int16", "int32", "int64")


def read(name: str, value: Any) -> NDArray[Any]:
    """Return the elements of an argument, without a copy where that is possible."""
    if type(value) is float:
        return np.asarray(value)
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, list | tuple):
        return _of_list(name, value)
    reader = _READERS.get(_library(type(value)))
    array = _of_other(name, value) if reader is None else reader(name, value)
    if array.dtype.hasobject and not array.ndim and not np.ma.isMaskedArray(array):
        _refuse_object(name, value)
    return array


def has_mask(value: Any) -> bool:
    """Whether something is an array with a mask, under which there are numbers."""
    return (
        type(value) is not np.ndarray
        and isinstance(value, np.ndarray)
        and getattr(value, "mask", None) is not None
        and not value.dtype.hasobject
    )


# --- NumPy -----------------------------------------------------------------------------------


def _of_array(array: NDArray[Any]) -> NDArray[Any]:
    """Return the elements of an array of NumPy, or of a subclass that may have a mask."""
    if type(array) is np.ndarray:
        return _of_objects(array) if array.dtype.hasobject else array
    mask = getattr(array, "mask", None)
    base = _of_array(np.asarray(np.ma.getdata(array)))
    return base if mask is None else _masked(base, mask)


def _masked(array: NDArray[Any], mask: Any) -> NDArray[Any]:
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:  # that of records, which nobody reads
        return array
    missing = np.ma.getmaskarray(array) | mask
    return with_missing(np.asarray(np.ma.getdata(array)), missing)


def _is_missing(kind: type) -> bool:
    """Whether the objects of a class stand for no value."""
    return (
        kind is type(None)
        or (kind.__name__ in ("NAType", "NaTType") and kind.__module__.startswith("pandas"))
        or (kind.__name__ == "MaskedConstant" and kind.__module__.startswith("numpy"))
    )


def _of_objects(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of objects as one of numbers, if they are numbers or missing."""
    if array.dtype.kind == "T":  # texts, among which its own object may stand for none
        array = array.astype(object)
    if array.dtype != np.dtype(object) or not array.size:
        return array
    kinds = set(map(type, array.flat))
    gone = set(filter(_is_missing, kinds))
    are_numbers = all(issubclass(kind, _NUMBERS) for kind in kinds - gone)
    missing = np.zeros(array.shape, np.bool_)
    if gone:
        missing.flat[:] = [type(item) in gone for item in array.flat]
    # NaN is how pandas writes a missing value in a column of texts or booleans.
    floats = {kind for kind in kinds if issubclass(kind, float | np.floating)}
    if floats and not (are_numbers and kinds.isdisjoint((bool, np.bool_))):
        missing.flat[:] = [
            gone or (type(item) in floats and item != item)
            for gone, item in zip(missing.flat, array.flat, strict=True)
        ]
    if are_numbers:
        # False gives way to every other type.
        numbers = np.array(np.where(missing, False, array).tolist()).reshape(array.shape)
        if _core.is_real(numbers.dtype):
            array = numbers
    return with_missing(array, missing)


# --- lists -----------------------------------------------------------------------------------


def _of_list(name: str, value: Sequence[Any]) -> NDArray[Any]:
    if not _holds_containers(value):
        return _of_array(_as_ndarray(name, value))
    # One by one: NumPy would take what lies under a mask.
    parts = [_of_item(name, item) for item in value]
    if len({part.shape for part in parts}) > 1:
        _refuse_ragged(name, parts)
        raise TypeError(f"{name} is ragged: its elements have different shapes")
    array = np.array([np.ma.getdata(part) for part in parts])
    missing = np.array([np.ma.getmaskarray(part) for part in parts])
    return with_missing(array, missing)


def _of_item(name: str, item: Any) -> NDArray[Any]:
    if _is_missing(type(item)):
        return np.ma.masked_array(False, True)
    return read(name, item)


def _holds_containers(value: Sequence[Any]) -> bool:
    """Whether lists hold something, at any depth, that may have a mask or a null of its own."""
    rows: list[Any] = [value]
    for _ in range(_MOST_DIMENSIONS):
        kinds = set(map(type, itertools.chain.from_iterable(rows)))
        if any(map(_may_have_missing, kinds)):
            return True
        nested = tuple(kind for kind in kinds if issubclass(kind, list | tuple))
        if not nested:
            return False
        inner = list(itertools.chain.from_iterable(rows))
        if len(nested) < len(kinds):
            inner = [item for item in inner if isinstance(item, nested)]
        # One that is there twice is looked at once: lists may hold themselves.
        rows = list(dict(zip(map(id, inner), inner, strict=True)).values())
    return False


def _may_have_missing(kind: type) -> bool:
    if kind is np.ndarray or issubclass(kind, (*_NUMBERS, np.generic, str, bytes, list, tuple)):
        return False
    return hasattr(kind, "__array__") or _library(kind) in _READERS


# --- pandas ----------------------------------------------------------------------------------


def _of_pandas(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "dtypes") and hasattr(value, "columns"):
        kinds = set(value.dtypes)
        if len(kinds) == 1 and isinstance(next(iter(kinds)), np.dtype):
            return _of_array(_as_ndarray(name, value))
        columns = [_of_pandas(name, value.iloc[:, i]) for i in range(value.shape[1])]
        return _of_columns(columns) if columns else _as_ndarray(name, value)
    dtype = getattr(value, "dtype", None)
    if dtype is None or isinstance(dtype, np.dtype):
        # NaN of NumPy's own dtypes is a number.
        return _of_array(_as_ndarray(name, value))
    if hasattr(dtype, "fill_value"):  # sparse, which becomes what NumPy has
        return _of_array(_as_ndarray(name, value))
    missing = np.asarray(value.isna())
    plain = getattr(dtype, "numpy_dtype", None)
    if isinstance(plain, np.dtype) and plain.kind in "biuf":
        array = value.to_numpy(dtype=plain, na_value=plain.type(0).item())
        return with_missing(array, missing)
    return _masked(_of_array(_as_ndarray(name, value)), missing)


def _of_columns(columns: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the columns of a table side by side, in the dtype that holds them all."""
    if not all(_core.is_real(column.dtype) for column in columns):
        columns = [column.astype(object) for column in columns]
    array = np.stack([np.ma.getdata(column) for column in columns], axis=1)
    return with_missing(array, np.stack([np.ma.getmaskarray(c) for c in columns], axis=1))


# --- polars ----------------------------------------------------------------------------------


def _of_polars(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "get_columns"):
        columns = [_of_polars(name, column) for column in value.get_columns()]
        if not any(map(np.ma.isMaskedArray, columns)):
            return _of_array(_as_ndarray(name, value))
        return _of_columns(columns)
    if not hasattr(value, "is_null") or not hasattr(value, "to_numpy"):
        return _of_other(name, value)
    extents = getattr(value.dtype, "shape", None)
    if extents:  # of arrays: what is missing within them is not counted
        return _of_polars(name, value.reshape((-1,))).reshape(len(value), *extents)
    if not value.null_count():
        return _of_array(_as_ndarray(name, value))
    missing = value.is_null().to_numpy()
    if value.dtype.is_numeric() and not value.dtype.is_decimal():
        value = value.fill_null(0)
    elif str(value.dtype) == "Boolean":
        value = value.fill_null(False)
    return _masked(_of_array(_as_ndarray(name, value)), missing)


# --- pyarrow ---------------------------------------------------------------------------------


def _of_pyarrow(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "num_columns"):
        columns = [_of_pyarrow(name, column) for column in value.columns]
        if not any(map(np.ma.isMaskedArray, columns)):
            return _of_array(_as_ndarray(name, value))
        return _of_columns(columns)
    if not hasattr(value, "is_null"):
        return _of_other(name, value)
    # Those of dictionaries and runs do not count what is missing in their values.
    missing = np.asarray(value.is_null())
    if missing.any() and str(value.type) == "bool":
        value = value.fill_null(False)
    elif missing.any() and str(value.type).removeprefix("u") in _INTEGERS:
        value = value.fill_null(0)
    return _masked(_of_array(_as_ndarray(name, value)), missing)


# --- others ----------------------------------------------------------------------------------


def _of_dask(name: str, value: Any) -> NDArray[Any]:
    """Return what a dask array, or a column of dask, computes to: chunks may have masks."""
    if not hasattr(value, "__array__"):
        raise TypeError(f"{name} is lazy, {_type(value)}; pass {name}.compute()")
    return read(name, value.compute())


def _of_xarray(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "data_vars") or not hasattr(value, "data"):
        return _of_other(name, value)
    return read(name, value.data)


def _of_torch(name: str, value: Any) -> NDArray[Any]:
    """Return the memory of a tensor; of bfloat16, which torch does not hand out, by its bits."""
    if str(getattr(value, "dtype", "")) != "torch.bfloat16":
        return _of_other(name, value)
    import torch

    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise TypeError(
            f"{name} is a tensor of bfloat16, which needs ml_dtypes; pass {name}.float()"
        ) from None
    if value.requires_grad:
        raise TypeError(f"{name} is a tensor that requires a gradient; pass {name}.detach()")
    try:
        array: NDArray[Any] = value.view(torch.int16).numpy().view(bfloat16)
    except (RuntimeError, TypeError) as error:
        raise TypeError(f"{name} cannot be converted to an array: {error}") from error
    return array


_READERS: dict[str, Callable[[str, Any], NDArray[Any]]] = {
    "dask": _of_dask,
    "pandas": _of_pandas,
    "polars": _of_polars,
    "pyarrow": _of_pyarrow,
    "torch": _of_torch,
    "xarray": _of_xarray,
}


def _library(kind: type) -> str:
    """Return the library that a class, or one of its bases, comes from, if it has a reader."""
    for base in kind.__mro__:
        package = base.__module__.partition(".")[0]
        if package in _READERS:
            return package
    return ""


def _of_other(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "todense"):
        dense = "toarray" if hasattr(value, "toarray") else "todense"
        raise TypeError(f"{name} is sparse, {_type(value)}; pass {name}.{dense}()")
    interface = getattr(value, "__array_interface__", None)
    if isinstance(interface, Mapping) and interface.get("mask") is not None:
        return _masked(np.asarray(value), ~read(name, interface["mask"]).astype(bool))
    if not _has_buffer(value):
        if interface is None and not hasattr(value, "__array_struct__"):
            if hasattr(value, "__array__"):
                return _of_protocol(name, value)
            if hasattr(value, "__dlpack__"):
                return _of_dlpack(name, value)
        if hasattr(value, "shape") and hasattr(value, "__getitem__"):
            return _of_variable(name, value)
        if _is_sequence(value):
            return _of_list(name, list(value))
    return _of_array(_as_ndarray(name, value))


def _of_protocol(name: str, value: Any) -> NDArray[Any]:
    """Return what the method ``__array__`` returns, with the mask that NumPy would drop."""
    try:
        array = value.__array__()
    except (RuntimeError, TypeError, ValueError) as error:
        _refuse_conversion(name, error)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} cannot be converted: __array__ returns an object {_type(array)}")
    mask = getattr(value, "mask", None)
    found = _of_array(array)
    if not isinstance(array, np.ma.MaskedArray) and isinstance(mask, np.ndarray):
        return _masked(found, mask)
    return found


def _of_dlpack(name: str, value: Any) -> NDArray[Any]:
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(f"{name} cannot be read through DLPack: {error}") from error


def _of_variable(name: str, value: Any) -> NDArray[Any]:
    """Return the whole of something that is read by an index, such as a variable of a file."""
    try:
        whole = value[...]
    except (IndexError, KeyError, TypeError, ValueError):
        _refuse_object(name, value)
    if not isinstance(whole, np.ndarray | np.generic):
        _refuse_object(name, value)
    return read(name, np.asanyarray(whole))


def _has_buffer(value: Any) -> bool:
    try:
        memoryview(value).release()
    except (BufferError, TypeError, ValueError):
        return False
    return True


def _is_sequence(value: Any) -> bool:
    if isinstance(value, (str, bytes, Mapping, *_NUMBERS)):
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def _as_ndarray(name: str, value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (RuntimeError, TypeError, ValueError) as error:
        if isinstance(value, list | tuple):
            _refuse_ragged(name, value)
        _refuse_conversion(name, error)


# --- what cannot be taken --------------------------------------------------------------------


def refuse_dtype(name: str, array: NDArray[Any], wanted: str) -> NoReturn:
    """Raise for an array of a dtype that the library does not read."""
    if array.dtype == np.dtype(object) and array.size:
        _refuse_elements(name, array)
    hint = ""
    if array.dtype == np.dtype("V2"):
        hint = (
            "; bfloat16 looks so when it has lost its type, in a file for example: "
            f"pass {name}.view(ml_dtypes.bfloat16)"
        )
    raise TypeError(f"{name} has dtype {array.dtype}; it must be {wanted}{hint}")


def refuse_bits(name: str) -> NoReturn:
    """Raise for logits that are bit patterns."""
    raise TypeError(
        f"{name} has dtype uint16, as bfloat16 has that lost its type: "
        f"pass {name}.view(ml_dtypes.bfloat16), or {name}.astype(numpy.float64) for numbers"
    )


def _type(value: Any) -> str:
    kind = type(value)
    package = "" if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}."
    return f"of type {package}{kind.__qualname__}"


def _refuse_conversion(name: str, error: Exception) -> NoReturn:
    # RuntimeError: a tensor of PyTorch that is part of a graph
    kind = ValueError if isinstance(error, ValueError) else TypeError
    raise kind(f"{name} cannot be converted to an array: {error}") from error


def _refuse_object(name: str, value: Any) -> NoReturn:
    """Raise for something that is no array, and say how to make one of it."""
    way_out = ""
    if hasattr(value, "collect"):
        what, way_out = f"lazy, {_type(value)}", f"{name}.collect()"
    elif hasattr(value, "compute"):
        what, way_out = f"lazy, {_type(value)}", f"{name}.compute()"
    elif isinstance(value, Iterator):
        what, way_out = f"an iterator, {_type(value)}", f"list({name})"
    elif isinstance(value, Mapping):
        what, way_out = _type(value), f"list({name}.values())"
    elif hasattr(value, "as_py"):
        what, way_out = _type(value), f"{name}.as_py()"
    elif isinstance(value, Iterable):
        what, way_out = _type(value), f"list({name})"
    elif isinstance(value, int):
        what, way_out = "an integer beyond 64 bits", f"float({name})"
    elif hasattr(value, "__float__"):
        what, way_out = _type(value), f"float({name})"
    else:
        what = f"{_type(value)}, which is no array"
    raise TypeError(f"{name} is {what}" + (f"; pass {way_out}" if way_out else ""))


def _refuse_elements(name: str, array: NDArray[Any]) -> NoReturn:
    """Raise for an array of objects that are not all numbers, and say what the first other is."""
    for index in np.ndindex(array.shape):
        item: Any = array[index]
        if not isinstance(item, _NUMBERS) and not _is_missing(type(item)):
            break
    else:
        raise TypeError(
            f"{name} has integers beyond 64 bits; pass numpy.asarray({name}, dtype=float)"
        )
    where = f"{name}{place(index)}"
    if isinstance(item, list | tuple | np.ndarray) or hasattr(item, "__array__"):
        raise TypeError(
            f"{name} is nested: {where} is {_type(item)}; pass numpy.stack({name}) if these "
            "are of one length"
        )
    if isinstance(item, str | bytes):
        raise TypeError(f"{name} has dtype object: {where} is {shown(item)}, which is no number")
    way_out = ", which is no number"
    if hasattr(item, "__float__"):
        way_out = f"; pass numpy.asarray({name}, dtype=float)"
    raise TypeError(f"{name} has dtype object: {where} is {_type(item)}{way_out}")


def _refuse_ragged(name: str, value: Sequence[Any]) -> None:
    """Raise if lists, at any depth, are of different lengths."""
    seen: set[int] = set()
    rest: list[tuple[str, Sequence[Any]]] = [(name, value)]
    while rest:
        written, rows = rest.pop()
        if id(rows) in seen or not rows:
            continue
        seen.add(id(rows))
        lengths = [len(row) if _is_sequence(row) else None for row in rows]
        for i, length in enumerate(lengths):
            if length != lengths[0]:
                raise TypeError(
                    f"{name} is ragged: {written}[0] {_length(lengths[0])}, {written}[{i}] "
                    f"{_length(length)}; fill rows up and leave that out with where=, or pass "
                    f"numpy.concatenate({name})"
                )
        rest.extend(
            (f"{written}[{i}]", row) for i, row in enumerate(rows) if isinstance(row, list | tuple)
        )


def _length(length: int | None) -> str:
    return "is no list" if length is None else f"has length {length}"
