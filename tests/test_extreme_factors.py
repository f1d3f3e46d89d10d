"""Weights, grad_output and their sums of any size: a result that is a normal number is right.

Exact values come from MPFR, which has no over- or underflow of this size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bcelogits
from bcelogits import grad_and_hess, value_and_grad

REALS = (np.float32, np.float64)
LIMITS = {np.float32: (-126, 128), np.float64: (-1022, 1024)}
WEIGHTED = 3.0  # ULP, as the contract has it
HARD = 1.0

Exact = Callable[..., Any]


def _parts(x: float) -> tuple[Any, Any, Any]:
    """softplus(x), sigmoid(x) and sigmoid(-x) of one logit."""
    t = gmpy2.mpfr(x)
    e = gmpy2.exp(-abs(t))
    softplus = max(t, gmpy2.mpfr(0)) + gmpy2.log1p(e)
    large, small = 1 / (1 + e), e / (1 + e)
    return softplus, (large if x > 0 else small), (small if x > 0 else large)


def exact_loss(x: float, y: float, w: float, p: float) -> Any:
    softplus, _, _ = _parts(x)
    opposite, _, _ = _parts(-x)
    return gmpy2.mpfr(w) * (gmpy2.mpfr(p) * y * opposite + (1 - gmpy2.mpfr(y)) * softplus)


def exact_grad(x: float, y: float, w: float, p: float) -> Any:
    _, up, down = _parts(x)
    return gmpy2.mpfr(w) * ((1 - gmpy2.mpfr(y)) * up - gmpy2.mpfr(p) * y * down)


def exact_hess(x: float, y: float, w: float, p: float) -> Any:
    _, up, down = _parts(x)
    return gmpy2.mpfr(w) * (1 - gmpy2.mpfr(y) + gmpy2.mpfr(p) * y) * up * down


def exact_by_target(x: float, y: float, w: float, p: float) -> Any:
    softplus, _, _ = _parts(x)
    opposite, _, _ = _parts(-x)
    return gmpy2.mpfr(w) * (gmpy2.mpfr(p) * opposite - softplus)


def exact_by_pos_weight(x: float, y: float, w: float, p: float) -> Any:
    return gmpy2.mpfr(w) * y * _parts(-x)[0]


@pytest.fixture(autouse=True)
def precise() -> Any:
    with gmpy2.context(precision=200, emin=-(10**6), emax=10**6):
        yield


def assert_close(found: Any, exact: list[Any], dtype: Any, bound: float) -> None:
    """Every value whose exact one is a normal number is within `bound` units of it."""
    low, high = LIMITS[dtype]
    digits = np.finfo(dtype).nmant + 1
    for i, (value, right) in enumerate(zip(np.ravel(found).tolist(), exact, strict=True)):
        if not right:
            assert value == 0, i
            continue
        exponent = gmpy2.get_exp(right)
        if exponent > high:
            assert value == (np.inf if right > 0 else -np.inf), (i, value, right)
        elif exponent > low:
            error = abs(gmpy2.mpfr(value) - right) / gmpy2.exp2(exponent - digits)
            assert error <= bound or (value in (np.inf, -np.inf) and exponent == high), (
                f"element {i}: {value!r} is {float(error):.3g} ULP from {right}"
            )
        else:
            assert abs(gmpy2.mpfr(value) - right) <= 2 * gmpy2.exp2(low + 1 - digits), (i, value)


# --- a weighted mean ---------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1e-42, 1e-30, 1e-12, 1e12, 1e30, 1e36, 3e38])
def test_gradient_of_a_weighted_mean_of_equal_weights_is_that_of_the_mean(weight: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 8, 4096).astype(np.float32)
    y = (rng.random(4096) < 0.5).astype(np.float32)
    w = np.full(4096, weight, np.float32)
    value, grad = value_and_grad(x, y, w, reduction="weighted_mean")
    mean_value, mean = value_and_grad(x, y)
    assert value == pytest.approx(mean_value, rel=2e-7)
    units = np.abs(grad.astype(np.float64) - mean) / np.spacing(np.abs(mean))
    assert units.max() <= WEIGHTED


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("exponent", [-1070, -1000, -500, 500, 1000, 1020])
def test_the_same_in_double_precision(exponent: int, threads: int) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0, 50, 300)
    y = (rng.random(300) < 0.5).astype(float)
    w = np.full(300, 2.0**exponent)
    value, grad = value_and_grad(x, y, w, reduction="weighted_mean", num_threads=threads)
    mean_value, mean = value_and_grad(x, y)
    assert value == mean_value
    assert np.max(np.abs(grad - mean) / np.spacing(np.abs(mean))) <= WEIGHTED


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("last", [3.0, 1e4, -1e4, np.inf, np.nan])
def test_weights_that_add_up_to_0_give_no_gradient(dtype: Any, last: float) -> None:
    x = np.array([1, 2, last], dtype)
    y = np.array([1, 0, 1], dtype)
    for w in ([0, 0, 0], [1, -1, 0]):
        with pytest.warns(RuntimeWarning, match="add up to 0"):
            _, grad = value_and_grad(x, y, np.array(w, dtype), reduction="weighted_mean")
        assert np.isnan(grad).all()
        counts = [True, True, False]
        with pytest.warns(RuntimeWarning, match="add up to 0"):
            _, grad = value_and_grad(
                x, y, np.array(w, dtype), reduction="weighted_mean", where=counts
            )
        np.testing.assert_array_equal(grad, np.array([np.nan, np.nan, 0], dtype))


@pytest.mark.parametrize("wrt", ["target", "weight", "pos_weight"])
def test_nor_by_another_argument(wrt: str) -> None:
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
    with pytest.warns(RuntimeWarning, match="add up to 0"):
        _, grad = value_and_grad(
            x, y, np.zeros(3), pos_weight=np.ones(3), reduction="weighted_mean", wrt=wrt
        )
    assert np.isnan(grad).all()


def test_a_mean_of_nothing_has_a_gradient_of_0() -> None:
    for wrt in ("input", "target", "weight", "pos_weight"):
        with pytest.warns(RuntimeWarning, match="empty"):
            _, grad = value_and_grad(
                [1.0, 2.0], [1, 0], 1.0, pos_weight=2.0, where=[False, False], wrt=wrt
            )
        assert np.all(grad == 0), wrt


# --- grad_output -------------------------------------------------------------------------------


def test_grad_output_beyond_the_range_of_float() -> None:
    x, y = np.array([-80, 1, 80], np.float32), np.array([0, 0, 0], np.float32)
    _, grad = value_and_grad(x, y, reduction="sum", grad_output=1e39)
    np.testing.assert_array_equal(grad, np.array([1.8048513e04, np.inf, np.inf], np.float32))


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("exponent", [-1000, -300, -130, -61, -1, 1, 61, 99, 101, 130, 300, 1000])
def test_a_sum_times_grad_output(dtype: Any, exponent: int) -> None:
    reach = 250 if dtype == np.float32 else 2000
    x = np.concatenate([np.linspace(-reach, reach, 301), [-1e5, 1e5]]).astype(dtype)
    for target in (0.0, 1.0):
        y = np.full(x.shape, target, dtype)
        factor = 1.1 * 2.0**exponent
        _, grad = value_and_grad(x, y, reduction="sum", grad_output=factor)
        exact = [gmpy2.mpfr(factor) * exact_grad(v, target, 1, 1) for v in x.tolist()]
        assert_close(grad, exact, dtype, HARD)


# --- weights of another dtype ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logit", "weight"), [(1e20, 1e-50), (1e30, 1e-60), (1e35, 1e-46), (-100.0, 1e40)]
)
def test_weights_that_no_float_holds_beside_floats(logit: float, weight: float) -> None:
    """The loss times the weight is a normal float, though the weight is none."""
    x, y = np.array([logit], np.float32), np.array([0], np.float32)
    loss = bcelogits.binary_cross_entropy_with_logits(x, y, np.array([weight]), reduction="none")
    exact = float(np.logaddexp(0, float(x[0]))) * weight
    np.testing.assert_allclose(loss, np.array([exact], np.float32), rtol=3 * 2.0**-24)


# --- elements that are left out ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", REALS)
@pytest.mark.parametrize("reduction", ["sum", "mean", "weighted_mean"])
@pytest.mark.parametrize("how", ["where", "ignore_index"])
def test_weights_of_what_is_left_out_count_nothing(dtype: Any, reduction: str, how: str) -> None:
    large = {np.float32: 1e38, np.float64: 1e300}[np.dtype(dtype).type]
    x, y = np.array([0.5, -2.0, 3.0], dtype), np.array([1.0, -1.0, 0.0], dtype)
    # One that counts is large too, or nobody would look at the others.
    w = np.array([large * 1e-9, large, 2.0], dtype)
    left_out: dict[str, Any] = {"where": y >= 0} if how == "where" else {"ignore_index": -1}
    value, grad = value_and_grad(x, y, w, reduction=reduction, **left_out)
    few, few_grad = value_and_grad(x[::2], y[::2], w[::2], reduction=reduction)
    loss = bcelogits.binary_cross_entropy_with_logits(x, y, w, reduction=reduction, **left_out)
    assert value == loss == few
    np.testing.assert_array_equal(grad, [few_grad[0], 0, few_grad[1]])


# --- what one element's result is never depends on another ----------------------------------------

EXTREMES = [0.0, 1e-45, 1e-38, 1e-30, 1e-12, 1e-7, 0.7, 1.0, 3.0, 1e9, 1e15, 1e20, 1e30, 3e38]
WIDER = [*EXTREMES, 5e-324, 1e-308, 1e-200, 1e-100, 1e100, 1e200, 1e308]
LOGITS = [0.0, 0.3, -2.0, 15.0, -30.0, 79.0, -81.0, 100.0, -150.0, 1e6, -1e6]
WIDER_LOGITS = [*LOGITS, 650.0, -689.0, 691.0, -745.0, 900.0, -1400.0, 2500.0]


def _draw(dtype: Any, n: int) -> Any:
    narrow = dtype == np.float32
    factor = st.sampled_from(EXTREMES if narrow else WIDER)
    logit = st.sampled_from(LOGITS if narrow else WIDER_LOGITS)
    target = st.sampled_from([0.0, 1.0, 0.25, 1e-30])
    column = st.tuples(logit, target, factor, factor, factor)
    return st.lists(column, min_size=n, max_size=n)


def _columns(rows: Any, dtype: Any) -> list[Any]:
    return [np.array(column, dtype) for column in zip(*rows, strict=True)]


def _rows(*arrays: Any) -> Any:
    return zip(*(a.tolist() for a in arrays), strict=True)


@pytest.mark.parametrize("dtype", REALS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_element(dtype: Any, data: Any) -> None:
    x, y, w, p, g = _columns(data.draw(_draw(dtype, 20)), dtype)
    loss = bcelogits.binary_cross_entropy_with_logits(x, y, w, reduction="none", pos_weight=p)
    assert_close(loss, [exact_loss(*row) for row in _rows(x, y, w, p)], dtype, WEIGHTED)
    value, grad = value_and_grad(x, y, w, reduction="none", pos_weight=p, grad_output=g)
    np.testing.assert_array_equal(value, loss)
    hard = (y == 0) | (y == 1)
    exact = [gmpy2.mpfr(k) * exact_grad(*row) for k, *row in _rows(g, x, y, w, p)]
    keep = np.flatnonzero(hard)  # a soft target's terms may cancel
    assert_close(grad[keep], [exact[i] for i in keep], dtype, WEIGHTED)
    _, by_pos_weight = value_and_grad(
        x, y, w, reduction="none", pos_weight=p, grad_output=g, wrt="pos_weight"
    )
    exact = [gmpy2.mpfr(k) * exact_by_pos_weight(*row) for k, *row in _rows(g, x, y, w, p)]
    assert_close(by_pos_weight, exact, dtype, WEIGHTED)
    _, by_weight = value_and_grad(
        x, y, w, reduction="none", pos_weight=p, grad_output=g, wrt="weight"
    )
    exact = [gmpy2.mpfr(k) * exact_loss(a, b, 1.0, c) for k, a, b, c in _rows(g, x, y, p)]
    assert_close(by_weight, exact, dtype, WEIGHTED)
    ones = np.ones_like(p)
    _, by_target = value_and_grad(
        x, y, w, reduction="none", pos_weight=0 * ones, grad_output=g, wrt="target"
    )
    exact = [gmpy2.mpfr(k) * exact_by_target(*row) for k, *row in _rows(g, x, y, w, 0 * ones)]
    assert_close(by_target, exact, dtype, WEIGHTED)
    _, hess = grad_and_hess(x, y, w, pos_weight=p)
    assert_close(hess, [exact_hess(*row) for row in _rows(x, y, w, p)], dtype, 4.0)


@pytest.mark.parametrize("dtype", REALS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reductions(dtype: Any, data: Any) -> None:
    x, y, w, p, _ = _columns(data.draw(_draw(dtype, 20)), dtype)
    scale = data.draw(st.sampled_from(WIDER))
    total, grad = value_and_grad(x, y, w, reduction="sum", pos_weight=p, grad_output=scale)
    losses = [exact_loss(*row) for row in _rows(x, y, w, p)]
    _, high = LIMITS[dtype]
    if all(gmpy2.get_exp(loss) < high - 6 for loss in losses if loss):
        assert_close(total, [sum(losses, gmpy2.mpfr(0))], dtype, WEIGHTED)
    exact = [gmpy2.mpfr(scale) * exact_grad(*row) for row in _rows(x, y, w, p)]
    keep = np.flatnonzero((y == 0) | (y == 1))
    assert_close(grad[keep], [exact[i] for i in keep], dtype, WEIGHTED)
    weights = sum((gmpy2.mpfr(v) for v in w.tolist()), gmpy2.mpfr(0))
    if not weights:
        return
    _, grad = value_and_grad(x, y, w, reduction="weighted_mean", pos_weight=p, grad_output=scale)
    exact = [e / weights for e in exact]
    assert_close(grad[keep], [exact[i] for i in keep], dtype, WEIGHTED)
    _, by_target = value_and_grad(
        x, y, w, reduction="weighted_mean", pos_weight=0 * p, grad_output=scale, wrt="target"
    )
    exact = [gmpy2.mpfr(scale) * exact_by_target(*row) / weights for row in _rows(x, y, w, 0 * p)]
    assert_close(by_target, exact, dtype, WEIGHTED)


@pytest.mark.parametrize("dtype", REALS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_element_does_not_depend_on_its_neighbours(dtype: Any, data: Any) -> None:
    arrays = _columns(data.draw(_draw(dtype, 33)), dtype)
    scale = data.draw(st.sampled_from(WIDER))

    def results(x: Any, y: Any, w: Any, p: Any, g: Any) -> list[Any]:
        found = [value_and_grad(x, y, w, reduction="sum", pos_weight=p, grad_output=scale)[1]]
        found += value_and_grad(x, y, w, reduction="none", pos_weight=p, grad_output=g)
        found += grad_and_hess(x, y, w, pos_weight=p, hess_floor=1e-7)
        return found

    together = results(*arrays)
    for i in range(0, 33, 4):
        alone = results(*(a[i : i + 1] for a in arrays))
        for whole, one in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[i : i + 1], one)


def test_weights_in_double_precision_beside_logits_in_single() -> None:
    x, y = np.array([-100, -50, 3], np.float32), np.zeros(3, np.float32)
    w = np.array([1e50, 1e45, 1e-60])
    loss = bcelogits.binary_cross_entropy_with_logits(x, y, w, reduction="none")
    exact = [exact_loss(a, 0.0, b, 1.0) for a, b in _rows(x, w)]
    assert_close(loss, exact, np.float32, WEIGHTED)
    _, grad = value_and_grad(x, y, w, reduction="sum", grad_output=1e30)
    exact = [gmpy2.mpfr(1e30) * exact_grad(a, 0.0, b, 1.0) for a, b in _rows(x, w)]
    assert_close(grad, exact, np.float32, WEIGHTED)


def test_targets_that_are_not_checked() -> None:
    x = np.array([-1e-30, 1e-30, 2.0], np.float32)
    y, w = np.array([1e30, -1e30, 1e25], np.float32), np.full(3, 1e20, np.float32)
    loss = bcelogits.binary_cross_entropy_with_logits(x, y, w, reduction="none", check=False)
    exact = [exact_loss(a, b, c, 1.0) for a, b, c in _rows(x, y, w)]
    # log(2) of positive and negative coefficients cancels: what is left is y times the logit.
    assert np.isfinite(loss[0])
    assert_close(loss[2:], exact[2:], np.float32, WEIGHTED)
