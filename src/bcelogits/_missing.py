"""The rule for missing values: none is a number, and none counts.

Inside the package an argument with missing values is a masked array of NumPy until it is known
which elements count. One that nothing is missing in is an ndarray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


def element_error(name: str, index: Sequence[int], reason: str) -> ValueError:
    """Return an error about one element, which `moved` can tell the place of in a whole."""
    error = ValueError(f"{name}{place(index)} is {reason}")
    vars(error)["element"] = name, tuple(index), reason
    return error


def moved(error: ValueError, starts: Mapping[str, Sequence[float]]) -> ValueError | None:
    """Return the error of an array of which its own begins at a start; None if it has no place."""
    name, index, reason = vars(error).get("element", ("", (), ""))
    start = starts.get(name)
    if start is None or any(s != s for s in start):
        return None
    return element_error(name, [i + int(s) for i, s in zip(index, start, strict=True)], reason)


def place(index: Sequence[int]) -> str:
    """Return the index as it is written behind a name."""
    return f"[{', '.join(map(str, index))}]" if len(index) else ""


def with_missing(array: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[Any]:
    """Return an array that says which of its elements are missing; itself if none is."""
    return np.ma.masked_array(array, missing) if missing.any() else array


def complete(name: str, array: NDArray[Any], way_out: str = "give it a value") -> NDArray[Any]:
    """Return an array of which nothing may be missing."""
    if type(array) is np.ndarray:
        return array
    missing = np.ma.getmaskarray(array)
    raise element_error(name, _first(missing), f"missing; {way_out}")


def complete_where_counted(
    name: str, array: NDArray[Any], counted: NDArray[np.bool_]
) -> NDArray[Any]:
    """Return an array of which nothing that counts may be missing.

    `counted` has the shape of the logits, to which the array is broadcast. That it cannot be is for
    others to say.
    """
    if type(array) is np.ndarray:
        return array
    missing, data = np.ma.getmaskarray(array), np.asarray(np.ma.getdata(array))
    ahead = counted.ndim - missing.ndim
    try:
        np.broadcast_to(missing, counted.shape)
    except ValueError:
        return data
    used: NDArray[np.bool_] = np.any(counted, axis=tuple(range(ahead)))
    for axis, extent in enumerate(missing.shape):
        if extent == 1:
            used = np.any(used, axis=axis, keepdims=True)
    found = missing & used
    if found.any():
        raise element_error(
            name, _first(found), "missing; leave it out with where=, or give it a value"
        )
    return data


def _first(found: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(int(np.argmax(found)), found.shape)))
