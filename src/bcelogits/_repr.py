"""Arguments as they would be written, in a bounded time and length."""

from __future__ import annotations

import math
import reprlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_ELEMENTS = 216


class _Shown(reprlib.Repr):
    """As reprlib, but does not ask objects of unknown types, whose repr may take any time."""

    def repr_instance(self, x: Any, level: int) -> str:
        if x is None or isinstance(x, bool | float | complex | bytes | type | np.dtype):
            return super().repr_instance(x, level)
        return f"an object of type {type(x).__name__}"


_shown = _Shown()
_shown.maxstring = _shown.maxother = 80


def shown(value: Any) -> str:
    """Return what a message shows of an argument that is not what it should be."""
    return _shown.repr(value)


_UNSET = {"label_smoothing": 0.0, "check": True}  # others: None


def written_arguments(configuration: Mapping[str, Any]) -> str:
    """Return the arguments that are not what they are by default, on one line."""
    written = {k: v for k, v in configuration.items() if not _is(v, _UNSET.get(k))}
    return ", ".join(f"{name}={_short(value)}" for name, value in written.items())


def _is(value: Any, unset: Any) -> bool:
    return value is None if unset is None else bool(value == unset)


def _short(value: Any) -> str:
    """Return the value as it would be written as an argument, on one line, long arrays abridged."""
    if not isinstance(value, np.ndarray):
        text = repr(value)
    # Of each axis NumPy writes six elements: of many axes, without end.
    elif math.prod(min(n, 6) for n in value.shape) > _MOST_ELEMENTS:
        text = f"<{value.dtype} array of shape {value.shape}>"
    else:
        text = np.array2string(value, separator=", ", threshold=16, max_line_width=10**6)
    return " ".join(text.split())
