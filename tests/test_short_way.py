"""The short way of BCEWithLogitsLoss: a plain call gives what its method forward gives."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bcelogits import BCEWithLogitsLoss


def unaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)[1:]
    moved = room.view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def swapped(array):
    return array.astype(array.dtype.newbyteorder())


FORMS = {
    "contiguous": lambda a: a,
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1] if a.ndim else a,
    "unaligned": unaligned,
    "swapped": swapped,
}

WEIGHTS = {
    "none": lambda shape: None,
    "scalar": lambda shape: np.array(2.5),
    "one": lambda shape: np.full((1,) * len(shape), 2.5, np.float32),
    "row": lambda shape: np.linspace(0.5, 3, shape[-1] if shape else 1, dtype=np.float32),
    "column": lambda shape: np.arange(1, 1 + (shape or (1,))[0]).reshape(
        -1, *(1,) * len(shape[1:])
    ),
    "full": lambda shape: np.linspace(0.5, 3, int(np.prod(shape))).reshape(shape),
    "full, fortran": lambda shape: np.asfortranarray(WEIGHTS["full"](shape)),
    "full, swapped": lambda shape: swapped(WEIGHTS["full"](shape)),
}


def outcome(function, *args):
    """Return what a call gives, or the exception, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args)
        except (TypeError, ValueError) as error:
            result = error
    told = [(w.category, str(w.message)) for w in caught]
    if isinstance(result, Exception):
        return type(result), str(result), told
    return type(result), result.dtype, result.shape, result.strides, result.tobytes(), told


def assert_same_way(loss, x, y):
    assert outcome(loss, x, y) == outcome(loss.forward, x, y)


@pytest.mark.parametrize("shape", [(), (1,), (16,), (3, 5), (2, 3, 4), (4, 1), (0,), (3, 0)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "weighted_mean", "none"])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("pos_weight", ["none", "scalar", "row", "full"])
def test_every_form(shape, reduction, weight, pos_weight):
    rng = np.random.default_rng(7)
    values = WEIGHTS[weight](shape), WEIGHTS[pos_weight](shape)
    loss = BCEWithLogitsLoss(values[0], pos_weight=values[1], reduction=reduction)
    for dtype in (np.float32, np.float64, np.float16, np.int8):
        x = np.asarray(3 * rng.standard_normal(shape)).astype(dtype)
        for target_dtype in (dtype, bool, np.float64):
            y = np.asarray(rng.random(shape) < 0.5).astype(target_dtype)
            for form in FORMS.values():
                assert_same_way(loss, form(x), y)
                assert_same_way(loss, x, form(y))


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "none"])
@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": 0.2},
        {"ignore_index": 1},
        {"ignore_index": -100},
        {"ignore_index": 0.5},
        {"check": False},
        {"weight": np.zeros(4)},
        {"weight": np.array([1.0, -1.0, 1.0, -1.0])},
        {"weight": np.ones((2, 4))},
        {"weight": np.ones((1, 1))},
        {"pos_weight": np.ones(3)},
    ],
)
@pytest.mark.parametrize("y", [[0, 1, 1, 0], [1, 1, 1, 1], [0.5, 1, 0, 0.5], [0, 1, 2, 1]])
def test_every_option(reduction, options, y):
    loss = BCEWithLogitsLoss(reduction=reduction, **options)
    x = np.array([0.2, -1.5, np.inf, 0.7], np.float32)
    assert_same_way(loss, x, np.array(y))
    assert_same_way(loss, x, np.array(y, np.float32))


def test_weights_are_those_of_the_constructor():
    weight = np.ones(4)
    loss = BCEWithLogitsLoss(weight, pos_weight=weight, reduction="sum")
    x, y = np.ones(4), np.zeros(4)
    before = loss(x, y)
    weight *= 2
    assert loss(x, y) == loss.forward(x, y) == before


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("dtype", [np.uint16, ">u2"])
def test_bit_patterns_are_no_logits(reduction, dtype):
    loss = BCEWithLogitsLoss(reduction=reduction)
    x, y = np.array([1, 2], dtype), np.array([0, 1])
    assert_same_way(loss, x, y)
    assert outcome(loss, x, y)[0] is TypeError
    assert_same_way(loss, x.astype(float), y.astype(np.uint16))
