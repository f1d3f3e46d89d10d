"""The generated header csrc/coefficients.h: reproducible, and as accurate as it says.

The errors are checked without the tool: the constants are read back from the header's text, and the
functions are mpmath's own, on a dense grid.
"""

from __future__ import annotations

import importlib.util
import re
import struct
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import pytest

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "csrc" / "coefficients.h"
TEXT = HEADER.read_text(encoding="ascii")

DEFINE = re.compile(
    r"^#define BCEL_(\w+_F(?:32|64)) +(-?0x1[.\w]*p[+-]\d+)(f?) +/\* (\S+) \*/$", re.M
)
ROW = re.compile(
    r"^ \* (EXP|LOG1P) +float(32|64) +(\d+) +2\^(-[\d.]+) +2\^(-[\d.]+) +2\^(-[\d.]+)$", re.M
)

CONSTANTS = {name: float.fromhex(value) for name, value, _, _ in DEFINE.findall(TEXT)}
ROWS = ROW.findall(TEXT)
BITS = {"32": 24, "64": 53}
LN2_MULTIPLE = {"32": 160, "64": 2047}

POINTS = 6000
PRECISION = 160


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Load tools/coefficients.py, which is not part of the package."""
    spec = importlib.util.spec_from_file_location(
        "coefficients", ROOT / "tools" / "coefficients.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses looks it up
        spec.loader.exec_module(module)
    return module


def coefficients(polynomial: str, bits: str) -> list[float]:
    """Return the coefficients of EXP or LOG1P in the header, lowest degree first."""
    letter = {"EXP": "P", "LOG1P": "Q"}[polynomial]
    pattern = re.compile(rf"{polynomial}_{letter}(\d+)_F{bits}")
    found = {int(m[1]): v for k, v in CONSTANTS.items() if (m := pattern.fullmatch(k))}
    assert sorted(found) == list(range(len(found)))
    return [found[k] for k in range(len(found))]


def grid(lower: Any, upper: Any) -> list[Any]:
    """Return a dense grid, denser at the ends, plus the ends themselves."""
    middle, radius = (lower + upper) / 2, (upper - lower) / 2
    return [middle - radius * mpmath.cospi(mpmath.mpf(i) / POINTS) for i in range(POINTS + 1)]


def horner(polynomial: list[float], x: Any) -> Any:
    """Evaluate a polynomial, lowest degree first, in mpmath's working precision."""
    value = mpmath.mpf(0)
    for c in reversed(polynomial):
        value = value * x + c
    return value


def exp_error(polynomial: list[float]) -> Any:
    """Return the largest relative error of 1 + r + r**2 * P(r), as log2."""
    limit = mpmath.log(2) / 2 * (1 + mpmath.mpf("1e-3"))
    worst = mpmath.mpf(0)
    for r in grid(-limit, limit):
        value = 1 + r + r**2 * horner(polynomial, r)
        worst = max(worst, abs(value / mpmath.exp(r) - 1))
    return mpmath.log(worst, 2)


def log1p_error(polynomial: list[float]) -> Any:
    """Return the largest relative error of 2*s + s*w*Q(w), as log2."""
    worst = mpmath.mpf(0)
    for w in grid(mpmath.mpf(0), (1 + mpmath.mpf("1e-6")) / 25):
        s = mpmath.sqrt(w)
        if s == 0:
            continue
        value = 2 * s + s * w * horner(polynomial, w)
        worst = max(worst, abs(value / mpmath.log1p(2 * s / (1 - s)) - 1))
    return mpmath.log(worst, 2)


def test_tool_reproduces_header(tool: ModuleType, tmp_path: Path) -> None:
    written = tmp_path / "coefficients.h"
    assert tool.main(["--output", str(written)]) == 0
    assert written.read_bytes() == HEADER.read_bytes()


def test_check_tells_a_changed_header(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "coefficients.h"
    changed.write_bytes(HEADER.read_bytes().replace(b"0x1p-1f", b"0x1p-2f"))
    assert tool.main(["--check", "--output", str(changed)]) == 1
    assert "coefficients.h" in capsys.readouterr().err


def test_header_is_complete() -> None:
    assert [(name, bits, degree) for name, bits, degree, *_ in ROWS] == [
        ("EXP", "32", "5"),
        ("LOG1P", "32", "3"),
        ("EXP", "64", "10"),
        ("LOG1P", "64", "7"),
    ]
    for name, bits, degree, *_ in ROWS:
        assert len(coefficients(name, bits)) == int(degree) + 1
    # Nothing in the header escapes the patterns above.
    assert len(re.findall(r"^#define", TEXT, re.M)) == 1 + len(CONSTANTS)


@pytest.mark.parametrize(("polynomial", "bits", "degree", "stated", "held", "free"), ROWS)
def test_stated_error_holds(
    polynomial: str, bits: str, degree: str, stated: str, held: str, free: str
) -> None:
    measure = {"EXP": exp_error, "LOG1P": log1p_error}[polynomial]
    with mpmath.workprec(PRECISION):
        error = float(measure(coefficients(polynomial, bits)))
    assert error <= float(stated)
    assert error > float(stated) - 0.11  # rounded up to a tenth of a bit, no more
    # Rounding the coefficients may cost little next to the best real ones.
    assert float(free) <= float(held) <= float(stated) <= float(held) + 0.2


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_constant_is_of_its_format(name: str) -> None:
    value = CONSTANTS[name]
    ((literal_suffix, decimal),) = ((s, d) for n, _, s, d in DEFINE.findall(TEXT) if n == name)
    if name.endswith("_F32"):
        assert literal_suffix == "f"
        (as_float,) = struct.unpack("f", struct.pack("f", value))
        assert as_float == value
        assert struct.unpack("f", struct.pack("f", float(decimal))) == (value,)
    else:
        assert literal_suffix == ""
        assert float(decimal) == value


def test_exp_starts_with_one_half() -> None:
    assert CONSTANTS["EXP_P0_F32"] == CONSTANTS["EXP_P0_F64"] == 0.5


@pytest.mark.parametrize("bits", ["32", "64"])
def test_ln2_split(bits: str) -> None:
    high, low = CONSTANTS[f"LN2_HI_F{bits}"], CONSTANTS[f"LN2_LO_F{bits}"]
    numerator = Fraction(high).numerator
    for n in range(1, LN2_MULTIPLE[bits] + 1):
        product = n * numerator
        assert (product // (product & -product)).bit_length() <= BITS[bits]
    with mpmath.workprec(PRECISION):
        ln2 = mpmath.log(2)
        residual = abs(ln2 - mpmath.mpf(high) - mpmath.mpf(low))
        # LO is the nearest number of its format: within half a unit in its last place.
        assert residual <= mpmath.ldexp(1, mpmath.frexp(low)[1] - BITS[bits] - 1)
        stated = re.search(rf"<= {LN2_MULTIPLE[bits]}; \|ln 2 - HI - LO\| = (\S+)\.", TEXT)
        assert stated is not None
        assert f"{float(residual):.3g}" == stated[1]


@pytest.mark.parametrize("bits", ["32", "64"])
def test_log2e_and_magic(bits: str) -> None:
    with mpmath.workprec(PRECISION):
        log2e = 1 / mpmath.log(2)
        error = abs(mpmath.mpf(CONSTANTS[f"LOG2E_F{bits}"]) - log2e)
        assert error <= mpmath.ldexp(1, -BITS[bits])  # log2(e) lies in [1, 2)
    assert CONSTANTS[f"ROUND_MAGIC_F{bits}"] == 1.5 * 2.0 ** (BITS[bits] - 1)
