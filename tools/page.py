"""The part of a page that a command writes, between two comments that stay."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Part:
    """A part of a page, between ``<!-- NAME: written by ... -->`` and ``<!-- end of NAME -->``.

    Parameters
    ----------
    page : str
        Path of the page from the root of the repository.
    name : str
        What the comments call the part.
    """

    def __init__(self, page: str, name: str) -> None:
        self.path = ROOT / page
        self.name = name
        self._mark = re.compile(
            rf"<!-- {name}: written by [^\n]* -->\n(.*?)<!-- end of {name} -->\n", re.DOTALL
        )

    def read(self) -> str:
        """Return the text of the part; a ValueError if the page has none."""
        page, start, end = self._find()
        return page[start:end]

    def write(self, text: str) -> None:
        """Replace the text of the part; a ValueError if the page has none."""
        page, start, end = self._find()
        self.path.write_text(f"{page[:start]}{text.rstrip()}\n{page[end:]}", "utf-8")

    def _find(self) -> tuple[str, int, int]:
        page = self.path.read_text("utf-8")
        found = self._mark.search(page)
        if found is None:
            raise ValueError(f"{self.path}: has no part {self.name!r}")
        return page, *found.span(1)
