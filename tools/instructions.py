"""Count the instructions of the main kernels with callgrind, and hold them to the committed file.

Counts do not depend on time or on other programs, so a change that makes a kernel slower shows as
soon as it is made. They do depend on the compiler and on the instruction set: a row of the file
belongs to one compiler and its major version. valgrind knows AVX2 but not AVX-512.

Usage
-----
    python tools/instructions.py            # compare; exit status 1 if a kernel changed
    python tools/instructions.py --write    # the file's rows of this compiler anew
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "c"
PROGRAM = FOLDER / "build" / "native" / "instructions"
FILE = FOLDER / "instructions.txt"

ISA = "avx2"
TOLERANCE = 0.03
CANNOT_RUN = 77  # exit status of the program where there is no such instruction set

HEADER = """\
# Instructions of the main kernels, counted by callgrind: of one call for those whose name begins
# with "small", which have 16 elements, of one element for the others.
# Written by `make instructions`, which leaves the rows of other compilers as they are.
#
# compiler isa kernel dtype instructions
"""

Key = tuple[str, str]  # kernel, dtype
Counts = dict[Key, float]


class CannotCountError(Exception):
    """What is needed is not here; says what."""


def build() -> None:
    """Build the program, with what `make test-c` has built already."""
    if not shutil.which("make"):
        raise CannotCountError("there is no make")
    if not shutil.which(os.environ.get("CC", "cc").split()[0]):
        raise CannotCountError("there is no C compiler")
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    environment = {k: v for k, v in os.environ.items() if k not in outer}
    target = PROGRAM.relative_to(FOLDER)
    command = ["make", "-s", f"-j{os.cpu_count()}", "-C", str(FOLDER), str(target)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def compiler() -> str:
    """Return what built the program, as the program itself tells: gcc-12."""
    text = PROGRAM.read_bytes()
    # Parts of the C library were built by gcc; clang shows only where it took part.
    for name, pattern in (("clang", rb"clang version (\d+)\."), ("gcc", rb"GCC: \(.*?\) (\d+)\.")):
        if found := re.search(pattern, text):
            return f"{name}-{found[1].decode()}"
    raise CannotCountError("the program does not tell what compiler built it")


def count() -> Counts:
    """Run the program under callgrind."""
    if not shutil.which("valgrind"):
        raise CannotCountError("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        dumps = Path(folder, "callgrind.out")
        command = [
            "valgrind",
            "--tool=callgrind",
            "--toggle-collect=measured",
            "--dump-after=measured",
            "--combine-dumps=yes",
            f"--callgrind-out-file={dumps}",
            str(PROGRAM),
            ISA,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == CANNOT_RUN:
            raise CannotCountError(f"{ISA} cannot be run under valgrind here")
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
        return _per_element(done.stdout, dumps.read_text("utf-8"))


def _per_element(calls: str, dumps: str) -> Counts:
    """Pair the calls that the program names with the dumps that callgrind made after each."""
    # Each part of the file says what made callgrind write it; the last does so at the end.
    parts = re.findall(r"^desc: Trigger: (.*)$(?s:.*?)^totals: (\d+)$", dumps, re.M)
    totals = [int(total) for trigger, total in parts if trigger == "--dump-after=measured"]
    found: dict[Key, list[tuple[int, int]]] = {}
    for line, total in zip(calls.splitlines(), totals, strict=True):
        kernel, dtype, n = line.split()
        found.setdefault((kernel, dtype), []).append((int(n), total))
    counts = {}
    for key, runs in found.items():
        if len(runs) == 1:
            counts[key] = float(runs[0][1])
        else:
            (few, least), (many, most) = runs
            counts[key] = round((most - least) / (many - few), 3)
    return counts


def read(of_compiler: str) -> Counts:
    """Return the committed counts of a compiler; none if it is not recorded."""
    found = {}
    for row in _rows():
        name, isa, kernel, dtype, instructions = row.split()
        if (name, isa) == (of_compiler, ISA):
            found[kernel, dtype] = float(instructions)
    return found


def write(of_compiler: str, counts: Counts) -> None:
    """Put a compiler's counts into the file, in the place of its earlier ones."""
    kept = [row for row in _rows() if row.split()[:2] != [of_compiler, ISA]]
    rows = [
        f"{of_compiler} {ISA} {kernel} {dtype} {instructions:g}"
        for (kernel, dtype), instructions in counts.items()
    ]
    FILE.write_text(HEADER + "".join(f"{row}\n" for row in [*kept, *rows]), "ascii")


def _rows() -> list[str]:
    if not FILE.exists():
        return []
    return [line for line in FILE.read_text("ascii").splitlines() if line and line[0] != "#"]


def complaint(kernel: Key, recorded: float | None, counted: float | None) -> str | None:
    """Say what is wrong with a count, if anything."""
    name = " ".join(kernel)
    if recorded is None or counted is None:
        where = "the program" if counted is None else FILE.name
        return f"{name} is not in {where}: `make instructions` writes the file anew"
    change = counted / recorded - 1
    if abs(change) <= TOLERANCE:
        return None
    advice = (
        "if it must be, `make instructions` writes the file anew"
        if change > 0
        else "`make instructions` writes the file anew, so that the gain is held"
    )
    return (
        f"{name}: {counted:g} instructions, {change:+.1%} from the {recorded:g} of {FILE.name} "
        f"({TOLERANCE:.0%} is allowed); {advice}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} anew")
    options = parser.parse_args(arguments)
    try:
        build()
        name, counts = compiler(), count()
    except CannotCountError as error:
        print(error, file=sys.stderr)
        return 2
    recorded = read(name)
    for key, counted in counts.items():
        before = f"{recorded[key]:10g}" if key in recorded else f"{'new':>10}"
        print(f"{name} {ISA} {key[0]:18} {key[1]:8} {counted:10g} {before}")
    if options.write:
        write(name, counts)
        return 0
    keys = recorded.keys() | counts.keys()
    complaints = [complaint(k, recorded.get(k), counts.get(k)) for k in sorted(keys)]
    for text in filter(None, complaints):
        print(text, file=sys.stderr)
    return int(any(complaints))


if __name__ == "__main__":
    sys.exit(main())
