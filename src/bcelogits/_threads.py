"""The number of threads: the argument, the default of the process, the environment variable."""

from __future__ import annotations

import operator
import os
from typing import Any


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
