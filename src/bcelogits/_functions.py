"""Functions beside the loss: the sigmoid and its kin, and class weights from targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits import _core, _parallel
from bcelogits._arrays import (
    Arguments,
    Result,
    as_array,
    as_ignore_index,
    as_logits,
    as_weight,
    float_dtype,
    normalize_axes,
    read_real,
    split_axes,
    warn,
)
from bcelogits._rows import check_broadcast
from bcelogits._threads import get_num_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def sigmoid(x: ArrayLike, out: NDArray[Any] | None = None) -> Any:
    r"""Logistic sigmoid :math:`1 / (1 + e^{-x})`, accurate in both tails.

    Parameters
    ----------
    x : array_like
        Of any shape: float16, bfloat16, float32 or float64. Integers and booleans become float64.
    out : ndarray, optional
        Where the result is written, of the shape of `x`. It may share memory with `x`.

    Returns
    -------
    ndarray or scalar
        Between 0 and 1, of the shape and dtype of `x`. `out` if it is given.

    See Also
    --------
    log_sigmoid, softplus

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import sigmoid
    >>> print(sigmoid(np.array([-700.0, 0.0])))
    [9.85967654e-305 5.00000000e-001]
    """
    return _of_logits(_core.SIGMOID, x, out)


def log_sigmoid(x: ArrayLike, out: NDArray[Any] | None = None) -> Any:
    r"""Logarithm of the sigmoid, :math:`-\log(1 + e^{-x})`, accurate in both tails.

    Parameters
    ----------
    x : array_like
        Of any shape: float16, bfloat16, float32 or float64. Integers and booleans become float64.
    out : ndarray, optional
        Where the result is written, of the shape of `x`. It may share memory with `x`.

    Returns
    -------
    ndarray or scalar
        At most 0, of the shape and dtype of `x`. `out` if it is given.

    See Also
    --------
    sigmoid, softplus

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import log_sigmoid
    >>> print(log_sigmoid(np.array([-1000.0, 0.0])))
    [-1.00000000e+03 -6.93147181e-01]
    """
    return _of_logits(_core.LOG_SIGMOID, x, out)


def softplus(x: ArrayLike, out: NDArray[Any] | None = None) -> Any:
    r"""Softplus :math:`\log(1 + e^{x})`, accurate in both tails.

    Parameters
    ----------
    x : array_like
        Of any shape: float16, bfloat16, float32 or float64. Integers and booleans become float64.
    out : ndarray, optional
        Where the result is written, of the shape of `x`. It may share memory with `x`.

    Returns
    -------
    ndarray or scalar
        At least 0, of the shape and dtype of `x`. `out` if it is given.

    See Also
    --------
    sigmoid, log_sigmoid

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import softplus
    >>> print(softplus(np.array([0.0, 1000.0])))
    [6.93147181e-01 1.00000000e+03]
    """
    return _of_logits(_core.SOFTPLUS, x, out)


def _of_logits(function: int, x: ArrayLike, out: Any) -> Any:
    array = as_logits("x", x)
    result = Result("out", out, array, float_dtype(array), (array,))
    _parallel.map_elements(_core.Call(array), function, get_num_threads(), result.array)
    return result.get()


def balanced_pos_weight(
    target: ArrayLike,
    axis: int | tuple[int, ...] | None = 0,
    *,
    keepdims: bool = False,
    weight: ArrayLike | None = None,
    where: ArrayLike | None = None,
    ignore_index: float | None = None,
) -> Any:
    """Negatives over positives: the `pos_weight` that gives both the same weight in the loss.

    Parameters
    ----------
    target : array_like
        Probabilities in [0, 1]; a soft target y counts as y positives and 1 - y negatives.
    axis : int or tuple of int or None
        The axes to count along. The default suits a single column, and targets of shape (N, C).
        None counts everything together.
    keepdims : bool
        Whether these axes stay, of length 1, so that the result broadcasts against `target`.
        Targets of shape (N, C, H, W) want ``axis=(0, 2, 3), keepdims=True``: the result has shape
        (1, C, 1, 1), where one of shape (C,) would be taken for weights along W.
    weight : array_like, optional
        What each element counts as, broadcast against `target`.
    where : array_like of bool, optional
        Elements to count, broadcast against `target`.
    ignore_index : int or float, optional
        Elements whose target equals it are left out.

    Returns
    -------
    ndarray or scalar
        float64, of the axes that are left. Where there is no positive, infinity; where there is no
        negative either, NaN.

    Raises
    ------
    ValueError
        If a target that counts is outside [0, 1].

    Warns
    -----
    RuntimeWarning
        If there is no positive.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import balanced_pos_weight
    >>> print(balanced_pos_weight(np.repeat([0, 1], [300, 100])))
    3.0
    >>> print(balanced_pos_weight([[1, -1], [0, 1], [0, 0]], ignore_index=-1))
    [2. 1.]
    """
    array, weights = read_real("target", target), as_weight("weight", weight, partial=True)
    check_broadcast("weight", weights, "target", array.shape)
    if where is not None:
        check_broadcast("where", as_array("where", where), "target", array.shape)
    # At this logit the loss of 1 - y negatives is that many times the logit, to the last bit, and
    # with this pos_weight that of positives is 0. So both sums are of terms of one sign, and few
    # negatives do not drown in many positives.
    logit, nothing = np.array(512.0), np.array(0.0)
    arguments = Arguments(
        input=np.broadcast_to(logit, array.shape),
        # With something missing, as it was given: what is under a mask may be left out.
        target=array if type(array) is np.ndarray else target,
        weight=weights,
        pos_weight=nothing,
        label_smoothing=0.0,
        ignore_index=as_ignore_index(ignore_index),
        where=where,
        check=True,
    )
    axes = tuple(range(array.ndim)) if axis is None else normalize_axes(axis, array.ndim)
    shape, order = split_axes(array.shape, axes)
    positives, negatives = np.empty(shape), np.empty(shape)
    call = arguments.call()
    _parallel.check_target(call)
    for box, sums in _parallel.accumulated(call, get_num_threads(), shape, order):
        positives[box] = sums.positives().reshape(positives[box].shape)
        losses = sums.results(_core.REDUCTIONS["sum"])
        negatives[box] = losses.reshape(negatives[box].shape) / logit
    if not np.all(positives):
        warn("No positive target: pos_weight is not finite", RuntimeWarning)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = negatives / positives
    return np.expand_dims(ratio, axes) if keepdims else ratio
