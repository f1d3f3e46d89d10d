"""Reductions: what is added up, what it is divided by, what is left out."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
import reference
import ulp

from bcelogits import binary_cross_entropy_with_logits

INF, NAN = np.inf, np.nan
FLOATS = [np.dtype(np.float16), ulp.BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
REDUCTIONS = ("none", "mean", "sum", "weighted_mean")
REDUCED = REDUCTIONS[1:]
AXES = [None, 0, 1, 2, -1, -3, (0,), (0, 1), (1, 2), (2, 0), (-1, 0), (0, 1, 2), ()]


def problem(dtype=np.float64, shape=(3, 4, 5), seed=0):
    rng = np.random.default_rng(seed)
    x = (3 * rng.standard_normal(shape)).astype(dtype)
    y = rng.integers(0, 2, shape)
    w = rng.uniform(0.5, 2, shape).astype(dtype)
    return x, y, w


class TestReduction:
    @pytest.mark.parametrize("axis", AXES, ids=str)
    @pytest.mark.parametrize("reduction", REDUCED)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    @pytest.mark.parametrize(
        ("weight", "pos_weight"),
        [(None, None), ((3, 4, 5), None), ((4, 1), (5,)), ((), (3, 1, 1)), (None, (3, 4, 5))],
    )
    def test_agrees_with_the_twin(self, dtype, reduction, axis, weight, pos_weight):
        x, y, _ = problem(dtype)
        rng = np.random.default_rng(1)
        kwargs = {"reduction": reduction, "axis": axis}
        if weight is not None:
            kwargs["weight"] = np.asarray(rng.uniform(0.5, 2, weight)).astype(dtype)
        if pos_weight is not None:
            kwargs["pos_weight"] = rng.uniform(0.5, 2, pos_weight).astype(dtype)
        actual = binary_cross_entropy_with_logits(x, y, **kwargs)
        assert actual.dtype == dtype
        ulp.assert_agrees(actual, *reference.binary_cross_entropy_with_logits(x, y, **kwargs))

    @pytest.mark.parametrize("reduction", REDUCED)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_types(self, dtype, reduction):
        """A NumPy scalar, or with axis an array, as np.sum gives them."""
        x, y, _ = problem(dtype)
        for axis in AXES:
            actual = binary_cross_entropy_with_logits(x, y, reduction=reduction, axis=axis)
            like = np.sum(x.astype(np.float32), axis=axis)
            assert np.shape(actual) == like.shape
            assert type(actual) is (np.ndarray if like.ndim else dtype.type)

    def test_mean_divides_by_the_number_of_elements(self):
        """PyTorch's mean, not the weighted one."""
        loss = binary_cross_entropy_with_logits([0.0, 0.0], [0, 1], [3.0, 1.0])
        assert loss == pytest.approx(2 * math.log(2), rel=1e-15)

    def test_weighted_mean_divides_by_the_weights(self):
        loss = binary_cross_entropy_with_logits(
            [0.0, 0.0], [0, 1], [3.0, 1.0], reduction="weighted_mean"
        )
        assert loss == pytest.approx(math.log(2), rel=1e-15)
        # pos_weight is a coefficient of the loss, not a sample weight.
        loss = binary_cross_entropy_with_logits(
            [0.0, 0.0], [0, 1], [3.0, 1.0], reduction="weighted_mean", pos_weight=5
        )
        assert loss == pytest.approx(2 * math.log(2), rel=1e-15)

    def test_weighted_mean_without_weights_is_the_mean(self):
        x, y, _ = problem()
        for kwargs in ({}, {"axis": 1}, {"where": x > 0}, {"pos_weight": 2.0}):
            np.testing.assert_array_equal(
                binary_cross_entropy_with_logits(x, y, reduction="weighted_mean", **kwargs),
                binary_cross_entropy_with_logits(x, y, reduction="mean", **kwargs),
            )

    @pytest.mark.parametrize("weight", [(), (5,), (4, 1), (3, 1, 1)])
    def test_weighted_mean_counts_a_broadcast_weight_as_often_as_it_is_used(self, weight):
        x, y, _ = problem()
        w = np.asarray(np.random.default_rng(2).uniform(0.5, 2, weight))
        full = np.broadcast_to(w, x.shape).copy()
        for axis in (None, 0, (1, 2)):
            kwargs = {"reduction": "weighted_mean", "axis": axis}
            np.testing.assert_allclose(
                binary_cross_entropy_with_logits(x, y, w, **kwargs),
                binary_cross_entropy_with_logits(x, y, full, **kwargs),
                rtol=1e-15,
            )

    @pytest.mark.parametrize("axis", AXES, ids=str)
    def test_axis_adds_up_the_elements(self, axis):
        x, y, w = problem()
        losses = binary_cross_entropy_with_logits(x, y, w, reduction="none")
        for reduction, reduce in (("sum", np.sum), ("mean", np.mean)):
            np.testing.assert_allclose(
                binary_cross_entropy_with_logits(x, y, w, reduction=reduction, axis=axis),
                reduce(losses, axis=axis),
                rtol=1e-14,
            )

    @pytest.mark.parametrize("axis", [0, 1, (0, 2), None])
    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
    def test_axis_of_arrays_in_any_memory_order(self, axis, order):
        x, y, w = problem(np.float32, (7, 33, 18))
        a, b, c = (np.ascontiguousarray(v.transpose(order)).transpose(np.argsort(order))
                   for v in (x, y, w))  # fmt: skip
        for reduction in REDUCED:
            kwargs = {"reduction": reduction, "axis": axis}
            ulp.assert_agrees(
                binary_cross_entropy_with_logits(a, b, c, **kwargs),
                *reference.binary_cross_entropy_with_logits(x, y, w, **kwargs),
            )

    @pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 4095, 4096, 4097, 30_000, 100_001])
    @pytest.mark.parametrize("reduction", REDUCED)
    def test_any_length(self, n, reduction):
        x, y, w = problem(np.float32, (n,))
        for kwargs in ({}, {"weight": w}, {"pos_weight": 3.0}, {"weight": w, "where": x < 1}):
            ulp.assert_agrees(
                binary_cross_entropy_with_logits(x, y, reduction=reduction, **kwargs),
                *reference.binary_cross_entropy_with_logits(x, y, reduction=reduction, **kwargs),
            )

    def test_sums_are_carried_in_more_than_the_dtype(self):
        """A million losses of 0.1 in float16 and float32 lose nothing on the way."""
        for dtype in (np.float16, np.float32):
            x = np.full(1_000_000, 2.25, dtype)
            expected = float(reference.exact("loss", 2.25, 1))
            mean = binary_cross_entropy_with_logits(x, np.ones(x.size, bool))
            np.testing.assert_allclose(float(mean), expected, rtol=float(np.finfo(dtype).eps))
            total = binary_cross_entropy_with_logits(
                x, np.ones(x.size, bool), reduction="sum", dtype=np.float64
            )
            assert total == pytest.approx(1e6 * expected, rel=1.2e-7)

    def test_float16_sum_too_large_is_infinite(self):
        x = np.full(10, 30_000, np.float16)
        assert binary_cross_entropy_with_logits(x, np.zeros(10), reduction="sum") == INF
        assert binary_cross_entropy_with_logits(x, np.zeros(10)) == 30_000


class TestDtype:
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("result", FLOATS, ids=str)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_dtype_of_the_result(self, dtype, result, reduction):
        x, y, w = problem(dtype)
        actual = binary_cross_entropy_with_logits(x, y, w, reduction=reduction, dtype=result)
        assert actual.dtype == result
        expected = reference.binary_cross_entropy_with_logits(x, y, w, reduction=reduction)
        coarser = max(dtype, result, key=lambda d: float(ulp.spacing(1.0, d)))
        difference = np.abs(actual.astype(np.longdouble) - expected.value)
        assert (difference <= 4 * ulp.spacing(expected.value, coarser)).all()

    def test_float64_of_float32_is_computed_in_float64(self):
        x, y, w = problem(np.float32)
        for kwargs in ({}, {"weight": w}, {"pos_weight": w}):
            actual = binary_cross_entropy_with_logits(
                x, y, **kwargs, reduction="none", dtype=np.float64
            )
            expected = binary_cross_entropy_with_logits(
                x.astype(np.float64), y, **kwargs, reduction="none"
            )
            np.testing.assert_array_equal(actual, expected)

    @pytest.mark.parametrize("dtype", ["f4", "float32", np.float32, np.dtype("f4"), "<f4", ">f4"])
    def test_names(self, dtype):
        assert binary_cross_entropy_with_logits(1.0, 0, dtype=dtype).dtype == np.float32

    def test_python_float_is_float64(self):
        x = np.float32([1, 2])
        assert binary_cross_entropy_with_logits(x, [0, 1], dtype=float).dtype == np.float64


class TestLegacyArguments:
    """size_average and reduce beside everything else; the combinations are in test_documents."""

    def test_with_axis_and_weight(self):
        x, y, w = problem()
        with pytest.warns(DeprecationWarning, match="reduction='sum'"):
            actual = binary_cross_entropy_with_logits(x, y, w, False, axis=1)
        expected = binary_cross_entropy_with_logits(x, y, w, reduction="sum", axis=1)
        np.testing.assert_array_equal(actual, expected)

    def test_warning_points_at_the_caller(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            binary_cross_entropy_with_logits([1.0], [1], reduce=False)
        assert [w.category for w in caught] == [DeprecationWarning]
        assert caught[0].filename == __file__

    def test_names_both_arguments(self):
        with pytest.warns(DeprecationWarning, match=r"size_average.*reduce"):
            binary_cross_entropy_with_logits([1.0], [1], size_average=True)


class TestWhere:
    @pytest.mark.parametrize("axis", [None, 0, (1, 2)])
    @pytest.mark.parametrize("reduction", REDUCED)
    @pytest.mark.parametrize("shape", [(3, 4, 5), (5,), (4, 1), (3, 1, 1), (1, 4, 1)])
    def test_leaves_out(self, reduction, axis, shape):
        x, y, w = problem()
        where = np.random.default_rng(3).uniform(size=shape) < 0.7
        where.flat[0] = True
        kwargs = {"reduction": reduction, "axis": axis, "where": where, "pos_weight": 2.0}
        for weight in (None, w):
            expected = reference.binary_cross_entropy_with_logits(x, y, weight, **kwargs)
            if np.isnan(expected.value).any():
                continue
            ulp.assert_agrees(binary_cross_entropy_with_logits(x, y, weight, **kwargs), *expected)

    def test_none_has_zeros(self):
        x, y, _ = problem()
        where = x > 0
        losses = binary_cross_entropy_with_logits(x, y, reduction="none", where=where)
        full = binary_cross_entropy_with_logits(x, y, reduction="none")
        np.testing.assert_array_equal(losses, np.where(where, full, 0))

    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_hides_anything(self, reduction, dtype):
        x, y, w = problem(dtype, (400,))
        where = np.random.default_rng(4).uniform(size=400) < 0.7
        kwargs = {"reduction": reduction, "where": where}
        expected = binary_cross_entropy_with_logits(x, y, w, **kwargs)
        for a, b, c in itertools.product((NAN, INF, -INF), (NAN, 1.5, -1), (NAN, INF)):
            bad = (np.where(where, v, b) for v, b in zip((x, y, w), (a, b, c), strict=True))
            np.testing.assert_array_equal(
                binary_cross_entropy_with_logits(*bad, **kwargs), expected
            )

    def test_true_is_no_condition(self):
        x, y, _ = problem()
        expected = binary_cross_entropy_with_logits(x, y)
        assert binary_cross_entropy_with_logits(x, y, where=True) == expected
        assert binary_cross_entropy_with_logits(x, y, where=np.ones(5, bool)) == expected
        assert binary_cross_entropy_with_logits(x, y, where=[[True]] * 4) == expected


class TestIgnoreIndex:
    @pytest.mark.parametrize(
        ("dtype", "index"),
        [("i1", -1), ("i8", -100), ("u1", 255), ("u8", 2**63), ("f4", -1), ("f8", -100.0),
         ("f2", 2), (ulp.BFLOAT16, -1), ("i4", 2.0), ("f8", INF), ("f4", -INF)],
    )  # fmt: skip
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    def test_leaves_out(self, dtype, index, reduction):
        x, y, w = problem(np.float32)
        ignored = np.random.default_rng(5).uniform(size=x.shape) < 0.3
        target = y.astype(dtype)
        target[ignored] = index
        kwargs = {"reduction": reduction, "pos_weight": 2.0}
        actual = binary_cross_entropy_with_logits(x, target, w, ignore_index=index, **kwargs)
        expected = binary_cross_entropy_with_logits(x, y, w, where=~ignored, **kwargs)
        np.testing.assert_array_equal(actual, expected)

    @pytest.mark.parametrize("index", [0, 1, True, 0.5])
    def test_may_be_a_valid_target(self, index):
        x, y, _ = problem()
        y = np.where(x > 2, 0.5, y)
        np.testing.assert_array_equal(
            binary_cross_entropy_with_logits(x, y, ignore_index=index),
            binary_cross_entropy_with_logits(x, y, where=y != index),
        )

    def test_is_exact(self):
        """Neighbours of the index are targets like others."""
        y = np.array([0.5, np.nextafter(0.5, 1)])
        losses = binary_cross_entropy_with_logits([1.0, 1], y, reduction="none", ignore_index=0.5)
        assert losses[0] == 0
        assert losses[1] > 0

    def test_that_no_target_can_be_changes_nothing(self):
        x = np.array([1.0, 2.0])
        for dtype, index in (("u1", -1), (bool, 255), ("i1", 300), ("i4", 0.5), ("u1", 256)):
            y = np.array([0, 1], dtype)
            np.testing.assert_array_equal(
                binary_cross_entropy_with_logits(x, y, reduction="none", ignore_index=index),
                binary_cross_entropy_with_logits(x, y, reduction="none"),
            )

    def test_with_where_both_leave_out(self):
        x, y, _ = problem()
        where = x > -1
        actual = binary_cross_entropy_with_logits(x, y, ignore_index=0, where=where)
        assert actual == binary_cross_entropy_with_logits(x, y, where=where & (y != 0))

    def test_exempts_from_the_check_only_what_equals_it(self):
        with pytest.raises(ValueError, match=r"target\[2\] is -2"):
            binary_cross_entropy_with_logits([0.0, 0, 0], [-1, 1, -2], ignore_index=-1)

    def test_applies_before_label_smoothing(self):
        x, y, _ = problem()
        actual = binary_cross_entropy_with_logits(x, y, ignore_index=1, label_smoothing=0.1)
        expected = binary_cross_entropy_with_logits(x, y, where=y != 1, label_smoothing=0.1)
        assert actual == expected

    @pytest.mark.parametrize("index", [2**53 + 1, -(2**53) - 1])
    def test_large_integers_are_compared_exactly(self, index):
        """2**53 and 2**53 + 1 are the same float64."""
        y = np.array([index, index - 1, 1])
        with pytest.raises(ValueError, match=rf"target\[1\] is {index - 1}"):
            binary_cross_entropy_with_logits([0.0, 0, 0], y, ignore_index=index)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
class TestNothingToAddUp:
    @pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0, 2)])
    def test_empty(self, dtype, shape):
        x, y = np.empty(shape, dtype), np.empty(shape)
        losses = binary_cross_entropy_with_logits(x, y, reduction="none")
        assert losses.shape == shape
        assert losses.dtype == dtype
        total = binary_cross_entropy_with_logits(x, y, reduction="sum")
        assert total == 0
        assert total.dtype == dtype
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            mean = binary_cross_entropy_with_logits(x, y)
        assert np.isnan(mean)
        assert mean.dtype == dtype

    def test_empty_weighted_mean(self, dtype):
        with pytest.warns(RuntimeWarning):
            mean = binary_cross_entropy_with_logits(
                np.empty(0, dtype), np.empty(0), np.empty(0), reduction="weighted_mean"
            )
        assert np.isnan(mean)

    def test_axis_of_an_empty_array(self, dtype):
        x, y = np.empty((3, 0), dtype), np.empty((3, 0))
        np.testing.assert_array_equal(
            binary_cross_entropy_with_logits(x, y, reduction="sum", axis=1), np.zeros(3)
        )
        assert binary_cross_entropy_with_logits(x, y, axis=0).shape == (0,)
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            means = binary_cross_entropy_with_logits(x, y, axis=1)
        assert means.shape == (3,)
        assert np.isnan(means.astype(float)).all()

    def test_all_left_out(self, dtype):
        x, y = np.ones(5, dtype), np.full(5, -1)
        for kwargs in ({"where": False}, {"ignore_index": -1}, {"where": np.zeros(5, bool)}):
            kwargs["check"] = "ignore_index" in kwargs or False
            total = binary_cross_entropy_with_logits(x, y, reduction="sum", **kwargs)
            assert total == 0
            with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
                mean = binary_cross_entropy_with_logits(x, y, **kwargs)
            assert np.isnan(mean)

    def test_all_left_out_of_one_slice(self, dtype):
        x, y = np.ones((3, 2), dtype), np.zeros((3, 2))
        where = np.array([[True, True], [False, False], [True, False]])
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            means = binary_cross_entropy_with_logits(x, y, where=where, axis=1).astype(float)
        assert np.isnan(means[1])
        assert means[0] == means[2] == float(binary_cross_entropy_with_logits(x[0, 0], 0))

    def test_weights_that_add_up_to_zero(self, dtype):
        x, y = np.array([1, 2], dtype), np.zeros(2)
        with pytest.warns(RuntimeWarning):
            mean = binary_cross_entropy_with_logits(x, y, [0.0, 0], reduction="weighted_mean")
        assert np.isnan(mean)
        with pytest.warns(RuntimeWarning):
            mean = binary_cross_entropy_with_logits(x, y, [-1.0, 1], reduction="weighted_mean")
        assert mean == INF
        assert binary_cross_entropy_with_logits(x, y, [0.0, 0]) == 0


class TestOut:
    @pytest.mark.parametrize("reduction", REDUCED)
    @pytest.mark.parametrize("axis", [None, 0, (1, 2)])
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_is_written_and_returned(self, dtype, reduction, axis):
        x, y, w = problem(dtype)
        kwargs = {"reduction": reduction, "axis": axis}
        expected = binary_cross_entropy_with_logits(x, y, w, **kwargs)
        out = np.empty(expected.shape, dtype)
        assert binary_cross_entropy_with_logits(x, y, w, **kwargs, out=out) is out
        np.testing.assert_array_equal(out.astype(float), expected.astype(float))

    def test_strided(self):
        x, y, w = problem()
        for reduction in REDUCED:
            out = np.zeros((10, 8))[::-2, ::2].T
            binary_cross_entropy_with_logits(x, y, w, reduction=reduction, axis=0, out=out)
            expected = binary_cross_entropy_with_logits(x, y, w, reduction=reduction, axis=0)
            np.testing.assert_array_equal(out, expected)

    @pytest.mark.parametrize("reduction", REDUCED)
    def test_inside_the_input(self, reduction):
        x, y, w = problem()
        expected = binary_cross_entropy_with_logits(x, y, w, reduction=reduction, axis=0)
        for i in range(3):
            a = x.copy()
            binary_cross_entropy_with_logits(a, y, w, reduction=reduction, axis=0, out=a[i])
            np.testing.assert_array_equal(a[i], expected)
        expected = binary_cross_entropy_with_logits(x, y, w, reduction=reduction)
        a = x.copy()
        binary_cross_entropy_with_logits(a, y, w, reduction=reduction, out=a[1, 2, 3, ...])
        assert a[1, 2, 3] == expected
