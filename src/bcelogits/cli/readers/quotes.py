"""Quotes of CSV that would swallow rows: what Arrow's parser takes for a text of many lines."""

from __future__ import annotations

import re
from typing import IO, Any

import numpy as np

_BLOCK_BYTES = 1 << 22
_QUOTE = ord('"')
_RUN = re.compile(rb'"+')


class UnclosedQuoteError(ValueError):
    """A quote at the beginning of a field is closed in another line, where no field ends."""


def check_quotes(stream: IO[bytes] | Any, delimiter: bytes) -> None:
    """Read text to its end, and check that quotes enclose fields as a whole.

    A field in quotes may have several lines. Where it is not one, as a text that only begins with a
    quote, its end would be the next quote, rows later, or the end of the file.

    Parameters
    ----------
    stream : file object
        Is read in blocks.
    delimiter : bytes
        One byte.

    Raises
    ------
    UnclosedQuoteError
        Names the line.
    """
    scanner = _Scanner(delimiter)
    while block := stream.read(_BLOCK_BYTES):
        while block.endswith(b'"') and (more := stream.read(1)):
            block += more
        scanner.scan(block)
    if scanner.inside:
        scanner.check_line_end()


class _Scanner:
    """Whether we are in quotes, from block to block."""

    def __init__(self, delimiter: bytes) -> None:
        self._ends = frozenset(delimiter + b"\r\n")
        self._is_end = np.zeros(256, np.bool_)
        self._is_end[list(self._ends)] = True
        self._opening = re.compile(rb'[%s\r\n]"' % re.escape(delimiter))
        self.inside = False
        self.size = 0
        self._lines = 0  # before the block
        self._opened = 0  # the line in which the field in quotes begins
        self._line_end = False  # whether a line has ended in it
        self._before = b"\n"  # the byte before the block

    def scan(self, block: bytes) -> None:
        """Go on with a block, which does not end with a quote unless the file does."""
        if not self.size:
            block = block.removeprefix(b"\xef\xbb\xbf")
        if b'"' in block:
            if not self._is_plain(block):
                self._scan_each(block)
        elif self.inside:
            self._line_end = self._line_end or b"\n" in block or b"\r" in block
        self.size += len(block)
        self._lines += block.count(b"\n")
        self._before = block[-1:]

    def _is_plain(self, block: bytes) -> bool:
        """Go on if every quote stands at an end of a field, or is one of two within a text."""
        array = np.frombuffer(self._before + block + b"\n", np.uint8)
        places = np.flatnonzero(array[1:-1] == _QUOTE) + 1
        first = int(self.inside)  # of those that open
        opening, closing = places[first::2], places[1 - first :: 2]
        before, after = array[opening - 1], array[closing + 1]
        if not (self._is_end[before] | (before == _QUOTE)).all():
            return False
        if not (self._is_end[after] | (after == _QUOTE)).all():
            return False
        self.inside = (len(places) + first) % 2 == 1
        if self.inside:
            begins = opening[before != _QUOTE]  # not the second of two within a text
            rest = block
            if len(begins):
                rest = block[int(begins[-1]) :]
                self._opened = self._lines + block.count(b"\n", 0, int(begins[-1]))
                self._line_end = False
            self._line_end = self._line_end or b"\n" in rest or b"\r" in rest
        return True

    def _scan_each(self, block: bytes) -> None:
        """Go on from quote to quote, as the parser does."""
        text, at = self._before + block, 1
        while True:
            if not self.inside:
                found = self._opening.search(text, at - 1)
                if found is None:
                    return
                at = found.end()
                self.inside, self._line_end = True, False
                self._opened = self._lines + text.count(b"\n", 1, at)
            run = _RUN.search(text, at)
            end = len(text) if run is None else run.end()
            self._line_end = self._line_end or any(c in text[at:end] for c in (b"\n", b"\r"))
            at = end
            if run is None:
                return
            if (run.end() - run.start()) % 2:
                if at < len(text) and text[at] not in self._ends:
                    self.check_line_end()
                self.inside = False

    def check_line_end(self) -> None:
        """Refuse a field in quotes that ends where none does, if it holds what were rows."""
        if self._line_end:
            raise UnclosedQuoteError(
                f"line {self._opened + 1}: a quote that opens there is closed in another line, in "
                "the middle of a field, or never: put whole fields in quotes, and double those "
                "within"
            )
