"""Find instructions that not every processor of an architecture has, outside the units for them.

The dispatcher calls the units named in UNITS once it has asked the processor; anything else runs on
every processor. The linker's symbol table says which unit a function came from.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile

# Of x86-64: the encodings that a unit may use besides those of every processor.
UNITS = {"avx2.c": {"VEX"}, "avx512.c": {"VEX", "EVEX"}}

# Legal in 64-bit code before the opcode, and before REX.
PREFIXES = {0x66, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, 0x67, 0xF0}

# Later than SSE2 by the second byte of the opcode and the mandatory prefix; None: by any. F3 0F BC
# is not among them: BSF with a prefix that old processors ignore, which compilers write on purpose.
LATER = {
    (0x01, None): "system",  # XGETBV and its like
    (0x0D, None): "PREFETCHW",
    (0x12, 0xF2): "SSE3",
    (0x12, 0xF3): "SSE3",
    (0x16, 0xF3): "SSE3",
    (0x38, None): "SSSE3 or later",
    (0x3A, None): "SSSE3 or later",
    (0x7C, None): "SSE3",
    (0x7D, None): "SSE3",
    (0xB8, 0xF3): "POPCNT",
    (0xBD, 0xF3): "LZCNT",
    (0xC7, None): "CMPXCHG16B or RDRAND",
    (0xD0, None): "SSE3",
    (0xF0, 0xF2): "SSE3",
}
# It reads what the system has enabled after it has read that it may.
ASKS = {("bcel_cpu_features", "system")}

# AVX2 does not bring them, and cpu.c does not ask.
BIT_MANIPULATION = re.compile(r"(andn|bextr|bls\w+|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx)[lq]?$")

LINE = re.compile(r"^ *([0-9a-f]+): ((?:[0-9a-f]{2} )+) *\t?(\S+)|^ *([0-9a-f]+): +\t(\S+)")
SHOWN = 5


def encoding(code: bytes, mnemonic: str) -> str:
    """Return what an x86-64 processor needs for an instruction, or '' if SSE2 is enough."""
    at = 0
    while at < len(code) and code[at] in PREFIXES:
        at += 1
    if at == len(code):
        return ""  # padding, shown apart from what it pads
    if code[at] in (0xC4, 0xC5):
        if BIT_MANIPULATION.match(mnemonic):
            return "BMI"
        return "EVEX" if mnemonic.startswith("k") else "VEX"  # masks came with EVEX
    if code[at] == 0x62:
        return "EVEX"
    if code[at] == 0x8F and len(code) > at + 1 and code[at + 1] & 0x1F >= 8:
        return "XOP"
    mandatory = {prefix for prefix in code[:at] if prefix in (0x66, 0xF2, 0xF3)} | {None}
    if code[at] & 0xF0 == 0x40:
        at += 1
    if code[at] != 0x0F:
        return ""
    second = code[at + 1]
    return next((LATER[second, p] for p in mandatory if (second, p) in LATER), "")


def units(file: Path) -> tuple[list[int], list[tuple[int, str, str]]]:
    """Return where functions begin, and for each its end, its unit and its name."""
    with file.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        if table is None:
            raise ValueError(f"{file.name} is stripped: nothing tells its units apart")
        functions, unit = {}, ""
        for symbol in table.iter_symbols():
            if symbol["st_info"]["type"] == "STT_FILE":
                unit = symbol.name
            elif symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]:
                start = symbol["st_value"]
                functions[start] = (start + symbol["st_size"], unit, symbol.name)
    starts = sorted(functions)
    return starts, [functions[start] for start in starts]


def disassembled(file: Path, architecture: str) -> Iterator[tuple[int, bytes, str]]:
    """Yield address, bytes (x86-64 alone) and mnemonic of each instruction."""
    tool = shutil.which("llvm-objdump")
    if tool is None:
        raise FileNotFoundError("there is no llvm-objdump here (package: llvm)")
    options = ["--mcpu=generic", "--no-show-raw-insn"] if architecture == "AArch64" else []
    process = subprocess.run(
        [tool, "-d", *options, str(file)], capture_output=True, text=True, check=True
    )
    for line in process.stdout.splitlines():
        match = LINE.match(line)
        if match and match[1]:
            yield int(match[1], 16), bytes.fromhex(match[2]), match[3]
        elif match:
            yield int(match[4], 16), b"", match[5]


def beyond_baseline(file: Path) -> tuple[list[str], Counter[str]]:
    """Look at every instruction of a shared library or object.

    Parameters
    ----------
    file : Path
        ELF, for x86-64 or AArch64, with its symbols.

    Returns
    -------
    list of str
        What is wrong, one line for each function.
    Counter
        The number of instructions by unit.
    """
    with file.open("rb") as stream:
        architecture = ELFFile(stream).get_machine_arch()
    starts, functions = units(file)
    wrong: dict[tuple[str, str], list[str]] = {}
    seen: Counter[str] = Counter()
    for address, code, mnemonic in disassembled(file, architecture):
        i = bisect_right(starts, address) - 1
        end, unit, name = functions[i] if i >= 0 else (0, "", "")
        if address >= end:
            unit, name = "", "outside every function"
        seen[unit] += 1
        if architecture == "AArch64":
            needs = "later than ARMv8.0" if mnemonic == "<unknown>" else ""
        else:
            needs = encoding(code, mnemonic)
        if needs and needs not in UNITS.get(unit, ()) and (name, needs) not in ASKS:
            wrong.setdefault((unit, name), []).append(f"{address:#x} {mnemonic} ({needs})")
    return [
        f"{unit or 'no unit'}: {name}: {', '.join(found[:SHOWN])}"
        + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
        for (unit, name), found in wrong.items()
    ], seen
