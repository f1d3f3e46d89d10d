"""The loss of dask arrays and dataframes: lazily, chunk by chunk, with sums that are exact.

What each chunk adds up to is exact, so that neither the order in which chunks are done nor where
they are done changes a bit of a reduction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import dask
    import dask.array as da
    from dask.core import flatten
except ImportError as error:
    raise ImportError("bcelogits.dask needs dask: pip install 'bcelogits[dask]'") from error

import bcelogits
from bcelogits import _parallel
from bcelogits._arrays import (
    Arguments,
    as_float_dtype,
    as_grad_output,
    as_ignore_index,
    as_label_smoothing,
    as_logits,
    as_number,
    as_pos_weight,
    as_weight,
    as_where,
    float_dtype,
    normalize_axes,
    split_axes,
)
from bcelogits._containers import read, refuse_dtype
from bcelogits._core import REDUCTIONS, Accumulator
from bcelogits._derivatives import check_wrt, map_grad
from bcelogits._missing import moved
from bcelogits._reduction import Reduction, check_reduction, legacy_reduction, warn_of_divisors
from bcelogits._running import refuse_nan_logits
from bcelogits._threads import as_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import DTypeLike, NDArray

__all__ = ["RunningLoss", "binary_cross_entropy_with_logits", "value_and_grad"]

# Sums that a chunk of a reduction over some axes makes at most: each takes 2 KB.
_MOST_SUMS = 4096


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    pos_weight: Any | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: Any | None = None,
    axis: int | tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    check: bool = True,
    num_threads: int | None = None,
) -> da.Array:
    """Binary cross entropy of logits, of dask arrays.

    Nothing is computed before the result is.

    Parameters
    ----------
    input : dask.array.Array
        Logits, in any chunks. Columns of dask dataframes and NumPy arrays are taken too.
    target : dask.array.Array
        Of the shape of `input`; it is rechunked to the chunks of `input`.
    weight, pos_weight, where : dask.array.Array or array_like, optional
        Broadcast against `input`.
    size_average, reduce : bool, optional
    reduction : {'mean', 'sum', 'weighted_mean', 'none'}
    label_smoothing : float
    ignore_index : int or float, optional
    axis : int or tuple of int, optional
    dtype : dtype, optional
    check : bool
        All these as in `bcelogits.binary_cross_entropy_with_logits`. Elements are checked when the
        result is computed; of several targets outside [0, 1] any may be the one that is named.
    num_threads : int, optional
        Number of threads for each chunk; by default what `bcelogits.set_num_threads` set where the
        chunk is computed.

    Returns
    -------
    dask.array.Array
        With 'none' in the chunks of `input`. Otherwise the result of the same call in memory,
        within the accuracy of the loss; its bits, if each chunk is a run of the elements in C
        order, and each but the last a multiple of 4096 long. With `axis` that is to hold for each
        result.

    See Also
    --------
    bcelogits.binary_cross_entropy_with_logits : The same in memory.

    Examples
    --------
    >>> import dask.array as da
    >>> from bcelogits.dask import binary_cross_entropy_with_logits
    >>> x = da.from_array([0.2, -1.5, 3.0, 0.7], chunks=2)
    >>> y = da.from_array([1, 0, 1, 0], chunks=2)
    >>> print(f"{binary_cross_entropy_with_logits(x, y).compute():.8f}")
    0.48783139
    """
    meant = legacy_reduction(size_average, reduce, reduction)
    result_dtype = None if dtype is None else as_float_dtype(dtype)
    operands = _Operands(
        input, target, weight, pos_weight, where, label_smoothing, ignore_index, check, num_threads
    )
    if meant != "none":
        return _reduced(operands, meant, axis, result_dtype or operands.dtype)
    if axis is not None:
        raise ValueError("axis is for reductions, not for reduction='none'")
    return operands.map(partial(_loss, dtype=result_dtype), result_dtype or operands.dtype)


def value_and_grad(
    input: Any,
    target: Any,
    weight: Any | None = None,
    *,
    reduction: Reduction = "mean",
    pos_weight: Any | None = None,
    wrt: str | tuple[str, ...] = "input",
    grad_output: Any | None = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: Any | None = None,
    check: bool = True,
    num_threads: int | None = None,
) -> tuple[da.Array, Any]:
    """Binary cross entropy of dask arrays and its gradient.

    Parameters
    ----------
    input, target, weight, pos_weight, where : dask.array.Array or array_like
    reduction : {'mean', 'sum', 'weighted_mean', 'none'}
    label_smoothing : float
    ignore_index : int or float, optional
    check : bool
    num_threads : int, optional
        All these as in `binary_cross_entropy_with_logits`.
    wrt : {'input', 'target', 'weight', 'pos_weight'} or tuple of them
        The arguments to differentiate by.
    grad_output : dask.array.Array or array_like, optional
        Factor of the gradient, by default 1: a number, or with reduction 'none' an array that
        broadcasts against `input`.

    Returns
    -------
    value : dask.array.Array
    grad : dask.array.Array or tuple of them
        As from `bcelogits.value_and_grad`. Compute both at once, by ``dask.compute(value, grad)``:
        one pass over a chunk gives both.

    Notes
    -----
    The gradient of a mean waits for what it is divided by. That is known from the shapes, unless
    elements are left out, weights are summed, or a dataframe does not know its length: then targets
    and weights are read beforehand.

    Examples
    --------
    >>> import dask
    >>> import dask.array as da
    >>> from bcelogits.dask import value_and_grad
    >>> x, y = da.zeros(2, chunks=1), da.from_array([1, 0], chunks=1)
    >>> value, grad = dask.compute(*value_and_grad(x, y, reduction="sum"))
    >>> print(value, grad)
    1.3862943611198906 [-0.5  0.5]
    """
    check_reduction(reduction)
    factor = None if reduction == "none" else grad_output
    operands = _Operands(
        input, target, weight, pos_weight, where, label_smoothing, ignore_index, check, num_threads,
        grad_output if reduction == "none" else None,
    )  # fmt: skip
    names = check_wrt(wrt, operands)
    scale = 1.0 if factor is None else as_number("grad_output", factor)
    if reduction == "none":
        value, grads = _mapped_with_grads(operands, names)
    else:
        value, grads = _reduced_with_grads(operands, names, reduction, scale)
    results = tuple(grads[name] for name in names)
    return value, results[0] if isinstance(wrt, str) else results


class RunningLoss(bcelogits.RunningLoss):
    """Binary cross entropy of a stream of dask dataframes and dask arrays.

    It is a `bcelogits.RunningLoss` whose `update` takes columns of dask dataframes and dask arrays
    besides, and may be merged with one.

    Parameters
    ----------
    pos_weight : array_like, optional
    label_smoothing : float
    ignore_index : int or float, optional
    axis : int or tuple of int, optional
    check : bool
        As in `bcelogits.RunningLoss`.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import pandas as pd
    >>> from bcelogits.dask import RunningLoss
    >>> logs = pd.DataFrame({"logit": [0.2, -1.5, 3.0, 0.7], "target": [1, 0, 1, 0]})
    >>> frame = dd.from_pandas(logs, npartitions=2)
    >>> running = RunningLoss()
    >>> running.update(frame["logit"], frame["target"])
    >>> print(f"{running.compute():.8f}", running.count)
    0.48783139 4
    """

    def update(
        self, input: Any, target: Any, weight: Any | None = None, where: Any | None = None
    ) -> None:
        """Compute the losses of some elements, and add them.

        Parameters
        ----------
        input : dask Array, Series or DataFrame, or array_like
            Logits. The columns of a DataFrame are the second axis.
        target : dask Array, Series or DataFrame, or array_like
            Probabilities in [0, 1], of the shape and in the partitions of `input`.
        weight : dask Array or Series, or array_like, optional
            Factor of each element, broadcast against `input`.
        where : dask Array or Series, or array_like of bool, optional
            Elements to count, broadcast against `input`.

        Raises
        ------
        ValueError, TypeError
            As `bcelogits.RunningLoss.update` does. Nothing was added then.
        """
        operands = _Operands(
            input,
            target,
            weight,
            self._pos_weight,
            where,
            self._label_smoothing,
            self._ignore_index,
            self._check,
            None,
        )
        ndim = operands.input.ndim
        axes = tuple(range(ndim)) if self._axis is None else normalize_axes(self._axis, ndim)
        # What is kept goes into each object as a whole.
        operands = operands.rechunked({d: -1 for d in range(ndim) if d not in axes})
        piece_of = partial(_piece, axes=axes, numbers=self._check)
        pieces = operands.map(piece_of, np.dtype(object))
        (piece,) = dask.compute(_merged(pieces, tuple(range(ndim)), _only))
        self._check_shape(piece.shape, "input")
        self._add(piece.sums, piece.shape)


# ---- operands ------------------------------------------------------------------------------------


class _Operands:
    """The arguments as dask arrays whose chunks fit those of the logits, and what goes with them.

    Attributes are those that have the name of an argument; None is one that was not given.
    """

    def __init__(
        self,
        input: Any,
        target: Any,
        weight: Any | None,
        pos_weight: Any | None,
        where: Any | None,
        label_smoothing: float,
        ignore_index: float | None,
        check: bool,
        num_threads: int | None,
        grad_output: Any | None = None,
    ) -> None:
        if num_threads is not None:
            as_num_threads(num_threads)
        self.input = _as_dask("input", input)
        self.target = _fit("target", target, self.input, whole=True)
        self.weight = _fit("weight", weight, self.input)
        if pos_weight is not None and not _is_lazy(_unwrapped(pos_weight)):
            pos_weight = as_pos_weight(pos_weight, partial=True)
        self.pos_weight = _fit("pos_weight", pos_weight, self.input)
        self.where = None if where is True else _fit("where", where, self.input)
        self.grad_output = _fit("grad_output", grad_output, self.input)
        self.dtype = float_dtype(self.input._meta)
        self.options = {
            "label_smoothing": as_label_smoothing(label_smoothing),
            "ignore_index": as_ignore_index(ignore_index),
            "check": bool(check),
            "num_threads": num_threads,
        }

    def arrays(self) -> dict[str, da.Array]:
        """Return those that are given, by their names."""
        names = ("input", "target", "weight", "pos_weight", "where", "grad_output")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def map(
        self,
        function: Callable[..., Any],
        dtype: np.dtype[Any],
        *,
        without: tuple[str, ...] = (),
        dropped: tuple[int, ...] = (),
        chunks: Any = None,
        **more: da.Array,
    ) -> da.Array:
        """Call a function for each chunk: function(arrays by name, options)."""
        arrays = {k: v for k, v in (self.arrays() | more).items() if k not in without}
        return da.map_blocks(
            _call,
            *arrays.values(),
            function=function,
            names=tuple(arrays),
            options=self.options,
            dtype=dtype,
            meta=np.empty((0,) * (self.input.ndim - len(dropped)), dtype),
            drop_axis=list(dropped),
            chunks=chunks,
        )

    def rechunked(self, sizes: Mapping[int, int]) -> _Operands:
        """Return these operands with other lengths of chunks along some axes of the logits."""
        new = object.__new__(_Operands)
        new.dtype, new.options = self.dtype, self.options
        for name in ("input", "target", "weight", "pos_weight", "where", "grad_output"):
            array = getattr(self, name)
            if array is not None:
                missing = self.input.ndim - array.ndim
                own = {d - missing: n for d, n in sizes.items() if d >= missing}
                # One chunk is one already, though its length may not be known.
                own = {
                    d: n
                    for d, n in own.items()
                    if array.shape[d] != 1 and (n != -1 or array.numblocks[d] > 1)
                }
                if own:
                    array = array.rechunk(own)
            setattr(new, name, array)
        return new

    def all_count(self) -> bool:
        """Whether no element can be left out."""
        return self.where is None and self.options["ignore_index"] is None


def _unwrapped(value: Any) -> Any:
    """Return the dask array in a DataArray of xarray, or what else is given as it is."""
    data = None if isinstance(value, np.ndarray) else getattr(value, "data", None)
    return data if isinstance(data, da.Array) else value


def _is_lazy(value: Any) -> bool:
    return isinstance(value, da.Array) or hasattr(value, "to_dask_array")


def _of_frame(name: str, value: Any) -> da.Array:
    """Return a column of a dask dataframe, or several, as a dask array.

    Its chunks are what the functions in memory read of its partitions: masked arrays where
    something is missing.
    """
    empty = read(name, value._meta)
    if empty.dtype.hasobject and not _holds_objects(value._meta):
        refuse_dtype(name, empty, "a number")
    meta = np.empty(empty.shape, float if empty.dtype.hasobject else empty.dtype)
    return value.map_partitions(partial(_partition, name=name), meta=meta)


def _holds_objects(frame: Any) -> bool:
    """Whether a column is one of NumPy's objects, of which the elements tell what they are."""
    dtypes = frame.dtypes if frame.ndim > 1 else [frame.dtype]
    return any(dtype == np.dtype(object) for dtype in dtypes)


def _partition(values: Any, name: str) -> NDArray[Any]:
    array = read(name, values)
    if np.ma.isMaskedArray(array):
        # Under a mask is what lies under it; under a null is nothing that could be ignored.
        return np.ma.masked_array(np.where(array.mask, np.nan, array.data), array.mask)
    return array if array.size or not array.dtype.hasobject else array.astype(float)


def _operand(name: str, value: Any) -> da.Array | NDArray[Any]:
    """Return an argument as an array of dask or of NumPy; something may be missing in it."""
    if hasattr(value, "to_dask_array"):
        value = _of_frame(name, value)
    value = _unwrapped(value)
    # Elements of objects tell what they are when there are some.
    array = value._meta if isinstance(value, da.Array) else read(name, value)
    if not (isinstance(value, da.Array) and array.dtype.hasobject):
        if name == "where":
            as_where(array)
        elif name == "input":
            as_logits(name, array[:0] if array.ndim else array)
        else:
            as_weight(name, array, partial=True)
    return value if isinstance(value, da.Array) else array


def _as_dask(name: str, value: Any, chunks: Any = "auto") -> da.Array:
    array = _operand(name, value)
    return array if isinstance(array, da.Array) else da.from_array(array, chunks=chunks)


def _fit(name: str, value: Any, input: da.Array, whole: bool = False) -> da.Array | None:
    """Return an argument with the chunks of the logits, along the axes that it has."""
    if value is None:
        return None
    array = _operand(name, value)
    shape = array.shape
    if whole and not _agree(shape, input.shape, ()):
        raise ValueError(
            f"target has shape {shape}, input has shape {input.shape}; they must be the same"
        )
    if not _agree(shape, input.shape[max(input.ndim - len(shape), 0) :], (1,)):
        raise ValueError(
            f"{name} of shape {shape} does not broadcast to the shape of input, {input.shape}"
        )
    own = input.chunks[input.ndim - len(shape) :]
    chunks = tuple(
        (1,) if n == 1 and not whole else chunk for n, chunk in zip(shape, own, strict=True)
    )
    if not isinstance(array, da.Array):
        if any(math.isnan(n) for chunk in chunks for n in chunk):
            raise ValueError(
                f"{name} is in memory, while the lengths of the chunks of input are not known: "
                "call compute_chunk_sizes() of input, or pass a dask array"
            )
        array = da.from_array(array, chunks=chunks)
    if array.chunks == chunks:
        return array
    if any(math.isnan(n) for chunk in (*chunks, *array.chunks) for n in chunk):
        # Lengths that are not known are compared when there are arrays.
        if array.numblocks != tuple(map(len, chunks)):
            raise ValueError(
                f"{name} is in {array.numblocks} chunks, input in {input.numblocks}, and their "
                "lengths are not known"
            )
        array = array.copy()
        array._chunks = chunks
        return array
    return array.rechunk(chunks)


def _agree(shape: tuple[float, ...], other: tuple[float, ...], besides: tuple[int, ...]) -> bool:
    """Whether two shapes may be the same: lengths that are not known agree with all."""
    return len(shape) == len(other) and all(
        a == b or a in besides or math.isnan(a) or math.isnan(b)
        for a, b in zip(shape, other, strict=True)
    )


# ---- what is done with a chunk -------------------------------------------------------------------

_Given = dict[str, Any]
_Options = dict[str, Any]


@dataclass(frozen=True)
class _Piece:
    """What a chunk adds up to, for each index of the axes that are kept."""

    sums: Accumulator
    shape: tuple[int, ...]


def _call(
    *chunks: Any,
    function: Callable[[_Given, _Options], Any],
    names: tuple[str, ...],
    options: _Options,
    block_info: Any = None,
) -> Any:
    given = dict(zip(names, chunks, strict=True))
    try:
        return function(given, options)
    except ValueError as error:
        infos = {name: block_info[i] for i, name in enumerate(names)}
        raise _located(error, given, options, infos) from None


def _located(
    error: ValueError, given: _Given, options: _Options, infos: Mapping[str, Any]
) -> ValueError:
    """Return the error with the index of its element in the whole, or the place of the chunk."""
    places = {k: [start for start, _ in i["array-location"]] for k, i in infos.items()}
    found = moved(error, places)
    if found is not None:
        return found
    info = next(iter(infos.values()))
    starts = [start for start, _ in info["array-location"]]
    if str(error).endswith("outside [0, 1]") and not any(map(math.isnan, starts)):
        arguments = _arguments({**given, "weight": None, "pos_weight": None}, options)
        y = arguments.target
        bad = arguments.counted() & ~((y >= 0) & (y <= 1))
        if bad.any():
            index = np.unravel_index(int(np.argmax(bad)), bad.shape)
            whole = [str(i + int(start)) for i, start in zip(index, starts, strict=True)]
            place = f"[{', '.join(whole)}]" if whole else ""
            return ValueError(f"target{place} is {y[index]}, outside [0, 1]")
    return ValueError(f"in chunk {tuple(info['chunk-location'])}: {error}")


def _arguments(given: _Given, options: _Options) -> Arguments:
    return Arguments(
        given["input"] if "input" in given else np.empty(np.shape(given["target"])),
        given["target"],
        as_weight("weight", given.get("weight"), partial=True),
        as_pos_weight(given.get("pos_weight"), partial=True),
        options["label_smoothing"],
        options["ignore_index"],
        given.get("where"),
        options["check"],
    )


def _loss(given: _Given, options: _Options, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    arrays = {k: v for k, v in given.items() if k != "grad_output"}
    return np.asarray(
        bcelogits.binary_cross_entropy_with_logits(
            **arrays, **options, reduction="none", dtype=dtype
        )
    )


def _reduced_chunk(
    given: _Given, options: _Options, reduction: Any, axes: tuple[int, ...], dtype: Any
) -> Any:
    return bcelogits.binary_cross_entropy_with_logits(
        **given, **options, reduction=reduction, axis=axes, dtype=dtype
    )


def _piece(
    given: _Given, options: _Options, axes: tuple[int, ...], numbers: bool = False
) -> _Piece:
    """Return what a chunk adds up to; with `numbers`, no logit that counts may be NaN."""
    arguments = _arguments(given, options)
    shape, order = split_axes(arguments.input.shape, axes)
    sums = Accumulator(math.prod(shape))
    threads = as_num_threads(options["num_threads"])
    _parallel.accumulate(arguments.call(), threads, sums, len(shape), order)
    if numbers:
        refuse_nan_logits(arguments, sums)
    return _Piece(sums, shape)


def _counted(given: _Given, options: _Options, reduction: str, dtype: np.dtype[Any]) -> _Piece:
    """Count what the gradient is divided by; the logits need not be there for that."""
    arguments = _arguments({**given, "input": np.empty(np.shape(given["target"]), dtype)}, options)
    threads = as_num_threads(options["num_threads"])
    sums = _parallel.count(arguments.call(), REDUCTIONS[reduction], threads, arguments.input)
    return _Piece(sums, ())


def _piece_and_grad(
    given: _Given, options: _Options, reduction: str, scale: float
) -> tuple[_Piece, NDArray[Any]]:
    counted = given.pop("counted")
    arguments = _arguments(given, options)
    grad = np.empty_like(arguments.input, arguments.dtype)
    threads = as_num_threads(options["num_threads"])
    sums = _parallel.accumulate_with_grad(
        arguments.call(), REDUCTIONS[reduction], scale, threads, counted, grad
    )
    return _Piece(sums, ()), grad


def _loss_and_grad(given: _Given, options: _Options) -> tuple[NDArray[Any], NDArray[Any]]:
    value, grad = bcelogits.value_and_grad(**given, **options, reduction="none")
    return np.asarray(value), np.asarray(grad)


def _parameter_grad(given: _Given, options: _Options, name: str, wide: bool) -> NDArray[Any]:
    """Return the derivative by an argument of the shape of the logits, times `grad_output`."""
    factor = given.pop("grad_output", None)
    arguments = _arguments(given, options)
    out = np.empty_like(arguments.input, arguments.dtype)
    factor = as_grad_output(factor, arguments)
    call = arguments.call(grad_output=factor, float64=wide)
    threads = as_num_threads(options["num_threads"])
    map_grad(call, name, threads, out, arguments.input.shape)
    return out


def _parameter_sum(
    given: _Given, options: _Options, name: str, axes: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the derivative by an argument, summed over axes, which stay with the length 1."""
    factor = given.pop("grad_output", None)
    arguments = _arguments(given, options)
    out = np.empty([1 if d in axes else n for d, n in enumerate(arguments.input.shape)])
    call = arguments.call(grad_output=as_grad_output(factor, arguments))
    threads = as_num_threads(options["num_threads"])
    map_grad(call, name, threads, out, arguments.input.shape)
    return out


def _number_counted(given: _Given, options: _Options, axes: tuple[int, ...]) -> NDArray[np.float64]:
    counted = _arguments(given, options).counted()
    numbers: NDArray[np.float64] = np.sum(counted, axis=axes, keepdims=True, dtype=np.float64)
    return numbers


# ---- reductions ----------------------------------------------------------------------------------


def _reduced(
    operands: _Operands, reduction: str, axis: int | tuple[int, ...] | None, dtype: np.dtype[Any]
) -> da.Array:
    ndim = operands.input.ndim
    axes = tuple(range(ndim)) if axis is None else normalize_axes(axis, ndim)
    without = ("grad_output",)
    if all(operands.input.numblocks[d] == 1 for d in axes):
        function = partial(_reduced_chunk, reduction=reduction, axes=axes, dtype=dtype)
        return operands.map(function, dtype, dropped=axes, without=without)
    operands = operands.rechunked(_fewer_sums(operands.input, axes))
    pieces = operands.map(partial(_piece, axes=axes), np.dtype(object), without=without)
    return _merged(pieces, axes, partial(_result, reduction=reduction, dtype=dtype), dtype)


def _fewer_sums(input: da.Array, axes: tuple[int, ...]) -> dict[int, int]:
    """Return lengths of chunks, along axes that are kept, that bound the sums of a chunk."""
    kept = [d for d in range(input.ndim) if d not in axes]
    longest = {d: max(input.chunks[d]) for d in kept}
    if any(math.isnan(n) for n in longest.values()) or math.prod(longest.values()) <= _MOST_SUMS:
        return {}
    sizes, room = {}, _MOST_SUMS
    for d in reversed(kept):
        sizes[d] = max(min(longest[d], room), 1)
        room //= sizes[d]
    return sizes


def _merged(
    pieces: da.Array,
    axes: tuple[int, ...],
    finish: Callable[[_Piece], Any],
    dtype: np.dtype[Any] | None = None,
) -> da.Array:
    """Merge along axes, as a tree, and make results of what is left."""
    dtype = np.dtype(object) if dtype is None else dtype
    if not pieces.ndim:
        return da.map_blocks(finish, pieces, dtype=dtype, meta=np.empty((), dtype))
    return da.reduction(
        pieces,
        chunk=_same,
        combine=_merge,
        aggregate=partial(_finish, finish=finish),
        axis=axes,
        concatenate=False,
        dtype=dtype,
        meta=np.empty((0,) * (pieces.ndim - len(axes)), dtype),
    )


def _same(x: Any, axis: Any, keepdims: bool) -> Any:
    return x


def _merge(pieces: Any, axis: Any, keepdims: bool) -> _Piece:
    first, *others = flatten([pieces], container=list)
    sums = Accumulator(first.sums.size)  # what came from elsewhere stays as it is
    for piece in (first, *others):
        if piece.shape != first.shape:
            raise ValueError(f"chunks keep axes of the shapes {first.shape} and {piece.shape}")
        sums.merge(piece.sums)
    return _Piece(sums, first.shape)


def _finish(pieces: Any, axis: Any, keepdims: bool, finish: Callable[[_Piece], Any]) -> Any:
    return finish(_merge(pieces, axis, keepdims))


def _only(piece: _Piece) -> _Piece:
    return piece


def _only_sums(piece: _Piece) -> Accumulator:
    return piece.sums


def _result(piece: _Piece, reduction: str, dtype: np.dtype[Any]) -> Any:
    values = piece.sums.results(REDUCTIONS[reduction], dtype).reshape(piece.shape)
    if reduction != "sum":
        weights = piece.sums.weights() if reduction == "weighted_mean" else None
        warn_of_divisors(piece.sums.counts(), weights)
    return values[()]


# ---- gradients -----------------------------------------------------------------------------------


def _mapped_with_grads(
    operands: _Operands, names: tuple[str, ...]
) -> tuple[da.Array, dict[str, da.Array]]:
    grads = {}
    if "input" in names:
        pairs = operands.map(_loss_and_grad, np.dtype(object))
        value, grads["input"] = (_nth(pairs, i, operands.dtype) for i in range(2))
    else:
        value = operands.map(partial(_loss, dtype=None), operands.dtype)
    for name in names:
        if name != "input":
            grads[name] = _grad_by_parameter(operands, name)
    return value, grads


def _reduced_with_grads(
    operands: _Operands, names: tuple[str, ...], reduction: str, scale: float
) -> tuple[da.Array, dict[str, da.Array]]:
    ndim, grads = operands.input.ndim, {}
    if reduction == "weighted_mean" and operands.weight is None:
        reduction = "mean"  # the same, and it may be known without looking
    counted = _count(operands, reduction)
    if "input" in names:
        function = partial(_piece_and_grad, reduction=reduction, scale=scale)
        pairs = operands.map(function, np.dtype(object), counted=counted)
        grads["input"] = _nth(pairs, 1, operands.dtype)
        finish = partial(_result, reduction=reduction, dtype=operands.dtype)
        pieces = _nth(pairs, 0, np.dtype(object))
        value = _merged(pieces, tuple(range(ndim)), finish, operands.dtype)
    else:
        value = _reduced(operands, reduction, None, operands.dtype)
    factor = da.map_blocks(
        partial(_factor, reduction=reduction, scale=scale), counted, dtype=float, meta=np.empty(())
    )
    for name in names:
        if name != "input":
            mean = None
            if name == "weight" and reduction == "weighted_mean":
                # d (S / W) / dw = (d S / dw - S / W) / W: the mean itself is part of it.
                mean = _reduced(operands, reduction, None, np.dtype(np.float64))
            grads[name] = _grad_by_parameter(operands, name, factor, mean)
    return value, grads


def _nth(tuples: da.Array, n: int, dtype: np.dtype[Any]) -> da.Array:
    return da.map_blocks(
        itemgetter(n), tuples, dtype=dtype, meta=np.empty((0,) * tuples.ndim, dtype)
    )


def _count(operands: _Operands, reduction: str) -> da.Array:
    """Return what a gradient is divided by, as an Accumulator: without the logits, if possible."""
    object_ = np.dtype(object)
    size = math.prod(operands.input.shape)
    of_weights = reduction == "weighted_mean"
    if reduction == "sum" or (not of_weights and operands.all_count() and not math.isnan(size)):
        number = 0 if reduction == "sum" else int(size)
        known = Accumulator.from_state([(number, [(0, 0)] * 3)])
        return da.from_delayed(dask.delayed(known, pure=True), (), meta=np.empty((), object_))
    function = partial(_counted, reduction=reduction, dtype=operands.dtype)
    without = ("input", "pos_weight", "grad_output", *(() if of_weights else ("weight",)))
    pieces = operands.map(function, object_, without=without)
    return _merged(pieces, tuple(range(operands.input.ndim)), _only_sums)


def _factor(counted: Accumulator, reduction: str, scale: float) -> Any:
    if reduction == "sum":
        return np.float64(scale)
    by = counted.weights() if reduction == "weighted_mean" else counted.counts()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.float64(scale) / np.float64(by[0])


def _grad_by_parameter(
    operands: _Operands, name: str, factor: da.Array | None = None, mean: da.Array | None = None
) -> da.Array:
    """Return the gradient by an argument but the logits, in the shape of that argument."""
    array, input, dtype = getattr(operands, name), operands.input, operands.dtype
    missing = input.ndim - array.ndim
    axes = tuple(
        d for d in range(input.ndim)
        if d < missing or (array.shape[d - missing] == 1 and input.shape[d] != 1)
    )  # fmt: skip
    more = {} if factor is None else {"grad_output": factor}
    if not axes and mean is None:
        # In double, so that the factor is not rounded before it is multiplied.
        function = partial(_parameter_grad, name=name, wide=factor is not None)
        return operands.map(function, dtype, **more)
    chunks = tuple((1,) * len(c) if d in axes else c for d, c in enumerate(input.chunks))
    double = np.dtype(np.float64)
    function = partial(_parameter_sum, name=name, axes=axes)
    terms = {"sums": _summed(operands.map(function, double, chunks=chunks), axes)}
    if mean is not None:
        counts = operands.map(partial(_number_counted, axes=axes), double, chunks=chunks)
        terms |= {"counts": _summed(counts, axes), "mean": mean}
    if factor is not None:
        terms["factor"] = factor
    grad = da.map_blocks(
        partial(_finished_grad, names=tuple(terms), dtype=dtype),
        *terms.values(),
        dtype=dtype,
        meta=np.empty((0,) * input.ndim, dtype),
    )
    return grad[(0,) * missing]


def _finished_grad(*values: Any, names: tuple[str, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    terms = dict(zip(names, values, strict=True))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        sums = terms["sums"] - terms.get("counts", 0) * terms.get("mean", 0)
        grad: NDArray[Any] = np.asarray(sums * terms.get("factor", 1)).astype(dtype)
    return grad


def _summed(parts: da.Array, axes: tuple[int, ...]) -> da.Array:
    if not axes:
        return parts
    return da.reduction(
        parts,
        chunk=_same,
        combine=_sum_exactly,
        aggregate=_sum_exactly,
        axis=axes,
        keepdims=True,
        dtype=parts.dtype,
        meta=np.empty((0,) * parts.ndim, parts.dtype),
    )


def _sum_exactly(x: NDArray[np.float64], axis: tuple[int, ...], keepdims: bool) -> Any:
    """Return sums that are rounded once, but where they are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums: NDArray[np.float64] = np.sum(x, axis=axis, keepdims=True)
    rows = np.moveaxis(x, axis, range(-len(axis), 0)).reshape(sums.size, -1)
    for i, row in enumerate(rows.tolist()):
        if math.isfinite(sums.flat[i]):
            sums.flat[i] = math.fsum(row)
    return sums
