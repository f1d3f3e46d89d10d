"""Properties that hold for all shapes, strides, broadcasts, dtypes and values."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import reference
import ulp
from hypothesis import example, given, settings
from hypothesis import strategies as st

import bcelogits
from bcelogits import binary_cross_entropy_with_logits, grad_and_hess, value_and_grad

FLOATS = [np.dtype(np.float16), ulp.BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
ARGUMENTS = ("input", "target", "weight", "pos_weight")
many = settings(max_examples=200)


@st.composite
def laid_out(draw, a):
    """The values of a, somewhere else in memory."""
    order = draw(st.permutations(range(a.ndim)))
    steps = [draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in range(a.ndim)]
    offset = draw(st.integers(0, 3))
    if draw(st.booleans()) and a.dtype != ulp.BFLOAT16:
        a = a.astype(a.dtype.newbyteorder())
    sizes = [n * abs(s) for n, s in zip(a.shape, steps, strict=True)]
    memory = np.zeros(int(np.prod(sizes)) * a.itemsize + offset, np.uint8)[offset:]
    inner = memory.view(a.dtype).reshape([sizes[i] for i in order])
    view = inner.transpose(np.argsort(order))[..., *(slice(None, None, s) for s in steps)]
    view = view[..., *(slice(0, n) for n in a.shape)]
    view[...] = a
    return view


@st.composite
def broadcast_shapes(draw, shape):
    """A shape that broadcasts to this one and does not enlarge it."""
    start = draw(st.integers(0, len(shape)))
    return tuple(draw(st.sampled_from([1, n])) if n != 1 else 1 for n in shape[start:])


def values(draw, dtype, shape, low, high, special=()):
    """An array that is random but for a few drawn elements."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    a = np.asarray(rng.uniform(low, high, shape)).astype(dtype)
    for _ in range(draw(st.integers(0, 3)) if a.size and special else 0):
        a.flat[draw(st.integers(0, a.size - 1))] = draw(st.sampled_from(special))
    return a


LOGITS = (0.0, -0.0, np.inf, -np.inf, np.nan, 88.0, -104.0, 1e4, -1e4, 1e-40, 30.0, -17.0)


@st.composite
def problems(draw, special=LOGITS, dtypes=FLOATS):
    """Keyword arguments that all functions take."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6))
    if draw(st.booleans()) and shape:
        shape = (*shape[:-1], draw(st.integers(0, 140)))
    dtype = draw(st.sampled_from(dtypes))
    limit = np.finfo(np.float16).max if dtype == np.float16 else np.inf
    special = tuple(s for s in special if not np.isfinite(s) or abs(s) <= limit)
    x = draw(laid_out(values(draw, dtype, shape, -12, 12, special)))
    target_dtype = draw(st.sampled_from([bool, np.int8, np.int64, np.uint16, *FLOATS]))
    y = values(draw, np.float64, shape, 0, 1, (0.0, 1.0, -0.0, 0.5))
    if np.dtype(target_dtype).kind in "biu" or draw(st.booleans()):
        y = np.round(y)
    arguments = {"input": x, "target": draw(laid_out(np.asarray(y).astype(target_dtype)))}
    for name, low in (("weight", -1), ("pos_weight", 0)):
        if draw(st.booleans()):
            weights = values(draw, dtype, draw(broadcast_shapes(shape)), low, 3, (0.0, 1.0))
            arguments[name] = draw(laid_out(weights))
    if draw(st.booleans()):
        where_shape = draw(broadcast_shapes(shape))
        arguments["where"] = draw(laid_out(values(draw, np.float64, where_shape, -1, 2) > 0))
    if draw(st.booleans()):
        arguments["ignore_index"] = draw(st.sampled_from([0, 1, -100, 0.5]))
    if draw(st.booleans()):
        arguments["label_smoothing"] = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    return arguments


def weight_below(arguments):
    """The weighted mean divides by the sum of the weights: keep it away from 0."""
    if "weight" in arguments:
        arguments["weight"] = np.abs(arguments["weight"].astype(np.float64)) + 0.5
    return arguments


@many
@given(problems(), st.data())
def test_losses_are_those_of_the_twin(arguments, data):
    x = arguments["input"]
    actual = binary_cross_entropy_with_logits(**arguments, reduction="none")
    assert actual.dtype == x.dtype.newbyteorder("=")
    expected = reference.binary_cross_entropy_with_logits(**arguments, reduction="none")
    ulp.assert_agrees(actual, *expected, ulp=5)
    out = data.draw(laid_out(np.zeros(x.shape, x.dtype)))
    result = binary_cross_entropy_with_logits(**arguments, reduction="none", out=out)
    assert result is out
    np.testing.assert_array_equal(out.astype(float), actual.astype(float))


@many
@given(problems(), st.sampled_from(["sum", "mean", "weighted_mean"]), st.data())
def test_reductions_are_those_of_the_twin(arguments, reduction, data):
    ndim = arguments["input"].ndim
    axis = data.draw(st.none() | st.lists(st.integers(0, ndim - 1), unique=True).map(tuple)
                     if ndim else st.none())  # fmt: skip
    if reduction == "weighted_mean":
        arguments = weight_below(arguments)
    counted = np.ones(arguments["input"].shape, bool) & arguments.get("where", True)
    if "ignore_index" in arguments:
        counted &= np.asarray(arguments["target"]) != arguments["ignore_index"]
    kwargs = {**arguments, "reduction": reduction, "axis": axis}
    if reduction != "sum" and not np.all(np.sum(counted, axis=axis)):
        return  # a warning, which test_reductions has
    actual = binary_cross_entropy_with_logits(**kwargs)
    expected = reference.binary_cross_entropy_with_logits(**kwargs)
    assert np.shape(actual) == np.shape(expected.value)
    ulp.assert_agrees(actual, *expected, ulp=5)


@many
@given(problems(special=(0.0, 30.0, -17.0)), st.sampled_from(["none", "sum", "mean"]), st.data())
def test_gradients_are_those_of_the_twin(arguments, reduction, data):
    given_arguments = [name for name in ARGUMENTS if name in arguments]
    wrt = tuple(data.draw(st.lists(st.sampled_from(given_arguments), min_size=1, unique=True)))
    counted = np.ones(arguments["input"].shape, bool) & arguments.get("where", True)
    if "ignore_index" in arguments:
        counted &= np.asarray(arguments["target"]) != arguments["ignore_index"]
    if reduction == "mean" and not counted.any():
        return
    value, grads = value_and_grad(**arguments, reduction=reduction, wrt=wrt)
    for name, grad in zip(wrt, grads, strict=True):
        assert grad.shape == np.shape(arguments[name])
        assert grad.dtype == arguments["input"].dtype.newbyteorder("=")
        expected_value, expected = reference.value_and_grad(
            **arguments, reduction=reduction, wrt=name
        )
        ulp.assert_agrees(value, *expected_value, ulp=5)
        ulp.assert_agrees(grad, *expected, ulp=7)


@many
@given(problems(), st.sampled_from([0.0, 1e-3, 0.5]))
def test_derivatives_are_those_of_the_twin(arguments, floor):
    grad, hess = grad_and_hess(**arguments, hess_floor=floor)
    expected_grad, expected_hess = reference.grad_and_hess(**arguments, hess_floor=floor)
    ulp.assert_agrees(grad, *expected_grad, ulp=5)
    ulp.assert_agrees(hess, *expected_hess, ulp=6)


def bits(a):
    """The bytes of an array, of which any NaN is the same."""
    a = np.asarray(a)
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(a), a.dtype.type(np.nan), a).tobytes()


any_float32 = hnp.arrays(np.float32, st.integers(1, 70), elements=st.floats(width=32))
any_float64 = hnp.arrays(np.float64, st.integers(1, 70), elements=st.floats())


@many
@given(any_float32 | any_float64)
@example(np.float32([np.inf, -np.inf, np.nan, 0.0, -0.0]))
def test_symmetry_of_the_classes(x):
    """The loss of 1 at x is the loss of 0 at -x, bit for bit; so are mean and sum."""
    zero, one = np.zeros(x.shape, x.dtype), np.ones(x.shape, x.dtype)
    for reduction in ("none", "mean", "sum"):
        a = binary_cross_entropy_with_logits(x, one, reduction=reduction)
        b = binary_cross_entropy_with_logits(-x, zero, reduction=reduction)
        assert bits(a) == bits(b)
    a, b = grad_and_hess(x, one), grad_and_hess(-x, zero)
    np.testing.assert_array_equal(a[0], -b[0])
    assert bits(a[1]) == bits(b[1])


@many
@given(problems(special=()))
def test_weights_of_one_change_no_bit(arguments):
    for name in ("weight", "pos_weight"):
        arguments.pop(name, None)
    if arguments["input"].size == 0:
        return
    plain = [
        binary_cross_entropy_with_logits(**arguments, reduction="none"),
        binary_cross_entropy_with_logits(**arguments, reduction="sum"),
        *grad_and_hess(**arguments),
    ]
    ones = np.ones(arguments["input"].shape, arguments["input"].dtype)
    for weights in ({"weight": 1}, {"pos_weight": 1.0}, {"weight": ones, "pos_weight": ones}):
        weighted = [
            binary_cross_entropy_with_logits(**arguments, **weights, reduction="none"),
            binary_cross_entropy_with_logits(**arguments, **weights, reduction="sum"),
            *grad_and_hess(**arguments, **weights),
        ]
        for a, b in zip(plain, weighted, strict=True):
            assert bits(a) == bits(b)


@many
@given(any_float32 | any_float64, st.data())
def test_hard_targets_of_every_dtype_are_the_same(x, data):
    y = data.draw(hnp.arrays(bool, x.shape))
    expected = bits(binary_cross_entropy_with_logits(x, y, reduction="none"))
    dtype = data.draw(st.sampled_from([np.int8, np.uint8, np.int32, np.uint64, *FLOATS]))
    actual = binary_cross_entropy_with_logits(x, y.astype(dtype), reduction="none")
    assert bits(actual) == expected


@many
@given(any_float32 | any_float64)
def test_ranges(x):
    """Losses are not negative, gradients within [-1, 1], hessians within [0, 1/4]."""
    x = x[~np.isnan(x)]
    for y in (0, 1, 0.5):
        target = np.full(x.shape, y)
        assert (binary_cross_entropy_with_logits(x, target, reduction="none") >= 0).all()
        grad, hess = grad_and_hess(x, target)
        assert (np.abs(grad) <= 1).all()
        assert (hess >= 0).all()
        assert (hess <= 0.25).all()
    s = bcelogits.sigmoid(x)
    assert ((s >= 0) & (s <= 1)).all()
    assert (bcelogits.log_sigmoid(x) <= 0).all()
    assert (bcelogits.softplus(x) >= np.maximum(x, 0)).all()


@many
@given(hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(-1e3, 1e3)), st.data())
def test_elements_do_not_depend_on_their_neighbours(x, data):
    y = data.draw(hnp.arrays(np.float64, x.shape, elements=st.floats(0, 1)))
    whole = binary_cross_entropy_with_logits(x, y, reduction="none")
    i = data.draw(st.integers(0, x.size - 1))
    assert whole[i] == binary_cross_entropy_with_logits(x[i], y[i], reduction="none")
    start = data.draw(st.integers(0, x.size - 1))
    np.testing.assert_array_equal(
        whole[start:], binary_cross_entropy_with_logits(x[start:], y[start:], reduction="none")
    )


@many
@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-50, 50)), st.data())
def test_mean_of_parts(x, data):
    """The mean over an axis of means is the mean of all."""
    y = data.draw(hnp.arrays(np.float64, x.shape, elements=st.floats(0, 1)))
    rows = data.draw(st.integers(1, 5))
    x, y = np.tile(x, (rows, 1)), np.tile(y, (rows, 1))
    means = binary_cross_entropy_with_logits(x, y, axis=1)
    assert (means == means[0]).all()
    np.testing.assert_allclose(means[0], binary_cross_entropy_with_logits(x, y), rtol=1e-15)


@many
@given(st.integers(0, 2**32 - 1), st.integers(1, 3000))
def test_out_may_overlap_anything(seed, n):
    """Random views of one buffer as input, target and out."""
    rng = np.random.default_rng(seed)
    buffer = rng.uniform(0, 1, 3 * n + 5)

    def view():
        step = rng.choice([-3, -2, -1, 1, 2, 3])
        start = rng.integers(0, buffer.size - (n - 1) * abs(step))
        a = buffer[start : start + (n - 1) * abs(step) + 1 : abs(step)]
        return a if step > 0 else a[::-1]

    x, y, out = view(), view(), view()
    expected = binary_cross_entropy_with_logits(x.copy(), y.copy(), reduction="none")
    kept = buffer.copy()
    binary_cross_entropy_with_logits(x, y, reduction="none", out=out)
    np.testing.assert_array_equal(out, expected)
    buffer[...] = kept
    expected = grad_and_hess(x.copy(), y.copy())
    other = np.empty(n)
    grad_and_hess(x, y, out=(other, out))
    np.testing.assert_array_equal(other, expected[0])
    np.testing.assert_array_equal(out, expected[1])
