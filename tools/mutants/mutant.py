"""What a mutant is, and the choice of those that are tried."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """One change of one place.

    Attributes
    ----------
    file : str
        From the root of the repository.
    function : str
        Where it is: the names of class and function, joined by points; "" outside of all.
    line : str
        The line as it stands there, without indentation.
    change : str
        In words.
    number : int
        Of those that are equal in all of this, which; from 1 on.
    start, end : int
        The characters that are replaced.
    new : str
        By what.
    """

    file: str
    function: str
    line: str
    change: str
    number: int
    start: int
    end: int
    new: str

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What it is called: a change of other lines does not change it."""
        return self.file, self.function, self.line, self.change, self.number

    @property
    def name(self) -> str:
        """The key as one line."""
        place = f"{self.file}: {self.function}" if self.function else self.file
        again = f" ({self.number})" if self.number > 1 else ""
        return f"{place}: {self.line}: {self.change}{again}"

    def applied(self, text: str) -> str:
        """Return the text of the file with the change."""
        return text[: self.start] + self.new + text[self.end :]


def numbered(mutants: Iterable[Mutant]) -> list[Mutant]:
    """Number those that have all else in common, in the order of the file."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for mutant in sorted(mutants, key=lambda m: (m.start, m.end, m.change, m.new)):
        same = mutant.key[:-1]
        seen[same] += 1
        found.append(replace(mutant, number=seen[same]))
    return found


def chosen(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return so many, of each file in proportion, and one of each at least if there is room.

    The same seed gives the same order: the first 60 are among the first 80.
    """
    by_file = defaultdict(list)
    for mutant in mutants:
        by_file[mutant.file].append(mutant)
    ranked = []
    for of_file in by_file.values():
        of_file.sort(key=lambda m: _digest(seed, m))
        ranked += [(i / len(of_file), _digest(seed, m), m) for i, m in enumerate(of_file)]
    ranked.sort(key=lambda row: row[:2])
    return [mutant for *_, mutant in ranked[:count]]


def _digest(seed: int, mutant: Mutant) -> str:
    return hashlib.sha256(repr((seed, mutant.key)).encode()).hexdigest()


def read(path: Path) -> str:
    """Return the text of a source, with the line ends that it has."""
    return path.read_bytes().decode("utf-8")
