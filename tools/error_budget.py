"""Print what each compensation step of the float32 loss and gradient buys, as a Markdown table.

The elementwise kernels of csrc/math.inc.h are emulated in NumPy, operation by operation, with every
step against rounding errors switchable. Two columns say the largest error with this step and those
above it; two more say the largest error with all steps but this one. The sample of logits is fixed:
one in `stride` of all float32 magnitudes from 2**-32 to 104, with both signs and the target 0; the
target 1 mirrors them.

The fused multiply-add is exact: the product of two float32 numbers fits in float64, the float64 sum
is rounded to odd, and rounding that to float32 is then the only rounding that shows [1]_. With all
steps on, the emulation gives the bits of the library; --check compares them.

Usage
-----
    python tools/error_budget.py                  a minute or two
    python tools/error_budget.py --stride 1021    seconds; smaller maxima
    python tools/error_budget.py --check          compare with the installed package, print no table

References
----------
.. [1] S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms
   using rounding to odd", IEEE Transactions on Computers 57, 2008.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import coefficients as fitted
import numpy as np

Array = Any  # of float32 unless said otherwise
F32_HEADER = Path(__file__).resolve().parent.parent / "csrc" / "f32.inc.h"

FIRST_BITS = 0x2F800000  # 2**-32; below it log1p(e) is ln 2 and every result constant
LAST_BITS = 0x42D00000  # 104; from there on exp(-t) rounds to 0
STRIDE = 61  # a prime: the last bits of the sample take every value
CHUNK = 1 << 15

ZERO, HALF, ONE, TWO = np.float32([0, 0.5, 1, 2])


@dataclass(frozen=True)
class Steps:
    """Which steps are taken; all of them is what the library does."""

    loss_sum: bool = True
    exp_sum: bool = True
    division: bool = True
    reduction: bool = True
    slope: bool = True
    subnormal: bool = True
    exp_degree: bool = True
    half_apart: bool = True
    log1p_split: bool = True


EXP_DEGREE = fitted.EXP_DEGREE["float32"]

MEANING = {
    "loss_sum": "low parts in max(x, 0) + log1p(e)",
    "exp_sum": "low parts of the additions in exp",
    "division": "low part of the division and of its divisor",
    "reduction": "1 - r from the first step of the reduction",
    "slope": "what rounding r takes from r²/2",
    "subnormal": "subnormal results rounded once",
    "exp_degree": f"exp: degree {EXP_DEGREE - 1} -> {EXP_DEGREE}",
    "half_apart": "r²/2 apart from the polynomial",
    "log1p_split": "log1p(e) as ln 2 + log((1 + e)/2) from e = 1/2 on",
}
PLAIN = Steps(**dict.fromkeys(MEANING, False))


def fma(a: Array, b: Array, c: Array) -> Array:
    """Return a * b + c, rounded once to float32."""
    product = np.multiply(a, b, dtype=np.float64)  # exact
    c = np.asarray(c, dtype=np.float64)
    total = product + c
    part = total - product
    error = (product - (total - part)) + (c - part)
    bits = total.view(np.int64)
    away = np.where((error > 0) == (total > 0), 1, -1)
    bits += np.where((error != 0) & (bits & 1 == 0), away, 0)
    return total.astype(np.float32)


def fnma(a: Array, b: Array, c: Array) -> Array:
    """Return c - a * b, rounded once to float32."""
    return fma(-a, b, c)


class Constants(NamedTuple):
    """What csrc/coefficients.h and csrc/f32.inc.h hold, and the polynomials it replaced."""

    exp: dict[bool, Array]  # by whether the degree is the library's
    log1p: dict[bool, Array]  # by whether 1/2 <= e is apart
    ln2: Array
    ln2_rest: Array
    ln2_hi: Array
    ln2_lo: Array
    log2e: Array
    magic: Array
    near_max: Array
    smallest_normal: Array


@functools.cache
def constants() -> Constants:
    """Fit the polynomials as the header's were, and split ln 2."""
    mp, fmt = fitted.mp, fitted.FLOAT32

    def rounded(values: Sequence[Any]) -> Array:
        return np.array([float(v) for v in values], dtype=np.float32)

    def fit(target: fitted.Target, degree: int, exact: Sequence[Any] = ()) -> Array:
        return rounded(fitted.fit(target, fmt, degree, exact).coefficients)

    half, ln2 = mp.mpf(1) / 2, mp.log(2)
    apart = fitted.log1p_target()
    whole = replace(apart, upper=(1 + mp.mpf(fitted.LOG1P_MARGIN)) / 9)
    nearest = fmt.nearest(ln2)
    found = re.search(r"^#define NEAR_MAX ([\d.]+)f$", F32_HEADER.read_text(encoding="utf-8"), re.M)
    if not found:
        raise ValueError(f"{F32_HEADER} does not define NEAR_MAX")
    return Constants(
        {
            whether: fit(fitted.exp_target(), degree, [half])
            for whether, degree in ((False, EXP_DEGREE - 1), (True, EXP_DEGREE))
        },
        {
            whether: fit(target, fitted.LOG1P_DEGREE["float32"])
            for whether, target in ((False, whole), (True, apart))
        },
        *rounded([nearest, ln2 - nearest]),
        *rounded(fitted.split(ln2, fmt, fitted.LN2_MULTIPLE["float32"])),
        *rounded([1 / ln2, 1.5 * 2.0**23, float(found[1]), 2.0**-126]),
    )


class Pair(NamedTuple):
    """An unevaluated sum hi + lo."""

    hi: Array
    lo: Array


def exp_mantissa(t: Array, steps: Steps) -> tuple[Pair, Array]:
    """Return m and n with exp(-t) = 2**n * (m.hi + m.lo)."""
    c = constants()
    n = fnma(t, c.log2e, c.magic) - c.magic
    r_exact = fma(n, c.ln2_hi, t)
    r = fma(n, c.ln2_lo, r_exact)
    square = r * r
    p = c.exp[steps.exp_degree]
    polynomial = np.broadcast_to(p[-1], r.shape)
    for coefficient in p[-2:0:-1]:
        polynomial = fnma(r, polynomial, coefficient)
    largest = r_exact if steps.reduction else r
    hi = ONE - largest
    lo = (ONE - hi) - largest if steps.exp_sum else np.zeros_like(r)
    if steps.reduction:
        lo = fnma(n, c.ln2_lo, lo)
    if steps.half_apart:
        lo = fnma(square * r, polynomial, lo)
    if steps.slope:
        lo = fma(r, fma(n, c.ln2_lo, r_exact - r), lo)
    half = HALF if steps.half_apart else fnma(r, polynomial, p[0])
    lo = fma(square, half, lo)
    whole = hi + lo
    return Pair(whole, lo - (whole - hi) if steps.exp_sum else np.zeros_like(r)), n


def log1p_near(e: Pair, steps: Steps) -> Pair:
    """Return log(1 + e)."""
    constant = constants()
    small = (e.hi < HALF) | (not steps.log1p_split)
    log_c = np.where(small, ZERO, constant.ln2)
    log_c_lo = np.where(small, ZERO, constant.ln2_rest)
    c_less_1 = np.where(small, ZERO, ONE)
    c_plus_1 = c_less_1 + TWO
    d = c_plus_1 + e.hi
    numerator = Pair(e.hi - c_less_1, e.lo)
    s, s_lo = divide(numerator, Pair(d, e.hi - (d - c_plus_1)), e.lo, steps)
    w = s * s
    q = constant.log1p[steps.log1p_split]
    polynomial = np.broadcast_to(q[-1], w.shape)
    for coefficient in q[-2::-1]:
        polynomial = fma(w, polynomial, coefficient)
    twice, twice_lo = s + s, s_lo + s_lo
    tail = fma(s * w, polynomial, fma(twice_lo, w, twice_lo))
    hi = log_c + twice
    return Pair(hi, (twice - (hi - log_c)) + (log_c_lo + tail))


def divide(a: Pair, d: Pair, e_lo: Array, steps: Steps) -> Pair:
    """Return a / (d + e_lo). d.lo is what rounding d.hi lost, e_lo what came with exp."""
    if not steps.division:
        s = a.hi / d.hi
        return Pair(s, fnma(s, e_lo, a.lo) / d.hi)
    reciprocal = ONE / d.hi
    s = a.hi * reciprocal
    remainder = fnma(s, d.hi, a.hi) + fnma(s, d.lo + e_lo, a.lo)
    return Pair(s, remainder * reciprocal)


def exp_far(m: Pair, n: Array, steps: Steps) -> Array:
    """Return 2**n * (m.hi + m.lo) where it may be subnormal, as the C code's scale_far does."""
    if not steps.subnormal:
        return np.ldexp(m.hi + m.lo, n.astype(np.int32))
    magic = constants().magic
    third = fma(n, np.float32(1 / 3), magic) - magic
    last = n - (third + third)
    down, down_last, up, up_last = (
        np.ldexp(ONE, k.astype(np.int32)) for k in (third, last, -third, -last)
    )
    product, product_lo = m.hi * down, m.lo * down
    nearest = product + product_lo
    nearest_lo = product_lo - (nearest - product)
    result = nearest * down * down_last
    lost = nearest - result * up_last * up
    mended = result + (lost + nearest_lo) * down * down_last
    return np.where(np.abs(result) < constants().smallest_normal, mended, result)


def loss_sum(linear: Array, log1p: Pair, steps: Steps) -> Array:
    """Return linear + log1p."""
    if not steps.loss_sum:
        return linear + (log1p.hi + log1p.lo)
    hi = linear + log1p.hi
    part = hi - linear
    return hi + ((linear - (hi - part)) + (log1p.hi - part) + log1p.lo)


class Results(NamedTuple):
    """The loss and the gradient for the target 0, at +t and at -t."""

    loss_above: Array
    loss_below: Array
    grad_above: Array
    grad_below: Array


def evaluate(t: Array, steps: Steps) -> Results:
    """Return the library's results for the logits t and -t, with the given steps."""
    c = constants()
    with np.errstate(under="ignore", invalid="ignore", over="ignore"):
        m, n = exp_mantissa(t, steps)
        e = Pair(*(np.ldexp(part, n.astype(np.int32)) for part in m))
        tiny = exp_far(m, n, steps)
        log1p = log1p_near(e, steps)
        zero = np.zeros_like(t)
        d = ONE + e.hi
        by = Pair(d, e.hi - (d - ONE))
        above = divide(Pair(np.ones_like(t), zero), by, e.lo, steps)
        below = divide(e, by, e.lo, steps)
    far = t > c.near_max
    return Results(
        np.where(far, t + tiny, loss_sum(t, log1p, steps)),
        np.where(far, tiny, loss_sum(zero, log1p, steps)),
        np.where(far, ONE - tiny, above.hi + above.lo),
        np.where(far, tiny, below.hi + below.lo),
    )


def exact(t: Array) -> Results:
    """Return the same in float64, whose error is about 1e-8 of a float32 ULP."""
    t = t.astype(np.float64)
    e = np.exp(-t)
    log1p = np.log1p(e)
    return Results(t + log1p, log1p, 1 / (1 + e), e / (1 + e))


def ulp_errors(actual: Array, wanted: Array) -> Array:
    """Return the errors in units in the last place of the exact values."""
    exponent = np.frexp(wanted)[1]
    return np.abs(actual - wanted) * np.ldexp(1.0, 24 - np.maximum(exponent, -125))


def magnitudes(stride: int) -> Iterator[Array]:
    """Yield the sample of t in chunks."""
    for first in range(FIRST_BITS, LAST_BITS + 1, CHUNK * stride):
        last = min(first + CHUNK * stride, LAST_BITS + 1)
        yield np.arange(first, last, stride, dtype=np.uint32).view(np.float32)


class Maxima(NamedTuple):
    """Largest errors in ULP."""

    loss: float
    grad: float


def largest_errors(variants: Sequence[Steps], stride: int) -> dict[Steps, Maxima]:
    """Return the largest errors of each variant over the sample."""
    found = dict.fromkeys(variants, Maxima(0.0, 0.0))
    for t in magnitudes(stride):
        wanted = exact(t)
        for steps, so_far in found.items():
            errors = [
                float(ulp_errors(a, w).max())
                for a, w in zip(evaluate(t, steps), wanted, strict=True)
            ]
            found[steps] = Maxima(max(so_far.loss, *errors[:2]), max(so_far.grad, *errors[2:]))
    return found


def table(stride: int) -> str:
    """Return the table."""
    cumulative = [PLAIN]
    for field in fields(Steps):
        cumulative.append(replace(cumulative[-1], **{field.name: True}))
    alone = [replace(Steps(), **{field.name: False}) for field in fields(Steps)]
    found = largest_errors([*cumulative, *alone], stride)
    lines = [
        "| step | loss | gradient | loss without it | gradient without it |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| plain evaluation | {:.3f} | {:.3f} | | |".format(*found[PLAIN]),
    ]
    lines += [
        "| {} | {:.3f} | {:.3f} | {:.3f} | {:.3f} |".format(
            MEANING[field.name], *found[steps], *found[without]
        )
        for field, steps, without in zip(fields(Steps), cumulative[1:], alone, strict=True)
    ]
    count = sum(t.size for t in magnitudes(stride))
    lines += ["", f"Largest errors in ULP over {2 * count:,} logits."]
    return "\n".join(lines)


def differences(stride: int) -> int:
    """Count results of the installed package that are not those of the emulation."""
    import bcelogits

    count = 0
    for t in magnitudes(stride):
        wanted = evaluate(t, Steps())
        zero = np.zeros_like(t)
        actual = Results(
            *(
                bcelogits.binary_cross_entropy_with_logits(x, zero, reduction="none")
                for x in (t, -t)
            ),
            *(bcelogits.value_and_grad(x, zero, reduction="none")[1] for x in (t, -t)),
        )
        for a, w in zip(actual, wanted, strict=True):
            count += int(np.count_nonzero(a != w))
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Print an error budget of the float32 kernels.")
    parser.add_argument(
        "--stride", type=int, default=STRIDE, help="take one float32 in so many (%(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="compare bits with the package")
    options = parser.parse_args(arguments)
    if options.stride < 1:
        parser.error(f"--stride must be at least 1, not {options.stride}")
    if options.check:
        count = differences(options.stride)
        print(f"{count} results differ from the package's")
        return int(count > 0)
    print(table(options.stride))
    return 0


if __name__ == "__main__":
    sys.exit(main())
