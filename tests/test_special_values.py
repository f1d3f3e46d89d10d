"""Every combination of numbers that are likely to break a formula, wherever they stand in a block.

In every reduction and dtype, against the twin; and whatever is left out shows nowhere.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import reference
import ulp

import bcelogits as bce

DTYPES = [np.dtype(np.float16), ulp.BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def extremes(dtype: np.dtype) -> tuple[float, float, float]:
    """The smallest subnormal, the smallest normal and the largest number."""
    digits, lowest, highest = ulp.FORMATS[dtype]
    return (
        float(np.ldexp(1.0, lowest)),
        float(np.ldexp(1.0, lowest + digits - 1)),
        float(np.ldexp(2.0 - np.ldexp(2.0, -digits), highest - 1)),
    )


def combinations(dtype: np.dtype) -> list[np.ndarray]:
    """Return logits, targets, weights and weights of positives, each combination once."""
    tiny, normal, large = extremes(dtype)
    logits = [0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, normal, large, -large, 0.75, -13.0]
    targets = [0.0, -0.0, 1.0, tiny, normal, 0.5, 1 - float(np.ldexp(1.0, -ulp.FORMATS[dtype][0]))]
    weights = [0.0, -0.0, 1.0, -1.0, tiny, large, -large, np.inf, -np.inf, np.nan, 2.5, 0.3]
    positives = [0.0, -0.0, 1.0, tiny, large, np.inf, 3.5]
    table = np.array(list(itertools.product(logits, targets, weights, positives)))
    return [np.ascontiguousarray(column).astype(dtype) for column in table.T]


def same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays have the same bits, or NaN both."""
    a, b = np.asarray(a), np.asarray(b)
    bits = f"u{a.dtype.itemsize}"
    return (a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b))


def elementwise(x, y, w, p):
    """Return everything there is of each element."""
    losses, grads = bce.value_and_grad(
        x, y, w, pos_weight=p, reduction="none", wrt=("input", "target", "weight", "pos_weight")
    )
    return {
        "loss": losses,
        **dict(zip(("input", "target", "weight", "pos_weight"), grads, strict=True)),
        "hessian": bce.grad_and_hess(x, y, w, pos_weight=p, hess_floor=-np.inf)[1],
    }


@dtypes
def test_of_the_twin(dtype):
    """Where no product of weights leaves the range of the dtype: that limit is documented."""
    x, y, w, p = combinations(dtype)
    _, normal, large = extremes(dtype if dtype.itemsize > 2 else np.dtype(np.float32))
    with np.errstate(all="ignore"):
        wide = [a.astype(np.longdouble) for a in (x, y, w, p)]
        products = [abs(a) for a in (wide[2] * wide[3] * wide[1], wide[2] * wide[3],
                                     wide[3] * wide[1], wide[2] * (1 - wide[1]))]  # fmt: skip
        tame = np.all([~np.isfinite(a) | (a == 0) | ((a >= normal) & (a <= large))
                       for a in (*products, *(abs(a) for a in wide[1:]))], axis=0)  # fmt: skip
    assert tame.mean() > 0.3
    for name, actual in elementwise(x, y, w, p).items():
        expected = reference.elementwise(name, x, y, 1 - wide[1], w, p)
        with np.errstate(all="ignore"):
            fits = tame & ~(np.isfinite(expected.value) & (expected.magnitude > large / 2))
        # Where everything else is 0 the one or the other may be the coefficient of a NaN.
        fits &= ~np.isnan(w) | np.isnan(expected.value) & np.isnan(actual)
        if name in ("input", "target"):
            # Two terms, each multiplied by the weight: infinite ones of opposite sign give NaN.
            fits &= np.isfinite(w) & np.isfinite(p)
        ulp.assert_agrees(actual[fits], expected.value[fits], expected.magnitude[fits], ulp=7)


@dtypes
def test_position_changes_no_bit(dtype):
    """Among others, in another order, and alone."""
    operands = combinations(dtype)
    whole = elementwise(*operands)
    rng = np.random.default_rng(5)
    order = rng.permutation(len(operands[0]))
    shuffled = elementwise(*(a[order] for a in operands))
    for name, values in whole.items():
        assert same(values[order], shuffled[name]).all(), name
    for i in rng.choice(len(order), 300, replace=False):
        alone = elementwise(*(a[i] for a in operands))
        for name, values in whole.items():
            # Neighbours may decide about the sign of a zero that a weight of -0 gives.
            zeros = (values[i] == 0) & (alone[name] == 0)
            assert zeros | same(values[i], alone[name]), (name, [float(a[i]) for a in operands])


@dtypes
@pytest.mark.parametrize("width", [1, 16, 17, 513])
def test_sums_of_one_that_counts(dtype, width):
    """The others, which are left out, hold what no call would take."""
    x, y, w, p = (a[::7] for a in combinations(dtype))
    expected = bce.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, reduction="none")
    rng = np.random.default_rng(width)
    column = rng.integers(0, width, len(x))
    where = np.zeros((len(x), width), bool)
    where[np.arange(len(x)), column] = True

    def hide(a, odd):
        hidden = np.broadcast_to(np.array(odd).astype(dtype), where.shape).copy()
        hidden[where] = a
        return hidden

    arguments = {
        "input": hide(x, np.nan), "target": hide(y, 7), "weight": hide(w, np.inf),
        "pos_weight": hide(p, np.inf), "where": where,
    }  # fmt: skip
    for reduction in ("sum", "mean"):
        sums = bce.binary_cross_entropy_with_logits(**arguments, reduction=reduction, axis=1)
        # A sum is carried in more precision than an element, and rounded once.
        exact_zero = expected == 0
        with np.errstate(all="ignore"):
            wide, sums_wide = expected.astype(np.longdouble), sums.astype(np.longdouble)
            close = np.abs(wide - sums_wide) <= 4 * ulp.spacing(wide, dtype)
        assert (close | same(expected, sums) | (exact_zero & (sums == 0))).all()
    losses, grad = bce.value_and_grad(**arguments, reduction="none")
    alone = bce.value_and_grad(x, y, w, pos_weight=p, reduction="none")
    for a, b in ((losses, alone[0]), (grad, alone[1])):
        assert not a[~where].any()
        assert same(a[where], b).all()


@dtypes
@pytest.mark.parametrize("ignored", [-100, 7.5, 2.0, -1])
def test_ignore_index_hides_all(dtype, ignored):
    """From losses, sums and gradients: any logit and any weight."""
    x, _, w, p = combinations(dtype)
    y = np.full(x.shape, ignored).astype(dtype)
    ordinary = np.array([0.5, -1.0]).astype(dtype), np.array([1, 0]).astype(dtype)
    ones = np.ones(2).astype(dtype)
    longer = [np.concatenate([a, b, a]) for a, b in zip((x, y, w, p), (*ordinary, ones, ones),
                                                        strict=True)]  # fmt: skip
    counted = slice(len(x), len(x) + 2)
    for reduction in ("none", "mean", "sum", "weighted_mean"):
        options = {"reduction": reduction, "wrt": ("input", "weight", "target", "pos_weight")}
        value, grads = bce.value_and_grad(
            longer[0], longer[1], longer[2], pos_weight=longer[3], ignore_index=ignored, **options
        )
        plain_value, plain_grads = bce.value_and_grad(*ordinary, ones, pos_weight=ones, **options)
        for grad, plain in zip(grads, plain_grads, strict=True):
            assert same(grad[counted], plain).all()
            assert not grad[: len(x)].any()
            assert not grad[len(x) + 2 :].any()
        if reduction == "none":
            assert same(value[counted], plain_value).all()
            assert not np.delete(value, range(len(x), len(x) + 2)).any()
        else:
            assert value == plain_value


@dtypes
def test_negative_weights_of_positives_are_refused(dtype):
    tiny = extremes(dtype)[0]
    for bad in (-tiny, -1.0, -np.inf, np.nan):
        p = np.array([1.0, bad]).astype(dtype)
        with pytest.raises(ValueError, match=r"pos_weight\[1\]"):
            bce.binary_cross_entropy_with_logits(np.zeros(2), np.zeros(2), pos_weight=p)
