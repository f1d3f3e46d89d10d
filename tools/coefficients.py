"""Write csrc/coefficients.h: minimax polynomials and split constants for the C core.

Each polynomial is found by the Remez exchange in multiple precision. Its coefficients are then
rounded one by one, lowest degree first; after each rounding the coefficients still free are solved
again, so that they take up the error of those already rounded. A narrow beam keeps the best few
choices of rounding.

Usage
-----
    python tools/coefficients.py            write csrc/coefficients.h
    python tools/coefficients.py --check    exit with 1 if csrc/coefficients.h is not up to date

References
----------
.. [1] E. Ya. Remez, "Sur la détermination des polynômes d'approximation de degré donnée",
   Communications of the Kharkov Mathematical Society 10, 1934.
.. [2] N. Brisebarre and S. Chevillard, "Efficient polynomial L-infinity approximations",
   18th IEEE Symposium on Computer Arithmetic, 2007.
.. [3] W. J. Cody and W. Waite, "Software Manual for the Elementary Functions", 1980.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpmath import MPContext

Real = Any  # mpmath ships no types
HEADER = Path(__file__).resolve().parent.parent / "csrc" / "coefficients.h"

WORKING_BITS = 240
BEAM_WIDTH = 4
GRID_PER_COEFFICIENT = 24
EXCHANGE_LIMIT = 60
LEVEL_TOLERANCE = 1e-5

mp = MPContext()  # its own, so that importing this file leaves everybody else's precision alone
mp.prec = WORKING_BITS


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: macro suffix, literal suffix, significand bits."""

    name: str
    macro: str
    literal: str
    bits: int
    min_exponent: int

    def neighbours(self, x: Real) -> tuple[Real, ...]:
        """Return the numbers of this format around `x`, nearest first; `x` alone if it is one."""
        if x == 0:
            return (x,)
        ulp = mp.ldexp(1, exponent(x) - self.bits + 1)
        below = mp.floor(x / ulp) * ulp
        if below == x:
            return (x,)
        return tuple(sorted((below, below + ulp), key=lambda y: abs(y - x)))

    def nearest(self, x: Real) -> Real:
        """Round `x` to this format."""
        return self.neighbours(x)[0]


FLOAT32 = Format("float32", "F32", "f", 24, -126)
FLOAT64 = Format("float64", "F64", "", 53, -1022)


@dataclass(frozen=True)
class Target:
    """What a polynomial P has to approximate on [lower, upper].

    `parts(x)` returns (a, b) such that b * P(x) - a is the weighted error that counts. b may
    vanish at 0 but nowhere else.
    """

    parts: Callable[[Real], tuple[Real, Real]]
    lower: Real
    upper: Real


def horner(coefficients: Sequence[Real], x: Real) -> Real:
    """Evaluate a polynomial, coefficients given lowest degree first."""
    value = mp.mpf(0)
    for c in reversed(coefficients):
        value = value * x + c
    return value


class Sampled:
    """A target with its values remembered, as the exchange asks for the same points often."""

    def __init__(self, target: Target, count: int) -> None:
        self._parts = target.parts
        self._known: dict[Real, tuple[Real, Real]] = {}
        self.lower, self.upper = target.lower, target.upper
        middle, radius = (self.upper + self.lower) / 2, (self.upper - self.lower) / 2
        # Chebyshev spacing: the error of a minimax polynomial oscillates faster near the ends.
        self.grid = [middle - radius * mp.cos(mp.pi * i / count) for i in range(1, count)]
        self.grid = [self.lower, *(x for x in self.grid if abs(x) > radius / 1000), self.upper]

    def at(self, x: Real) -> tuple[Real, Real]:
        """Return the target's parts at `x`."""
        if x not in self._known:
            self._known[x] = self._parts(x)
        return self._known[x]

    def error(self, coefficients: Sequence[Real], x: Real) -> Real:
        """Return the weighted error at `x`."""
        a, b = self.at(x)
        return b * horner(coefficients, x) - a

    def peak(self, coefficients: Sequence[Real], points: Sequence[Real], i: int) -> Real:
        """Return where the error is extreme near points[i], by two parabolas."""
        if i == 0 or i == len(points) - 1:
            return points[i]
        left, best, right = points[i - 1 : i + 2]
        for _ in range(2):
            f0, f1, f2 = (self.error(coefficients, x) for x in (left, best, right))
            d0, d2 = (f1 - f0) / (best - left), (f2 - f1) / (right - best)
            if d0 == d2:
                break
            # Newton's form of the parabola through the three points; its derivative vanishes here.
            x = (left + best) / 2 - d0 * (right - left) / (2 * (d2 - d0))
            if not left < x < right or abs(self.error(coefficients, x)) < abs(f1):
                break
            step = min(right - left, 4 * abs(x - best)) / 8
            if step == 0 or x - step <= left or x + step >= right:
                best = x
                break
            left, best, right = x - step, x, x + step
        return best


def minimax(
    target: Sampled, fixed: Sequence[Real], degree: int, start: Sequence[Real] | None = None
) -> tuple[list[Real], Real, list[Real]]:
    """Find the best polynomial of `degree` whose lowest coefficients are `fixed`.

    Parameters
    ----------
    target : Sampled
        The function and the weight.
    fixed : sequence of mpf
        Coefficients 0, 1, ... that are given.
    degree : int
        Degree of the polynomial.
    start : sequence of mpf, optional
        Reference to start from, of any length of at least the one needed.

    Returns
    -------
    coefficients : list of mpf
        All of them, lowest degree first.
    error : mpf
        Largest weighted error found on the interval.
    reference : list of mpf
        Where the error alternates.
    """
    held, free = len(fixed), degree + 1 - len(fixed)

    def orient(x: Real) -> int:
        # With `held` coefficients fixed the free part is x**held times a polynomial: its sign
        # changes at 0 if held is odd, and the alternation has to be counted without that.
        return -1 if x < 0 and held % 2 else 1

    if free == 0:
        return list(fixed), largest(target, fixed), []
    reference = list(start) if start is not None else chebyshev_points(target, free + 1)
    while len(reference) > free + 1:
        reference.remove(min(reference, key=abs))
    for _ in range(EXCHANGE_LIMIT):
        matrix, right = mp.matrix(free + 1), mp.matrix(free + 1, 1)
        for row, x in enumerate(reference):
            a, b = target.at(x)
            for column in range(free):
                matrix[row, column] = b * x ** (held + column)
            matrix[row, free] = (-1) ** row * orient(x)
            right[row] = a - b * horner(fixed, x)
        solution = mp.lu_solve(matrix, right)
        coefficients = [*fixed, *list(solution)[:free]]
        level = abs(solution[free])

        points = sorted({*target.grid, *reference})
        errors = [target.error(coefficients, x) * orient(x) for x in points]
        runs: list[int] = []  # index of the largest error in each run of one sign
        for i, e in enumerate(errors):
            if runs and (e > 0) == (errors[runs[-1]] > 0):
                if abs(e) > abs(errors[runs[-1]]):
                    runs[-1] = i
            elif e != 0:
                runs.append(i)
        peaks = [target.peak(coefficients, points, i) for i in runs]
        sizes = [abs(target.error(coefficients, x)) for x in peaks]
        worst = max(sizes)
        while len(peaks) > free + 1:
            # Dropping the smallest, with its smaller neighbour unless it is at an end, keeps the
            # signs alternating, the worst point in, and every size at or above the level.
            last = len(peaks) - 1
            i = min((0, last) if last == free + 1 else range(last + 1), key=sizes.__getitem__)
            doomed = {i}
            if 0 < i < last:
                doomed.add(min(i - 1, i + 1, key=sizes.__getitem__))
            for j in sorted(doomed, reverse=True):
                del peaks[j], sizes[j]
        if len(peaks) < free + 1:
            raise ArithmeticError(f"lost the alternation: {len(peaks)} of {free + 1} points")
        reference = peaks
        if worst <= level * (1 + LEVEL_TOLERANCE):
            return coefficients, worst, reference
    raise ArithmeticError(f"no convergence in {EXCHANGE_LIMIT} exchanges")


def chebyshev_points(target: Sampled, count: int) -> list[Real]:
    """Return the extrema of a Chebyshev polynomial on the interval, none of them at 0."""
    middle, radius = (target.upper + target.lower) / 2, (target.upper - target.lower) / 2
    points = [middle - radius * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]
    return [x if abs(x) > radius / 1000 else radius / 10 / count for x in points]


def largest(target: Sampled, coefficients: Sequence[Real]) -> Real:
    """Return the largest weighted error of a polynomial on the interval."""
    points = target.grid
    sizes = [abs(target.error(coefficients, x)) for x in points]
    return max(
        abs(target.error(coefficients, target.peak(coefficients, points, i)))
        for i in range(len(points))
        if sizes[i] >= max(sizes[max(i - 1, 0) : i + 2])
    )


@dataclass(frozen=True)
class Polynomial:
    """A rounded polynomial and its errors."""

    coefficients: list[Real]
    error: Real
    ideal: Real
    ideal_free: Real


def fit(target: Target, fmt: Format, degree: int, exact: Sequence[Real] = ()) -> Polynomial:
    """Fit a polynomial of `degree` with coefficients in `fmt`, the lowest being `exact`."""
    sampled = Sampled(target, GRID_PER_COEFFICIENT * (degree + 1))
    _, ideal_free, _ = minimax(sampled, (), degree)
    coefficients, ideal, reference = minimax(sampled, exact, degree)
    beam = [(ideal, list(exact), coefficients, reference)]
    for k in range(len(exact), degree + 1):
        grown = []
        for _, fixed, solved, reference in beam:
            for value in fmt.neighbours(solved[k]):
                trial = [*fixed, value]
                whole, error, alternation = minimax(sampled, trial, degree, reference)
                grown.append((error, trial, whole, alternation or reference))
        grown.sort(key=lambda entry: entry[0])
        beam = grown[:BEAM_WIDTH]
    best = beam[0][1]
    return Polynomial(best, largest(sampled, best), ideal, ideal_free)


def exponent(x: Real) -> int:
    """Return floor(log2(abs(x)))."""
    return int(mp.frexp(x)[1]) - 1


def exp_target() -> Target:
    """Pose P(r) in e**r = 1 + r + r**2 * P(r), with the error relative to e**r."""

    def parts(r: Real) -> tuple[Real, Real]:
        scale = mp.exp(-r)
        return 1 - (1 + r) * scale, r * r * scale

    limit = mp.log(2) / 2 * (1 + mp.mpf(EXP_MARGIN))
    return Target(parts, -limit, limit)


def log1p_target() -> Target:
    """Pose Q(w) in log((1 + s)/(1 - s)) = 2*s + s*w*Q(w), w = s**2, with its relative error."""

    def parts(w: Real) -> tuple[Real, Real]:
        s = mp.sqrt(w)
        if s == 0:
            return mp.mpf(0), mp.mpf(0)
        whole = 2 * mp.atanh(s)
        return 1 - 2 * s / whole, s * w / whole

    return Target(parts, mp.mpf(0), (1 + mp.mpf(LOG1P_MARGIN)) / 25)


# How far rounding may push the reduced argument past its exact interval, with room to spare.
EXP_MARGIN = "1e-3"
LOG1P_MARGIN = "1e-6"

EXP_DEGREE = {"float32": 5, "float64": 10}
LOG1P_DEGREE = {"float32": 3, "float64": 7}
EXP_DEGREE_NEXT = 6  # float32, for comparison in the header only

# Largest abs(n) for which n * LN2_HI has to be exact.
LN2_MULTIPLE = {"float32": 160, "float64": 2047}


def hexadecimal(x: Real, fmt: Format) -> str:
    """Write `x`, a number of `fmt`, as a C99 hexadecimal floating constant."""
    mantissa, power = mp.mpf(abs(x)), exponent(x)
    if fmt.nearest(x) != x or power < fmt.min_exponent:
        raise ValueError(f"{mp.nstr(x, 20)} is not a normal {fmt.name}")
    digits = (fmt.bits + 2) // 4
    fraction = int(mp.ldexp(mantissa, 4 * digits - power)) - (1 << 4 * digits)
    tail = f"{fraction:0{digits}x}".rstrip("0")
    sign = "-" if x < 0 else ""
    return f"{sign}0x1{'.' if tail else ''}{tail}p{power:+d}{fmt.literal}"


def decimal(x: Real, fmt: Format) -> str:
    """Write `x` in as many decimal digits as tell the numbers of `fmt` apart."""
    return f"{float(x):.{9 if fmt is FLOAT32 else 17}g}"


def define(name: str, x: Real, fmt: Format) -> str:
    """Write one #define line."""
    macro = f"BCEL_{name}_{fmt.macro}"
    return f"#define {macro:<24} {hexadecimal(x, fmt):<25} /* {decimal(x, fmt)} */"


def bound(error: Real) -> str:
    """Write `error` as a power of two, rounded up to a tenth of a bit."""
    return f"2^{float(mp.ceil(mp.log(error, 2) * 10) / 10):.1f}"


def split(value: Real, fmt: Format, multiple: int) -> tuple[Real, Real]:
    """Split `value` into HI + LO, with n * HI exact in `fmt` for abs(n) <= multiple."""
    high = replace(fmt, bits=fmt.bits - multiple.bit_length()).nearest(value)
    return high, fmt.nearest(value - high)


def render() -> str:
    """Write the text of the header."""
    half, ln2 = mp.mpf(1) / 2, mp.log(2)
    exp, log1p = exp_target(), log1p_target()
    rows, sections = [], []
    for fmt in (FLOAT32, FLOAT64):
        p = fit(exp, fmt, EXP_DEGREE[fmt.name], exact=[half])
        q = fit(log1p, fmt, LOG1P_DEGREE[fmt.name])
        rows.append(("EXP", fmt, EXP_DEGREE[fmt.name], p))
        rows.append(("LOG1P", fmt, LOG1P_DEGREE[fmt.name], q))
        lines = [define(f"EXP_P{k}", c, fmt) for k, c in enumerate(p.coefficients)]
        lines += ["", *(define(f"LOG1P_Q{k}", c, fmt) for k, c in enumerate(q.coefficients)), ""]
        multiple = LN2_MULTIPLE[fmt.name]
        high, low = split(ln2, fmt, multiple)
        lines += [
            f"/* n * LN2_HI is exact for |n| <= {multiple};"
            f" |ln 2 - HI - LO| = {float(abs(ln2 - high - low)):.3g}. */",
            define("LN2_HI", high, fmt),
            define("LN2_LO", low, fmt),
        ]
        nearest = fmt.nearest(ln2)
        lines += [
            "",
            "/* ln 2 to the nearest, and what is left of it. */",
            define("LN2", nearest, fmt),
            define("LN2_REST", fmt.nearest(ln2 - nearest), fmt),
            "",
            define("LOG2E", fmt.nearest(1 / ln2), fmt),
            "",
            "/* Adding this rounds to an integer, to nearest even; the low bits then hold it. */",
            define("ROUND_MAGIC", mp.ldexp(mp.mpf(3) / 2, fmt.bits - 1), fmt),
        ]
        sections.append("\n".join([f"/* {fmt.name} */", "", *lines]))
    following = fit(exp, FLOAT32, EXP_DEGREE_NEXT, exact=[half])
    return "\n".join(
        [
            "/*",
            " * Generated by tools/coefficients.py. Do not edit: change the script and run",
            " *",
            " *     python tools/coefficients.py",
            " *",
            " * EXP:    e^r = 1 + r + r^2 P(r),             |r| <= ln(2)/2 (1 + "
            f"{EXP_MARGIN}), P0 = 1/2 exactly;",
            " *         the error is relative to e^r.",
            " * LOG1P:  log((1 + s)/(1 - s)) = 2 s + s w Q(w),  w = s^2 in [0, (1 + "
            f"{LOG1P_MARGIN})/25];",
            " *         the error is relative to this logarithm.",
            " *",
            " * The largest error is that of the exact polynomial with the coefficients below. The",
            " * two columns after it say what the best real coefficients would give, with EXP_P0",
            " * held and with every coefficient free. All are rounded up to a tenth of a bit.",
            " *",
            " * polynomial  format   degree  largest error  real, P0 held  real, all free",
            *(
                f" * {name:<10}  {fmt.name}  {degree:>6}  {bound(p.error):>13}"
                f"  {bound(p.ideal):>13}  {bound(p.ideal_free):>14}"
                for name, fmt, degree, p in rows
            ),
            " *",
            f" * For comparison, EXP in float32 with degree {EXP_DEGREE_NEXT}:"
            f" {bound(following.error)} (real: {bound(following.ideal)}).",
            " */",
            "#ifndef BCEL_COEFFICIENTS_H",
            "#define BCEL_COEFFICIENTS_H",
            "",
            "\n\n".join(sections),
            "",
            "#endif",
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write csrc/coefficients.h.")
    parser.add_argument("--output", type=Path, default=HEADER, help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    options = parser.parse_args(arguments)
    text = render()
    if options.check:
        if options.output.read_bytes() != text.encode():
            print(f"{options.output} is not what this script writes", file=sys.stderr)
            return 1
        return 0
    options.output.write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
