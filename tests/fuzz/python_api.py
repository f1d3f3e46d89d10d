"""A fuzz target: any bytes become a call of the Python package.

It must end in the result of the plain NumPy twin, within the bounds the other tests have for it,
or in the one exception that fits what is wrong, with every argument left as it was.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import reference
import ulp
from fuzz.choices import Choices

import bcelogits as bce

FLOATS = (np.float32, np.float64, np.float16, ml_dtypes.bfloat16)
INTEGERS = (bool, "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
REDUCTIONS = ("mean", "sum", "weighted_mean", "none")
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 88.0, -104.0, 1e4, -1e4, 1e-40, 30.0, -17.0)
TAME = (0.0, -0.0, 30.0, -17.0, 12.0)
EXTENTS = (0, 1, 2, 3, 4, 5, 7, 16, 17, 33, 140, 513)
ERRORS = (ValueError, TypeError)

Arguments = dict[str, Any]


def laid_out(choices: Choices, a: np.ndarray) -> np.ndarray:
    """Return the values of a, somewhere else in memory."""
    how = choices.byte()
    if how < 64:
        return a
    order = list(range(a.ndim))
    steps = [1] * a.ndim
    for d in range(a.ndim):
        if how & 1:
            other = choices.below(d + 1)
            order[d], order[other] = order[other], order[d]
        if how & 2:
            steps[d] = choices.one_of((1, 1, 2, 3, -1, -2))
    if how & 4 and a.dtype != ulp.BFLOAT16:
        a = a.astype(a.dtype.newbyteorder())
    sizes = [n * abs(s) for n, s in zip(a.shape, steps, strict=True)]
    offset = how >> 3 & 3
    memory = np.zeros(int(np.prod(sizes)) * a.itemsize + offset, np.uint8)[offset:]
    inner = memory.view(a.dtype).reshape([sizes[i] for i in order])
    view = inner.transpose(np.argsort(order))[..., *(slice(None, None, s) for s in steps)]
    view = view[..., *(slice(0, n) for n in a.shape)]
    view[...] = a
    view.flags.writeable = not how & 32
    return view


def numbers(
    choices: Choices, dtype: Any, shape: tuple[int, ...], low: float, high: float, odd: Any = ()
) -> np.ndarray:
    """Return random numbers, but for a few chosen ones."""
    rng = np.random.default_rng(choices.byte())
    a = np.asarray(rng.uniform(low, high, shape)).astype(dtype)
    for _ in range(choices.byte() % 4 if a.size and odd else 0):
        with np.errstate(over="ignore"):
            a.flat[choices.below(a.size)] = choices.one_of(odd)
    return a


def broadcastable(choices: Choices, shape: tuple[int, ...]) -> tuple[int, ...]:
    start = choices.below(len(shape) + 1)
    return tuple(1 if choices.flag() else n for n in shape[start:])


def make_shape(choices: Choices) -> tuple[int, ...]:
    shape: list[int] = []
    size = 1  # of the largest result, which has no extent of 0
    for _ in range(choices.below(5)):
        n = choices.one_of(EXTENTS)
        if n * size > 4096:
            n = 1
        shape.append(n)
        size *= max(n, 1)
    return tuple(shape)


def make_arguments(choices: Choices, tame: bool) -> Arguments:
    """Return arguments that every function takes, and that fit."""
    shape = make_shape(choices)
    dtype = choices.one_of(FLOATS)
    odd = TAME if tame else SPECIAL
    x = numbers(choices, dtype, shape, -12, 12, odd)
    y = numbers(choices, np.float64, shape, 0, 1, (0.0, 1.0, -0.0, 0.5))
    target_dtype = choices.one_of((*FLOATS, *INTEGERS))
    if np.dtype(target_dtype).kind in "biu" or choices.flag():
        y = np.round(y)
    arguments = {"input": laid_out(choices, x), "target": laid_out(choices, y.astype(target_dtype))}
    for name, low in (("weight", -1), ("pos_weight", 0)):
        if choices.flag():
            values = numbers(choices, dtype, broadcastable(choices, shape), low, 3, (0.0, 1.0))
            arguments[name] = laid_out(choices, values)
    if choices.flag():
        arguments["where"] = laid_out(
            choices, numbers(choices, np.float64, broadcastable(choices, shape), -1, 2) > 0
        )
    if choices.flag():
        arguments["ignore_index"] = choices.one_of((0, 1, -100, 0.5))
    if choices.flag():
        arguments["label_smoothing"] = choices.one_of((0.1, 0.5, 1.0))
    return arguments


def counted(arguments: Arguments) -> np.ndarray:
    keep = np.ones(arguments["input"].shape, bool) & arguments.get("where", True)
    if "ignore_index" in arguments:
        keep &= np.asarray(arguments["target"]) != arguments["ignore_index"]
    return keep


def is_shielded(arguments: Arguments, choices: Choices) -> None:
    """Put what no call would take where it does not count."""
    hidden = np.argwhere(~counted(arguments))
    if not len(hidden) or "where" not in arguments:
        return
    index = tuple(hidden[choices.below(len(hidden))])
    for name, odd in (("input", (np.nan, np.inf, -np.inf)), ("target", (2, 100))):
        a = arguments[name]
        if a.flags.writeable and not np.broadcast_to(arguments["where"], a.shape)[index]:
            a[index] = choices.one_of(odd)


def has_no_mean(arguments: Arguments, reduction: str, axis: Any = None) -> bool:
    """Whether a mean is that of nothing, or its divisor so near 0 that the twin tells little."""
    keep = counted(arguments)
    if reduction == "mean":
        return not np.all(np.sum(keep, axis=axis))
    if reduction == "weighted_mean":
        w = np.broadcast_to(arguments.get("weight", 1), keep.shape).astype(float)
        w = np.where(keep, w, 0)
        return not np.all(np.abs(np.sum(w, axis=axis)) > np.sum(np.abs(w), axis=axis) / 4)
    return False


def copies(arguments: Arguments) -> dict[str, bytes]:
    return {k: a.tobytes() for k, a in arguments.items() if isinstance(a, np.ndarray)}


def check_loss(choices: Choices, arguments: Arguments) -> None:
    ndim = arguments["input"].ndim
    reduction = choices.one_of(REDUCTIONS)
    axis = None
    if reduction != "none" and choices.flag():
        axis = tuple(d for d in range(ndim) if choices.flag())
    is_shielded(arguments, choices)
    options: Arguments = {"reduction": reduction, "num_threads": choices.one_of((None, 1, 2, -1))}
    if axis is not None:
        options["axis"] = axis
    shape = np.broadcast_to(0.0, arguments["input"].shape)
    result_shape = shape.shape if reduction == "none" else np.sum(shape, axis=axis).shape
    dtype = arguments["input"].dtype.newbyteorder("=")
    out = None
    where_to = choices.below(4)
    if where_to == 1 and (reduction == "none" or axis is not None):
        out = laid_out(choices, np.zeros(result_shape, dtype))
    elif where_to == 2 and reduction == "none":
        out = arguments["input"]
    elif where_to == 3 and reduction == "none" and arguments["target"].dtype == dtype:
        out = arguments["target"]
    if out is not None and out.flags.writeable:
        options["out"] = out
    if has_no_mean(arguments, reduction, axis):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            bce.binary_cross_entropy_with_logits(**arguments, **options)
        return
    twin = {k: options[k] for k in ("reduction", "axis") if k in options}
    expected = reference.binary_cross_entropy_with_logits(**arguments, **twin)
    kept = copies(arguments)
    actual = bce.binary_cross_entropy_with_logits(**arguments, **options)
    ulp.assert_agrees(np.asarray(actual).astype(dtype), *expected, ulp=5)
    assert out is None or "out" not in options or actual is out
    for name, before in kept.items():
        assert arguments[name] is out or arguments[name].tobytes() == before, name


def check_value_and_grad(choices: Choices, arguments: Arguments) -> None:
    reduction = choices.one_of(("mean", "sum", "none"))
    names = [n for n in ("input", "target", "weight", "pos_weight") if n in arguments]
    wrt = tuple(name for name in names if choices.flag()) or ("input",)
    if has_no_mean(arguments, reduction):
        return
    kept = copies(arguments)
    value, grads = bce.value_and_grad(**arguments, reduction=reduction, wrt=wrt)
    for name, grad in zip(wrt, grads, strict=True):
        expected_value, expected = reference.value_and_grad(
            **arguments, reduction=reduction, wrt=name
        )
        ulp.assert_agrees(value, *expected_value, ulp=5)
        ulp.assert_agrees(grad, *expected, ulp=7)
    assert copies(arguments) == kept


def check_grad_and_hess(choices: Choices, arguments: Arguments) -> None:
    floor = choices.one_of((0.0, 1e-3, 0.5))
    kept = copies(arguments)
    grad, hess = bce.grad_and_hess(**arguments, hess_floor=floor)
    expected_grad, expected_hess = reference.grad_and_hess(**arguments, hess_floor=floor)
    ulp.assert_agrees(grad, *expected_grad, ulp=5)
    ulp.assert_agrees(hess, *expected_hess, ulp=6)
    assert copies(arguments) == kept


def check_running(choices: Choices, arguments: Arguments) -> None:
    """A stream in two parts, through its state, is the whole."""
    if arguments["input"].ndim == 0:
        return
    settings = {k: arguments[k] for k in ("label_smoothing", "ignore_index") if k in arguments}
    x, y = arguments["input"], arguments["target"]
    cut = choices.below(len(x) + 1)
    first, second = bce.RunningLoss(**settings), bce.RunningLoss(**settings)
    first.update(x[:cut], y[:cut])
    second.update(x[cut:], y[cut:])
    first = bce.RunningLoss.from_state_dict(first.state_dict())
    first.merge(second)
    assert first.count == np.count_nonzero(counted({"input": x, "target": y, **settings}))
    expected = reference.binary_cross_entropy_with_logits(x, y, reduction="sum", **settings)
    ulp.assert_agrees(np.float64(first.compute("sum")).astype(x.dtype), *expected, ulp=5)


def spoiled(choices: Choices, arguments: Arguments) -> Arguments:
    """Return arguments of which some are of no use."""
    arguments = dict(arguments)
    odd_values = (
        None, "text", 2.5, -1, np.nan, True, [], [[1], [1, 2]], {}, object(), 1j, np.zeros(3),
        np.zeros((2, 3), complex), np.array(["a", "b"]), np.array([object()]), np.zeros(3, "M8[s]"),
        np.zeros(3, np.longdouble), np.zeros(2, [("a", float)]), np.zeros((0, 2**40)), 10**400,
        b"bytes", memoryview(b"1234"), np.ma.masked_array([1.0, 2.0], [True, False]),
        np.broadcast_to(0.5, (2,) * 20), float, range(3), (0.1, 0.2), np.float32(3), "mean",
    )  # fmt: skip
    names = ("input", "target", "weight", "pos_weight", "where", "ignore_index", "label_smoothing",
             "reduction", "axis", "dtype", "out", "num_threads", "size_average", "reduce", "check",
             "wrt", "grad_output", "hess_floor", "unknown")  # fmt: skip
    for _ in range(1 + choices.below(2)):
        arguments[choices.one_of(names)] = choices.one_of(odd_values)
    return arguments


FUNCTIONS = (bce.binary_cross_entropy_with_logits, bce.value_and_grad, bce.grad_and_hess)
CHECKS = (check_loss, check_value_and_grad, check_grad_and_hess, check_running)


def run(data: bytes) -> None:
    """Make a call of some bytes; raise if it does what it must not."""
    choices = Choices(data)
    what = choices.below(6)
    tame = what == 1
    arguments = make_arguments(choices, tame)
    if what < 4:
        CHECKS[what](choices, arguments)
        return
    arguments = spoiled(choices, arguments)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            choices.one_of(FUNCTIONS)(**arguments)
        except ERRORS as error:
            if not str(error):
                raise RuntimeError("an exception without a word") from error
