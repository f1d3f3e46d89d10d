"""Who does the work on the parts of the files: this thread, several, or a dask cluster."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bcelogits.cli.errors import CommandError
from bcelogits.cli.quiet import quiet

Advance = Callable[[int], None]
T = TypeVar("T")

_SECONDS = 0.1  # between two looks at what the threads have done
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Part:
    """What is read in one go.

    Attributes
    ----------
    path : str
        The file.
    part : range or None
        What of it, as `bcelogits.cli.readers.split` says.
    size : int
        Its bytes, about.
    """

    path: str
    part: range | None
    size: int


# Work on a part: told how to say how many bytes it has read, it returns what it found.
Work = Callable[[Part, Advance], T]


def results_of_threads(
    work: Work[T], parts: Sequence[Part], threads: int, advance: Advance
) -> Iterator[T]:
    """Yield the results in the order of the parts, worked on by several threads.

    What one of them raises is raised when it is its turn: of several errors, always the first.
    """
    from concurrent.futures import Future, ThreadPoolExecutor, wait

    done, lock, stopped = 0, threading.Lock(), threading.Event()

    def count(size: int) -> None:
        nonlocal done
        if stopped.is_set():
            raise CommandError("stopped")  # nobody waits for it
        with lock:
            done += size

    def tell() -> None:
        nonlocal done
        with lock:
            size, done = done, 0
        advance(size)

    executor = ThreadPoolExecutor(threads, thread_name_prefix="bcelogits-score")
    try:
        waiting: deque[Future[T]] = deque()
        remaining = iter(parts)
        while True:
            # A few ahead: results that wait for their turn take memory.
            for part in remaining:
                waiting.append(executor.submit(work, part, count))
                if len(waiting) >= 2 * threads:
                    break
            if not waiting:
                break
            future = waiting.popleft()
            while not wait([future], _SECONDS).done:
                tell()
            tell()
            yield future.result()
    finally:
        stopped.set()
        executor.shutdown(wait=True, cancel_futures=True)


def results_of_dask(
    work: Work[T], parts: Sequence[Part], scheduler: str, advance: Advance
) -> Iterator[T]:
    """Yield the results in the order of the parts, worked on by a cluster that sees the files.

    Of the cluster, its address is told or the file in which its scheduler says it.
    """
    address = _address(scheduler)
    with _client(address) as client:
        parts = [replace(part, path=os.path.abspath(part.path)) for part in parts]
        futures = deque(client.map(_of_worker, parts, work=work, pure=False))
        try:
            for part in parts:
                future = futures.popleft()
                with _of_cluster(address):
                    result, message = future.result()
                del future  # the cluster may forget it
                if message is not None:
                    raise CommandError(message)
                advance(part.size)
                yield result
        finally:
            client.cancel(list(futures))


def _address(scheduler: str) -> str:
    """Return the address; dask itself would wait for ever for a file that is not there."""
    is_file = scheduler.endswith(".json") or os.path.isfile(scheduler)
    address = scheduler if "://" in scheduler or not is_file else _address_in(scheduler)
    if address.startswith("inproc:"):
        raise CommandError(f"dask at {address}: no other process can reach this cluster")
    return address


def _address_in(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            address = json.load(file)["address"]
        if isinstance(address, str):
            return address
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from None
    except (ValueError, TypeError, LookupError, RecursionError):
        pass
    raise CommandError(f"{path}: is no file of a dask scheduler: it tells no address")


def _of_worker(part: Part, work: Work[T]) -> tuple[T | None, str | None]:
    """Return a result, or what is to be told: an exception of ours may not be known elsewhere."""
    try:
        return work(part, lambda size: None), None
    except CommandError as error:
        return None, str(error)


@contextlib.contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        import distributed
    except ImportError:
        raise CommandError("--engine dask needs dask: pip install 'bcelogits[dask]'") from None
    # What it logs of a lost connection is told by the exception too, in one line.
    with quiet("distributed"):
        with _of_cluster(address):
            client = distributed.Client(
                address, timeout=_CONNECT_SECONDS, set_as_default=False, name="bcelogits"
            )
        with client:
            yield client


@contextlib.contextmanager
def _of_cluster(address: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        text = str(error) or type(error).__name__
        raise CommandError(f"dask at {address}: {text}") from error
