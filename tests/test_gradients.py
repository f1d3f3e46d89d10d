"""value_and_grad with respect to every argument, and grad_and_hess."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import reference
import ulp

from bcelogits import binary_cross_entropy_with_logits, grad_and_hess, value_and_grad

INF, NAN = np.inf, np.nan
FLOATS = [np.dtype(np.float16), ulp.BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
ARGUMENTS = ("input", "target", "weight", "pos_weight")
REDUCTIONS = ("none", "mean", "sum", "weighted_mean")
SHAPES = [(), (1,), (5,), (4, 1), (4, 5), (3, 1, 1), (1, 4, 1), (3, 4, 5), (1, 1, 1)]


def problem(dtype=np.float64, weight=(3, 4, 5), pos_weight=(3, 4, 5), seed=0, soft=True):
    rng = np.random.default_rng(seed)
    x = (2 * rng.standard_normal((3, 4, 5))).astype(dtype)
    y = rng.uniform(size=x.shape) if soft else rng.integers(0, 2, x.shape)
    w = np.asarray(rng.uniform(0.5, 2, weight)).astype(dtype)
    p = np.asarray(rng.uniform(0.5, 2, pos_weight)).astype(dtype)
    return x, y.astype(dtype), w, p


class TestValueAndGrad:
    @pytest.mark.parametrize("wrt", ARGUMENTS)
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_agrees_with_the_formulas(self, dtype, reduction, wrt):
        for seed, (weight, pos_weight) in enumerate(itertools.product(SHAPES, SHAPES)):
            if wrt == "weight" and pos_weight != (3, 4, 5):
                continue
            if wrt == "pos_weight" and weight != (3, 4, 5):
                continue
            x, y, w, p = problem(dtype, weight, pos_weight, seed)
            kwargs = {"reduction": reduction, "pos_weight": p, "wrt": wrt}
            value, grad = value_and_grad(x, y, w, **kwargs)
            expected_value, expected_grad = reference.value_and_grad(x, y, w, **kwargs)
            assert value.dtype == dtype
            assert grad.dtype == dtype
            ulp.assert_agrees(value, *expected_value)
            ulp.assert_agrees(grad, *expected_grad, ulp=6)

    @pytest.mark.parametrize("wrt", ARGUMENTS)
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize(
        "options",
        [
            {"label_smoothing": 0.2},
            {"ignore_index": 0},
            {"ignore_index": 1, "label_smoothing": 0.3},
            {"where": np.arange(5) != 2},
            {"where": (np.arange(60).reshape(3, 4, 5) % 7) < 4, "ignore_index": 1},
        ],
        ids=lambda o: ",".join(o),
    )
    def test_options(self, reduction, wrt, options):
        x, y, w, p = problem(weight=(4, 1), pos_weight=(5,), soft=False)
        kwargs = {"reduction": reduction, "pos_weight": p, "wrt": wrt, **options}
        value, grad = value_and_grad(x, y, w, **kwargs)
        expected_value, expected_grad = reference.value_and_grad(x, y, w, **kwargs)
        ulp.assert_agrees(value, *expected_value)
        ulp.assert_agrees(grad, *expected_grad, ulp=6)

    @pytest.mark.parametrize("wrt", ARGUMENTS)
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize(("weight", "pos_weight"), [((3, 4, 5), (5,)), ((3, 1, 1), ())])
    @pytest.mark.parametrize("smoothing", [0.0, 0.2])
    def test_is_the_slope_of_the_value(self, reduction, wrt, weight, pos_weight, smoothing):
        """Against differences of the loss itself: no formula of a derivative is used."""
        x, y, w, p = problem(weight=weight, pos_weight=pos_weight)
        where = np.arange(60).reshape(3, 4, 5) % 5 != 0
        options = {"reduction": reduction, "label_smoothing": smoothing, "where": where}
        _, grad = value_and_grad(x, y, w, pos_weight=p, wrt=wrt, **options)
        arguments = dict(zip(ARGUMENTS, (x, 0.2 + 0.6 * y, w, p), strict=True))
        _, grad = value_and_grad(**arguments, wrt=wrt, **options)
        rng = np.random.default_rng(1)
        direction = rng.standard_normal(arguments[wrt].shape)
        step = 1e-5
        up, down = (
            np.sum(
                binary_cross_entropy_with_logits(
                    **{**arguments, wrt: arguments[wrt] + s * direction}, **options
                )
            )
            for s in (step, -step)
        )
        assert np.sum(grad * direction) == pytest.approx((up - down) / (2 * step), rel=1e-7)

    @pytest.mark.parametrize("reduction", REDUCTIONS)
    def test_several_arguments_at_once(self, reduction):
        x, y, w, p = problem(weight=(4, 1), pos_weight=(5,))
        for n in range(1, 5):
            for wrt in itertools.permutations(ARGUMENTS, n):
                value, grads = value_and_grad(x, y, w, pos_weight=p, wrt=wrt, reduction=reduction)
                assert isinstance(grads, tuple)
                assert len(grads) == n
                for name, grad in zip(wrt, grads, strict=True):
                    alone, expected = value_and_grad(
                        x, y, w, pos_weight=p, wrt=name, reduction=reduction
                    )
                    np.testing.assert_array_equal(value, alone)
                    np.testing.assert_array_equal(grad, expected)

    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_value_is_the_loss(self, dtype, reduction):
        x, y, w, p = problem(dtype, pos_weight=(5,))
        value, _ = value_and_grad(x, y, w, pos_weight=p, reduction=reduction)
        expected = binary_cross_entropy_with_logits(x, y, w, pos_weight=p, reduction=reduction)
        assert type(value) is type(expected)
        ulp.assert_agrees(value, expected.astype(np.longdouble), ulp=1)

    @pytest.mark.parametrize("wrt", ARGUMENTS)
    @pytest.mark.parametrize("reduction", ["mean", "sum", "weighted_mean"])
    @pytest.mark.parametrize("grad_output", [2.0, np.float32(-0.5), 0, np.array(3)])
    def test_grad_output_scales(self, wrt, reduction, grad_output):
        x, y, w, p = problem(pos_weight=(5,))
        kwargs = {"pos_weight": p, "wrt": wrt, "reduction": reduction}
        value, grad = value_and_grad(x, y, w, grad_output=grad_output, **kwargs)
        plain, expected = value_and_grad(x, y, w, **kwargs)
        assert value == plain
        np.testing.assert_allclose(grad, float(grad_output) * expected, rtol=1e-14)

    @pytest.mark.parametrize("wrt", ARGUMENTS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_grad_output_of_every_element(self, wrt, dtype):
        x, y, w, p = problem(dtype, weight=(4, 1), pos_weight=(5,))
        grad_output = np.random.default_rng(2).standard_normal(x.shape).astype(dtype)
        kwargs = {"pos_weight": p, "wrt": wrt, "reduction": "none", "grad_output": grad_output}
        value, grad = value_and_grad(x, y, w, **kwargs)
        expected_value, expected_grad = reference.value_and_grad(x, y, w, **kwargs)
        ulp.assert_agrees(value, *expected_value)
        ulp.assert_agrees(grad, *expected_grad, ulp=6)

    def test_default_is_the_mean_with_respect_to_input(self):
        x, y, *_ = problem()
        value, grad = value_and_grad(x, y)
        expected_value, expected_grad = value_and_grad(x, y, reduction="mean", wrt="input")
        assert value == expected_value
        np.testing.assert_array_equal(grad, expected_grad)
        assert value == binary_cross_entropy_with_logits(x, y)

    def test_gradient_is_one_pass_of_any_length(self):
        rng = np.random.default_rng(3)
        for n in [*range(1, 40), 63, 64, 65, 1000, 4095, 4096, 4097]:
            x = rng.standard_normal(n).astype(np.float32)
            y = rng.integers(0, 2, n)
            value, grad = value_and_grad(x, y)
            expected_value, expected_grad = reference.value_and_grad(x, y)
            ulp.assert_agrees(value, *expected_value)
            ulp.assert_agrees(grad, *expected_grad)

    def test_never_cancels(self):
        """Not s(x) - y, which is 0 or 6e-8 here."""
        for x, y, expected in ((-20, 0, 2.0611537e-09), (20, 1, -2.0611537e-09)):
            _, grad = value_and_grad(np.float32([x]), np.array([y]), reduction="sum")
            np.testing.assert_allclose(grad, [expected], rtol=1e-7)
        _, grad = value_and_grad([-700.0, 700.0], [0, 1], reduction="none")
        np.testing.assert_allclose(grad, [9.8596765437597708e-305, -9.8596765437597708e-305])

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    @pytest.mark.parametrize(
        ("x", "y", "p", "expected"),
        [
            # x, y, p: with respect to input, target, weight, pos_weight
            (INF, 1, 2, (0, -INF, 0, 0)),
            (INF, 0, 2, (1, -INF, INF, 0)),
            (-INF, 0, 2, (0, INF, 0, 0)),
            (-INF, 1, 2, (-2, INF, INF, INF)),
            (INF, 0.25, 2, (0.75, -INF, INF, 0)),
            (-INF, 0.25, 2, (-0.5, INF, INF, INF)),
            (-INF, 0.25, 0, (0, 0, 0, INF)),
            (0, 0, INF, (0.5, INF, np.log(2), 0)),
            (NAN, 0.25, 2, (NAN, NAN, NAN, NAN)),
            (NAN, 0, 2, (NAN, NAN, NAN, 0)),
        ],
    )
    def test_limits(self, dtype, x, y, p, expected):
        x, y, p = np.full(19, x, dtype), np.full(19, y), np.full(19, p)
        _, grads = value_and_grad(
            x, y, np.ones(19), pos_weight=p, wrt=ARGUMENTS[:2] + ARGUMENTS[2:], reduction="none"
        )
        for grad, limit in zip(grads, expected, strict=True):
            np.testing.assert_allclose(
                grad.astype(float), np.full(19, limit), rtol=float(ulp.spacing(1.0, dtype))
            )

    @pytest.mark.parametrize("x", [INF, -INF, NAN])
    def test_zero_weight_selects_zero(self, x):
        _, grads = value_and_grad(
            [x], [0.5], [0.0], pos_weight=[2.0], wrt=("input", "target", "pos_weight")
        )
        np.testing.assert_array_equal(grads, np.zeros((3, 1)))

    @pytest.mark.parametrize("reduction", REDUCTIONS)
    def test_left_out_elements_have_gradient_zero(self, reduction):
        """Whatever they hide: NaN or infinite logits, targets and weights out of range."""
        x, y, w, p = problem(soft=False)
        hidden = np.random.default_rng(4).uniform(size=x.shape) < 0.3
        kwargs = {"pos_weight": p, "wrt": ARGUMENTS, "reduction": reduction, "where": ~hidden}
        value, grads = value_and_grad(x, y, w, **kwargs)
        for a, b, c in itertools.product((NAN, INF, 1.0), (7.0, NAN), (NAN, -INF)):
            args = (np.where(hidden, bad, a) for bad, a in zip((a, b, c), (x, y, w), strict=True))
            actual = value_and_grad(*args, **kwargs)
            np.testing.assert_array_equal(
                np.where(hidden, 0, actual[0]), np.where(hidden, 0, value)
            )
            if reduction == "none":
                assert (actual[0][hidden] == 0).all()
            for actual_grad, grad in zip(actual[1], grads, strict=True):
                assert (actual_grad[hidden] == 0).all()
                np.testing.assert_array_equal(actual_grad, grad)

    @pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)])
    @pytest.mark.parametrize("reduction", ["none", "sum"])
    def test_empty(self, shape, reduction):
        value, (gx, gw, gp) = value_and_grad(
            np.empty(shape),
            np.empty(shape),
            np.ones(1),
            pos_weight=2.0,
            reduction=reduction,
            wrt=("input", "weight", "pos_weight"),
        )
        assert np.shape(value) == (shape if reduction == "none" else ())
        assert gx.shape == shape
        np.testing.assert_array_equal(gw, [0])
        assert gp == 0

    def test_empty_mean(self):
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            value, grad = value_and_grad(np.empty((0, 3)), np.empty((0, 3)))
        assert np.isnan(value)
        assert grad.shape == (0, 3)

    def test_nothing_counted(self):
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            value, grad = value_and_grad([1.0, 2.0], [0, 1], where=False)
        assert np.isnan(value)
        np.testing.assert_array_equal(grad, [0, 0])

    def test_zero_dimensional(self):
        value, grad = value_and_grad(np.float32(0.5), 1)
        assert isinstance(value, np.float32)
        assert isinstance(grad, np.float32)
        np.testing.assert_allclose(grad, -0.37754067, rtol=1e-7)

    def test_integer_and_float_lists(self):
        value, grad = value_and_grad([1, -2], [0, 1])
        assert value.dtype == grad.dtype == np.float64

    @pytest.mark.parametrize("wrt", ARGUMENTS)
    def test_gradient_has_the_dtype_of_input(self, wrt):
        x, y, w, p = problem(np.float64)
        _, grad = value_and_grad(x.astype(np.float32), y, w, pos_weight=p, wrt=wrt)
        assert grad.dtype == np.float32

    @pytest.mark.parametrize("reduction", REDUCTIONS)
    def test_out(self, reduction):
        x, y, w, p = problem(pos_weight=(5,))
        kwargs = {"pos_weight": p, "reduction": reduction}
        expected_value, expected = value_and_grad(x, y, w, **kwargs)
        out = np.empty_like(x)
        value, grad = value_and_grad(x, y, w, **kwargs, out=out)
        assert grad is out
        np.testing.assert_array_equal(value, expected_value)
        np.testing.assert_array_equal(grad, expected)
        for source in range(3):
            arguments = [x.copy(), y.copy(), w.copy()]
            value, grad = value_and_grad(*arguments, **kwargs, out=arguments[source])
            assert grad is arguments[source]
            np.testing.assert_array_equal(value, expected_value)
            np.testing.assert_array_equal(grad, expected)

    def test_out_of_other_strides_and_dtype(self):
        x, y, w, _ = problem()
        _, expected = value_and_grad(x, y, w)
        out = np.zeros((5, 4, 6))[:, :, ::2].T
        _, grad = value_and_grad(x, y, w, out=out)
        assert grad is out
        np.testing.assert_array_equal(grad, expected)
        out = np.zeros(x.shape, np.float32)
        value_and_grad(x, y, w, out=out)
        np.testing.assert_allclose(out, expected, rtol=1e-6)

    def test_out_of_shifted_input(self):
        for source, destination in ((np.s_[:-3], np.s_[3:]), (np.s_[3:], np.s_[:-3])):
            buffer = np.linspace(-5, 5, 203)
            y = np.arange(200) % 2
            expected = value_and_grad(buffer[source].copy(), y)
            value, grad = value_and_grad(buffer[source], y, out=buffer[destination])
            assert value == expected[0]
            np.testing.assert_array_equal(grad, expected[1])

    def test_arguments_are_left_alone(self):
        arguments = problem()
        copies = [a.copy() for a in arguments]
        for a in arguments:
            a.flags.writeable = False
        value_and_grad(*arguments[:3], pos_weight=arguments[3], wrt=ARGUMENTS)
        for a, b in zip(arguments, copies, strict=True):
            np.testing.assert_array_equal(a, b)


class TestGradAndHess:
    @pytest.mark.parametrize("weight", SHAPES)
    @pytest.mark.parametrize("pos_weight", SHAPES)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_agrees_with_the_formulas(self, dtype, weight, pos_weight):
        x, y, w, p = problem(dtype, weight, pos_weight)
        for kwargs in ({}, {"weight": w}, {"pos_weight": p}, {"weight": w, "pos_weight": p}):
            grad, hess = grad_and_hess(x, y, **kwargs)
            expected_grad, expected_hess = reference.grad_and_hess(x, y, **kwargs)
            assert grad.dtype == hess.dtype == dtype
            ulp.assert_agrees(grad, *expected_grad)
            ulp.assert_agrees(hess, *expected_hess, ulp=5)

    @pytest.mark.parametrize(
        "options",
        [
            {"label_smoothing": 0.2},
            {"ignore_index": 0},
            {"where": np.arange(5) != 2},
            {"hess_floor": 0.125},
            {"hess_floor": 1e-16, "where": np.arange(5) != 2, "label_smoothing": 0.1},
        ],
        ids=lambda o: ",".join(o),
    )
    def test_options(self, options):
        x, y, w, p = problem(weight=(4, 1), pos_weight=(5,), soft=False)
        grad, hess = grad_and_hess(x, y, w, pos_weight=p, **options)
        expected_grad, expected_hess = reference.grad_and_hess(x, y, w, pos_weight=p, **options)
        ulp.assert_agrees(grad, *expected_grad)
        ulp.assert_agrees(hess, *expected_hess, ulp=5)

    def test_hessian_is_the_slope_of_the_gradient(self):
        x, y, w, p = problem(weight=(4, 1), pos_weight=(5,))
        _, hess = grad_and_hess(x, y, w, pos_weight=p)
        step = 1e-5
        up, _ = grad_and_hess(x + step, y, w, pos_weight=p)
        down, _ = grad_and_hess(x - step, y, w, pos_weight=p)
        np.testing.assert_allclose(hess, (up - down) / (2 * step), rtol=1e-8, atol=1e-10)

    def test_gradient_is_that_of_value_and_grad(self):
        x, y, w, p = problem(np.float32, weight=(4, 1), pos_weight=(5,))
        grad, _ = grad_and_hess(x, y, w, pos_weight=p)
        _, expected = value_and_grad(x, y, w, pos_weight=p, reduction="none")
        np.testing.assert_array_equal(grad, expected)

    def test_hessian_never_cancels(self):
        """Not s(x)*(1 - s(x)), which is 0 here."""
        for y in (0, 1):
            _, hess = grad_and_hess(np.array([40.0, -40.0]), np.array([y, y]))
            np.testing.assert_allclose(hess, [4.248354255291589e-18] * 2, rtol=1e-15)
            _, hess = grad_and_hess(np.float32([80, -80]), np.array([y, y]))
            np.testing.assert_allclose(hess, [1.8048513878454153e-35] * 2, rtol=3e-7)

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    @pytest.mark.parametrize("y", [0, 1, 0.5])
    def test_limits(self, dtype, y):
        x = np.array([INF, -INF, NAN], dtype)
        grad, hess = grad_and_hess(x, np.full(3, y))
        np.testing.assert_array_equal(grad.astype(float), [1 - y, -y, NAN])
        np.testing.assert_array_equal(hess.astype(float), [0, 0, NAN])

    @pytest.mark.parametrize("floor", [0.0, 1e-16, 0.2, 5])
    def test_floor(self, floor):
        x = np.linspace(-50, 50, 201)
        y = np.arange(201) % 2
        _, plain = grad_and_hess(x, y)
        grad, hess = grad_and_hess(x, y, hess_floor=floor)
        np.testing.assert_array_equal(hess, np.maximum(plain, floor))
        np.testing.assert_array_equal(grad, grad_and_hess(x, y)[0])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("floor", [1e-16, 0.2, 5, 1e300, INF])
    def test_floor_is_before_weights(self, dtype, floor):
        """An element of weight w is as w elements, whether it is at the floor or not."""
        x = np.linspace(-750, 750, 301, dtype=dtype)
        y = np.arange(301) % 2
        w = np.resize([2, 0, 0.5, -4], 301).astype(dtype)
        p = np.where(y == 1, 8, 1).astype(dtype)
        _, plain = grad_and_hess(x, y, hess_floor=floor)
        with np.errstate(over="ignore"):
            expected = w * p * plain
        _, hess = grad_and_hess(x, y, w, pos_weight=p, hess_floor=floor)
        np.testing.assert_array_equal(hess, expected)

    def test_floor_leaves_left_out_elements_at_zero(self):
        where = np.array([True, False, True])
        _, hess = grad_and_hess([50.0, 50, 0], [0, 0, 0], where=where, hess_floor=0.1)
        np.testing.assert_array_equal(hess, [0.1, 0, 0.25])
        _, hess = grad_and_hess([50.0, 50, 0], [0, -1, 0], ignore_index=-1, hess_floor=0.1)
        np.testing.assert_array_equal(hess, [0.1, 0, 0.25])

    def test_left_out_elements_are_zero_whatever_they_hide(self):
        grad, hess = grad_and_hess(
            [NAN, INF, 0.0], [9, NAN, 1], [INF, NAN, 1], where=[False, False, True]
        )
        np.testing.assert_array_equal(grad, [0, 0, -0.5])
        np.testing.assert_array_equal(hess, [0, 0, 0.25])

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_dtype(self, dtype):
        x, y, *_ = problem(np.float32)
        for result in grad_and_hess(x, y, dtype=dtype):
            assert result.dtype == dtype
        wide = grad_and_hess(x, y, dtype=np.float64)
        for result, expected in zip(wide, grad_and_hess(x.astype(np.float64), y), strict=True):
            np.testing.assert_array_equal(result, expected)

    def test_out(self):
        x, y, w, p = problem(pos_weight=(5,))
        expected = grad_and_hess(x, y, w, pos_weight=p)
        outs = np.empty_like(x), np.zeros((5, 4, 6))[:, :, ::2].T
        results = grad_and_hess(x, y, w, pos_weight=p, out=outs)
        for result, out, value in zip(results, outs, expected, strict=True):
            assert result is out
            np.testing.assert_array_equal(result, value)

    def test_out_of_a_wider_dtype_is_rounded_to_dtype(self):
        x, y, *_ = problem(np.float32)
        outs = np.empty(x.shape), np.empty(x.shape)
        results = grad_and_hess(x, y, dtype=np.float16, out=outs)
        expected = grad_and_hess(x, y, dtype=np.float16)
        for result, out, value in zip(results, outs, expected, strict=True):
            assert result is out
            np.testing.assert_array_equal(result, value)

    @pytest.mark.parametrize("which", list(itertools.permutations(range(3), 2)))
    def test_out_is_input(self, which):
        x, y, w, p = problem(pos_weight=(5,))
        expected = grad_and_hess(x, y, w, pos_weight=p)
        arguments = [x.copy(), y.copy(), w.copy()]
        results = grad_and_hess(*arguments, pos_weight=p, out=tuple(arguments[i] for i in which))
        for result, i, value in zip(results, which, expected, strict=True):
            assert result is arguments[i]
            np.testing.assert_array_equal(result, value)

    def test_out_of_one_only(self):
        x, y, *_ = problem()
        expected = grad_and_hess(x, y)
        out = np.empty_like(x)
        grad, hess = grad_and_hess(x, y, out=(out, None))
        assert grad is out
        np.testing.assert_array_equal(grad, expected[0])
        np.testing.assert_array_equal(hess, expected[1])

    def test_zero_dimensional_and_empty(self):
        grad, hess = grad_and_hess(0.0, 1)
        assert isinstance(grad, np.float64)
        assert (grad, hess) == (-0.5, 0.25)
        grad, hess = grad_and_hess(np.empty((0, 2), np.float32), np.empty((0, 2)))
        assert grad.shape == hess.shape == (0, 2)
        assert grad.dtype == hess.dtype == np.float32
