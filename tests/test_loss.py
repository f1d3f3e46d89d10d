"""The loss: its values, its limits, its arguments, and the class that holds them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import reference
import ulp

import bcelogits
from bcelogits import BCEWithLogitsLoss, binary_cross_entropy_with_logits

INF, NAN = np.inf, np.nan
FLOATS = [np.dtype(np.float16), ulp.BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]


def losses(*args, **kwargs):
    return binary_cross_entropy_with_logits(*args, reduction="none", **kwargs)


class TestAgreement:
    """The loss of every element is the formula."""

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("pos_weight", [None, (), 1, 5, (4, 1), (3, 1, 1), (2, 3, 4, 5)])
    @pytest.mark.parametrize("weight", [None, (), 5, (2, 1, 1, 1), (2, 3, 4, 5)])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_weights_of_any_shape(self, dtype, weight, pos_weight, smoothing):
        rng = np.random.default_rng(0)
        x = (5 * rng.standard_normal((2, 3, 4, 5))).astype(dtype)
        y = rng.integers(0, 2, x.shape)
        kwargs = {"label_smoothing": smoothing}
        if weight is not None:
            kwargs["weight"] = rng.uniform(0, 3, weight).astype(dtype)
        if pos_weight is not None:
            kwargs["pos_weight"] = np.asarray(rng.uniform(0, 3, pos_weight), dtype)
        actual = losses(x, y, **kwargs)
        assert actual.dtype == dtype
        expected = reference.binary_cross_entropy_with_logits(x, y, reduction="none", **kwargs)
        ulp.assert_agrees(actual, *expected)

    @pytest.mark.parametrize(
        "target_dtype",
        [bool, "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", *FLOATS],
        ids=lambda d: str(np.dtype(d)),
    )
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_targets_of_any_dtype(self, dtype, target_dtype):
        rng = np.random.default_rng(1)
        x = (3 * rng.standard_normal((7, 33))).astype(dtype)
        y = rng.integers(0, 2, x.shape).astype(target_dtype)
        actual = losses(x, y)
        assert actual.dtype == dtype
        expected = reference.binary_cross_entropy_with_logits(x, y, reduction="none")
        ulp.assert_agrees(actual, *expected)
        np.testing.assert_array_equal(actual, losses(x, y.astype(dtype)))

    @pytest.mark.parametrize("target_dtype", FLOATS, ids=str)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_soft_targets_of_any_dtype(self, dtype, target_dtype):
        rng = np.random.default_rng(2)
        x = (3 * rng.standard_normal((7, 33))).astype(dtype)
        y = rng.uniform(size=x.shape).astype(target_dtype)
        expected = reference.binary_cross_entropy_with_logits(x, y, reduction="none")
        ulp.assert_agrees(losses(x, y), *expected)

    @pytest.mark.parametrize("weight_dtype", [bool, "i1", "i8", "u8", *FLOATS], ids=str)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_weights_of_any_dtype(self, dtype, weight_dtype):
        rng = np.random.default_rng(3)
        x = (3 * rng.standard_normal((7, 33))).astype(dtype)
        y = rng.integers(0, 2, x.shape)
        w = rng.integers(0, 2, x.shape).astype(weight_dtype)
        p = (3 * rng.uniform(size=33)).astype(weight_dtype)
        expected = reference.binary_cross_entropy_with_logits(
            x, y, w, reduction="none", pos_weight=p
        )
        ulp.assert_agrees(losses(x, y, w, pos_weight=p), *expected)

    @pytest.mark.parametrize("n", [*range(1, 70), 127, 128, 129, 1000, 4095, 4096, 4097, 10_001])
    def test_any_length(self, n):
        rng = np.random.default_rng(n)
        x, y = rng.standard_normal(n).astype(np.float32), rng.integers(0, 2, n)
        whole = losses(x, y)
        np.testing.assert_array_equal(whole[:70], list(map(losses, x[:70], y[:70])))
        expected = reference.binary_cross_entropy_with_logits(x, y, reduction="none")
        ulp.assert_agrees(whole, *expected)

    def test_negative_weights_are_allowed(self):
        assert losses(1.0, 0, -2.0) == -2 * losses(1.0, 0)


class TestNothingIsClipped:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_large_losses(self, dtype):
        x = np.array([-1000, -1e30, np.finfo(dtype).min], dtype)
        np.testing.assert_array_equal(losses(x, np.ones(3)), -x)
        np.testing.assert_array_equal(losses(-x, np.zeros(3)), -x)

    def test_small_losses(self):
        x = np.float32([-20, -50, -80, -100])
        assert (np.diff(losses(x, np.zeros(4))) < 0).all()
        assert losses(x, np.zeros(4))[0] == np.float32(2.0611537e-09)
        assert losses(np.float32(-100), 0) == np.float32(3.7835e-44)

    def test_target_close_to_one_keeps_its_distance_from_one(self):
        """1 - y is taken before it is rounded to the logits' float32."""
        y = 1 - 1e-12
        loss = losses(np.float32([1e20]), np.array([y]))
        assert loss.dtype == np.float32
        np.testing.assert_allclose(loss, [(1 - y) * 1e20], rtol=2e-7)

    def test_target_close_to_zero_keeps_its_value(self):
        loss = losses(np.float32([-1e20]), np.array([1e-12]))
        np.testing.assert_allclose(loss, [1e8], rtol=2e-7)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
class TestLimits:
    """Infinite logits have the limits of the loss, NaN stays NaN, zero coefficients select 0."""

    @pytest.mark.parametrize(
        ("x", "y", "expected"),
        [
            (INF, 1, 0),
            (-INF, 0, 0),
            (INF, 0, INF),
            (-INF, 1, INF),
            (INF, 0.5, INF),
            (-INF, 0.5, INF),
            (INF, 0.99, INF),
            (-INF, 0.01, INF),
            (NAN, 0, NAN),
            (NAN, 1, NAN),
            (NAN, 0.5, NAN),
        ],
    )
    @pytest.mark.parametrize("weights", [{}, {"weight": 2.0}, {"pos_weight": 3.0}])
    def test_infinite_and_nan_logits(self, dtype, x, y, expected, weights):
        actual = losses(np.full(21, x, dtype), np.full(21, y), **weights)
        np.testing.assert_array_equal(actual.astype(float), np.full(21, expected))

    def test_infinities_beside_usual_logits(self, dtype):
        """One special logit changes nothing for its neighbours."""
        rng = np.random.default_rng(4)
        x, y = rng.standard_normal(100).astype(dtype), rng.integers(0, 2, 100)
        plain = losses(x, y)
        for i, special in ((0, INF), (17, -INF), (31, NAN), (99, INF)):
            changed = x.copy()
            changed[i] = special
            actual = losses(changed, y)
            np.testing.assert_array_equal(np.delete(actual, i), np.delete(plain, i))

    @pytest.mark.parametrize(
        ("x", "y", "kwargs", "expected"),
        [
            (INF, 0, {"weight": 0}, 0),
            (-INF, 1, {"weight": 0}, 0),
            (NAN, 1, {"weight": 0}, 0),
            (NAN, 0.5, {"weight": -0.0}, 0),
            (-INF, 1, {"pos_weight": 0}, 0),
            (-INF, 0.5, {"pos_weight": 0}, 0),
            (INF, 0.5, {"pos_weight": 0}, INF),
            (-INF, 0, {"pos_weight": INF}, 0),
            (0, 0, {"pos_weight": INF}, np.log(2)),
            (0, 1, {"pos_weight": INF}, INF),
            (INF, 0, {"weight": -1}, -INF),
            (INF, 1, {"weight": -1}, 0),
        ],
    )
    def test_zero_coefficients_select_zero(self, dtype, x, y, kwargs, expected):
        for n in (1, 37):
            full = {k: np.full(n, v) for k, v in kwargs.items()}
            for arguments in (kwargs, full):
                actual = losses(np.full(n, x, dtype), np.full(n, y), **arguments)
                np.testing.assert_allclose(
                    actual.astype(float), np.full(n, expected), rtol=float(ulp.spacing(1.0, dtype))
                )

    def test_zero_weights_inside_sums(self, dtype):
        x = np.array([INF, 1, -INF, NAN], dtype)
        y, w = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0])
        expected = losses(x[1], 0)
        for reduction, divisor in (("sum", 1), ("weighted_mean", 1), ("mean", 4)):
            actual = binary_cross_entropy_with_logits(x, y, w, reduction=reduction)
            assert float(actual) == pytest.approx(float(expected) / divisor, rel=1e-2)

    def test_reductions_of_infinities(self, dtype):
        for reduction in ("sum", "mean", "weighted_mean"):
            for special, expected in (([INF, 1], INF), ([NAN, 1], NAN), ([INF, NAN], NAN)):
                actual = binary_cross_entropy_with_logits(
                    np.array(special, dtype), np.zeros(2), reduction=reduction
                )
                np.testing.assert_equal(float(actual), expected)
            actual = binary_cross_entropy_with_logits(
                np.array([INF, -INF], dtype), np.array([1, 0]), reduction=reduction
            )
            assert actual == 0

    def test_negative_zero(self, dtype):
        """-0.0 is a zero: as a logit, and as a target within [0, 1]."""
        zero = np.array([-0.0, 0.0], dtype)
        for y in (0, 1):
            a, b = losses(zero, np.full(2, y))
            assert a == b
        a, b = losses(np.ones(2, dtype), zero)
        assert a == b == losses(np.ones((), dtype), 0)


class TestLabelSmoothing:
    """y becomes y*(1-a) + a/2, as in Keras."""

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("a", [0.0, 0.1, 0.5, 1.0, 1e-3])
    def test_is_the_loss_of_smoothed_targets(self, dtype, a):
        rng = np.random.default_rng(5)
        x = (4 * rng.standard_normal(500)).astype(dtype)
        y = rng.uniform(size=500)
        y[::2] = rng.integers(0, 2, 250)
        actual = losses(x, y, label_smoothing=a, pos_weight=2.0, weight=0.5)
        expected = reference.binary_cross_entropy_with_logits(
            x, y, 0.5, reduction="none", pos_weight=2.0, label_smoothing=a
        )
        ulp.assert_agrees(actual, *expected)

    def test_value(self):
        # y = 0.9 + 0.05: 0.95*sp(-2) + 0.05*sp(2)
        assert losses(2.0, 1, label_smoothing=0.1) == pytest.approx(
            0.95 * 0.12692801104297250 + 0.05 * 2.12692801104297250, rel=1e-15
        )

    def test_one_makes_every_target_a_half(self):
        x = np.linspace(-5, 5, 40)
        for y in (0, 1):
            np.testing.assert_array_equal(
                losses(x, np.full(40, y), label_smoothing=1.0), losses(x, np.full(40, 0.5))
            )

    def test_none_at_all_gives_the_same_bits(self):
        x, y = np.linspace(-5, 5, 41), np.arange(41) % 2
        np.testing.assert_array_equal(losses(x, y, label_smoothing=0), losses(x, y))

    def test_infinite_logits_lose_their_limits_of_zero(self):
        np.testing.assert_array_equal(losses([INF, -INF], [1, 0], label_smoothing=0.1), [INF, INF])

    def test_the_check_is_of_the_targets_given(self):
        with pytest.raises(ValueError, match=r"target\[0\] is 1\.01"):
            losses([1.0], [1.01], label_smoothing=0.5)


class TestCheck:
    def test_off_is_the_formula_as_written(self):
        rng = np.random.default_rng(6)
        x, y = rng.standard_normal(200), rng.uniform(-2, 3, 200)
        actual = losses(x, y, check=False, pos_weight=1.5)
        expected = reference.binary_cross_entropy_with_logits(
            x, y, reduction="none", pos_weight=1.5
        )
        ulp.assert_agrees(actual, *expected)

    def test_off_lets_nan_through(self):
        np.testing.assert_array_equal(losses([1.0], [NAN], check=False), [NAN])

    def test_off_changes_no_valid_result(self):
        x, y = np.linspace(-30, 30, 300, dtype=np.float32), np.linspace(0, 1, 300)
        for reduction in ("none", "mean", "sum"):
            kwargs = {"reduction": reduction}
            np.testing.assert_array_equal(
                binary_cross_entropy_with_logits(x, y, **kwargs, check=False),
                binary_cross_entropy_with_logits(x, y, **kwargs),
            )

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i8", "u8", bool])
    def test_ends_of_the_range_pass(self, dtype):
        y = np.array([0, 1] * 30, dtype)
        assert np.isfinite(losses(np.ones(60), y)).all()

    @pytest.mark.parametrize("y", [-0.0, 5e-324, 1e-310, 1 - 2**-53])
    def test_values_at_the_ends_pass(self, y):
        assert np.isfinite(losses(np.ones(60), np.full(60, y))).all()


class TestClass:
    x = np.random.default_rng(7).standard_normal((6, 3))
    y = np.random.default_rng(8).integers(0, 2, (6, 3))
    w = np.random.default_rng(9).uniform(size=(6, 1))
    p = np.array([1.0, 2.0, 0.5])

    CONFIGURATIONS = (
        {},
        {"reduction": "sum"},
        {"reduction": "none"},
        {"reduction": "weighted_mean", "weight": w},
        {"weight": w, "pos_weight": p},
        {"pos_weight": 3},
        {"label_smoothing": 0.2},
        {"ignore_index": 0},
        {"check": False},
        {"num_threads": 1},
        {"num_threads": -1},
    )

    @pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda c: ",".join(c) or "-")
    def test_is_the_function_with_its_arguments_kept(self, configuration):
        criterion = BCEWithLogitsLoss(**configuration)
        expected = binary_cross_entropy_with_logits(self.x, self.y, **configuration)
        np.testing.assert_array_equal(criterion(self.x, self.y), expected)
        np.testing.assert_array_equal(criterion.forward(self.x, self.y), expected)
        value, grad = criterion.value_and_grad(self.x, self.y)
        both = bcelogits.value_and_grad(self.x, self.y, **configuration)
        np.testing.assert_array_equal(value, both[0])
        np.testing.assert_array_equal(grad, both[1])
        elementwise = {k: v for k, v in configuration.items() if k != "reduction"}
        for a, b in zip(
            criterion.grad_and_hess(self.x, self.y),
            bcelogits.grad_and_hess(self.x, self.y, **elementwise),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)

    def test_methods_take_what_the_functions_take(self):
        criterion = BCEWithLogitsLoss(pos_weight=self.p, reduction="sum")
        where, out = self.x > 0, np.empty_like(self.x)
        value, grad = criterion.value_and_grad(
            self.x, self.y, wrt="input", grad_output=2.0, where=where, out=out
        )
        assert grad is out
        expected = bcelogits.value_and_grad(
            self.x, self.y, pos_weight=self.p, reduction="sum", grad_output=2.0, where=where
        )
        assert value == expected[0]
        np.testing.assert_array_equal(grad, expected[1])
        _, (gx, gp) = criterion.value_and_grad(self.x, self.y, wrt=("input", "pos_weight"))
        assert gx.shape == self.x.shape
        assert gp.shape == (3,)
        outs = np.empty_like(self.x), np.empty_like(self.x)
        grad, hess = criterion.grad_and_hess(self.x, self.y, where=where, hess_floor=0.1, out=outs)
        assert grad is outs[0]
        assert hess is outs[1]
        assert hess[where].min() >= 0.1

    def test_attributes(self):
        criterion = BCEWithLogitsLoss(
            self.w, reduction="sum", pos_weight=self.p, label_smoothing=0.1, ignore_index=-1
        )
        np.testing.assert_array_equal(criterion.weight, self.w)
        np.testing.assert_array_equal(criterion.pos_weight, self.p)
        assert criterion.reduction == "sum"
        assert criterion.label_smoothing == 0.1
        assert criterion.ignore_index == -1

    def test_default_attributes(self):
        criterion = BCEWithLogitsLoss()
        assert criterion.weight is None
        assert criterion.pos_weight is None
        assert criterion.reduction == "mean"
        assert criterion.label_smoothing == 0.0
        assert criterion.ignore_index is None

    def test_repr_shows_what_is_set(self):
        assert repr(BCEWithLogitsLoss()) == "BCEWithLogitsLoss(reduction='mean')"
        shown = repr(BCEWithLogitsLoss(pos_weight=[2.5, 3.5]))
        assert shown.startswith("BCEWithLogitsLoss(reduction='mean', pos_weight=")
        assert "2.5" in shown
        assert "3.5" in shown
        criterion = BCEWithLogitsLoss(
            weight=0.25, reduction="sum", label_smoothing=0.125, ignore_index=-7
        )
        extra = criterion.extra_repr()
        assert repr(criterion) == f"BCEWithLogitsLoss({extra})"
        assert "reduction='sum'" in extra
        assert "0.25" in extra
        assert "label_smoothing=0.125" in extra
        assert "ignore_index=-7" in extra
        assert "pos_weight" not in extra

    def test_repr_of_a_long_weight_is_short(self):
        assert len(repr(BCEWithLogitsLoss(pos_weight=np.ones(100_000)))) < 1000

    @pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda c: ",".join(c) or "-")
    def test_pickle_and_copy(self, configuration):
        criterion = BCEWithLogitsLoss(**configuration)
        for other in (pickle.loads(pickle.dumps(criterion)), copy.deepcopy(criterion)):
            assert repr(other) == repr(criterion)
            np.testing.assert_array_equal(other(self.x, self.y), criterion(self.x, self.y))

    def test_positional_order_is_that_of_pytorch(self):
        with pytest.warns(DeprecationWarning, match="reduction='none'"):
            criterion = BCEWithLogitsLoss(self.w, None, False, "mean", self.p)
        np.testing.assert_array_equal(
            criterion(self.x, self.y), losses(self.x, self.y, self.w, pos_weight=self.p)
        )
        with pytest.warns(DeprecationWarning, match="reduction='none'"):
            actual = binary_cross_entropy_with_logits(
                self.x, self.y, self.w, None, False, "mean", self.p
            )
        np.testing.assert_array_equal(actual, losses(self.x, self.y, self.w, pos_weight=self.p))

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_follows_the_dtype_of_each_input(self, dtype):
        """One object serves logits of any dtype; its weights are rounded for each."""
        criterion = BCEWithLogitsLoss(self.w, pos_weight=self.p)
        loss = criterion(self.x.astype(dtype), self.y)
        assert loss.dtype == dtype
        expected = binary_cross_entropy_with_logits(
            self.x.astype(dtype), self.y, self.w, pos_weight=self.p
        )
        assert loss == expected
