"""Derivatives: the loss with its gradient by any argument, and gradient with hessian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits import _core, _parallel
from bcelogits._arrays import (
    Arguments,
    Result,
    as_float_dtype,
    as_grad_output,
    as_hess_floor,
    as_ignore_index,
    as_label_smoothing,
    as_outs,
    as_pos_weight,
    as_weight,
)
from bcelogits._core import REDUCTIONS
from bcelogits._reduction import Reduction, check_reduction, warn_of_empty_means
from bcelogits._repr import shown
from bcelogits._threads import as_num_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

# How the library calls the derivative by an argument.
_DERIVATIVES = {
    "input": _core.GRAD,
    "target": _core.GRAD_TARGET,
    "weight": _core.GRAD_WEIGHT,
    "pos_weight": _core.GRAD_POS_WEIGHT,
}


def value_and_grad(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: Reduction = "mean",
    pos_weight: ArrayLike | None = None,
    wrt: str | tuple[str, ...] = "input",
    grad_output: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: ArrayLike | None = None,
    check: bool = True,
    num_threads: int | None = None,
    out: Any = None,
) -> tuple[Any, Any]:
    r"""Binary cross entropy of logits and its gradient, in one pass over memory.

    With :math:`\sigma(x) = 1/(1 + e^{-x})` and :math:`s(x) = \log(1 + e^{x})` the derivatives of an
    element's loss are

    .. math::

        \partial x:&\quad w\,[(1 - y)\,\sigma(x) - p\,y\,\sigma(-x)] \\
        \partial y:&\quad w\,[p\,s(-x) - s(x)] \\
        \partial w:&\quad p\,y\,s(-x) + (1 - y)\,s(x) \\
        \partial p:&\quad w\,y\,s(-x)

    Parameters
    ----------
    input, target, weight, pos_weight : array_like
    reduction : {'mean', 'sum', 'weighted_mean', 'none'}
    label_smoothing : float
    ignore_index : int or float, optional
    where : array_like of bool, optional
    check : bool
    num_threads : int, optional
        All these as in `binary_cross_entropy_with_logits`.
    wrt : {'input', 'target', 'weight', 'pos_weight'} or tuple of them
        The arguments to differentiate by.
    grad_output : array_like, optional
        Factor of the gradient, by default 1: a number, or with reduction 'none' an array that
        broadcasts against `input`.
    out : ndarray or tuple of ndarray, optional
        Where the gradient is written; for a tuple `wrt` a tuple of as many arrays, of which some
        may be None. They may share memory with the other arguments.

    Returns
    -------
    value : ndarray or scalar
        What `binary_cross_entropy_with_logits` returns. It is not multiplied by `grad_output`.
    grad : ndarray, scalar or tuple of them
        Of the dtype of `input` and the shape of the argument that `wrt` names: contributions are
        summed over the axes along which it was broadcast. Elements that are left out contribute 0.
        Where the weights of a weighted mean add up to 0, every other gradient is NaN.

    Raises
    ------
    ValueError, TypeError
        As `binary_cross_entropy_with_logits` does; also if `wrt` names an argument that is None.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import value_and_grad
    >>> value, grad = value_and_grad(np.array([0.0, 0.0]), [1, 0], reduction="sum")
    >>> print(value, grad)
    1.3862943611198906 [-0.5  0.5]
    """
    check_reduction(reduction)
    threads = as_num_threads(num_threads)
    arguments = Arguments(
        input,
        target,
        as_weight("weight", weight, partial=True),
        as_pos_weight(pos_weight, partial=True),
        as_label_smoothing(label_smoothing),
        as_ignore_index(ignore_index),
        where,
        check,
    )
    return compute_value_and_grad(arguments, threads, reduction, wrt, grad_output, out)


def compute_value_and_grad(
    arguments: Arguments,
    threads: int,
    reduction: str,
    wrt: str | tuple[str, ...],
    grad_output: ArrayLike | None,
    out: Any,
) -> tuple[Any, Any]:
    """Do what `value_and_grad` does, with arguments that are validated."""
    names = check_wrt(wrt, arguments)
    factor = as_grad_output(grad_output, arguments)
    if factor is not None and factor.ndim and reduction != "none":
        raise ValueError(
            f"grad_output must be a number with reduction={reduction!r}, "
            f"not an array of shape {factor.shape}"
        )
    operands = arguments.arrays()
    if factor is not None:
        operands.append(factor)

    outs = (out,) if isinstance(wrt, str) else as_outs(out, len(names), ", ".join(names))
    grads: dict[str, Result] = {}
    for i, (name, grad_out) in enumerate(zip(names, outs, strict=True)):
        array: NDArray[Any] = getattr(arguments, name)
        grads[name] = Result(
            "out" if isinstance(wrt, str) else f"out[{i}]",
            grad_out,
            array,
            arguments.dtype,
            # What one pass writes, the next must not read, nor write again.
            operands + [grad.array for grad in grads.values()],
            elementwise=names == ("input",),
        )

    if reduction == "none":
        value = _map_value_and_grad(arguments, threads, factor, grads)
    else:
        scale = 1.0 if factor is None else float(factor[()])
        value = _reduce_value_and_grad(arguments, threads, reduction, scale, grads)
    results = tuple(grad.get() for grad in grads.values())
    return value, results[0] if isinstance(wrt, str) else results


def check_wrt(wrt: Any, arguments: Any) -> tuple[str, ...]:
    """Return ``wrt`` as a tuple of names of arguments that are given."""
    choices = ", ".join(map(repr, _DERIVATIVES))
    names = (wrt,) if isinstance(wrt, str) else wrt
    if not isinstance(names, tuple):
        raise TypeError(f"wrt must be one of {choices} or a tuple, not {type(wrt).__name__}")
    if not names:
        raise ValueError(f"wrt must name one of {choices} at least")
    for name in names:
        if name not in _DERIVATIVES:
            raise ValueError(f"wrt must be one of {choices} or a tuple of them, not {shown(wrt)}")
        if getattr(arguments, name) is None:
            raise ValueError(f"wrt names {name!r}, but {name} is None")
    if len(set(names)) < len(names):
        raise ValueError(f"wrt names an argument twice: {shown(wrt)}")
    return names


def _map_value_and_grad(
    arguments: Arguments,
    threads: int,
    factor: NDArray[Any] | None,
    grads: dict[str, Result],
) -> Any:
    """Compute the loss of each element, and write the gradients times `factor`."""
    call = arguments.call(grad_output=factor)
    value = Result("value", None, arguments.input, arguments.dtype)
    if "input" in grads:
        grad = grads["input"]
        if grad.shares and arguments.check:
            _parallel.check_target(call)  # before anything is overwritten
        _parallel.map_elements(call, _core.LOSS_AND_GRAD, threads, value.array, grad.array)
    else:
        _parallel.map_elements(call, _core.LOSS, threads, value.array)
    for name, grad in grads.items():
        if name != "input":
            map_grad(call, name, threads, grad.array, arguments.input.shape)
    return value.get()


def map_grad(
    call: _core.Call, name: str, threads: int, grad: NDArray[Any], shape: tuple[int, ...]
) -> None:
    """Write the elementwise derivative by an argument, summed to the shape of `grad`."""
    out, order = _summed(grad, shape)
    if order is None:
        _parallel.map_elements(call, _DERIVATIVES[name], threads, out)
    else:
        _parallel.sum_grad(call, _DERIVATIVES[name], threads, out, order)


def _reduce_value_and_grad(
    arguments: Arguments, threads: int, reduction: str, scale: float, grads: dict[str, Result]
) -> Any:
    """Reduce the loss over everything, and write the gradients times `scale`."""
    call = arguments.call()
    code = REDUCTIONS[reduction]
    value = np.empty((), arguments.dtype)
    if "input" in grads:
        grad = grads["input"]
        if grad.shares and arguments.check:
            _parallel.check_target(call)  # before anything is overwritten
        _parallel.value_and_grad(call, code, scale, threads, value, grad.array)
    else:
        _parallel.reduce(call, code, threads, value)
    for name, grad in grads.items():
        if name != "input":
            reduce_grad(call, name, code, scale, threads, grad.array, arguments.input.shape)
    warn_of_empty_means(arguments, reduction, threads, value)
    return value[()]


def reduce_grad(
    call: _core.Call,
    name: str,
    reduction: int,
    scale: float,
    threads: int,
    grad: NDArray[Any],
    shape: tuple[int, ...],
) -> None:
    """Write the gradient of a reduction by an argument other than the logits."""
    out, order = _summed(grad, shape)
    _parallel.reduce_grad(call, _DERIVATIVES[name], reduction, scale, threads, out, order)


def _summed(
    grad: NDArray[Any], shape: tuple[int, ...]
) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Return the gradient without the axes that are summed over, and the order that puts them last.

    `shape` is that of the logits, to which the argument of the gradient's shape was broadcast.
    """
    if grad.shape == shape:
        return grad, None
    missing = len(shape) - grad.ndim
    kept = [d for d in range(missing, len(shape)) if grad.shape[d - missing] != 1]
    index = tuple(0 if extent == 1 else slice(None) for extent in grad.shape)
    return grad[(*index, ...)], (*kept, *(d for d in range(len(shape)) if d not in kept))


def grad_and_hess(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    pos_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: ArrayLike | None = None,
    hess_floor: float = 0.0,
    dtype: DTypeLike | None = None,
    check: bool = True,
    num_threads: int | None = None,
    out: tuple[NDArray[Any] | None, NDArray[Any] | None] | None = None,
) -> tuple[Any, Any]:
    r"""First and second derivative of each element's loss by its logit.

    With :math:`\sigma(x) = 1/(1 + e^{-x})` they are

    .. math::

        g = w\,[(1 - y)\,\sigma(x) - p\,y\,\sigma(-x)], \qquad
        h = w\,(1 - y + p\,y)\,\sigma(x)\,\sigma(-x).

    Parameters
    ----------
    input, target, weight, pos_weight : array_like
    label_smoothing : float
    ignore_index : int or float, optional
    where : array_like of bool, optional
    check : bool
    num_threads : int, optional
        All these as in `binary_cross_entropy_with_logits`.
    hess_floor : float
        Least :math:`\sigma(x)\,\sigma(-x)`: where it is lower, this takes its place, before weights
        are multiplied in. An element of weight 2 is as two, of weight 0 as none.
    dtype : dtype, optional
        Dtype of both results, by default that of `out`, or else of `input`. float64 is also what
        they are computed in.
    out : tuple of ndarray, optional
        Where gradient and hessian are written; one of the two may be None. They may share memory
        with the other arguments.

    Returns
    -------
    grad, hess : ndarray or scalar
        Of the shape of `input`. Elements that are left out are 0.

    Raises
    ------
    ValueError, TypeError
        As `binary_cross_entropy_with_logits` does.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import grad_and_hess
    >>> grad, hess = grad_and_hess(np.array([0.0, 0.0]), [1, 0])
    >>> print(grad, hess)
    [-0.5  0.5] [0.25 0.25]
    """
    threads = as_num_threads(num_threads)
    arguments = Arguments(
        input,
        target,
        as_weight("weight", weight, partial=True),
        as_pos_weight(pos_weight, partial=True),
        as_label_smoothing(label_smoothing),
        as_ignore_index(ignore_index),
        where,
        check,
    )
    return compute_grad_and_hess(arguments, threads, hess_floor, dtype, out)


def compute_grad_and_hess(
    arguments: Arguments, threads: int, hess_floor: float, dtype: DTypeLike | None, out: Any
) -> tuple[Any, Any]:
    """Do what `grad_and_hess` does, with arguments that are validated."""
    floor = as_hess_floor(hess_floor)
    result_dtype = arguments.dtype if dtype is None else as_float_dtype(dtype)
    outs = as_outs(out, 2, "grad and hess")
    like, operands, strict = arguments.input, arguments.arrays(), dtype is not None
    grad = Result("out[0]", outs[0], like, result_dtype, operands, strict=strict)
    hess = Result("out[1]", outs[1], like, result_dtype, operands, apart=grad.array, strict=strict)
    call = arguments.call(
        hess_floor=floor, float64=dtype is not None and result_dtype == np.float64
    )
    if (grad.shares or hess.shares) and arguments.check:
        _parallel.check_target(call)  # before anything is overwritten
    _parallel.map_elements(call, _core.GRAD_AND_HESS, threads, grad.array, hess.array)
    return grad.get(), hess.get()
