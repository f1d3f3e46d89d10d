"""Arguments: conversion to arrays, validation, and the rules for ``out``.

Whatever a user hands in leaves this module as arrays and numbers that the C library takes, or as an
exception that names the argument.
"""

from __future__ import annotations

import operator
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.exceptions import AxisError
from numpy.lib.array_utils import normalize_axis_tuple

from bcelogits import _core, _parallel
from bcelogits._containers import has_mask, read, refuse_bits, refuse_dtype
from bcelogits._missing import complete, complete_where_counted, place
from bcelogits._repr import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, DTypeLike, NDArray

_FLOATS = "float16, bfloat16, float32 or float64"


# --- arrays ----------------------------------------------------------------------------------


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Return the argument as a base ndarray, without a copy where that is possible.

    Raises a ValueError if something in it is missing.
    """
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return value
    return complete(name, read(name, value))


def as_real_array(name: str, value: Any) -> NDArray[Any]:
    """Return the argument as an array of a dtype that the library reads."""
    return complete(name, read_real(name, value))


def as_logits(name: str, value: Any) -> NDArray[Any]:
    """Return logits as an array of a dtype that the library reads logits in."""
    return complete(name, read_logits(name, value))


def read_real(name: str, value: Any) -> NDArray[Any]:
    """Return what `as_real_array` does; where something is missing, a masked array."""
    array = value if type(value) is np.ndarray else read(name, value)
    if _core.is_real(array.dtype):
        return array
    array = read(name, array)
    if not _core.is_real(array.dtype):
        refuse_dtype(name, array, f"{_FLOATS}, an integer dtype or bool")
    return array


def read_logits(name: str, value: Any) -> NDArray[Any]:
    """Return what `as_logits` does; where something is missing, a masked array."""
    array = value if type(value) is np.ndarray else read(name, value)
    if not _core.is_logit(array.dtype):
        array = read_real(name, array)
        if not _core.is_logit(array.dtype):
            refuse_bits(name)
    return array


def as_grad_output(value: ArrayLike | None, arguments: Arguments) -> NDArray[Any] | None:
    """Return ``grad_output`` as an array."""
    if value is None:
        return None
    return arguments.complete("grad_output", read_real("grad_output", value))


def as_weight(name: str, value: ArrayLike | None, *, partial: bool = False) -> NDArray[Any] | None:
    """Return ``weight`` as an array.

    With `partial` something may be missing, and the array then is a masked one: `Arguments` knows
    whether it counts.
    """
    if value is None:
        return None
    array = read_real(name, value)
    return array if partial else complete(name, array)


def as_row_weight(name: str, value: Any, ndim: int) -> NDArray[Any] | None:
    """Return the weights of rows as an array that broadcasts against one of `ndim` dimensions."""
    if value is None:
        return None
    array = as_real_array(name, value)
    if array.ndim > 1:
        raise ValueError(f"{name} has shape {array.shape}; it must have one weight for each row")
    return array.reshape(array.shape + (1,) * (ndim - 1)) if array.ndim else array


def as_pos_weight(value: ArrayLike | None, *, partial: bool = False) -> NDArray[Any] | None:
    """Return ``pos_weight`` as an array without a negative value; for `partial` see `as_weight`."""
    if value is None:
        return None
    array = read_real("pos_weight", value)
    if not partial:
        array = complete("pos_weight", array)
    data = array if type(array) is np.ndarray else np.ma.filled(array, 1)
    index = (_core if data.size < _core.BLOCK else _parallel).find_negative(data)
    if index is not None:
        raise ValueError(f"pos_weight{place(index)} is {data[index]}, it must be >= 0")
    return array


def kept(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return a copy that nobody can change, for an object to keep."""
    if array is None:
        return None
    array = array.copy(order="K")
    array.flags.writeable = False
    return array


def as_where(value: ArrayLike | None) -> NDArray[np.bool_] | None:
    """Return ``where`` as an array of booleans, or None if it leaves nothing out."""
    if value is None or value is True:
        return None
    array = as_array("where", value)
    if array.dtype != np.bool_:
        refuse_dtype("where", array, "bool")
    return array


def _native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def float_dtype(array: NDArray[Any]) -> np.dtype[Any]:
    """Return the dtype of what is computed from an array: its own, or float64 for integers."""
    return _native(array.dtype) if _core.is_floating(array.dtype) else np.dtype(np.float64)


def as_float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the argument ``dtype``, in native byte order."""
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"dtype must be {_FLOATS}, not {shown(dtype)}") from error
    if not _core.is_floating(result):
        raise TypeError(f"dtype must be {_FLOATS}, not {result}")
    return _native(result)


# --- numbers ---------------------------------------------------------------------------------


def as_number(name: str, value: Any) -> float:
    """Return the argument as a float."""
    if type(value) is float or type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{name} is an integer beyond the range of a float") from None
    if value is None:
        raise TypeError(f"{name} must be a number, not None")
    array = as_real_array(name, value)
    if array.ndim:
        raise TypeError(f"{name} must be a number, not an array of shape {array.shape}")
    return float(array[()])


def as_label_smoothing(value: float) -> float:
    """Return ``label_smoothing``, which is between 0 and 1."""
    smoothing = as_number("label_smoothing", value)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing must be in [0, 1], got {value}")
    return smoothing


def as_hess_floor(value: float) -> float:
    """Return ``hess_floor``, which is not NaN."""
    floor = as_number("hess_floor", value)
    if floor != floor:
        raise ValueError("hess_floor must not be NaN")
    return floor


def as_ignore_index(value: Any) -> int | float | None:
    """Return ``ignore_index`` as an int if it is one, else as a float."""
    if value is None:
        return None
    try:
        return operator.index(value)
    except TypeError:
        index = as_number("ignore_index", value)
    if index != index:
        raise ValueError("ignore_index must not be NaN, which equals nothing; use where= instead")
    return index


def _ignored_value(index: int | float, dtype: np.dtype[Any]) -> int | float | None:
    """Return what targets of this dtype hold where they equal the index, or None if none can."""
    if _core.is_floating(dtype):
        try:
            # As NumPy compares an array with a number: the number takes the array's dtype.
            with np.errstate(over="ignore"):
                value = float(dtype.type(index))
        except OverflowError:
            return None
        return None if abs(value) == np.inf != abs(index) else value
    if index != index or abs(index) == np.inf or index != int(index):
        return None
    limits = (0, 1) if dtype == np.bool_ else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return int(index) if limits[0] <= index <= limits[1] else None


# --- the arguments of every function ---------------------------------------------------------


def _others(
    target: NDArray[Any], ignored: int, where: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Return which elements count where targets that equal a number are left out as well."""
    counted = np.empty(target.shape, np.bool_)
    where = np.broadcast_to(True if where is None else where, target.shape)
    for box in _parallel.boxes(target.shape):
        counted[box] = (target[box] != ignored) & where[box]
    return counted


class Arguments:
    """The arguments that the loss and its derivatives share.

    ``weight``, ``pos_weight``, ``label_smoothing`` and ``ignore_index`` come as the functions above
    return them: an object of the class has them ready. The others come as the user gave them.
    Something may be missing in any of the arrays where elements are left out.
    """

    __slots__ = (
        "check",
        "dtype",
        "ignored",
        "input",
        "label_smoothing",
        "pos_weight",
        "target",
        "weight",
        "where",
    )

    def __init__(
        self,
        input: ArrayLike,
        target: ArrayLike,
        weight: NDArray[Any] | None,
        pos_weight: NDArray[Any] | None,
        label_smoothing: float,
        ignore_index: int | float | None,
        where: ArrayLike | None,
        check: bool,
    ) -> None:
        # The short way is for most calls: of small arrays these lines are a part of the time.
        if type(input) is np.ndarray and _core.is_logit(input.dtype):
            self.input: NDArray[Any] = input
        else:
            self.input = read_logits("input", input)
        if type(target) is np.ndarray and _core.is_real(target.dtype):
            self.target: NDArray[Any] = target
        else:
            self.target = read_real("target", target)
        if self.target.shape != self.input.shape:
            raise ValueError(
                f"target has shape {self.target.shape}, input has shape {self.input.shape}; "
                "they must be the same"
            )
        self.weight = weight
        self.pos_weight = pos_weight
        self.label_smoothing = label_smoothing
        self.where = as_where(where)
        self.check = check
        self.dtype = float_dtype(self.input)
        self.ignored: int | float | None = None
        if ignore_index is not None:
            self.ignored = _ignored_value(ignore_index, self.target.dtype)
            if isinstance(self.ignored, int) and self.ignored >= 2**63:
                # Beyond the library's integers: only uint64 holds it.
                self.where = _others(np.ma.getdata(self.target), self.ignored, self.where)
                self.ignored = None
        if not (
            type(self.input) is np.ndarray
            and type(self.target) is np.ndarray
            and (weight is None or type(weight) is np.ndarray)
            and (pos_weight is None or type(pos_weight) is np.ndarray)
        ):
            self._refuse_missing(has_mask(target))

    def _refuse_missing(self, target_has_mask: bool) -> None:
        """Raise if an element counts and something of it is missing; what does not may be anything.

        A target under a mask of the caller's is left out as others are, if the number there equals
        ``ignore_index``. Where there is none, in a null, nothing equals it.
        """
        given = {name: getattr(self, name) for name in ("input", "target", "weight", "pos_weight")}
        self.target, ignored = np.asarray(np.ma.getdata(self.target)), self.ignored
        if not target_has_mask:
            self.ignored = None
            self.complete("target", given["target"])
            self.ignored = ignored
        for name, array in given.items():
            if array is not None:
                setattr(self, name, self.complete(name, array))

    def complete(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array, broadcast against input, of which nothing that counts is missing."""
        if type(array) is np.ndarray:
            return array
        try:
            counted = self.counted()
        except ValueError:
            # where does not broadcast: the library says so
            return np.asarray(np.ma.getdata(array))
        return complete_where_counted(name, array, counted)

    def call(self, *, grad_output: NDArray[Any] | None = None, **options: Any) -> _core.Call:
        """Return the arguments as the library takes them."""
        return _core.Call(
            self.input,
            self.target,
            self.weight,
            self.pos_weight,
            self.where,
            grad_output,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignored,
            check=self.check,
            **options,
        )

    def arrays(self) -> list[NDArray[Any]]:
        """Return all arrays that the library reads."""
        arrays = (self.input, self.target, self.weight, self.pos_weight, self.where)
        return [a for a in arrays if a is not None]

    def counted(self) -> NDArray[np.bool_]:
        """Return which elements are not left out, in the shape of input."""
        counted = np.broadcast_to(True if self.where is None else self.where, self.input.shape)
        return counted if self.ignored is None else counted & (self.target != self.ignored)


def normalize_axes(axis: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return ``axis`` as a tuple of distinct axes."""
    try:
        return normalize_axis_tuple(axis, ndim, argname="axis")
    except OverflowError:
        raise AxisError(f"axis is out of bounds for an array of dimension {ndim}") from None


def split_axes(
    shape: tuple[int, ...], axis: int | tuple[int, ...] | None
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the shape of a reduction, and the order of axes that puts those it reduces last."""
    if axis is None:
        return (), None
    reduced = normalize_axes(axis, len(shape))
    kept = [d for d in range(len(shape)) if d not in reduced]
    return tuple(shape[d] for d in kept), (*kept, *sorted(reduced))


# --- out -------------------------------------------------------------------------------------


class Result:
    """Where a result is computed: in ``out``, or in a new array where that is not possible.

    Parameters
    ----------
    name : str
        Name of ``out`` in messages.
    out : ndarray or None
        As the user gave it.
    like : ndarray or tuple of int
        The result has its shape, and its order in memory.
    dtype : dtype
        Dtype of the result, unless ``out`` decides.
    operands : iterable of ndarray
        What is read while the result is written. Memory shared with one of them is no obstacle if
        it is the same array and each element is read before it is written.
    elementwise : bool
        Whether that is so.
    apart : ndarray, optional
        Another array that is written at the same time.
    strict : bool
        The result is rounded to `dtype` even if ``out`` could hold more.

    Attributes
    ----------
    array : ndarray
        To be written.
    shares : bool
        Whether `array` is one of the operands.
    """

    __slots__ = ("array", "out", "shares")

    def __init__(
        self,
        name: str,
        out: Any,
        like: NDArray[Any] | tuple[int, ...],
        dtype: np.dtype[Any],
        operands: Iterable[NDArray[Any]] = (),
        *,
        elementwise: bool = True,
        apart: NDArray[Any] | None = None,
        strict: bool = False,
    ) -> None:
        self.out = out
        self.shares = False
        if out is not None:
            shape = like if isinstance(like, tuple) else like.shape
            _check_out(name, out, shape, dtype)
            if self._is_fit(out, dtype, operands, elementwise, apart, strict):
                self.array: NDArray[Any] = out
                return
        if isinstance(like, tuple):
            self.array = np.empty(like, dtype)
        else:
            self.array = np.empty_like(like, dtype, subok=False)

    def _is_fit(
        self,
        out: NDArray[Any],
        dtype: np.dtype[Any],
        operands: Iterable[NDArray[Any]],
        elementwise: bool,
        apart: NDArray[Any] | None,
        strict: bool,
    ) -> bool:
        if not _core.is_floating(out.dtype) or (strict and _native(out.dtype) != dtype):
            return False
        if apart is not None and _overlap(out, apart):
            return False
        for operand in operands:
            if elementwise and _core.same_view(out, operand):
                self.shares = True
            elif _overlap(out, operand):
                return False
        return True

    def get(self) -> Any:
        """Return ``out`` with the result in it; without ``out``, the array or its only element."""
        if self.out is None:
            return self.array if self.array.ndim else self.array[()]
        if self.out is not self.array:
            _parallel.copy(self.out, self.array)
        return self.out


def _overlap(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays share memory; if that is hard to tell, it is assumed."""
    return np.may_share_memory(a, b, max_work=1)  # type: ignore[arg-type]  # the effort of ufuncs


def _check_out(name: str, out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{name} must be an ndarray, not {type(out).__name__}")
    if has_mask(out):
        raise TypeError(f"{name} has a mask, which a result would not change; pass an ndarray")
    if out.shape != shape:
        raise ValueError(f"{name} has shape {out.shape}, the result has shape {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{name} is read-only")
    if not _core.is_floating(out.dtype) and not np.can_cast(dtype, out.dtype, "same_kind"):
        raise TypeError(
            f"{name} has dtype {out.dtype}; {dtype} cannot be cast to it with casting 'same_kind'"
        )


def as_outs(out: Any, count: int, names: str) -> tuple[Any, ...]:
    """Return ``out`` as a tuple with an array or None for each result."""
    if out is None:
        return (None,) * count
    if not isinstance(out, tuple):
        raise TypeError(f"out must be a tuple of arrays, {names}, not {type(out).__name__}")
    if len(out) != count:
        raise ValueError(f"out must be a tuple of {count} arrays, {names}, not of {len(out)}")
    return out


# --- warnings --------------------------------------------------------------------------------


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called into this package, however deep the call is."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] == "bcelogits":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
