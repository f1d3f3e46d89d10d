"""The loss as the objective of XGBoost, LightGBM and CatBoost.

None of them is imported: each calls what it is handed, with arrays. XGBoost and LightGBM call in
two ways. Their native API gives the scores and then the data, which know labels and weights; that
of scikit-learn gives labels, scores and weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits._arrays import (
    as_array,
    as_hess_floor,
    as_ignore_index,
    as_label_smoothing,
    as_pos_weight,
    as_row_weight,
)
from bcelogits._derivatives import grad_and_hess
from bcelogits._loss import binary_cross_entropy_with_logits
from bcelogits._repr import written_arguments
from bcelogits._threads import as_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["catboost", "init_score", "lightgbm", "xgboost"]

# What XGBoost's own logistic objective holds σ(x) σ(-x) above.
_XGBOOST_FLOOR = 1e-16


def xgboost(
    *,
    pos_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    hess_floor: float = _XGBOOST_FLOOR,
    check: bool = True,
    num_threads: int | None = None,
) -> Callable[..., tuple[NDArray[Any], NDArray[Any]]]:
    """Objective for XGBoost: ``train(obj=...)``, ``XGBClassifier(objective=...)``.

    Parameters
    ----------
    pos_weight : array_like, optional
        Factor of the positive term, >= 0, as ``scale_pos_weight``: a number, or one for each label.
    label_smoothing : float
        With a in [0, 1], a label y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Labels equal to it are left out: their gradient and hessian are 0.
    hess_floor : float
        Least second derivative of a row, before weights. The default is that of XGBoost's
        ``binary:logistic``.
    check : bool
        Whether a label outside [0, 1] is an error.
    num_threads : int, optional
        Number of threads, -1 for all cores; by default what `bcelogits.set_num_threads` set.

    Returns
    -------
    callable
        It takes scores and a ``DMatrix``, or labels, scores and ``sample_weight``, and returns
        gradient and hessian of the shape and dtype of the scores: (n,), or (n, k) for k labels a
        row. It can be pickled.

    See Also
    --------
    init_score : Where to start. XGBoost does not find that itself for such an objective.

    Notes
    -----
    ``"objective": "binary:logistic"`` among the parameters of ``train`` may stay beside ``obj``:
    it starts scores at 0 instead of 0.5, and makes predictions probabilities and built-in metrics
    right. ``XGBClassifier`` adds it itself.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import boosting
    >>> objective = boosting.xgboost(pos_weight=3)
    >>> grad, hess = objective(np.array([0, 1]), np.array([0.0, 0.0]))
    >>> print(grad, hess)
    [ 0.5 -1.5] [0.25 0.75]
    """
    return _XGBoost(pos_weight, label_smoothing, ignore_index, hess_floor, check, num_threads)


def lightgbm(
    *,
    pos_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    hess_floor: float = 0.0,
    check: bool = True,
    num_threads: int | None = None,
) -> _LightGBM:
    """Objective for LightGBM: ``train({"objective": ...})``, ``LGBMClassifier(objective=...)``.

    Parameters
    ----------
    pos_weight : float, optional
        Factor of the positive term, >= 0, as ``scale_pos_weight``.
    label_smoothing : float
        With a in [0, 1], a label y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Labels equal to it are left out: their gradient and hessian are 0.
    hess_floor : float
        Least second derivative of a row, before weights. LightGBM's own objective has none.
    check : bool
        Whether a label outside [0, 1] is an error.
    num_threads : int, optional
        Number of threads, -1 for all cores; by default what `bcelogits.set_num_threads` set.

    Returns
    -------
    callable
        It takes scores and a ``Dataset``, or labels, scores and weights, and returns gradient and
        hessian in float32, as LightGBM stores them, computed in float64 as its scores are. It can
        be pickled. Its method ``metric`` is LightGBM's ``binary_logloss`` for raw scores:
        ``train(..., feval=objective.metric)``, ``fit(..., eval_metric=objective.metric)``.

    See Also
    --------
    init_score : Where to start. LightGBM does not find that itself for such an objective.

    Notes
    -----
    LightGBM's built-in metrics take the scores of such a model for probabilities, and its
    predictions are raw scores: `bcelogits.sigmoid` makes them probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import boosting
    >>> objective = boosting.lightgbm()
    >>> grad, hess = objective(np.array([0, 1]), np.array([0.0, 0.0]), np.array([1, 4]))
    >>> print(grad, hess)
    [ 0.5 -2. ] [0.25 1.  ]
    """
    return _LightGBM(pos_weight, label_smoothing, ignore_index, hess_floor, check, num_threads)


def catboost(
    *,
    pos_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    hess_floor: float = 0.0,
    check: bool = True,
    num_threads: int | None = None,
) -> _CatBoost:
    """Objective for CatBoost: ``CatBoostClassifier(loss_function=..., eval_metric="Logloss")``.

    Parameters
    ----------
    pos_weight : float, optional
        Factor of the positive term, >= 0. It multiplies derivatives alone; CatBoost's own
        ``class_weights``, which may stand beside, also count in its choice of splits.
    label_smoothing : float
        With a in [0, 1], a label y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Labels equal to it are left out: their derivatives are 0.
    hess_floor : float
        Least second derivative of a row, before weights and sign. CatBoost's own objective has
        none.
    check : bool
        Whether a label outside [0, 1] is an error.
    num_threads : int, optional
        Number of threads, -1 for all cores; by default what `bcelogits.set_num_threads` set.

    Returns
    -------
    object
        Its method ``calc_ders_range(approxes, targets, weights)`` returns the derivatives of what
        CatBoost makes larger, the negative loss, as an array of float64 and shape (n, 2). It can be
        pickled.

    See Also
    --------
    init_score : Where to start.

    Notes
    -----
    CatBoost wants an ``eval_metric`` beside an objective that is not its own; ``"Logloss"`` knows
    raw scores. It chooses other defaults for such an objective: ``learning_rate`` and
    ``leaf_estimation_iterations`` among them.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import boosting
    >>> objective = boosting.catboost()
    >>> print(objective.calc_ders_range(np.array([0.0, 0.0]), np.array([0, 1]), None))
    [[-0.5  -0.25]
     [ 0.5  -0.25]]
    """
    return _CatBoost(pos_weight, label_smoothing, ignore_index, hess_floor, check, num_threads)


def init_score(
    target: ArrayLike,
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    *,
    label_smoothing: float = 0.0,
) -> Any:
    """Log odds of the weighted positives: the constant score of the least loss.

    Parameters
    ----------
    target : array_like
        Probabilities in [0, 1], of shape (n,), or (n, k) for k labels.
    weight : array_like, optional
        Weight of each row, of shape (n,).
    pos_weight : array_like, optional
        Factor of positives, >= 0: a number, or of shape (k,).
    label_smoothing : float
        With a in [0, 1], a target y becomes y (1 - a) + a / 2.

    Returns
    -------
    numpy.float64 or ndarray of float64
        A number, or of shape (k,). A soft target y counts as y positives and 1 - y negatives.

    Raises
    ------
    ValueError
        If there is no positive or no negative of a weight above 0, for then no finite score is
        best; or if a target is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits.boosting import init_score
    >>> target = np.repeat([0, 1], [300, 100])
    >>> print(f"{init_score(target):.6f} {init_score(target, pos_weight=3):.6f}")
    -1.098612 0.000000
    """
    array = as_array("target", target)
    if array.ndim not in (1, 2):
        raise ValueError(f"target has shape {array.shape}; it must be (n,) or (n, k)")
    # At this logit a positive loses 1024 times its weight and a negative, at 0 to the last bit,
    # nothing; at the opposite one it is the other way round. So the exact sums are the loss's own.
    sums = {
        kind: binary_cross_entropy_with_logits(
            np.broadcast_to(logit, array.shape),
            array,
            as_row_weight("weight", weight, array.ndim),
            reduction="sum",
            pos_weight=pos_weight,
            label_smoothing=label_smoothing,
            axis=0,
        )
        for kind, logit in (("positive", -1024.0), ("negative", 1024.0))
    }
    for kind, found in sums.items():
        fit = (found > 0) & np.isfinite(found)
        if not np.all(fit):
            column = f" in column {np.argmin(fit)}" if array.ndim == 2 else ""
            raise ValueError(
                f"the weights of {kind} targets{column} add up to {found[~fit][0] / 1024}; "
                "log odds need a sum above 0 and finite"
            )
    return np.log(sums["positive"] / sums["negative"])


class _Objective:
    """The arguments, and the derivatives of scores that come from one of the libraries."""

    _library: str
    _floor = 0.0

    def __init__(
        self,
        pos_weight: ArrayLike | None,
        label_smoothing: float,
        ignore_index: float | None,
        hess_floor: float,
        check: bool,
        num_threads: int | None,
    ) -> None:
        as_num_threads(num_threads)
        weights = as_pos_weight(pos_weight)
        self._arguments: dict[str, Any] = {
            # An array of the caller's may change later.
            "pos_weight": None if weights is None else weights.copy(),
            "label_smoothing": as_label_smoothing(label_smoothing),
            "ignore_index": as_ignore_index(ignore_index),
            "hess_floor": as_hess_floor(hess_floor),
            "check": bool(check),
            "num_threads": num_threads,
        }

    def __repr__(self) -> str:
        shown = dict(self._arguments)
        if shown["hess_floor"] == self._floor:
            del shown["hess_floor"]
        return f"bcelogits.boosting.{self._library.lower()}({written_arguments(shown)})"

    def _derivatives(
        self, score: Any, label: Any, weight: Any, dtype: DTypeLike | None = None, out: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        score, label = as_array("score", score), as_array("label", label)
        if score.size != label.size:
            raise ValueError(
                f"{self._library} gives scores of shape {score.shape} and labels of shape "
                f"{label.shape}; each score needs a label of its own, 0 or 1 or in between"
            )
        return grad_and_hess(
            score,
            label.reshape(score.shape),
            as_row_weight("weight", weight, score.ndim),
            **self._arguments,
            dtype=dtype,
            out=out,
        )


class _XGBoost(_Objective):
    _library, _floor = "XGBoost", _XGBOOST_FLOOR

    # XGBoost looks for the name sample_weight.
    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        score, label, weight = _told_apart(y_true, y_pred, sample_weight)
        return self._derivatives(score, label, weight)


class _LightGBM(_Objective):
    _library = "LightGBM"

    # LightGBM counts the parameters: three are labels, scores and weights.
    def __call__(
        self, y_true: Any, y_pred: Any, weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        score, label, weight = _told_apart(y_true, y_pred, weight)
        return self._derivatives(score, label, weight, np.float32)

    def metric(self, y_true: Any, y_pred: Any, weight: Any = None) -> tuple[str, float, bool]:
        """Return name, value and direction of the log loss, without pos_weight and smoothing.

        It takes what the object takes when it is called.
        """
        score, label, weight = _told_apart(y_true, y_pred, weight)
        loss = binary_cross_entropy_with_logits(
            score,
            label,
            weight,
            reduction="weighted_mean",
            ignore_index=self._arguments["ignore_index"],
            check=self._arguments["check"],
            num_threads=self._arguments["num_threads"],
        )
        return "binary_logloss", float(loss), False


class _CatBoost(_Objective):
    _library = "CatBoost"

    # CatBoost would compile the method with numba, and warn that it cannot.
    no_jit = True

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> NDArray[np.float64]:
        """Return first and second derivative of the negative loss, in a row of two for each score.

        CatBoost calls it.
        """
        ders = np.empty((len(approxes), 2))
        minus = -1.0 if weights is None else np.negative(weights)
        self._derivatives(approxes, targets, minus, np.float64, (ders[:, 0], ders[:, 1]))
        return ders


def _told_apart(first: Any, second: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Return scores, labels and weights, whichever of its two APIs a library calls from."""
    if not hasattr(second, "get_label"):
        return second, first, weight
    weight = second.get_weight()
    # A DMatrix without weights has none, in an array.
    return first, second.get_label(), None if weight is None or not len(weight) else weight
