"""The plain NumPy twin of bcelogits, and exact values of its formulas.

Written to be read, not to be fast. With x the logit, y the target, w the weight and p the
positive weight, s the sigmoid and sp(x) = log(1 + exp(x)):

    loss         = w * (p*y*sp(-x) + (1-y)*sp(x))
    d loss / dx  = w * ((1-y)*s(x) - p*y*s(-x))
    d2 loss / dx2 = w * (1-y + p*y) * s(x)*s(-x)
    d loss / dy  = w * (p*sp(-x) - sp(x))
    d loss / dp  = w * y*sp(-x)
    d loss / dw  = p*y*sp(-x) + (1-y)*sp(x)

A term whose coefficient is zero is zero, whatever it multiplies; so is a term that is zero, unless
its coefficient is NaN.

The twin computes in ``numpy.longdouble`` and rounds nothing at the end: the caller compares in
the precision it tests. It takes the arguments of the public functions and validates none.
Every twin returns a ``Result``: the value, and the magnitude, that is the same expression with
the absolute value of every term. Rounding errors are proportional to the magnitude, also where
the terms cancel.

``exact`` gives one value at a time, right to ``PRECISION`` bits, by MPFR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import gmpy2
import mpmath
import numpy as np

LD = np.longdouble
PRECISION = 160

FORMULAS = ("loss", "input", "hessian", "target", "pos_weight", "weight")
"""The six formulas: the loss, and its derivatives by the name of the argument."""


class Result(NamedTuple):
    """A value and the sum of the absolute values of the terms it was added up from."""

    value: Any
    magnitude: Any


# --- elementwise -----------------------------------------------------------------------------


class _Parts(NamedTuple):
    """softplus and sigmoid of x and of -x."""

    softplus: Any
    softplus_neg: Any
    sigmoid: Any
    sigmoid_neg: Any


def _parts(x: Any) -> _Parts:
    x = np.asarray(x).astype(LD)
    e = np.exp(-np.abs(x))
    log1p_e = np.log1p(e)
    large, small = 1 / (1 + e), e / (1 + e)
    return _Parts(
        np.maximum(x, 0) + log1p_e,
        np.maximum(-x, 0) + log1p_e,
        np.where(x < 0, small, large),
        np.where(x < 0, large, small),
    )


def _times(coefficient: Any, term: Any) -> Any:
    """The product, but 0 where the coefficient is 0, or the term and the coefficient is no NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        zero = (coefficient == 0) | ((term == 0) & ~np.isnan(coefficient))
        return np.where(zero, LD(0), coefficient * term)


def elementwise(formula: str, x: Any, y: Any, q: Any, w: Any, p: Any) -> Result:
    """One of the six formulas for arrays, with q = 1 - y given on its own."""
    s = _parts(x)
    y, q, w, p = (np.asarray(a).astype(LD) for a in (y, q, w, p))
    with np.errstate(invalid="ignore", over="ignore"):
        py = _times(y, p)
        if formula in ("loss", "weight"):
            terms = [_times(py, s.softplus_neg), _times(q, s.softplus)]
        elif formula == "input":
            terms = [_times(q, s.sigmoid), -_times(py, s.sigmoid_neg)]
        elif formula == "hessian":
            terms = [_times(q + py, s.sigmoid * s.sigmoid_neg)]
        elif formula == "target":
            terms = [_times(p, s.softplus_neg), -s.softplus]
        elif formula == "pos_weight":
            terms = [_times(y, s.softplus_neg)]
        else:
            raise KeyError(formula)
        if formula == "weight":
            w = np.ones_like(w)
        value = _times(w, sum(terms))
        magnitude = _times(np.abs(w), sum(np.abs(t) for t in terms))
    return Result(value, magnitude)


def sigmoid(x: Any) -> Any:
    return _parts(x).sigmoid


def softplus(x: Any) -> Any:
    return _parts(x).softplus


def log_sigmoid(x: Any) -> Any:
    return -_parts(x).softplus_neg


# --- whole functions -------------------------------------------------------------------------


class _Problem(NamedTuple):
    x: Any
    y: Any
    q: Any
    w: Any
    p: Any
    keep: Any


def _problem(
    input: Any,
    target: Any,
    weight: Any = None,
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: Any = None,
) -> _Problem:
    """The arguments broadcast to the shape of input, in long double."""
    x, y = np.asarray(input).astype(LD), np.asarray(target).astype(LD)
    keep = np.ones(x.shape, bool) if where is None else np.broadcast_to(where, x.shape).copy()
    if ignore_index is not None:
        keep &= np.asarray(target) != ignore_index
    y = np.where(keep, y, 0)
    w = np.broadcast_to(np.asarray(1 if weight is None else weight).astype(LD), x.shape)
    p = np.broadcast_to(np.asarray(1 if pos_weight is None else pos_weight).astype(LD), x.shape)
    a = LD(label_smoothing)
    return _Problem(x, y * (1 - a) + a / 2, (1 - y) * (1 - a) + a / 2, w, p, keep)


def _apply(formula: str, problem: _Problem) -> Result:
    """A formula on the problem, 0 for what is left out."""
    result = elementwise(formula, problem.x, problem.y, problem.q, problem.w, problem.p)
    return Result(*(np.where(problem.keep, r, LD(0)) for r in result))


def _reduce(terms: Any, problem: _Problem, reduction: str, axis: Any) -> Any:
    """Add terms up and divide, as reduction says."""
    if reduction == "none":
        return terms
    with np.errstate(invalid="ignore", divide="ignore"):  # of infinities of both signs, too
        return np.sum(terms, axis=axis) / _denominator(problem, reduction, axis)


def _denominator(problem: _Problem, reduction: str, axis: Any = None) -> Any:
    if reduction == "mean":
        return np.sum(problem.keep, axis=axis).astype(LD)
    if reduction == "weighted_mean":
        return np.sum(np.where(problem.keep, problem.w, 0), axis=axis)
    return LD(1)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: Any = None,
    axis: Any = None,
) -> Result:
    """The twin of the public function."""
    problem = _problem(input, target, weight, pos_weight, label_smoothing, ignore_index, where)
    losses = _apply("loss", problem)
    return Result(*(_reduce(r, problem, reduction, axis) for r in losses))


def value_and_grad(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
    wrt: str = "input",
    grad_output: Any = 1,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: Any = None,
) -> tuple[Result, Result]:
    """The twin of the public function, for one argument in wrt."""
    problem = _problem(input, target, weight, pos_weight, label_smoothing, ignore_index, where)
    losses = _apply("loss", problem)
    value = Result(*(_reduce(r, problem, reduction, None) for r in losses))
    grad = _apply(wrt, problem)
    if wrt == "target":
        grad = Result(*(r * (1 - LD(label_smoothing)) for r in grad))
    if wrt == "weight" and reduction == "weighted_mean":
        # The quotient rule: the weight is in the denominator too.
        grad = Result(
            np.where(problem.keep, grad.value - value.value, 0),
            np.where(problem.keep, grad.magnitude + value.magnitude, 0),
        )
    scale = np.asarray(grad_output).astype(LD) / _denominator(problem, reduction)
    shape = np.shape({"weight": weight, "pos_weight": pos_weight}.get(wrt, input))
    return value, Result(
        unbroadcast(grad.value * scale, shape),
        unbroadcast(grad.magnitude * np.abs(scale), shape),
    )


def grad_and_hess(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: Any = None,
    hess_floor: float = 0.0,
) -> tuple[Result, Result]:
    """The twin of the public function."""
    problem = _problem(input, target, weight, pos_weight, label_smoothing, ignore_index, where)
    value, magnitude = _apply("hessian", problem)
    slope = elementwise("hessian", problem.x, LD(0), LD(1), LD(1), LD(1)).value
    least = LD(hess_floor) * problem.w * (problem.q + problem.p * problem.y)
    low = problem.keep & (slope < hess_floor)
    hess = Result(np.where(low, least, value), np.where(low, np.abs(least), magnitude))
    return _apply("input", problem), hess


def unbroadcast(a: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which an array of this shape was broadcast to a's."""
    a = a.sum(axis=tuple(range(a.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and a.shape[i] != 1)
    return a.sum(axis=stretched, keepdims=True)


# --- exact values ----------------------------------------------------------------------------


def exact(
    formula: str, x: float, y: float = 0.0, w: float = 1.0, p: float = 1.0, q: float | None = None
) -> gmpy2.mpfr:
    """One of the six formulas for scalars, by MPFR at ``PRECISION`` bits.

    The arguments are taken as the real numbers they are. ``q`` is 1 - y unless given: a
    computation in float32 may round y and 1 - y each on its own.
    """
    with gmpy2.context(precision=PRECISION):
        parts = exact_parts(x)
        return exact_from_parts(formula, parts, y, w, p, q)


def exact_parts(x: float) -> _Parts:
    """softplus and sigmoid of x and of -x, in the precision of the current context."""
    t = gmpy2.mpfr(float(x))
    e = gmpy2.exp(-abs(t))
    log1p_e = gmpy2.log1p(e)
    large, small = 1 / (1 + e), e / (1 + e)
    if t < 0:
        return _Parts(log1p_e, log1p_e - t, small, large)
    return _Parts(t + log1p_e, log1p_e, large, small)


def exact_from_parts(
    formula: str, s: _Parts, y: float, w: float, p: float, q: float | None = None
) -> gmpy2.mpfr:
    """As ``exact``, in the precision of the current context."""
    y, w, p = (gmpy2.mpfr(float(a)) for a in (y, w, p))
    q = 1 - y if q is None else gmpy2.mpfr(float(q))

    def times(coefficient: gmpy2.mpfr, term: gmpy2.mpfr) -> gmpy2.mpfr:
        return gmpy2.mpfr(0) if coefficient == 0 else coefficient * term

    py = times(y, p)
    if formula == "loss":
        return times(w, times(py, s.softplus_neg) + times(q, s.softplus))
    if formula == "weight":
        return times(py, s.softplus_neg) + times(q, s.softplus)
    if formula == "input":
        return times(w, times(q, s.sigmoid) - times(py, s.sigmoid_neg))
    if formula == "hessian":
        return times(w, times(q + py, s.sigmoid * s.sigmoid_neg))
    if formula == "target":
        return times(w, times(p, s.softplus_neg) - s.softplus)
    if formula == "pos_weight":
        return times(w, times(y, s.softplus_neg))
    raise KeyError(formula)


def exact_by_definition(
    formula: str, x: float, y: float = 0.0, w: float = 1.0, p: float = 1.0
) -> mpmath.mpf:
    """One of the six formulas for finite scalars, straight from the definition, by mpmath.

    No rearrangement at all: the precision alone makes up for the cancellation. It checks
    ``exact``.
    """
    # exp(|x|) has |x|/ln 2 bits before the point; as many are needed behind it.
    with mpmath.workprec(PRECISION + 64 + 2 * int(abs(x) / 0.69 + 1)):
        mx, my, mw, mp = (mpmath.mpf(float(a)) for a in (x, y, w, p))
        sigmoid = 1 / (1 + mpmath.exp(-mx))
        log_sigmoid, log_other = mpmath.log(sigmoid), mpmath.log(1 - sigmoid)
        definitions: dict[str, Callable[[], mpmath.mpf]] = {
            "loss": lambda: -mw * (mp * my * log_sigmoid + (1 - my) * log_other),
            "weight": lambda: -(mp * my * log_sigmoid + (1 - my) * log_other),
            "input": lambda: mw * ((1 - my) * sigmoid - mp * my * (1 - sigmoid)),
            "hessian": lambda: mw * (1 - my + mp * my) * sigmoid * (1 - sigmoid),
            "target": lambda: -mw * (mp * log_sigmoid - log_other),
            "pos_weight": lambda: -mw * my * log_sigmoid,
        }
        return definitions[formula]()


def exact_sums(values: Iterable[gmpy2.mpfr], lengths: Sequence[int]) -> dict[int, gmpy2.mpfr]:
    """The exact sums of the first n values, for every n in lengths."""
    sums = {}
    wanted = set(lengths)
    # Terms between 2**-1100 and 2**1100 and all between: wide enough to lose nothing.
    with gmpy2.context(precision=2400):
        total = gmpy2.mpfr(0)
        if 0 in wanted:
            sums[0] = total
        for n, value in enumerate(values, 1):
            total = total + value
            if n in wanted:
                sums[n] = total
    return sums
