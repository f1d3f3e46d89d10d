"""sigmoid, log_sigmoid and softplus: range, order, symmetry, limits; balanced_pos_weight."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import reference
import ulp
from hypothesis import given

import bcelogits
from bcelogits import balanced_pos_weight, log_sigmoid, sigmoid, softplus

FUNCTIONS = {"sigmoid": sigmoid, "log_sigmoid": log_sigmoid, "softplus": softplus}
FLOATS = [np.dtype(np.float16), ulp.BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
named = pytest.mark.parametrize("name", FUNCTIONS)


@named
class TestFunctions:
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    @pytest.mark.parametrize("shape", [(), (0,), (1,), (5, 7), (2, 0, 3), (3, 1, 2, 4)])
    def test_agree_with_the_twin(self, name, dtype, shape):
        x = np.asarray(4 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)
        y = FUNCTIONS[name](x)
        assert y.dtype == dtype
        assert type(y) is (np.ndarray if shape else dtype.type)
        ulp.assert_agrees(y, getattr(reference, name)(x))

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_limits(self, name, dtype):
        x = np.array([-np.inf, np.inf, np.nan], dtype)
        expected = {"sigmoid": [0, 1], "log_sigmoid": [-np.inf, 0], "softplus": [0, np.inf]}[name]
        np.testing.assert_array_equal(FUNCTIONS[name](x).astype(float), [*expected, np.nan])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_never_decreases(self, name, dtype):
        """From one float to the next, in runs of neighbours all over the line."""
        rng = np.random.default_rng(1)
        reach = 110 if dtype == np.float32 else 750
        starts = np.concatenate(
            [
                rng.uniform(-reach, reach, 300),
                rng.choice([-1, 1], 300) * 2.0 ** rng.uniform(-40, 7, 300),
                3 * rng.standard_normal(300),
                np.log(2) / 2 * np.arange(-301, 300, 3),
            ]
        ).astype(dtype)
        unsigned = np.uint32 if dtype == np.float32 else np.uint64
        steps = np.arange(600, dtype=unsigned)
        bits = np.abs(starts).view(unsigned)[:, None] + steps
        x = np.copysign(bits.view(dtype), starts[:, None])
        y = FUNCTIONS[name](x)
        rising = np.where(starts < 0, -1, 1)[:, None] * np.diff(y.astype(np.longdouble), axis=1)
        assert (rising >= 0).all(), x[:, :-1][rising < 0][:5]

    @pytest.mark.parametrize("dtype", [np.dtype(np.float16), ulp.BFLOAT16], ids=str)
    def test_never_decreases_over_all_of_16_bits(self, name, dtype):
        bits = np.arange(2**16, dtype=np.uint16).view(dtype)
        with np.errstate(invalid="ignore"):
            wide = bits.astype(np.float32)
        x = np.sort(wide[~np.isnan(wide)])
        y = FUNCTIONS[name](x.astype(dtype)).astype(np.float64)
        finite = np.isfinite(y)
        assert (np.diff(y[finite]) >= 0).all()

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_in_range(self, name, dtype):
        x = np.linspace(-800, 800, 4001).astype(dtype)
        y = FUNCTIONS[name](x)
        if name == "sigmoid":
            assert (y >= 0).all()
            assert (y <= 1).all()
        elif name == "log_sigmoid":
            assert (y <= 0).all()
        else:
            assert (y >= 0).all()
            assert (y >= x).all()

    @pytest.mark.parametrize("x", [[0.5, -1], (1, 2), 3, True, np.int8([1, 2]), range(4)])
    def test_numbers_and_lists_become_float64(self, name, x):
        y = FUNCTIONS[name](x)
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y, FUNCTIONS[name](np.asarray(x, np.float64)))

    def test_out(self, name):
        x = np.linspace(-5, 5, 50)
        expected = FUNCTIONS[name](x)
        out = np.empty(50)
        assert FUNCTIONS[name](x, out=out) is out
        np.testing.assert_array_equal(out, expected)
        assert FUNCTIONS[name](x, out) is out
        assert FUNCTIONS[name](x, out=x) is x
        np.testing.assert_array_equal(x, expected)

    def test_out_of_shifted_input(self, name):
        for source, destination in ((np.s_[:-3], np.s_[3:]), (np.s_[3:], np.s_[:-3])):
            buffer = np.linspace(-5, 5, 103)
            expected = FUNCTIONS[name](buffer[source].copy())
            FUNCTIONS[name](buffer[source], out=buffer[destination])
            np.testing.assert_array_equal(buffer[destination], expected)

    def test_strides(self, name):
        base = np.random.default_rng(2).standard_normal((12, 10, 3))
        expected = FUNCTIONS[name](base)
        for index in (np.s_[::2, ::-1], np.s_[::-3, 1::2, ::-1], np.s_[:, 4]):
            np.testing.assert_array_equal(FUNCTIONS[name](base[index]), expected[index])
            swapped = base[index].astype(base.dtype.newbyteorder())
            y = FUNCTIONS[name](swapped)
            assert y.dtype == np.float64
            assert y.dtype.isnative
            np.testing.assert_array_equal(y, expected[index])
        np.testing.assert_array_equal(FUNCTIONS[name](base.T), expected.T)

    @pytest.mark.parametrize(
        "x",
        [1j, np.array(["a"]), np.array([1, "a"], object), np.datetime64("2020"), np.longdouble(1)],
    )
    def test_other_dtypes(self, name, x):
        with pytest.raises(TypeError, match=r"\bx\b"):
            FUNCTIONS[name](x)

    def test_errors_of_out(self, name):
        x = np.ones(4)
        with pytest.raises(ValueError, match=r"out.*\(5,\).*\(4,\)|out.*\(4,\).*\(5,\)"):
            FUNCTIONS[name](x, out=np.empty(5))
        with pytest.raises(TypeError, match="out"):
            FUNCTIONS[name](x, out=np.empty(4, np.int64))
        with pytest.raises(TypeError, match="out"):
            FUNCTIONS[name](x, out=[0.0] * 4)


def test_the_three_are_one_kernel():
    x = np.linspace(-50, 50, 1001, dtype=np.float32)
    zero, one = np.zeros(x.shape), np.ones(x.shape)
    loss = bcelogits.binary_cross_entropy_with_logits
    np.testing.assert_array_equal(softplus(x), loss(x, zero, reduction="none"))
    np.testing.assert_array_equal(log_sigmoid(x), -loss(x, one, reduction="none"))
    np.testing.assert_array_equal(log_sigmoid(x), -softplus(-x))
    np.testing.assert_array_equal(sigmoid(x), bcelogits.grad_and_hess(x, zero)[0])


class TestBalancedPosWeight:
    """Negatives over positives, per class."""

    def test_one_class(self):
        assert balanced_pos_weight(np.repeat([0, 1], [300, 100])) == 3
        assert balanced_pos_weight([0, 1, 1, 1]) == pytest.approx(1 / 3)

    def test_classes_are_columns(self):
        target = np.zeros((400, 3))
        target[:100, 0] = target[:200, 1] = target[:50, 2] = 1
        np.testing.assert_array_equal(balanced_pos_weight(target), [3, 1, 7])
        np.testing.assert_array_equal(balanced_pos_weight(target.T, axis=1), [3, 1, 7])
        np.testing.assert_array_equal(balanced_pos_weight(target, axis=-2), [3, 1, 7])
        assert balanced_pos_weight(target, axis=None) == pytest.approx((1200 - 350) / 350)

    def test_several_axes(self):
        rng = np.random.default_rng(3)
        target = rng.integers(0, 2, (8, 3, 4, 5))
        actual = balanced_pos_weight(target, axis=(0, 2, 3))
        positives = target.sum(axis=(0, 2, 3))
        np.testing.assert_allclose(actual, (160 - positives) / positives, rtol=1e-15)

    @pytest.mark.parametrize("dtype", [bool, "i1", "u1", "i8", "f2", "f4", "f8", ulp.BFLOAT16])
    def test_dtypes(self, dtype):
        target = np.repeat([0, 1], [3000, 1000]).astype(dtype)
        assert balanced_pos_weight(target) == 3

    def test_makes_both_classes_weigh_the_same(self):
        """At logit 0 the gradient of the bias vanishes."""
        target = np.repeat([0, 1], [777, 100])
        _, grad = bcelogits.value_and_grad(
            np.zeros(877), target, pos_weight=balanced_pos_weight(target), reduction="sum"
        )
        assert abs(grad.sum()) < 1e-11

    def test_target_out_of_range(self):
        with pytest.raises(ValueError, match=r"target\[1\] is 2"):
            balanced_pos_weight([0, 2, 1])

    def test_keepdims_broadcasts_along_the_classes(self):
        """Where the width is the number of classes, (C,) would be taken for weights along it."""
        rng = np.random.default_rng(4)
        x, target = rng.standard_normal((6, 4, 5, 4)), rng.integers(0, 2, (6, 4, 5, 4))
        target[:, 1] &= target[:, 0]
        weights = balanced_pos_weight(target, axis=(0, 2, 3), keepdims=True)
        assert weights.shape == (1, 4, 1, 1)
        flat = balanced_pos_weight(target, axis=[0, 2, 3])
        np.testing.assert_array_equal(weights.ravel(), flat)
        loss = bcelogits.binary_cross_entropy_with_logits
        found = loss(x, target, pos_weight=weights, reduction="none")
        for c in range(4):
            np.testing.assert_array_equal(
                found[:, c], loss(x[:, c], target[:, c], pos_weight=flat[c], reduction="none")
            )
        assert balanced_pos_weight(target, axis=None, keepdims=True).shape == (1, 1, 1, 1)
        assert balanced_pos_weight(x * 0 + 0.5, axis=-1, keepdims=True).shape == (6, 4, 5, 1)

    def test_left_out_by_value(self):
        np.testing.assert_array_equal(
            balanced_pos_weight([[1, -1], [0, 1], [0, 0]], ignore_index=-1), [2, 1]
        )
        half = np.array([0.5, 0, 0, 0, 1, np.inf])
        where = [True, True, True, True, True, False]
        assert balanced_pos_weight(half, ignore_index=0.5, where=where) == 3
        big = np.array([2**64 - 1, 0, 1], np.uint64)
        assert balanced_pos_weight(big, ignore_index=2**64 - 1) == 1

    def test_left_out_by_position(self):
        target = np.array([[1, 7], [0, 1], [0, 0]])
        where = np.array([[True, False], [True, True], [False, True]])
        np.testing.assert_array_equal(balanced_pos_weight(target, where=where), [1, 1])
        rows = [[True], [True], [True]]
        assert balanced_pos_weight(target[:, :1], where=rows) == 2

    def test_weights_count_as_so_many(self):
        target = np.array([[1, 0], [0, 1], [0, 0]])
        rows = np.array([[4.0], [1.0], [2.0]])
        np.testing.assert_array_equal(balanced_pos_weight(target, weight=rows), [0.75, 6])
        times = [4, 1, 2]
        np.testing.assert_array_equal(
            balanced_pos_weight(np.repeat(target, times, axis=0)), [0.75, 6]
        )
        assert balanced_pos_weight([0, 1], weight=3) == 1

    def test_few_negatives_do_not_drown(self):
        """All sums are of terms of one sign, so no digit is lost."""
        target = np.full(1000, 1 - 2.0**-50)
        assert balanced_pos_weight(target) == 2.0**-50 / (1 - 2.0**-50)
        weight = np.full(10**5, 1e9)
        weight[3] = 0.1
        hard = np.ones(10**5, np.float32)
        hard[3] = 0
        exact = 0.1 / (1e9 * (10**5 - 1))
        assert balanced_pos_weight(hard, weight=weight) == pytest.approx(exact, rel=3e-16)

    def test_without_positives(self):
        with pytest.warns(RuntimeWarning, match="No positive target"):
            found = balanced_pos_weight([[0, 1, -1], [0, 0, -1]], ignore_index=-1)
        np.testing.assert_array_equal(found, [np.inf, 1, np.nan])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"weight": [1, 2]}, r"weight of shape \(2,\) .* of target, \(3,\)"),
            ({"where": [True, False]}, r"where of shape \(2,\) .* of target, \(3,\)"),
            ({"where": [1, 0, 1]}, "where has dtype"),
            ({"weight": ["a"] * 3}, "weight has dtype"),
            ({"ignore_index": np.nan}, "ignore_index"),
            ({"axis": 1}, "axis"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises((TypeError, ValueError), match=message):
            balanced_pos_weight([0, 1, 1], **options)

    @given(st.data())
    def test_is_the_exact_ratio(self, data):
        n = data.draw(st.integers(1, 30))
        target = data.draw(hnp.arrays(np.float64, n, elements=st.floats(0, 1)))
        weight = data.draw(hnp.arrays(np.float64, n, elements=st.floats(2.0**-60, 2.0**60)))
        where = data.draw(hnp.arrays(bool, n))
        target[0], where[0] = 0.75, True
        found = balanced_pos_weight(target, weight=weight, where=where)
        rows = [
            (Fraction(float(w)), Fraction(float(y)))
            for w, y in zip(weight[where], target[where], strict=True)
        ]
        exact = sum(w * (1 - y) for w, y in rows) / sum(w * y for w, y in rows)
        assert abs(Fraction(float(found)) / exact - 1) <= Fraction(4, 2**53)
