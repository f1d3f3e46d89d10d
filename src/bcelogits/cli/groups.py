"""The names of groups: one spelling for each value, whatever format and library wrote it."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from bcelogits.cli.errors import CommandError

_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_MISSING = frozenset(("", "nan", "NaN"))

# A number as it is written in the fewest digits. What has zeros at its end stays a text: version
# 1.10 is not version 1.1.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]+)?")
_MOMENT = re.compile(
    r"(-?[0-9]{4,})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
    r" ?(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_TIME = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]+)")
_DURATION = re.compile(r"(-?[0-9]+) days? \+?([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?")

# Parts of a second in it, or seconds.
_PARTS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15, "as": 10**18}
_SECONDS = {"m": 60, "h": 3600, "D": 86_400, "W": 604_800}

_MIDNIGHT = "00:00:00"

_WHOLE = 2.0**64  # floats beyond are spelled with an exponent


def spelling(value: Any) -> str | None:
    """Return the name of the group that a value stands for.

    Values that are equal have one name, whatever their type: 1 and 1.0, 0.0 and -0.0, a moment in
    milliseconds and in nanoseconds, a date and its midnight. So has what a CSV file makes of a
    value: a text that spells a value as writers of CSV do has the name of that value.

    Parameters
    ----------
    value : None, str, bytes, bool, int, float, Decimal, UUID, numpy.datetime64, numpy.timedelta64
        A value of a column, or a scalar of NumPy.

    Returns
    -------
    str or None
        None is the group of missing values: nulls, NaN, NaT and empty texts.

    Raises
    ------
    UnicodeDecodeError
        If bytes are no text.
    TypeError
        If the value is of another type.
    """
    if isinstance(value, str):
        return _of_text(value)
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, np.timedelta64):  # an integer to NumPy
        return _of_duration(value)
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return _of_float(value)
    if isinstance(value, bytes):
        return _of_text(value.decode())
    if isinstance(value, Decimal):
        text = format(value, "f")
        return _of_text(text.rstrip("0").rstrip(".") if "." in text else text)
    if isinstance(value, np.datetime64):
        return _of_moment(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"values of type {type(value).__name__} cannot name groups")


def no_names(path: str, column: str, kind: object) -> CommandError:
    """Return the error for a column whose type cannot name groups."""
    return CommandError(
        f"{path}: column {column!r}: values of type {kind} cannot name groups: write them as "
        "texts, numbers, booleans or dates"
    )


def _of_text(text: str) -> str | None:
    if text in _MISSING:
        return None
    first = text[0]
    if first in "tTfF":
        return "true" if text in _TRUE else "false" if text in _FALSE else text
    if not ("0" <= first <= "9" or first == "-"):
        return text
    if _NUMBER.fullmatch(text):
        return _of_number_text(text)
    if match := _MOMENT.fullmatch(text):
        return _of_moment_text(text, match)
    if match := _TIME.fullmatch(text):
        return match[1] + _fraction(match[2])
    if match := _DURATION.fullmatch(text):
        return _duration(match[1], match[2], match[3])
    return text


def _of_number_text(text: str) -> str:
    if text.lstrip("-").isdigit():
        return "0" if text == "-0" else text
    value = float(text)
    digits = repr(value)
    if text != digits and text != format(Decimal(digits), "f"):
        return text
    return _of_float(value) or text


def _of_float(value: float | np.floating[Any]) -> str | None:
    if value != value:
        return None
    double = float(value)
    if double == value:
        if double.is_integer() and abs(double) < _WHOLE:
            return str(int(double))
        if isinstance(value, np.longdouble):
            return str(double)
    return str(value)


def time_of_day(nanoseconds: int) -> str:
    """Return the name of a time of day."""
    seconds, part = divmod(nanoseconds, 10**9)
    return _clock(seconds) + _fraction(f"{part:09}")


def zoned(value: np.datetime64) -> str | None:
    """Return the name of a moment that is known to be in UTC."""
    return None if np.isnat(value) else "{} {}Z".format(*_date_and_clock(value))


def _of_moment(value: np.datetime64) -> str | None:
    if np.isnat(value):
        return None
    date, clock = _date_and_clock(value)
    return date if clock in ("", _MIDNIGHT) else f"{date} {clock}"


def _date_and_clock(value: np.datetime64) -> tuple[str, str]:
    """Return both as texts; dates, months and years have no clock."""
    date, _, clock = str(value).partition("T")
    if len(clock) < len(_MIDNIGHT):  # hours and minutes
        return date, clock + _MIDNIGHT[len(clock) :] if clock else ""
    return date, clock.rstrip("0").rstrip(".") if "." in clock else clock


def _of_moment_text(text: str, match: re.Match[str]) -> str:
    year, month, day, hour, minute = (int(match[i]) for i in range(1, 6))
    part, zone = _fraction(match[7]), match[8]
    try:
        moment = datetime.datetime(year, month, day, hour, minute, int(match[6] or 0))
    except (ValueError, OverflowError):  # as month 13; years beyond 9999 are rare
        return text
    if zone is None:
        midnight = not part and moment.time() == datetime.time()
        return moment.date().isoformat() if midnight else moment.isoformat(" ") + part
    if zone not in ("Z", "UTC"):
        minutes = int(zone[1:3]) * 60 + int(zone[3:].lstrip(":") or 0)
        try:
            moment -= datetime.timedelta(minutes=minutes if zone[0] == "+" else -minutes)
        except OverflowError:
            return text
    return f"{moment.isoformat(' ')}{part}Z"


def _of_duration(value: np.timedelta64) -> str | None:
    if np.isnat(value):
        return None
    unit, count = np.datetime_data(value.dtype)
    number = int(value.astype(np.int64)) * count
    if unit in _PARTS:
        seconds, part = divmod(number, _PARTS[unit])
        fraction = f"{part:0{len(str(_PARTS[unit])) - 1}}"
    elif unit in _SECONDS:
        seconds, fraction = number * _SECONDS[unit], ""
    else:  # months and years have no length
        return str(value)
    days, seconds = divmod(seconds, 86_400)
    return _duration(str(days), _clock(seconds), fraction)


def _duration(days: str, clock: str, fraction: str | None) -> str:
    return f"{int(days)} days {clock}{_fraction(fraction)}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _fraction(digits: str | None) -> str:
    digits = (digits or "").rstrip("0")
    return f".{digits}" if digits else ""
