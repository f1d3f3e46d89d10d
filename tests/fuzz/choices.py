"""Bytes into choices, for the fuzz targets in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Takes bytes off the front; those behind the end are 0."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        value = self._data[self._at] if self._at < len(self._data) else 0
        self._at += 1
        return value

    def below(self, n: int) -> int:
        """Return a number from 0 to n - 1."""
        return (self.byte() if n <= 256 else self.byte() << 8 | self.byte()) % n

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def flag(self) -> bool:
        """Return False half of the time, and behind the end."""
        return self.byte() % 2 == 1

    def rarely(self) -> bool:
        return self.byte() >= 0xF0

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        rest, self._at = self._data[self._at :], len(self._data)
        return rest
