"""Describe the binary interface of the C library, and hold it to the committed file.

The public header is read for what it declares, and a program for the C compiler tells sizes,
offsets and values. All are those of 64-bit pointers, where every ABI gives the same (System V,
AArch64, Windows): other machines are not described.

Usage
-----
    python tools/abi.py            # compare; exit status 1 if anything differs
    python tools/abi.py --write    # the file anew
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "csrc" / "include" / "bcelogits.h"
FILE = ROOT / "tests" / "c" / "abi.txt"

INTRODUCTION = """\
# The binary interface of the C library, where pointers have 64 bits. Written by `make abi`.
# Where a line changes or goes, or a struct gets one, raise BCELOGITS_ABI_VERSION; a new function or
# a new value needs nothing.
"""

CONSTANTS = ["BCELOGITS_ABI_VERSION", "BCEL_BLOCK", "BCEL_MAX_DIMS"]


class CannotDescribeError(Exception):
    """What is needed is not here; says what."""


def declarations() -> str:
    """Return the header without comments and directives."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"^ *#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)


def functions() -> dict[str, str]:
    """Return the declaration of each public function by its name."""
    found = re.findall(r"BCEL_API ([^;]*?(\w+)\([^;]*\));", declarations())
    return {name: " ".join(declaration.split()) for declaration, name in found}


def structs() -> dict[str, list[str]]:
    """Return the declarations of the fields of each struct."""
    found = re.findall(r"typedef struct (\w+) \{(.*?)\}", declarations(), flags=re.DOTALL)
    return {name: [" ".join(f.split()) for f in body.split(";")[:-1]] for name, body in found}


def enumerators() -> list[str]:
    """Return the names of all enumerated values."""
    bodies = re.findall(r"enum(?: \w+)? \{(.*?)\}", declarations(), flags=re.DOTALL)
    return [name for body in bodies for name in re.findall(r"(\w+) =", body)]


def program() -> str:
    """Return a C program that prints what only a compiler knows."""
    rows = [(f"value {name}", f"(long){name}") for name in CONSTANTS + enumerators()]
    for name, fields in structs().items():
        rows.append((f"size {name}", f"(long)sizeof({name})"))
        for field in fields:
            member = re.sub(r"\[.*", "", field).split()[-1].lstrip("*")
            rows.append((f"field {name}: {field}", f"(long)offsetof({name}, {member})"))
    lines = "".join(f'    printf("{text} %ld\\n", {value});\n' for text, value in rows)
    return f'#include "bcelogits.h"\n#include <stdio.h>\nint main(void)\n{{\n{lines}}}\n'


def describe() -> list[str]:
    """Return the lines of the file for the header as it is."""
    compiler = os.environ.get("CC", "cc").split()
    if not shutil.which(compiler[0]):
        raise CannotDescribeError(f"there is no C compiler {compiler[0]}")
    if sys.maxsize < 2**32:
        raise CannotDescribeError("pointers have 32 bits here")
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "abi.c"), Path(folder, "abi")
        source.write_text(program())
        subprocess.run([*compiler, f"-I{HEADER.parent}", source, "-o", binary], check=True)
        told = subprocess.run([binary], check=True, capture_output=True, text=True).stdout
    return [f"function {text}" for _, text in sorted(functions().items())] + told.splitlines()


def recorded() -> list[str]:
    """Return the lines of the committed file."""
    return [line for line in FILE.read_text().splitlines() if not line.startswith("#")]


def difference(before: list[str], after: list[str]) -> str:
    """Return what went and what came, or an empty string."""
    changed = difflib.unified_diff(before, after, "recorded", "header", lineterm="", n=0)
    return "\n".join(line for line in changed if not line.startswith("@@"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file anew")
    arguments = parser.parse_args()
    try:
        lines = describe()
    except CannotDescribeError as error:
        print(f"abi: {error}", file=sys.stderr)
        return 2
    if arguments.write:
        FILE.write_text(INTRODUCTION + "\n".join(lines) + "\n")
        return 0
    text = difference(recorded(), lines)
    print(text, end="\n" if text else "")
    return 1 if text else 0


if __name__ == "__main__":
    sys.exit(main())
