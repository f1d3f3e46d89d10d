"""Functions beside the loss: the sigmoid and its kin, and class weights from targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits import _core, _parallel
from bcelogits._arrays import Result, as_array, as_real_array, float_dtype, normalize_axes, warn
from bcelogits._loss import binary_cross_entropy_with_logits
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
    array = as_real_array("x", x)
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
    array = as_real_array("target", target)
    axes = tuple(range(array.ndim)) if axis is None else normalize_axes(axis, array.ndim)
    positives, negatives = sums_of_classes(
        array, weight, where=where, ignore_index=ignore_index, axis=axes
    )
    if not np.all(positives):
        warn("No positive target: pos_weight is not finite", RuntimeWarning)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = negatives / positives
    return np.expand_dims(ratio, axes) if keepdims else ratio


# At this logit a positive loses this times its weight and a negative nothing, to the last bit.
SCALE = 1024.0


def sums_of_classes(
    target: NDArray[Any],
    weight: ArrayLike | None,
    *,
    where: ArrayLike | None,
    ignore_index: float | None,
    axis: int | tuple[int, ...],
    **options: Any,
) -> tuple[Any, Any]:
    """Return the sums of the weights of positives and of negatives, times SCALE.

    They are the loss's own exact sums, at a logit far out on either side. Each is added up for
    itself, so that few negatives do not drown in many positives.
    """
    for name, value in (("weight", weight), ("where", where)):
        if value is not None:
            check_broadcast(name, as_array(name, value), "target", target.shape)
    positives, negatives = (
        binary_cross_entropy_with_logits(
            np.broadcast_to(logit, target.shape),
            target,
            weight,
            reduction="sum",
            ignore_index=ignore_index,
            where=where,
            axis=axis,
            **options,
        )
        for logit in (-SCALE, SCALE)
    )
    return positives, negatives
