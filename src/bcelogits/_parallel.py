"""Passes over arrays, cut into pieces that several threads can share.

A piece is a run of whole blocks, of everything or of each of a few sums, or it is a number of whole
results. The library adds up blocks exactly, so neither where the cuts are nor the order in which
pieces are done changes a bit. Between two pieces of a long pass an interrupt is heard.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits import _core
from bcelogits._core import ALONE, BLOCK, REDUCTIONS, Accumulator, TargetOutOfRangeError
from bcelogits._info import active_isa
from bcelogits._threads import share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from bcelogits._core import Call

    Box = tuple[slice, ...]
    Order = tuple[int, ...] | None
    Pieces = Iterator[tuple[int, int]]

# Elements that a thread gets at least: two share no fewer than ALONE. A helper begins about 40
# microseconds after it is sent for; this many elements take no less.
_SHARE = ALONE // 2

# More pieces than threads, for a thread that is slow or late not to keep the others waiting.
_PIECES_PER_THREAD = 8

# Elements of the longest piece. An element takes longest with extreme weights and scattered arrays:
# 0.15 microseconds, or 1.3 where fused multiply-add is emulated. So Ctrl-C is heard within a few
# hundredths of a second; the microsecond or two that a piece costs besides is lost among the 100
# and more that the quickest takes.
_LONGEST = 1 << (15 if active_isa() == "baseline" else 18)

# What a result takes besides its elements, in elements.
_RESULT = 128

# Sums that are formed side by side, in one way through memory if they are those of columns.
_SIDE_BY_SIDE = 8

# Results whose sums are kept at a time, two kilobytes each.
_MOST_SUMS = 1 << 12


# --- cuts ------------------------------------------------------------------------------------


def _threads_for(size: int, threads: int) -> int:
    return max(1, min(threads, size // _SHARE))


def is_cut(size: int, threads: int, results: int = 0) -> bool:
    """Whether a pass over so many elements is done in pieces, with so many threads at most."""
    return size + _RESULT * results > _LONGEST or _threads_for(size, threads) > 1


def _piece(size: int, threads: int) -> int:
    """Return how many elements a piece has at most.

    Half as many with helpers: one may have begun another piece before the caller hears a signal.
    """
    even = size // (_PIECES_PER_THREAD * threads)
    return min(_LONGEST // min(threads, 2), max(even, _SHARE // 2))


def _ranges(length: int, most: int) -> Pieces:
    """Cut range(length) into ranges of about the same length, none of them longer than `most`."""
    count = -(-length // max(most, 1))
    return ((length * i // count, length * (i + 1) // count) for i in range(count))


def _runs_of_blocks(size: int, threads: int) -> Pieces:
    return _ranges(-(-size // BLOCK), _piece(size, threads) // BLOCK)


def _boxes(shape: tuple[int, ...], each: int, most: int) -> Iterator[Box]:
    """Cut an array into boxes in C order, of `most` elements at most that count as `each`.

    A box is a range of one axis, at one index of those before it.
    """
    if not shape:
        yield ()
        return
    inner = each * math.prod(shape[1:])
    if inner <= most or len(shape) == 1:
        rest = tuple(slice(0, extent) for extent in shape[1:])
        for start, stop in _ranges(shape[0], most // max(inner, 1)):
            yield (slice(start, stop), *rest)
        return
    for i in range(shape[0]):
        for box in _boxes(shape[1:], each, most):
            yield (slice(i, i + 1), *box)


def boxes(shape: tuple[int, ...]) -> Iterator[Box]:
    """Cut an array into boxes, as indices of it, for what NumPy does in a long pass."""
    return _boxes(shape, 1, _LONGEST)


def _moved(index: tuple[int, ...], box: Box) -> tuple[int, ...]:
    """Return the index in the whole of an element of a box."""
    return tuple(part.start + i for part, i in zip(box, index, strict=True))


def _box_size(box: Box) -> int:
    return math.prod([part.stop - part.start for part in box])


def _first(box: Box, shape: tuple[int, ...]) -> int:
    """Return the number, in C order, of the first element of a box."""
    number = 0
    for part, extent in zip(box, shape, strict=True):
        number = number * extent + part.start
    return number


# --- targets, weights of positives, results: looked at and copied -----------------------------


def find_bad_target(call: Call) -> tuple[int, ...] | None:
    """Return the index of the first counted target outside [0, 1], or None."""
    if call.size <= _LONGEST:
        return call.find_bad_target()
    for box in boxes(call.shape):
        index = call.part(None, box).find_bad_target()
        if index is not None:
            return _moved(index, box)
    return None


def check_target(call: Call) -> None:
    """Raise a ValueError that names the first counted target outside [0, 1], if any."""
    index = find_bad_target(call)
    if index is not None:
        call.refuse_target(index)


def find_negative(array: NDArray[Any]) -> tuple[int, ...] | None:
    """Return the index of the first value that is negative or NaN, or None."""
    if array.size <= _LONGEST:
        return _core.find_negative(array)
    for box in boxes(array.shape):
        index = _core.find_negative(array[box])
        if index is not None:
            return _moved(index, box)
    return None


def are_finite(array: NDArray[Any]) -> bool:
    """Whether no value is infinite or NaN."""
    if array.size <= _LONGEST:
        return bool(np.isfinite(array).all())
    return all(np.isfinite(array[box]).all() for box in boxes(array.shape))


def copy(to: NDArray[Any], array: NDArray[Any]) -> None:
    """Copy between arrays of one shape."""
    if array.size <= _LONGEST:
        np.copyto(to, array, casting="same_kind")
        return
    for box in boxes(array.shape):
        np.copyto(to[box], array[box], casting="same_kind")


# --- passes ----------------------------------------------------------------------------------


def _share(call: Call, pieces: Iterator[Any], threads: int, work: Callable[[Any], Any]) -> Any:
    """Share pieces of a call; the caller's thread, which hears an interrupt, names a bad target."""
    try:
        return share(pieces, threads, work)
    except TargetOutOfRangeError as error:
        failure = error
    check_target(call)
    raise failure  # it is no longer there


def _sum_up(
    call: Call,
    size: int,
    threads: int,
    add: Callable[[Accumulator, int, int], None],
    results: int = 1,
) -> Accumulator:
    """Add up blocks, each of so many results."""
    threads = _threads_for(size, threads)

    def work(pieces: Pieces) -> Accumulator:
        sums = Accumulator(results)
        for first, last in pieces:
            add(sums, first, last)
        return sums

    blocks = -(-size // (BLOCK * results))
    pieces = _ranges(blocks, _piece(size, threads) // (BLOCK * results))
    merged, *others = _share(call, pieces, threads, work)
    for other in others:
        merged.merge(other)
    return merged  # type: ignore[no-any-return]


def _sum_up_each(
    call: Call,
    threads: int,
    shape: tuple[int, ...],
    order: Order,
    add: Callable[[Call, Accumulator, int, int], None],
) -> Iterator[tuple[Box, Accumulator]]:
    """Add up a few results at a time, each too long for a piece."""
    side_by_side = max(min(_SIDE_BY_SIDE, _LONGEST // BLOCK), 1)
    for box in _boxes(shape, 1, side_by_side):
        part, results = call.part(order, box), _box_size(box)

        def add_blocks(sums: Accumulator, first: int, last: int, part: Call = part) -> None:
            add(part, sums, first, last)

        yield box, _sum_up(call, part.size, threads, add_blocks, results)


def _share_results(
    call: Call,
    threads: int,
    shape: tuple[int, ...],
    order: Order,
    work: Callable[[Call, Box], None],
) -> None:
    """Share results, each of which is whole."""
    results = math.prod(shape)
    threads = _threads_for(call.size, threads)

    def work_on(pieces: Iterator[Box]) -> None:
        for box in pieces:
            work(call.part(order, box), box)

    each = call.size // results + _RESULT
    _share(call, _boxes(shape, each, _piece(each * results, threads)), threads, work_on)


def _are_long(call: Call, threads: int, results: int) -> bool:
    """Whether the blocks of each result are shared, not the results."""
    return call.size // results + _RESULT > _LONGEST or results < _threads_for(call.size, threads)


def map_elements(
    call: Call,
    function: int,
    threads: int,
    out: NDArray[Any],
    out2: NDArray[Any] | None = None,
) -> None:
    """Write one value, or two, for each element, as `Call.map` does."""
    if not is_cut(call.size, threads):
        call.map(function, out, out2)
        return

    def work(pieces: Pieces) -> None:
        for first, last in pieces:
            call.map_blocks(function, out, out2, first, last)

    threads = _threads_for(call.size, threads)
    _share(call, _runs_of_blocks(call.size, threads), threads, work)


def reduce(
    call: Call, reduction: int, threads: int, out: NDArray[Any], order: Order = None
) -> None:
    """Reduce all but the first out.ndim axes of `order`, as `Call.reduce` does."""
    if out.ndim == 0 or order is None:
        if is_cut(call.size, threads):
            _sums(call, reduction, threads).result(reduction, out)
        else:
            call.reduce(reduction, out, order)
    elif not is_cut(call.size, threads, out.size):
        call.reduce(reduction, out, order)
    elif _are_long(call, threads, out.size):

        def add(part: Call, sums: Accumulator, first: int, last: int) -> None:
            part.reduce_each_blocks(sums, reduction, out.ndim, first, last)

        for box, sums in _sum_up_each(call, threads, out.shape, order, add):
            out[box] = sums.results(reduction, out.dtype).reshape(out[box].shape)
    else:

        def work(part: Call, box: Box) -> None:
            part.reduce(reduction, out[box])

        _share_results(call, threads, out.shape, order, work)


def _sums(call: Call, reduction: int, threads: int) -> Accumulator:
    """Return what a reduction of everything needs."""

    def add(sums: Accumulator, first: int, last: int) -> None:
        call.reduce_blocks(sums, reduction, first, last)

    return _sum_up(call, call.size, threads, add)


def accumulate(call: Call, threads: int, sums: Accumulator, kept: int, order: Order = None) -> None:
    """Add everything to `sums`, or to each of its parts what has its index of the kept axes.

    On an error some may have been added.
    """
    if not kept:
        if is_cut(call.size, threads):
            sums.merge(_sum_up(call, call.size, threads, call.accumulate_blocks))
        else:
            call.accumulate(sums)
        return
    if not is_cut(call.size, threads, sums.size):
        call.accumulate_each(sums, kept, order)
        return
    axes = range(kept) if order is None else order[:kept]
    shape = tuple(call.shape[axis] for axis in axes)
    if _are_long(call, threads, sums.size):

        def add(part: Call, sums: Accumulator, first: int, last: int) -> None:
            part.accumulate_each_blocks(sums, kept, first, last)

        for box, found in _sum_up_each(call, threads, shape, order, add):
            start = _first(box, shape)
            found.merge_into(sums, np.arange(start, start + found.size))
    else:

        def work(part: Call, box: Box) -> None:
            part.accumulate_each(sums, kept, None, _first(box, shape))

        _share_results(call, threads, shape, order, work)


def accumulated(
    call: Call, threads: int, shape: tuple[int, ...], order: Order
) -> Iterator[tuple[Box, Accumulator]]:
    """Yield the sums of results of this shape, a number of them at a time.

    Targets are in range: a bad one would be named by its index in a part.
    """
    for box in _boxes(shape, 1, _MOST_SUMS):
        sums = Accumulator(_box_size(box))
        accumulate(call.part(order, box), threads, sums, len(shape))
        yield box, sums


def value_and_grad(
    call: Call,
    reduction: int,
    scale: float,
    threads: int,
    value: NDArray[Any],
    grad: NDArray[Any],
) -> None:
    """Reduce everything, and write the gradient times `scale`, as `Call.value_and_grad` does."""
    if not is_cut(call.size, threads):
        call.value_and_grad(reduction, scale, value, grad)
        return
    counted = count(call, reduction, threads, grad)
    accumulate_with_grad(call, reduction, scale, threads, counted, grad).result(reduction, value)


def count(
    call: Call, reduction: int, threads: int, grad: NDArray[Any] | None = None
) -> Accumulator:
    """Return what a gradient is divided by; `grad` is that by the logits."""

    def add(sums: Accumulator, first: int, last: int) -> None:
        call.count_blocks(sums, reduction, grad, first, last)

    if call.reads_to_count(reduction):
        return _sum_up(call, call.size, threads, add)
    counted = Accumulator()
    add(counted, 0, -(-call.size // BLOCK))
    return counted


def accumulate_with_grad(
    call: Call,
    reduction: int,
    scale: float,
    threads: int,
    counted: Accumulator,
    grad: NDArray[Any],
) -> Accumulator:
    """Return the sums, and write the gradient times `scale`, divided by what `counted` says."""
    if not call.size:
        return Accumulator()

    def add(sums: Accumulator, first: int, last: int) -> None:
        call.value_and_grad_blocks(sums, reduction, scale, counted, grad, first, last)

    return _sum_up(call, call.size, threads, add)


# --- gradients by other arguments than the logits ----------------------------------------------


def sum_grad(
    call: Call, function: int, threads: int, out: NDArray[Any], order: tuple[int, ...]
) -> None:
    """Sum an elementwise derivative over all but the first out.ndim axes of `order`."""
    if not is_cut(call.size, threads, out.size):
        call.sum_grad(function, out, order)
    elif _are_long(call, threads, out.size):
        _sum_long_grads(call, function, REDUCTIONS["sum"], 1.0, threads, Accumulator(), out, order)
    else:

        def work(part: Call, box: Box) -> None:
            part.sum_grad(function, out[box])

        _share_results(call, threads, out.shape, order, work)


def reduce_grad(
    call: Call,
    function: int,
    reduction: int,
    scale: float,
    threads: int,
    out: NDArray[Any],
    order: Order,
) -> None:
    """Write the gradient of a reduction, summed over all but the first out.ndim axes of `order`."""
    is_mapped = order is None and not _subtracts_value(function, reduction)
    if is_cut(call.size, threads, 0 if is_mapped else out.size):
        _reduce_grad_in_pieces(call, function, reduction, scale, threads, out, order)
    else:
        call.reduce_grad(function, reduction, scale, out, order)


def _subtracts_value(function: int, reduction: int) -> bool:
    """Whether the value of the reduction is a part of the gradient, which then is no map."""
    return function == _core.GRAD_WEIGHT and reduction == REDUCTIONS["weighted_mean"]


def _reduce_grad_in_pieces(
    call: Call,
    function: int,
    reduction: int,
    scale: float,
    threads: int,
    out: NDArray[Any],
    order: Order,
) -> None:
    subtracts_value = _subtracts_value(function, reduction)
    if subtracts_value:
        counted = _sums(call, reduction, threads)
    else:
        counted = count(call, reduction, threads)
    if order is None and not subtracts_value:

        def map_pieces(pieces: Pieces) -> None:
            for first, last in pieces:
                call.reduce_grad_blocks(function, reduction, scale, counted, out, first, last)

        threads = _threads_for(call.size, threads)
        _share(call, _runs_of_blocks(call.size, threads), threads, map_pieces)
    elif _are_long(call, threads, out.size):
        _sum_long_grads(call, function, reduction, scale, threads, counted, out, order)
    else:

        def work(part: Call, box: Box) -> None:
            part.reduce_grad_part(function, reduction, scale, counted, out[box])

        _share_results(call, threads, out.shape, order, work)


def _sum_long_grads(
    call: Call,
    function: int,
    reduction: int,
    scale: float,
    threads: int,
    counted: Accumulator,
    out: NDArray[Any],
    order: Order,
) -> None:
    def add(part: Call, sums: Accumulator, first: int, last: int) -> None:
        part.sum_grad_blocks(sums, function, out.ndim, first, last)

    for box, sums in _sum_up_each(call, threads, out.shape, order, add):
        values = sums.grad_results(function, reduction, scale, counted, out.dtype)
        out[box] = values.reshape(out[box].shape)
