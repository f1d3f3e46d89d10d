"""The loss as a metric, with the arguments of scikit-learn's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits import _parallel
from bcelogits._arrays import as_array, as_row_weight
from bcelogits._loss import binary_cross_entropy_with_logits

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["log_loss_from_logits"]


def log_loss_from_logits(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    pos_label: Any = None,
) -> float:
    """Log loss of logits, as a metric of scikit-learn has its arguments.

    Parameters
    ----------
    y_true : array_like
        Targets in [0, 1], of shape (n,), or (n, k) for k labels. With `pos_label`, of any values.
    y_score : array_like
        Logits of the same shape, such as ``decision_function`` returns.
    sample_weight : array_like, optional
        Weight of each row, of shape (n,).
    pos_weight : array_like, optional
        Factor of the positive term, >= 0: a number, or of shape (k,).
    label_smoothing : float
        With a in [0, 1], a target y becomes y (1 - a) + a / 2.
    pos_label : object, optional
        The value of `y_true` that counts as 1; every other counts as 0.

    Returns
    -------
    float
        The sum of the losses over the sum of their weights, computed in more than double precision
        and never clipped.

    Raises
    ------
    ValueError, TypeError
        As `bcelogits.binary_cross_entropy_with_logits` does.

    Examples
    --------
    >>> from bcelogits.metrics import log_loss_from_logits
    >>> log_loss_from_logits([0, 1], [-800.0, -800.0])
    400.0
    >>> log_loss_from_logits(["no", "yes"], [-800.0, -800.0], pos_label="yes")
    400.0
    """
    target = as_array("y_true", y_true)
    if pos_label is not None:
        target = _equal(target, pos_label)
    loss = binary_cross_entropy_with_logits(
        y_score,
        target,
        as_row_weight("sample_weight", sample_weight, target.ndim),
        reduction="weighted_mean",
        pos_weight=pos_weight,
        label_smoothing=label_smoothing,
        dtype=np.float64,
    )
    return float(loss)


def _equal(array: NDArray[Any], value: Any) -> NDArray[np.bool_]:
    """Return where an array equals a value; an interrupt is heard, for it may hold strings."""
    equal = np.empty(array.shape, np.bool_)
    for box in _parallel.boxes(array.shape):
        equal[box] = array[box] == value
    return equal
