"""The promised accuracy, against exact values, under every instruction set; and the same bits.

The bounds are those of the contract: 1 unit in the last place for hard targets without weights,
3 for soft targets or weights, for single values and for sums and means.
"""

from __future__ import annotations

import itertools
from itertools import repeat

import gmpy2
import mpmath
import numpy as np
import pytest
import reference
import ulp
from each_isa import ISAS, call, results

import bcelogits

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
DTYPES = [F32, F64]
HARD, SOFT = 1.0, 3.0


# --- logits ----------------------------------------------------------------------------------


def special_logits(dtype):
    """Where a computation of the loss is likely to break."""
    info = np.finfo(dtype)
    overflow = float(np.log(np.longdouble(info.max)))
    subnormal = float(-np.log(np.longdouble(info.tiny)))
    vanishing = float(-np.log(np.longdouble(info.smallest_subnormal)))
    ln2 = float(np.log(np.longdouble(2)))
    centres = [0.0, info.smallest_subnormal, info.tiny, info.eps, info.epsneg, info.max]
    centres += [overflow, subnormal, vanishing, vanishing + ln2, -np.log(info.eps)]
    # The argument reduction of exp changes over at the halves, and is exact at the whole ones.
    centres += [k * ln2 / 2 for k in range(1, int(2 * vanishing / ln2) + 6)]
    # Powers of two in the result of log1p, and in the logit.
    powers = np.arange(info.minexp - info.nmant, info.maxexp, dtype=np.float64)
    centres += list(np.ldexp(1.0, powers.astype(int)))
    centres += [float(np.log(np.expm1(np.longdouble(2.0) ** -k))) for k in range(60)]
    points = np.array(centres).astype(dtype)
    near, unsigned = [], np.uint32 if dtype == F32 else np.uint64
    for offset in range(-3, 4):
        bits = np.abs(points).view(unsigned).astype(np.int64) + offset
        near.append(bits[bits >= 0].astype(unsigned).view(dtype))
    positive = np.concatenate(near)
    return np.unique(positive[np.isfinite(positive)])


def random_logits(dtype, n, rng):
    """Every binade, the whole range in which the loss is not trivial, and usual logits."""
    unsigned = np.uint32 if dtype == F32 else np.uint64
    bits = rng.integers(0, np.iinfo(unsigned).max, n, dtype=unsigned, endpoint=True).view(dtype)
    reach = 110 if dtype == F32 else 750
    parts = [
        bits[np.isfinite(bits)],
        rng.uniform(-reach, reach, n).astype(dtype),
        (rng.choice([-1, 1], n) * 2.0 ** rng.uniform(-30, 7, n)).astype(dtype),
        (3 * rng.standard_normal(n)).astype(dtype),
    ]
    return np.concatenate(parts)


def make_logits(dtype):
    rng = np.random.default_rng(20240)
    special = special_logits(dtype)
    return np.concatenate([special, -special, random_logits(dtype, 27_500, rng)])


LOGITS = {dtype: make_logits(dtype) for dtype in DTYPES}


def test_there_are_enough_logits():
    for dtype, x in LOGITS.items():
        assert x.dtype == dtype
        assert x.size >= 100_000
        assert np.isfinite(x).all()


# --- weights and soft targets ----------------------------------------------------------------

N_WEIGHTED = 20_000


def make_weighted(dtype):
    """Arguments (x, y, w, p) with some of them soft or weighted."""
    rng = np.random.default_rng(77)
    n = N_WEIGHTED
    x = rng.choice(LOGITS[dtype], n)
    # No product of these with a loss, or of two of them, leaves the normal numbers on its way;
    # TestExtremeWeights has those that do.
    x = np.where((np.abs(x) < 60) | (x == 0), x, rng.uniform(-60, 60, n).astype(dtype))
    x = np.where(np.abs(x) < 1e-9, rng.standard_normal(n).astype(dtype), x)
    hard = rng.integers(0, 2, n).astype(dtype)
    soft = rng.uniform(0, 1, n).astype(dtype)
    eps = np.finfo(dtype).eps
    edges = np.array([0, 1, 0.5, eps, 1 - eps / 2, 1 - eps, 1e-6, 1 / 3], dtype)
    soft[: n // 8] = rng.choice(edges, n // 8)
    w = (2.0 ** rng.uniform(-10, 10, n)).astype(dtype)
    signed = w * rng.choice([-1, 1], n).astype(dtype)
    p = (2.0 ** rng.uniform(-10, 10, n)).astype(dtype)
    one = np.ones(n, dtype)
    return {
        "soft": (x, soft, one, one),
        "weight": (x, hard, signed, one),
        "pos_weight": (x, hard, one, p),
        "soft, weight": (x, soft, signed, one),
        "soft, pos_weight": (x, soft, one, p),
        "soft, weight, pos_weight": (x, soft, signed, p),
        "weight, pos_weight": (x, hard, signed, p),
    }


WEIGHTED = {dtype: make_weighted(dtype) for dtype in DTYPES}
CASES = tuple(WEIGHTED[F32])


def weighted_arguments(case, x, y, w, p):
    """Pass only what the case is about: an absent weight takes another path than one of ones."""
    kwargs = {}
    if "weight" in case.split(", "):
        kwargs["weight"] = w
    if "pos_weight" in case:
        kwargs["pos_weight"] = p
    return (x, y), kwargs


# --- sums ------------------------------------------------------------------------------------

LENGTHS = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 257, 511, 513]
LENGTHS += [1000, 1023, 1025, 2047, 2049, 4095, 4096, 4097, 8191, 8193, 10_000, 16_385, 30_011]


def make_sums(dtype):
    """Logits and hard targets whose losses are hard to add up."""
    rng = np.random.default_rng(5)
    n = max(LENGTHS)
    y = rng.integers(0, 2, n).astype(dtype)
    sign = 1 - 2 * y
    right = -np.abs(rng.standard_normal(n)) * sign
    one_large = -rng.uniform(20, 40, n) * sign
    one_large[::5000] = 1e6 * sign[::5000]
    wide = -rng.uniform(-60, 60, n) * sign
    sets = {
        "usual": 4 * rng.standard_normal(n),
        "small losses": 20 * right,
        "tiny losses": -rng.uniform(30, 80, n) * sign,
        "large losses": rng.uniform(100, 1e5, n) * sign,
        "one large": one_large,
        "wide": wide,
        "constant": np.full(n, 0.1),
    }
    return {name: (x.astype(dtype), y) for name, x in sets.items()}


SUMS = {dtype: make_sums(dtype) for dtype in DTYPES}
SETS = tuple(SUMS[F32])


# --- what every instruction set computes -----------------------------------------------------


def make_calls():
    calls = {}
    loss = "binary_cross_entropy_with_logits"
    for dtype in DTYPES:
        x = LOGITS[dtype]
        for y in (0, 1):
            target = np.full(x.shape, y, dtype)
            calls[dtype, "loss", y] = call(loss, x, target, reduction="none")
            calls[dtype, "both", y] = call("value_and_grad", x, target, reduction="none")
            calls[dtype, "hessian", y] = call("grad_and_hess", x, target)
            bits = target.astype(bool)
            calls[dtype, "loss of bool", y] = call(loss, x, bits, reduction="none")
        for name in ("sigmoid", "log_sigmoid", "softplus"):
            calls[dtype, name] = call(name, x)
        for case, arguments in WEIGHTED[dtype].items():
            args, kwargs = weighted_arguments(case, *arguments)
            calls[dtype, "loss", case] = call(loss, *args, **kwargs, reduction="none")
            calls[dtype, "both", case] = call("value_and_grad", *args, **kwargs, reduction="none")
            calls[dtype, "hessian", case] = call("grad_and_hess", *args, **kwargs)
        for name, (a, b) in SUMS[dtype].items():
            for n, how in itertools.product(LENGTHS, ("sum", "mean")):
                for out in (F32, F64):
                    kwargs = {"reduction": how, "dtype": out}
                    calls[dtype, how, name, n, out] = call(loss, a[:n], b[:n], **kwargs)
                kwargs = {"reduction": how}
                calls[dtype, "gradient", how, name, n] = call(
                    "value_and_grad", a[:n], b[:n], **kwargs
                )
    return calls


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Results by instruction set and call."""
    calls = make_calls()
    return {isa: results(calls, isa, tmp_path_factory.mktemp(isa)) for isa in ISAS}


# --- exact values ----------------------------------------------------------------------------


class Table:
    """Exact values of softplus, sigmoid and their product for all logits of a dtype."""

    def __init__(self, dtype):
        with gmpy2.context(precision=reference.PRECISION):
            parts = [reference.exact_parts(x) for x in LOGITS[dtype].tolist()]
            hessian = [s.sigmoid * s.sigmoid_neg for s in parts]
        self.softplus = ulp.in_units((s.softplus for s in parts), dtype)
        self.softplus_neg = ulp.in_units((s.softplus_neg for s in parts), dtype)
        self.sigmoid = ulp.in_units((s.sigmoid for s in parts), dtype)
        self.sigmoid_neg = ulp.in_units((s.sigmoid_neg for s in parts), dtype)
        self.hessian = ulp.in_units(hessian, dtype)


@pytest.fixture(scope="module")
def tables():
    return {dtype: Table(dtype) for dtype in DTYPES}


def check(actual, exact, bound, x):
    """All errors are within the bound; say where the worst is if not."""
    errors = ulp.errors(actual, exact)
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, (
        f"{errors[worst]:.4f} units in the last place at {x[worst].tolist()}: {actual[worst]!r}; "
        f"{np.sum(errors > bound)} of {errors.size} above {bound}"
    )


def test_exact_values_agree_with_the_definition():
    """MPFR by the stable formulas, against mpmath by the definition."""
    rng = np.random.default_rng(11)
    points = rng.choice(LOGITS[F64][np.abs(LOGITS[F64]) < 800], 60)
    for formula, x in itertools.product(reference.FORMULAS, points):
        y, w, p = rng.choice([0, 1, rng.uniform()]), rng.uniform(-2, 2), rng.uniform(0, 5)
        exact = reference.exact(formula, x, y, w, p)
        definition = reference.exact_by_definition(formula, x, y, w, p)
        magnitude = float(reference.elementwise(formula, x, y, 1 - y, w, p).magnitude)
        with mpmath.workprec(400):
            numerator, denominator = exact.as_integer_ratio()
            difference = abs(mpmath.mpf(int(numerator)) / int(denominator) - definition)
            assert difference <= magnitude * mpmath.mpf(2) ** -120, (formula, x, y, w, p)


def test_errors_are_measured_in_units_of_the_exact_value():
    """The ruler itself: 1 is right, its neighbours are one unit off."""
    for dtype in DTYPES:
        one, smallest = gmpy2.mpfr(1), np.finfo(dtype).smallest_subnormal
        exact = ulp.in_units([one, one, one, gmpy2.mpfr(0), gmpy2.mpfr(float(smallest))], dtype)
        eps = np.finfo(dtype).eps
        actual = np.array([1, 1 + eps, 1 - eps / 2, smallest, 0], dtype)
        np.testing.assert_array_equal(ulp.errors(actual, exact), [0, 1, 0.5, 1, 1])
    with gmpy2.context(precision=reference.PRECISION):
        third = gmpy2.mpfr(1) / 3
    # In binary 0.010101...: what is cut off is a third of a unit, or two thirds to be rounded up.
    for dtype in DTYPES:
        exact = ulp.in_units([third, third], dtype)
        nearest = np.asarray(1, dtype) / np.asarray(3, dtype)
        actual = np.array([nearest, np.nextafter(nearest, dtype.type(0))])
        error = ulp.errors(actual, exact)
        assert error[0] == pytest.approx(1 / 3, rel=1e-9)
        assert error[1] == pytest.approx(2 / 3 if float(nearest) > 1 / 3 else 4 / 3, rel=1e-9)
    third = ulp.in_units([third], F32)
    huge = ulp.in_units([gmpy2.mpfr(2) ** 128, gmpy2.mpfr(2) ** 127], F32)
    np.testing.assert_array_equal(ulp.errors(np.float32([np.inf, np.inf]), huge), [0, np.inf])
    assert ulp.errors(np.float32([np.nan]), third)[0] == np.inf


# --- tests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("isa", ISAS)
class TestHardTargets:
    """One unit in the last place, for every finite logit."""

    @pytest.mark.parametrize("y", [0, 1])
    def test_loss(self, computed, tables, isa, dtype, y):
        exact = tables[dtype].softplus_neg if y else tables[dtype].softplus
        for name in ("loss", "loss of bool"):
            check(computed[isa][dtype, name, y], exact, HARD, LOGITS[dtype])
        value, _ = computed[isa][dtype, "both", y]
        check(value, exact, HARD, LOGITS[dtype])

    @pytest.mark.parametrize("y", [0, 1])
    def test_gradient(self, computed, tables, isa, dtype, y):
        exact = tables[dtype].sigmoid_neg.negative() if y else tables[dtype].sigmoid
        for name, which in (("both", 1), ("hessian", 0)):
            check(computed[isa][dtype, name, y][which], exact, HARD, LOGITS[dtype])

    @pytest.mark.parametrize("y", [0, 1])
    def test_hessian(self, computed, tables, isa, dtype, y):
        """The contract gives no bound for the hessian; it holds that of weighted results."""
        _, hess = computed[isa][dtype, "hessian", y]
        check(hess, tables[dtype].hessian, SOFT, LOGITS[dtype])

    def test_sigmoid(self, computed, tables, isa, dtype):
        check(computed[isa][dtype, "sigmoid"], tables[dtype].sigmoid, HARD, LOGITS[dtype])

    def test_log_sigmoid(self, computed, tables, isa, dtype):
        exact = tables[dtype].softplus_neg.negative()
        check(computed[isa][dtype, "log_sigmoid"], exact, HARD, LOGITS[dtype])

    def test_softplus(self, computed, tables, isa, dtype):
        check(computed[isa][dtype, "softplus"], tables[dtype].softplus, HARD, LOGITS[dtype])


@pytest.fixture(scope="module")
def weighted_tables():
    """Exact losses, gradients and hessians of the weighted cases."""
    tables = {}
    for dtype, case in itertools.product(DTYPES, CASES):
        x, y, w, p = (a.tolist() for a in WEIGHTED[dtype][case])
        with gmpy2.context(precision=reference.PRECISION):
            if case == CASES[0]:
                parts = [reference.exact_parts(a) for a in x]
            for formula in ("loss", "input", "hessian"):
                values = map(reference.exact_from_parts, repeat(formula), parts, y, w, p)
                tables[dtype, case, formula] = ulp.in_units(values, dtype)
    return tables


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("isa", ISAS)
class TestWeighted:
    """Three units in the last place with soft targets or weights."""

    def test_loss(self, computed, weighted_tables, isa, dtype, case):
        exact = weighted_tables[dtype, case, "loss"]
        x = WEIGHTED[dtype][case][0]
        check(computed[isa][dtype, "loss", case], exact, SOFT, x)
        check(computed[isa][dtype, "both", case][0], exact, SOFT, x)

    def test_gradient(self, computed, weighted_tables, isa, dtype, case):
        """Hard targets have one term. Soft ones have two that cancel where y is near s(x): the
        bound is then relative to the larger of the two, for no sum of rounded terms does better.
        """
        x, y, w, p = WEIGHTED[dtype][case]
        exact = weighted_tables[dtype, case, "input"]
        for gradient in (
            computed[isa][dtype, "both", case][1],
            computed[isa][dtype, "hessian", case][0],
        ):
            if not case.startswith("soft"):
                check(gradient, exact, SOFT, x)
                continue
            terms = reference.elementwise("input", x, y, 1 - y.astype(np.longdouble), w, p)
            unit = ulp.spacing(terms.magnitude, dtype)
            errors = ulp.errors(gradient, exact) * np.ldexp(np.longdouble(1), exact.unit) / unit
            assert errors.max() <= SOFT, x[np.argmax(errors)]

    def test_hessian(self, computed, weighted_tables, isa, dtype, case):
        """No promise of the contract, as above."""
        exact = weighted_tables[dtype, case, "hessian"]
        _, hess = computed[isa][dtype, "hessian", case]
        check(hess, exact, SOFT, WEIGHTED[dtype][case][0])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
class TestExtremeWeights:
    """The bound holds also where a partial product leaves the range of normal numbers."""

    def check(self, dtype, x, y, w, p):
        x, y, w, p = np.atleast_1d(*np.broadcast_arrays(x, y, w, p))
        x, y, w, p = (a.astype(dtype) for a in (x, y, w, p))
        kwargs = {}
        # An absent weight takes another path than one of ones.
        if (w != 1).any():
            kwargs["weight"] = w
        if (p != 1).any():
            kwargs["pos_weight"] = p
        value, grad = bcelogits.value_and_grad(x, y, reduction="none", **kwargs)
        _, hess = bcelogits.grad_and_hess(x, y, **kwargs)
        rows = list(zip(*(a.tolist() for a in (x, y, w, p)), strict=True))
        hard = (y == 0) | (y == 1)  # other gradients may cancel
        for formula, actual, those in (
            ("loss", value, hard | True),
            ("input", grad, hard),
            ("hessian", hess, hard | True),
        ):
            exact = ulp.in_units([reference.exact(formula, *row) for row in rows], dtype)
            if those.any():
                check(actual[those], exact[those], SOFT, np.array(rows)[those])

    def exponents(self, dtype):
        info = np.finfo(dtype)
        return int(info.minexp), int(info.maxexp)

    def test_subnormal_loss_times_large_weight(self, dtype):
        low, high = self.exponents(dtype)
        x = np.float64(low) * np.log(2.0) - 5.3
        self.check(dtype, [x, -x], [0, 1], 1.7 * 2.0 ** (high // 2), 1)

    def test_subnormal_product_of_target_and_pos_weight(self, dtype):
        low, high = self.exponents(dtype)
        tiny = 1.3 * 2.0 ** (low // 2 - 4)
        self.check(dtype, -(2.0 ** (high // 2)), tiny, 1, tiny)

    def test_overflowing_loss_times_small_weight(self, dtype):
        _, high = self.exponents(dtype)
        big = 1.6 * 2.0 ** (high // 2 + 4)
        self.check(dtype, -big, 1, 1 / big, big)

    @pytest.mark.parametrize("soft", [False, True])
    @pytest.mark.parametrize("weights", ["", "w", "p", "wp"])
    def test_whole_range(self, dtype, soft, weights):
        """Logits, targets and weights of any exponent, as long as w p is in range."""
        if not soft and not weights:
            return  # TestHardTargets
        rng = np.random.default_rng(13)
        info, n = np.finfo(dtype), 3000
        exponents = int(info.minexp) - int(info.nmant), int(info.maxexp) - 1

        def any_exponent():
            return (2.0 ** rng.uniform(*exponents, n)).astype(dtype)

        reach = 110 if dtype == F32 else 750
        x = np.where(rng.random(n) < 0.5, any_exponent(), rng.uniform(0, reach, n))
        x = (x * rng.choice([-1, 1], n)).astype(dtype)
        y = np.minimum(any_exponent(), 1) if soft else rng.integers(0, 2, n)
        w = any_exponent() * rng.choice([-1, 1], n) if "w" in weights else 1
        p = any_exponent() if "p" in weights else 1
        with np.errstate(over="ignore"):
            p = np.minimum(p, info.max / 2 / np.abs(w))
        self.check(dtype, x, y, w, p)

    def test_coefficients_that_overflow_are_infinite(self, dtype):
        """The documented limit: w p y is rounded to the dtype, and never becomes a NaN."""
        high = self.exponents(dtype)[1]
        big = dtype.type(2.0 ** (high // 2 + 9))
        for x, y in ((42.4, 1), (-42.4, 1), (-80.2, 1e-2), (80.2, 1e-2), (-300, 0.5), (300, 1)):
            for sign in (1, -1):
                arguments = (np.full(3, x, dtype), np.full(3, y, dtype), np.full(3, sign * big))
                kwargs = {"pos_weight": np.full(3, big)}
                loss = bcelogits.binary_cross_entropy_with_logits(
                    *arguments, reduction="none", **kwargs
                )
                results = [loss, *bcelogits.grad_and_hess(*arguments, **kwargs)]
                assert not np.isnan(results).any(), (x, y, sign)

    def test_results_that_overflow_are_infinite(self, dtype):
        _, high = self.exponents(dtype)
        self.check(dtype, -(2.0 ** (high - 2)), 1, 8, 1)
        self.check(dtype, -(2.0 ** (high - 2)), 1, -8, 1)

    def test_results_that_underflow_are_subnormal(self, dtype):
        low, _ = self.exponents(dtype)
        self.check(dtype, [-1.5, 2.0, -3.0], [0, 1, 1], 1.9 * 2.0 ** (low - 6), 1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("isa", ISAS)
def test_small_results_are_subnormal(computed, isa, dtype):
    """No result is flushed to zero before its exact value rounds there."""
    tiny, smallest = np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal
    x = LOGITS[dtype]
    # exp(-88.5) and exp(-709) are below the normal numbers of their formats.
    region = (x < np.log(tiny) - 0.5) & (x > np.log(smallest.astype(F64)) + 0.7)
    assert region.sum() > 500
    for result in (
        computed[isa][dtype, "loss", 0],
        computed[isa][dtype, "both", 0][0],
        computed[isa][dtype, "both", 0][1],
        computed[isa][dtype, "hessian", 0][1],
        computed[isa][dtype, "sigmoid"],
        computed[isa][dtype, "softplus"],
    ):
        assert (result[region] > 0).all()
        assert (result[region] < tiny).all()


def test_the_contract_gives_this_value():
    loss = bcelogits.binary_cross_entropy_with_logits(np.float32(-20), np.float32(0))
    assert loss == np.float32(2.0611537e-09)
    assert bcelogits.binary_cross_entropy_with_logits(-1000.0, 1) == 1000


@pytest.fixture(scope="module")
def sums():
    """Exact sums of exact losses."""
    exact = {}
    for dtype, name in itertools.product(DTYPES, SETS):
        with gmpy2.context(precision=reference.PRECISION):
            values = [
                reference.exact_parts(x)[1 if y else 0]
                for x, y in zip(*(a.tolist() for a in SUMS[dtype][name]), strict=True)
            ]
        exact[dtype, name] = reference.exact_sums(values, LENGTHS)
    return exact


def reduction_error(actual, exact, unit_dtype):
    """The error in units in the last place of unit_dtype, of an actual in any dtype."""
    unit = ulp.in_units([exact], unit_dtype).unit[0]
    with gmpy2.context(precision=400):
        return float(abs(gmpy2.mpfr(float(actual)) - exact) / gmpy2.exp2(int(unit)))


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("how", ["sum", "mean"])
class TestSums:
    """Sums and means hold the bound of their elements at any length."""

    def test_bound(self, computed, sums, isa, dtype, name, how):
        for n, out in itertools.product(LENGTHS, (F32, F64)):
            with gmpy2.context(precision=400):
                exact = sums[dtype, name][n] / (n if how == "mean" else 1)
            actual = computed[isa][dtype, how, name, n, out]
            assert actual.dtype == out
            coarser = F32 if F32 in (dtype, out) else F64
            error = reduction_error(actual, exact, coarser)
            assert error <= HARD, f"{error:.4f} units of {coarser} for {n} elements, as {out}"

    def test_bound_beside_gradients(self, computed, sums, isa, dtype, name, how):
        for n in LENGTHS:
            with gmpy2.context(precision=400):
                exact = sums[dtype, name][n] / (n if how == "mean" else 1)
            value, _ = computed[isa][dtype, "gradient", how, name, n]
            error = reduction_error(value, exact, dtype)
            assert error <= HARD, f"{error:.4f} units for {n} elements"


@pytest.mark.parametrize("how", ["sum", "mean"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
class TestWeightedSums:
    """Three units with weights; relative to the sum of absolute terms where signs differ."""

    @pytest.mark.parametrize("shape", ["full", "per column", "per row", "scalar"])
    def test_bound(self, dtype, case, how, shape):
        x, y, w, p = (a[:4200].reshape(600, 7) for a in WEIGHTED[dtype][case])
        index = {
            "full": np.s_[:, :],
            "per column": np.s_[:1, :],
            "per row": np.s_[:, :1],
            "scalar": np.s_[:1, :1],
        }[shape]
        args, kwargs = weighted_arguments(case, x, y, w[index], p[index])
        actual = bcelogits.binary_cross_entropy_with_logits(*args, **kwargs, reduction=how)
        wide = [np.broadcast_to(a, x.shape).ravel().tolist() for a in (x, y, w[index], p[index])]
        exact = [reference.exact("loss", *row) for row in zip(*wide, strict=True)]
        total = reference.exact_sums(exact, [x.size])[x.size]
        magnitude = reference.exact_sums(map(abs, exact), [x.size])[x.size]
        divisor = x.size if how == "mean" else 1
        with gmpy2.context(precision=400):
            error = abs(gmpy2.mpfr(float(actual)) - total / divisor)
            unit = gmpy2.exp2(int(ulp.in_units([magnitude / divisor], dtype).unit[0]))
        assert error / unit <= SOFT


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
class TestExtremeSums:
    """Sums whose terms or partial results are at the ends of the range."""

    @pytest.mark.parametrize("n", [3, 100, 5000])
    @pytest.mark.parametrize("how", ["sum", "mean"])
    def test_subnormal_losses(self, dtype, n, how):
        """Each loss has few digits of its own; their sum has all of them."""
        x = np.full(n, -100.3 if dtype == F32 else -740.3, dtype)
        actual = bcelogits.binary_cross_entropy_with_logits(x, np.zeros(n, dtype), reduction=how)
        with gmpy2.context(precision=400):
            exact = reference.exact("loss", x[0]) * (n if how == "sum" else 1)
        assert reduction_error(actual, exact, dtype) <= HARD

    def test_mean_of_losses_near_the_largest_number(self, dtype):
        """Their sum is too large for the dtype, their mean is not."""
        big = np.finfo(dtype).max
        mean = bcelogits.binary_cross_entropy_with_logits(np.full(5, big), np.zeros(5, dtype))
        assert mean == big

    def test_sum_too_large_is_infinite(self, dtype):
        x = np.full(5, np.finfo(dtype).max)
        total = bcelogits.binary_cross_entropy_with_logits(x, np.zeros(5), reduction="sum")
        assert total == np.inf


# --- float16 and bfloat16 --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), ulp.BFLOAT16], ids=str)
class TestSixteenBits:
    """All 65536 logits: the float32 result, rounded once."""

    @staticmethod
    def logits(dtype):
        """All patterns, with one NaN for all the NaN: converting the signalling ones warns."""
        x = np.arange(2**16, dtype=np.uint16).view(dtype)
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(x), dtype.type(np.nan), x)

    @staticmethod
    def same(actual, float32):
        assert actual.dtype != float32.dtype
        with np.errstate(over="ignore", invalid="ignore"):
            expected = float32.astype(actual.dtype)
        np.testing.assert_array_equal(actual.astype(np.float64), expected.astype(np.float64))

    @pytest.mark.parametrize("y", [0, 1, 0.25])
    def test_loss_gradient_hessian(self, dtype, y):
        x = self.logits(dtype)
        wide = x.astype(np.float32)
        target = np.full(x.shape, y, np.float32)
        loss = bcelogits.binary_cross_entropy_with_logits
        self.same(loss(x, target, reduction="none"), loss(wide, target, reduction="none"))
        for narrow, full in (
            (bcelogits.value_and_grad(x, target, reduction="none"),
             bcelogits.value_and_grad(wide, target, reduction="none")),
            (bcelogits.grad_and_hess(x, target), bcelogits.grad_and_hess(wide, target)),
        ):  # fmt: skip
            for a, b in zip(narrow, full, strict=True):
                self.same(a, b)

    @pytest.mark.parametrize("name", ["sigmoid", "log_sigmoid", "softplus"])
    def test_functions(self, dtype, name):
        x = self.logits(dtype)
        function = getattr(bcelogits, name)
        self.same(function(x), function(x.astype(np.float32)))

    @pytest.mark.parametrize("how", ["sum", "mean"])
    @pytest.mark.parametrize("out", [None, np.float32, np.float64])
    def test_sums(self, dtype, how, out):
        """The bound is that of the coarser dtype, which is the logits'."""
        rng = np.random.default_rng(3)
        x = rng.standard_normal(1000).astype(np.float32).astype(dtype)
        y = rng.integers(0, 2, 1000)
        actual = bcelogits.binary_cross_entropy_with_logits(x, y, reduction=how, dtype=out)
        assert actual.dtype == (dtype if out is None else out)
        exact = [reference.exact("loss", *xy) for xy in zip(x, y, strict=True)]
        with gmpy2.context(precision=400):
            total = reference.exact_sums(exact, [1000])[1000] / (1000 if how == "mean" else 1)
        assert reduction_error(actual, total, dtype) <= HARD


# --- the same bits ---------------------------------------------------------------------------


def flat(result):
    """Arrays of a result, NaN in one pattern."""
    arrays = result if isinstance(result, tuple) else (result,)
    return [np.where(np.isnan(a), np.asarray(np.nan, np.asarray(a).dtype), a) for a in arrays]


def same_bits(a, b):
    return all(
        p.dtype == q.dtype and p.shape == q.shape and p.tobytes() == q.tobytes()
        for p, q in zip(flat(a), flat(b), strict=True)
    )


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_gives_the_same_bits(computed, isa):
    first = computed[ISAS[0]]
    different = [k for k, result in computed[isa].items() if not same_bits(result, first[k])]
    assert not different


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
class TestIdentities:
    """Equalities that hold bit for bit."""

    def test_loss_of_one_is_loss_of_zero_at_the_opposite_logit(self, computed, dtype):
        x = LOGITS[dtype]
        mirrored = bcelogits.binary_cross_entropy_with_logits(
            -x, np.zeros_like(x), reduction="none"
        )
        for isa in ISAS:
            assert same_bits(computed[isa][dtype, "loss", 1], mirrored)

    def test_gradient_of_one_is_minus_gradient_of_zero_at_the_opposite_logit(self, dtype):
        x = LOGITS[dtype]
        _, one = bcelogits.value_and_grad(x, np.ones_like(x), reduction="none")
        _, zero = bcelogits.value_and_grad(-x, np.zeros_like(x), reduction="none")
        np.testing.assert_array_equal(one, -zero)

    @pytest.mark.parametrize("shape", ["scalar", "full", "row", "column"])
    @pytest.mark.parametrize("which", ["weight", "pos_weight", "both"])
    @pytest.mark.parametrize("soft", [False, True])
    def test_weights_of_one_change_nothing(self, dtype, shape, which, soft):
        x = LOGITS[dtype][: 300 * 101].reshape(300, 101)
        rng = np.random.default_rng(1)
        y = rng.uniform(size=x.shape) if soft else rng.integers(0, 2, x.shape)
        y = y.astype(dtype)
        ones = np.ones({"scalar": (), "full": x.shape, "row": (300, 1), "column": 101}[shape])
        ones = ones.astype(dtype)
        kwargs = dict.fromkeys(["weight", "pos_weight"] if which == "both" else [which], ones)
        loss = bcelogits.binary_cross_entropy_with_logits
        for reduction in ("none", "sum", "mean"):
            plain = loss(x, y, reduction=reduction)
            assert same_bits(loss(x, y, reduction=reduction, **kwargs), plain)
            plain = bcelogits.value_and_grad(x, y, reduction=reduction)
            assert same_bits(bcelogits.value_and_grad(x, y, reduction=reduction, **kwargs), plain)
        assert same_bits(bcelogits.grad_and_hess(x, y, **kwargs), bcelogits.grad_and_hess(x, y))

    @pytest.mark.parametrize("threads", [2, 4, -1])
    def test_any_number_of_threads(self, dtype, threads):
        x = LOGITS[dtype]
        y = (np.arange(x.size) % 2).astype(dtype)
        for reduction in ("none", "sum", "mean"):
            one, many = (
                bcelogits.value_and_grad(x, y, reduction=reduction, num_threads=n)
                for n in (1, threads)
            )
            assert same_bits(one, many)
