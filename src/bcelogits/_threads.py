"""Threads: how many a call may use, and the pool of those that help it.

The pool is made by the first call that wants it, and never at import. A caller works too, and takes
pieces of its work from the same queue as its helpers: should no helper come, because the process is
ending, cannot start a thread or has lent them all to others, the call takes longer and is the same.
"""

from __future__ import annotations

import operator
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")


def all_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def as_num_threads(num_threads: Any) -> int:
    """Return the argument as a number of threads, at least 1."""
    if num_threads is None:
        return get_num_threads()
    try:
        number = operator.index(num_threads)
    except TypeError:
        raise TypeError(
            f"num_threads must be an integer or None, not {type(num_threads).__name__}"
        ) from None
    if number == -1:
        return all_cores()
    if number < 1:
        raise ValueError(f"num_threads must be at least 1, or -1 for all cores, got {number}")
    return number


def set_num_threads(n: int) -> None:
    """Set how many threads a call uses that says nothing about it.

    Parameters
    ----------
    n : int
        At least 1, or -1 for all cores that the process may use. The environment variable
        ``BCELOGITS_NUM_THREADS`` sets it at import; otherwise it is 1.

    Raises
    ------
    ValueError, TypeError
        If `n` is no such number.

    See Also
    --------
    get_num_threads

    Notes
    -----
    The number changes no bit of any result. It is an upper limit: a thread is used for each 131,072
    elements, so that calls on fewer than 262,144 are the work of the calling thread. On a machine
    of two cores another thread began 36 microseconds after it was sent for (the median of 1,500
    times), no later than one thread is done with that many elements.

    Threads share whatever is computed from that many elements: losses, reductions of everything or
    over some axes, gradients by any argument, and the updates of a `RunningLoss`.

    The threads that help are started by the first call that wants them, and wait for the next. A
    forked process starts its own.
    """
    global _default
    if n is None:
        raise TypeError("num_threads must be an integer, not None")
    _default = as_num_threads(n)


def get_num_threads() -> int:
    """Return how many threads a call uses that says nothing about it.

    Returns
    -------
    int
        At least 1.

    See Also
    --------
    set_num_threads
    """
    return _default


def _from_environment() -> int:
    text = os.environ.get("BCELOGITS_NUM_THREADS")
    if not text:
        return 1
    try:
        return as_num_threads(int(text))
    except ValueError:
        raise ImportError(
            f"BCELOGITS_NUM_THREADS must be at least 1, or -1 for all cores, not {text!r}"
        ) from None


_default = _from_environment()


# --- the pool --------------------------------------------------------------------------------


class _Pool:
    """The helpers of this process: as many as any call has wanted so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # In one, so that a thread without a lock never reads the size of another executor.
        self._current: tuple[int, ThreadPoolExecutor] | None = None

    def submit(self, count: int, work: Callable[[], T], futures: list[Future[T]]) -> None:
        """Ask `count` helpers to do the work, and append what they promise; fewer may come."""
        try:
            for _ in range(count):
                futures.append(self._of_size(count).submit(work))
        except RuntimeError:
            pass  # no new thread: the interpreter is ending, or the system has no more

    def _of_size(self, size: int) -> ThreadPoolExecutor:
        current = self._current
        if current is not None and current[0] >= size:
            return current[1]
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            current = self._current
            if current is not None and current[0] >= size:
                return current[1]
            executor = ThreadPoolExecutor(size, thread_name_prefix="bcelogits")
            self._current = size, executor
            if current is not None:
                current[1].shutdown(wait=False)  # what was submitted is still done
            return executor


_pool = _Pool()


def _forget_pool() -> None:
    """Start anew in a forked process: threads, and whoever held a lock, stayed in the other."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


class _Queue:
    """Pieces, made when they are wanted: there may be very many."""

    def __init__(self, pieces: Iterable[T]) -> None:
        self._lock = threading.Lock()
        self._pieces = iter(pieces)

    def take(self) -> Iterator[Any]:
        """Yield the pieces that fall to the thread that asks."""
        while True:
            with self._lock:
                piece = next(self._pieces, self)
            if piece is self:
                return
            yield piece

    def clear(self) -> None:
        """Have no more pieces."""
        self._pieces = iter(())


def share(pieces: Iterable[Any], threads: int, work: Callable[[Iterator[Any]], T]) -> list[T]:
    """Let several threads work on the pieces, each taking one after the other.

    Parameters
    ----------
    pieces : iterable
    threads : int
        The caller's is one of them.
    work : callable
        Called once in each thread, with an iterator over the pieces that fall to it. It may get
        none.

    Returns
    -------
    list
        What `work` returned, in no particular order.

    Raises
    ------
    BaseException
        What a call of `work` raised, the caller's first. By then no thread works any more, and
        pieces may be undone.
    """
    queue = _Queue(pieces)

    def run() -> T:
        try:
            return work(queue.take())
        except BaseException:
            queue.clear()  # nobody needs the rest
            raise

    futures: list[Future[T]] = []
    try:
        _pool.submit(min(threads, operator.length_hint(pieces, threads)) - 1, run, futures)
        results = [run()]
    finally:
        _finish(queue, futures)  # they write into what is the caller's
    return results + [future.result() for future in futures if not future.cancelled()]


def _finish(queue: _Queue, futures: list[Future[Any]]) -> None:
    """Wait until no helper works any more, even if interrupted."""
    interrupt: BaseException | None = None
    for future in futures:
        while not future.cancel():  # unless it has not begun
            try:
                future.exception()
                break
            except BaseException as error:
                queue.clear()
                interrupt = error
    if interrupt is not None:
        raise interrupt
