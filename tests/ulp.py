"""Errors in units in the last place.

The unit is the distance between neighbouring floats in the binade of the exact value; below the
smallest normal number it is the smallest subnormal one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import gmpy2
import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class _Format(NamedTuple):
    digits: int
    min_exponent: int  # of the smallest subnormal number, as a power of two
    max_exponent: int  # 2**max_exponent is the first power of two too large


FORMATS = {
    np.dtype(np.float16): _Format(11, -24, 16),
    BFLOAT16: _Format(8, -133, 128),
    np.dtype(np.float32): _Format(24, -149, 128),
    np.dtype(np.float64): _Format(53, -1074, 1024),
}


class Exact(NamedTuple):
    """Exact values, as whole and fractional numbers of units in the last place."""

    whole: Any
    fraction: Any
    unit: Any  # the exponent of the unit

    def __getitem__(self, index: Any) -> Exact:  # type: ignore[override]
        return Exact(*(a[index] for a in tuple(self)))

    def negative(self) -> Exact:
        return Exact(-self.whole, -self.fraction, self.unit)


def in_units(values: Iterable[gmpy2.mpfr], dtype: Any) -> Exact:
    """Exact finite values in units of the last place of dtype."""
    digits, min_exponent, _ = FORMATS[np.dtype(dtype)]
    whole, fraction, unit = [], [], []
    for value in values:
        exponent = max(gmpy2.get_exp(value) - digits, min_exponent) if value else min_exponent
        # In the value's own precision: MPFR rounds to that of the context in use.
        with gmpy2.context(precision=max(value.precision, 64)):
            scale = gmpy2.div_2exp if exponent > 0 else gmpy2.mul_2exp
            scaled = scale(value, abs(exponent))
            nearest = gmpy2.rint(scaled)
            whole.append(float(nearest))
            fraction.append(float(scaled - nearest))
        unit.append(exponent)
    return Exact(np.array(whole), np.array(fraction), np.array(unit, dtype=np.int64))


def errors(actual: Any, exact: Exact) -> Any:
    """The errors of actual, in units in the last place of its own dtype.

    An infinity counts as right where the exact value, rounded, exceeds the largest float, and a
    NaN never does.
    """
    actual = np.asarray(actual)
    max_exponent = FORMATS[actual.dtype].max_exponent
    digits = FORMATS[actual.dtype].digits
    overflows = (np.abs(exact.whole) >= 2.0**digits) & (exact.unit == max_exponent - digits)
    overflows |= exact.unit > max_exponent - digits
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.ldexp(actual.astype(np.float64), -exact.unit)
        error = np.abs((scaled - exact.whole) - exact.fraction)
    right_infinity = np.isinf(actual) & overflows & (np.signbit(actual) == (exact.whole < 0))
    error = np.where(right_infinity, 0.0, error)
    return np.where(np.isnan(error), np.inf, error)


def spacing(values: Any, dtype: Any) -> Any:
    """The unit in the last place of dtype at values of a wider dtype."""
    digits, min_exponent, _ = FORMATS[np.dtype(dtype)]
    _, exponent = np.frexp(np.abs(values))
    exponent = np.where(np.asarray(values) == 0, min_exponent, exponent - digits)
    return np.ldexp(np.longdouble(1), np.maximum(exponent, min_exponent))


def assert_agrees(actual: Any, expected: Any, magnitude: Any = None, ulp: float = 4.0) -> None:
    """actual is expected to within some units in the last place of actual's dtype at magnitude.

    This is for agreement with the long double twin, which is itself a unit or two of double
    precision off where long double is no longer than double. The bounds that are promised are
    measured against exact values.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    magnitude = np.abs(expected) if magnitude is None else np.asarray(magnitude)
    wide = actual.astype(np.longdouble)
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = expected.astype(actual.dtype)
        same = (wide == expected) | (np.isnan(wide) & np.isnan(expected))
        same |= np.isinf(wide) & (actual == rounded)
        close = np.abs(wide - expected) <= ulp * spacing(magnitude, actual.dtype)
    bad = ~(same | (close & np.isfinite(expected) & np.isfinite(wide)))
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()
        off = float(np.abs(wide - expected)[index] / spacing(magnitude, actual.dtype)[index])
        raise AssertionError(
            f"{bad.sum()} of {bad.size} differ; first at {index}: {actual[index]!r}, expected "
            f"{expected[index]!r}, {off:.3g} units in the last place"
        )
