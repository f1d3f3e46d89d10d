"""The state of a RunningLoss as plain values, and back with every field looked at."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits._core import Accumulator

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
SUMS = ("loss", "weight", "positive")  # in the order of Accumulator.state

# An exact sum is an integer times 2**-1586: 83 limbs of 32 bits, and one of 64 with the sign.
_BITS = 83 * 32 + 63
_SPECIALS = {"inf": 1, "-inf": 2, "nan": 4}


def pack(
    configuration: Mapping[str, Any], shape: tuple[int, ...] | None, sums: Accumulator
) -> dict[str, Any]:
    """Return the state of a RunningLoss as numbers, strings, lists and None."""
    state = dict(configuration)
    pos_weight = state["pos_weight"]
    if pos_weight is not None:
        exact = pos_weight if pos_weight.dtype.kind in "biu" else pos_weight.astype(np.float64)
        state["pos_weight"] = exact.tolist()
    if isinstance(state["axis"], tuple):
        state["axis"] = list(state["axis"])
    parts = sums.state()
    return {
        "format": FORMAT,
        "arguments": state,
        "shape": None if shape is None else list(shape),
        "count": [count for count, _ in parts],
        **{name: [_written(*found[i]) for _, found in parts] for i, name in enumerate(SUMS)},
    }


def _written(value: int, specials: int) -> str:
    """Return a sum in hexadecimal, in units of 2**-1586, or the infinities and NaN it has seen."""
    if specials:
        return " ".join(name for name, bit in _SPECIALS.items() if specials & bit)
    return f"{value:x}"


def _read(name: str, text: Any) -> tuple[int, int]:
    if isinstance(text, str):
        words = text.split()
        if words and all(word in _SPECIALS for word in words):
            return 0, sum({_SPECIALS[word] for word in words})
        # No longer than any sum: int() takes its time with long strings.
        if re.fullmatch("-?[0-9a-f]{1,700}", text):
            value = int(text, 16)
            if value.bit_length() <= _BITS:
                return value, 0
    raise ValueError(f"{name} is {_shortened(text)}; it must be a sum that state_dict wrote")


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unpack(state: Any) -> tuple[dict[str, Any], tuple[int, ...] | None, Accumulator]:
    """Return the arguments, the shape and the sums that `pack` was given."""
    if not isinstance(state, dict):
        raise ValueError(f"state must be a dict, not {type(state).__name__}")
    _check_names("state", state, {"format", "arguments", "shape", "count", *SUMS})
    if state["format"] != FORMAT:
        raise ValueError(f"format is {_shortened(state['format'])}; this version reads {FORMAT}")
    shape = _shape(state["shape"])
    size = 1 if shape is None else math.prod(shape)
    columns = [_column(state, name, size) for name in ("count", *SUMS)]
    counts = [_count(f"count[{i}]", value) for i, value in enumerate(columns[0])]
    sums = [
        [_read(f"{name}[{i}]", text) for i, text in enumerate(column)]
        for name, column in zip(SUMS, columns[1:], strict=True)
    ]
    parts = [(count, list(exact)) for count, *exact in zip(counts, *sums, strict=True)]
    return _arguments(state["arguments"]), shape, Accumulator.from_state(parts)


def _check_names(name: str, state: dict[str, Any], expected: set[str]) -> None:
    for field in sorted(expected - state.keys()):
        raise ValueError(f"{name} has no field {field!r}")
    for field in state.keys() - expected:
        raise ValueError(f"{name} has an unknown field {_shortened(field)}")


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{name} is {_shortened(value)}; it must be an integer below 2**63")
    return value


def _shape(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise ValueError(f"shape is {_shortened(value)}; it must be a list or None")
    return tuple(_count(f"shape[{i}]", extent) for i, extent in enumerate(value))


def _column(state: dict[str, Any], name: str, size: int) -> list[Any]:
    column = state[name]
    if not isinstance(column, list) or len(column) != size:
        raise ValueError(f"{name} is {_shortened(column)}; it must be a list of {size}")
    return column


def _arguments(value: Any) -> dict[str, Any]:
    names = {"pos_weight", "label_smoothing", "ignore_index", "axis", "check"}
    if not isinstance(value, dict):
        raise ValueError(f"arguments is {_shortened(value)}; it must be a dict")
    _check_names("arguments", value, names)
    if type(value["check"]) is not bool:
        raise ValueError(f"check is {_shortened(value['check'])}; it must be true or false")
    axis = value["axis"]
    return {**value, "axis": tuple(axis) if isinstance(axis, list) else axis}
