"""Passes over arrays, cut into pieces that several threads can share.

A piece is a run of whole blocks. The library adds up blocks exactly, so neither where the cuts are
nor the order in which pieces are done changes a bit. Between two pieces of a long pass an interrupt
is heard.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits._core import ALONE, BLOCK, Accumulator
from bcelogits._threads import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bcelogits._core import Call

    Pieces = Iterator[tuple[int, int]]

# Elements that a thread gets at least: two share no fewer than ALONE. A helper begins about 40
# microseconds after it is sent for; this many elements take no less.
_SHARE = ALONE // 2

# More pieces than threads, for a thread that is slow or late not to keep the others waiting.
_PIECES_PER_THREAD = 8

# Elements of the longest piece: a few milliseconds, so that Ctrl-C is heard.
_LONGEST = 1 << 22


def _threads_for(size: int, threads: int) -> int:
    return max(1, min(threads, size // _SHARE))


def is_cut(size: int, threads: int) -> bool:
    """Whether a pass over so many elements is done in pieces, with so many threads at most."""
    return size > _LONGEST or _threads_for(size, threads) > 1


def _cut(length: int, size: int, threads: int) -> list[tuple[int, int]]:
    """Cut range(length), which stands for `size` elements, into ranges."""
    count = max(_PIECES_PER_THREAD * threads, size // _LONGEST + 1)
    count = min(count, max(size // (_SHARE // 2), 1), length)
    cuts = [length * i // count for i in range(count + 1)]
    return list(pairwise(cuts))


def _runs_of_blocks(size: int, threads: int) -> list[tuple[int, int]]:
    return _cut(-(-size // BLOCK), size, threads)


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
            call.map(function, out, out2, first, last)

    threads = _threads_for(call.size, threads)
    share(_runs_of_blocks(call.size, threads), threads, work)


def reduce(
    call: Call,
    reduction: int,
    threads: int,
    out: NDArray[Any],
    order: tuple[int, ...] | None = None,
) -> None:
    """Reduce all but the first out.ndim axes of `order`, as `Call.reduce` does."""
    if not is_cut(call.size, threads):
        call.reduce(reduction, out, order)
    elif out.ndim == 0 or order is None:
        _reduce_all(call, reduction, _threads_for(call.size, threads), out)
    else:
        _reduce_axes(call, reduction, _threads_for(call.size, threads), out, order)


def accumulate(
    call: Call, threads: int, sums: Accumulator, kept: int, order: tuple[int, ...] | None
) -> None:
    """Add everything to `sums`, or to each of its parts what has its index of the kept axes."""
    if kept and order is not None:
        call.accumulate_each(sums, kept, order)
        return
    if not is_cut(call.size, threads):
        call.accumulate_blocks(sums)
        return
    threads = _threads_for(call.size, threads)

    def work(pieces: Pieces) -> Accumulator:
        part = Accumulator()
        for first, last in pieces:
            call.accumulate_blocks(part, first, last)
        return part

    sums.merge(_merged(share(_runs_of_blocks(call.size, threads), threads, work)))


def _merged(parts: list[Accumulator]) -> Accumulator:
    merged, *others = parts
    for other in others:
        merged.merge(other)
    return merged


def _reduce_all(call: Call, reduction: int, threads: int, out: NDArray[Any]) -> None:
    def work(pieces: Pieces) -> Accumulator:
        sums = Accumulator()
        for first, last in pieces:
            call.reduce_blocks(sums, reduction, first, last)
        return sums

    _merged(share(_runs_of_blocks(call.size, threads), threads, work)).result(reduction, out)


def _reduce_axes(
    call: Call, reduction: int, threads: int, out: NDArray[Any], order: tuple[int, ...]
) -> None:
    """Cut the longest axis that is kept: each value is the work of one thread."""
    axis = int(np.argmax(out.shape))

    def work(pieces: Pieces) -> None:
        for start, stop in pieces:
            call.reduce_slice(reduction, out, order, axis, start, stop)

    share(_cut(out.shape[axis], call.size, threads), threads, work)


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

    def count(pieces: Pieces) -> Accumulator:
        counted = Accumulator()
        for first, last in pieces:
            call.count_blocks(counted, reduction, grad, first, last)
        return counted

    threads = _threads_for(call.size, threads)
    runs = _runs_of_blocks(call.size, threads)
    # Mostly nothing is read to count: not worth a second thread.
    counted = _merged(share(runs, threads if call.reads_to_count(reduction) else 1, count))
    accumulate_with_grad(call, reduction, scale, threads, counted, grad).result(reduction, value)


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

    def work(pieces: Pieces) -> Accumulator:
        sums = Accumulator()
        for first, last in pieces:
            call.value_and_grad_blocks(sums, reduction, scale, counted, grad, first, last)
        return sums

    threads = _threads_for(call.size, threads)
    return _merged(share(_runs_of_blocks(call.size, threads), threads, work))
