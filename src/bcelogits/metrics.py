"""The loss as a metric, with the arguments of scikit-learn's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits import _parallel
from bcelogits._arrays import as_array, as_pos_weight
from bcelogits._loss import binary_cross_entropy_with_logits
from bcelogits._missing import place
from bcelogits._repr import shown
from bcelogits._rows import Names, Rows, refuse_missing_label

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["log_loss_from_logits"]

_NAMES = Names("y_score", "y_true", "sample_weight")
_HINT = "pos_label= says which label counts as 1"
_MOST_LABELS = 5


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
    ValueError
        If a value of `y_true` is missing; without `pos_label`, if one is outside [0, 1] or a text;
        if no value equals `pos_label`; or if shapes do not fit.
    TypeError
        If an argument holds no numbers.

    Notes
    -----
    `y_score` is taken for logits whatever it holds: probabilities are logits between 0 and 1, and
    their loss is a wrong number. ``predict_proba`` gives such, and so does XGBoost to an
    ``eval_metric`` beside an objective of its own.

    Examples
    --------
    >>> from bcelogits.metrics import log_loss_from_logits
    >>> log_loss_from_logits([0, 1], [-800.0, -800.0])
    400.0
    >>> log_loss_from_logits(["no", "yes"], [-800.0, -800.0], pos_label="yes")
    400.0
    """
    label = as_array("y_true", y_true)
    if pos_label is not None:
        label = _is_positive(label, pos_label)
    else:
        _refuse_text(label)
    weights = as_pos_weight(pos_weight)
    rows = Rows(_NAMES, y_score, label, sample_weight, weights)
    with rows.naming_a_bad_label(hint=f"; {_HINT}"):
        loss = binary_cross_entropy_with_logits(
            rows.score,
            rows.label,
            rows.weight,
            reduction="weighted_mean",
            pos_weight=weights,
            label_smoothing=label_smoothing,
            dtype=np.float64,
        )
    return float(loss)


def _is_positive(array: NDArray[Any], pos_label: Any) -> NDArray[np.bool_]:
    """Return where an array equals the label, which some element does if there are any.

    An array may hold texts or objects: it is looked at in pieces, between which an interrupt is
    heard.
    """
    if np.ndim(pos_label):
        raise TypeError(f"pos_label must be one label, not an array of shape {np.shape(pos_label)}")
    equal = np.empty(array.shape, np.bool_)
    for box in _parallel.boxes(array.shape):
        _refuse_missing(array, box)
        equal[box] = array[box] == pos_label
    if array.size and not equal.any():
        raise ValueError(
            f"pos_label is {_written(pos_label)}, which equals no label of y_true; "
            f"its labels are {_some_labels(array)}"
        )
    return equal


def _refuse_missing(array: NDArray[Any], box: tuple[slice, ...]) -> None:
    """Raise if a part of an array of labels has a NaN or NaT, which equals no label.

    What else may be missing was refused when the array was read.
    """
    if array.dtype.kind not in "fcmMT":
        return
    missing = array[box] != array[box]
    if missing.any():
        inside = np.unravel_index(int(missing.argmax()), missing.shape)
        index = tuple(int(i) + part.start for i, part in zip(inside, box, strict=True))
        refuse_missing_label("y_true", index, array[index])


def _refuse_text(array: NDArray[Any]) -> None:
    """Raise if labels are texts, or objects of which some are."""
    if array.dtype.kind not in "OSTU":
        return
    for box in _parallel.boxes(array.shape):
        _refuse_missing(array, box)
        for inside, element in np.ndenumerate(array[box]):
            if isinstance(element, str | bytes):
                index = tuple(i + part.start for i, part in zip(inside, box, strict=True))
                raise ValueError(
                    f"y_true{place(index)} is {_written(element)}, which is a text, not a number; "
                    f"{_HINT}"
                )


def _some_labels(array: NDArray[Any]) -> str:
    """Return some labels of an array as they would be written, at most as many as one reads."""
    texts: dict[str, None] = {}  # in order
    known: set[Any] = set()
    for box in _parallel.boxes(array.shape):
        for element in array[box].ravel():
            with contextlib.suppress(TypeError):  # an object that cannot be hashed
                if element in known:
                    continue
                known.add(element)
            texts[_written(element)] = None
            if len(texts) > _MOST_LABELS:
                return ", ".join(list(texts)[:_MOST_LABELS]) + " and others"
    *some, last = texts
    return f"{', '.join(some)} and {last}" if some else last


def _written(label: Any) -> str:
    return shown(label.item() if isinstance(label, np.generic) else label)
