"""Arguments of a constructor, as they would be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSET = {"label_smoothing": 0.0, "check": True}  # others: None


def written_arguments(configuration: Mapping[str, Any]) -> str:
    """Return the arguments that are not what they are by default, on one line."""
    shown = {k: v for k, v in configuration.items() if not _is(v, _UNSET.get(k))}
    return ", ".join(f"{name}={_short(value)}" for name, value in shown.items())


def _is(value: Any, unset: Any) -> bool:
    return value is None if unset is None else bool(value == unset)


def _short(value: Any) -> str:
    """Return the value as it would be written as an argument, on one line, long arrays abridged."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, separator=", ", threshold=16, max_line_width=10**6)
    else:
        text = repr(value)
    return " ".join(text.split())
