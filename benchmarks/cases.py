"""What is measured against what: the table of goals, and shapes against the contiguous case.

Every case is a pair of statements. The arrays of a case are made when it is measured and dropped
afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import bcelogits as bce

from . import peers
from .data import logits, targets, weights
from .measure import Contest

OURS, THEIRS = "bcelogits", "against"


@dataclass(frozen=True)
class Case:
    """Our time over theirs is to be at most `must`, better `aim`; None: it is only stated."""

    name: str
    against: str
    must: float | None
    aim: float | None
    make: Callable[[], Contest]
    threads: bool = False  # several: only the clock on the wall tells their time


def pair(ours: str, theirs: str, **names: Any) -> Contest:
    """Return the contest of our statement and that of others."""
    return Contest({OURS: ours, THEIRS: theirs}, names)


# ---- the goals -----------------------------------------------------------------------------------


def _mean_by_dot(dtype: str) -> Contest:
    x, t = logits(2**24, dtype), targets(2**24, dtype)
    return pair("loss(x, t)", "np.dot(x, t)", loss=bce.BCEWithLogitsLoss(), np=np, x=x, t=t)


def _mean_by_exp(dtype: str) -> Contest:
    x, t = logits(2**16, dtype), targets(2**16, dtype)
    return pair(
        "loss(x, t)",
        "np.exp(x, out=o)",
        loss=bce.BCEWithLogitsLoss(),
        np=np,
        x=x,
        t=t,
        o=np.empty_like(x),
    )


def _torch_names(x: Any, t: Any) -> dict[str, Any]:
    torch = peers.load("PyTorch")
    return {"x": x, "t": t, "tx": torch.convert(x), "tt": torch.convert(t), "torch": torch.mean}


def _mean_by_torch() -> Contest:
    x, t = logits(2**24), targets(2**24)
    return pair("loss(x, t)", "torch(tx, tt)", loss=bce.BCEWithLogitsLoss(), **_torch_names(x, t))


def _weighted_by_torch() -> Contest:
    shape = 4096, 64
    x, t, w, p = logits(shape), targets(shape), weights((4096, 1)), weights(64, seed=4)
    convert = peers.load("PyTorch").convert
    return pair(
        "loss(x, t)",
        "torch(tx, tt, weight=tw, pos_weight=tp)",
        loss=bce.BCEWithLogitsLoss(weight=w, pos_weight=p),
        tw=convert(w),
        tp=convert(p),
        **_torch_names(x, t),
    )


def _pos_weight_by_none() -> Contest:
    return pair(
        "loss(x, t)",
        "unweighted(x, t)",
        loss=bce.BCEWithLogitsLoss(pos_weight=3.0),
        unweighted=bce.BCEWithLogitsLoss(),
        x=logits(2**20),
        t=targets(2**20),
    )


def _none_by_torch(dtype: str) -> Contest:
    x, t = logits(2**20, dtype), targets(2**20, dtype)
    return pair(
        "loss(x, t, reduction='none', out=o)",
        "torch(tx, tt, reduction='none')",
        loss=bce.binary_cross_entropy_with_logits,
        o=np.empty_like(x),
        **_torch_names(x, t),
    )


def _gradient_by_torch(dtype: str) -> Contest:
    x, t = logits(2**20, dtype), targets(2**20, dtype)
    torch = peers.load("PyTorch")
    assert torch.convert_leaf is not None
    return pair(
        "loss.value_and_grad(x, t, out=o)",
        "forward_backward(leaf, tt)",
        loss=bce.BCEWithLogitsLoss(),
        forward_backward=torch.value_and_grad,
        leaf=torch.convert_leaf(x.copy()),
        o=np.empty_like(x),
        **_torch_names(x, t),
    )


def _hessian_by_scikit_learn() -> Contest:
    peers.load("scikit-learn")
    from sklearn._loss import HalfBinomialLoss

    x, t = logits(2**20), targets(2**20)
    return pair(
        "grad_and_hess(x, t, out=(g, h))",
        "gradient_hessian(t, x, gradient_out=g, hessian_out=h, n_threads=1)",
        grad_and_hess=bce.grad_and_hess,
        gradient_hessian=HalfBinomialLoss().gradient_hessian,
        x=x,
        t=t,
        g=np.empty_like(x),
        h=np.empty_like(x),
    )


def _target_dtype(dtype: str) -> Contest:
    t = targets(2**24)
    return pair(
        "loss(x, t)",
        "loss(x, t_float32)",
        loss=bce.BCEWithLogitsLoss(),
        x=logits(2**24),
        t=t.astype(dtype),
        t_float32=t,
    )


def _logit_dtype(name: str) -> Contest:
    if name == "bfloat16":
        try:
            from ml_dtypes import bfloat16 as dtype
        except ImportError:
            raise peers.MissingPeerError("ml_dtypes: not installed") from None
    else:
        dtype = np.dtype(name)
    x = logits(2**20)
    return pair(
        "loss(x, t)",
        "loss(x_float32, t)",
        loss=bce.BCEWithLogitsLoss(),
        x=x.astype(dtype),
        x_float32=x,
        t=targets(2**20),
    )


def _two_threads() -> Contest:
    return pair(
        "two(x, t)",
        "one(x, t)",
        two=bce.BCEWithLogitsLoss(num_threads=2),
        one=bce.BCEWithLogitsLoss(num_threads=1),
        x=logits(2**24),
        t=targets(2**24),
    )


def _small_call(n: int, weighted: bool) -> Contest:
    arguments = {"weight": weights(n), "pos_weight": weights(n, seed=4)} if weighted else {}
    return pair(
        "loss(x, t)",
        "add(x, t)",
        loss=bce.BCEWithLogitsLoss(**arguments),
        add=np.add,
        x=logits(n),
        t=targets(n),
    )


def goals() -> list[Case]:
    """Return the table of goals."""
    cases = [
        Case("mean, float32, 2^24", "np.dot", 1.5, 1.15, partial(_mean_by_dot, "float32")),
        Case("mean, float64, 2^24", "np.dot", 1.6, 1.2, partial(_mean_by_dot, "float64")),
        Case(
            "mean, float32, 2^16", "np.exp into out=", 0.45, 0.33, partial(_mean_by_exp, "float32")
        ),
        Case(
            "mean, float64, 2^16", "np.exp into out=", 0.6, 0.45, partial(_mean_by_exp, "float64")
        ),
        Case("mean, float32, 2^24", "PyTorch", 1 / 12, 1 / 25, _mean_by_torch),
        Case(
            "mean, weight per row, pos_weight per class, float32, (4096, 64)",
            "PyTorch",
            1 / 6,
            1 / 9,
            _weighted_by_torch,
        ),
        Case(
            "mean, one pos_weight, float32, 2^20", "unweighted mean", 1.8, 1.3, _pos_weight_by_none
        ),
    ]
    for dtype in ("float32", "float64"):
        name = f"none into out=, {dtype}, 2^20"
        cases.append(Case(name, "PyTorch", 1 / 3, 1 / 4, partial(_none_by_torch, dtype)))
    for dtype, must, aim in (("float32", 1 / 7, 1 / 9), ("float64", 1 / 5, None)):
        name = f"value_and_grad into out=, {dtype}, 2^20"
        make = partial(_gradient_by_torch, dtype)
        cases.append(Case(name, "PyTorch, forward and backward", must, aim, make))
    cases.append(
        Case(
            "grad_and_hess, float32, 2^20",
            "scikit-learn's gradient_hessian",
            1 / 6,
            1 / 8,
            _hessian_by_scikit_learn,
        )
    )
    for dtype in ("bool", "uint8", "int64"):
        name, aim = f"mean, {dtype} targets, 2^24", 0.9 if dtype == "bool" else None
        cases.append(Case(name, "float32 targets", 1.1, aim, partial(_target_dtype, dtype)))
    for dtype in ("float16", "bfloat16"):
        name = f"mean, {dtype} logits, 2^20"
        cases.append(Case(name, "float32 logits", 1.2, 1.0, partial(_logit_dtype, dtype)))
    cases.append(
        Case(
            "mean, float32, 2^24, two threads", "one thread", 0.65, 0.55, _two_threads, threads=True
        )
    )
    for weighted, must, aim in ((False, 1.0, 0.6), (True, 1.3, 0.8)):
        for n in (1, 16, 64):
            name = f"BCEWithLogitsLoss({'weight, pos_weight' if weighted else ''})(x, t), n = {n}"
            cases.append(Case(name, "np.add(x, t)", must, aim, partial(_small_call, n, weighted)))
    return cases


# ---- shapes --------------------------------------------------------------------------------------

SHAPE_LIMIT = 1.5


def _many_by_one_pos_weight(shape: tuple[int, ...], of_pos_weight: tuple[int, ...]) -> Contest:
    x, t = logits(shape), targets(shape)
    return pair(
        "loss(x, t)",
        "flat_loss(flat_x, flat_t)",
        loss=bce.BCEWithLogitsLoss(pos_weight=weights(of_pos_weight)),
        flat_loss=bce.BCEWithLogitsLoss(pos_weight=3.0),
        x=x,
        t=t,
        flat_x=x.ravel(),
        flat_t=t.ravel(),
    )


def _broadcast_by_full_pos_weight(
    shape: tuple[int, ...], of_pos_weight: tuple[int, ...]
) -> Contest:
    x, t, p = logits(shape), targets(shape), weights(of_pos_weight)
    return pair(
        "loss(x, t)",
        "full_loss(x, t)",
        loss=bce.BCEWithLogitsLoss(pos_weight=p),
        full_loss=bce.BCEWithLogitsLoss(pos_weight=np.broadcast_to(p, shape).copy()),
        x=x,
        t=t,
    )


def _strided(array: Any) -> Any:
    """Return the same values at every second place of memory."""
    wide = np.zeros(2 * array.size, array.dtype)
    wide[::2] = array
    return wide[::2]


def _layout(function: str, arrange: Callable[[Any], Any], arrange_target: Callable[[Any], Any],
            shape: int | tuple[int, ...]) -> Contest:  # fmt: skip
    x, t = logits(shape), targets(shape)
    names: dict[str, Any] = {"x": arrange(x), "t": arrange_target(t), "plain_x": x, "plain_t": t}
    if function == "mean":
        return pair("loss(x, t)", "loss(plain_x, plain_t)", loss=bce.BCEWithLogitsLoss(), **names)
    return pair(
        "loss(x, t, reduction='none', out=o)",
        "loss(plain_x, plain_t, reduction='none', out=plain_o)",
        loss=bce.binary_cross_entropy_with_logits,
        o=np.empty_like(names["x"]),  # of the same layout
        plain_o=np.empty_like(x),
        **names,
    )


def _axis(shape: tuple[int, ...], axis: int) -> Contest:
    return pair(
        f"loss(x, t, axis={axis})",
        "loss(x, t)",
        loss=bce.binary_cross_entropy_with_logits,
        x=logits(shape),
        t=targets(shape),
    )


def shapes() -> list[Case]:
    """Return shapes and layouts, each against the contiguous case of as many elements."""
    million = 10**6
    cases = []
    for shape, p, written in (
        ((million, 3), (3,), "(10^6, 3), pos_weight (3,)"),
        ((3, million), (3, 1), "(3, 10^6), pos_weight (3, 1)"),
        ((16, 64, 32, 32), (64, 1, 1), "(16, 64, 32, 32), pos_weight (64, 1, 1)"),
        ((16, 64, 5, 5), (64, 1, 1), "(16, 64, 5, 5), pos_weight (64, 1, 1)"),
    ):
        one = partial(_many_by_one_pos_weight, shape, p)
        full = partial(_broadcast_by_full_pos_weight, shape, p)
        cases.append(Case(f"mean, {written}", "one pos_weight, flat", SHAPE_LIMIT, None, one))
        cases.append(Case(f"mean, {written}", "a full pos_weight", SHAPE_LIMIT, None, full))
    square = 1024, 1024
    for function in ("mean", "none"):
        into = " into out=" if function == "none" else ""
        for name, arrange, arrange_target, shape, must in (
            ("[::2], 2^20", _strided, _strided, 2**20, SHAPE_LIMIT),
            ("Fortran order, (1024, 1024)", np.asfortranarray, np.asfortranarray, square,
             SHAPE_LIMIT),
            ("logits in Fortran order, targets in C order, (1024, 1024)", np.asfortranarray,
             np.asarray, square, None),
        ):  # fmt: skip
            make = partial(_layout, function, arrange, arrange_target, shape)
            cases.append(Case(f"{function}{into}, {name}", "contiguous", must, None, make))
    for shape, axis, written, must in (
        (square, 0, "(1024, 1024)", SHAPE_LIMIT),
        (square, 1, "(1024, 1024)", SHAPE_LIMIT),
        ((2**14, 64), 0, "(2^14, 64)", SHAPE_LIMIT),
        ((million, 3), 0, "(10^6, 3)", None),
        ((2**14, 64), 1, "(2^14, 64)", None),
    ):
        make = partial(_axis, shape, axis)
        cases.append(Case(f"mean, axis={axis}, {written}", "mean of all", must, None, make))
    return cases
