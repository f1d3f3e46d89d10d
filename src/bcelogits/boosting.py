"""The loss as the objective of XGBoost, LightGBM and CatBoost.

None of them is imported: each calls what it is handed, with arrays. XGBoost and LightGBM call in
two ways. Their native API gives the scores and then the data, which know labels and weights; that
of scikit-learn gives labels, scores and weights.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from bcelogits._arrays import (
    as_array,
    as_hess_floor,
    as_ignore_index,
    as_label_smoothing,
    as_pos_weight,
    as_real_array,
    as_row_weight,
    kept,
    read_real,
    warn,
)
from bcelogits._derivatives import grad_and_hess
from bcelogits._loss import binary_cross_entropy_with_logits
from bcelogits._repr import written_arguments
from bcelogits._rows import Names, Rows, check_broadcast
from bcelogits._threads import as_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

    XGBoost ignores ``scale_pos_weight`` beside this objective and gives it no way to notice: use
    `pos_weight`. ``XGBClassifier`` refuses labels other than 0 and 1: with `ignore_index` or soft
    labels use ``XGBRegressor`` or ``train``.

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
        be pickled. Its method ``metric`` is LightGBM's ``binary_logloss`` for raw scores, under
        the name ``log_loss_from_logits``: ``train(..., feval=objective.metric)``,
        ``LGBMClassifier(metric="none", ...).fit(..., eval_metric=objective.metric)``.

    Warns
    -----
    UserWarning
        Once in a training, if a parameter of the data changes nothing beside this objective
        (``scale_pos_weight``, ``is_unbalance``, ``sigmoid``), or if `ignore_index` is given and the
        labels seem to be numbers of classes.

    See Also
    --------
    init_score : Where to start. LightGBM does not find that itself for such an objective.

    Notes
    -----
    LightGBM's built-in metrics take the scores of such a model for probabilities, and its
    predictions are raw scores: `bcelogits.sigmoid` makes them probabilities. ``LGBMClassifier``
    evaluates its ``binary_logloss`` for any eval set, and early stopping heeds it, unless it has
    ``metric="none"``.

    ``LGBMClassifier`` numbers the classes it finds: labels -1 and 1 become 0 and 1. With
    `ignore_index`, use ``LGBMRegressor`` or ``train``, which give labels as they are.

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
        pickled, and scikit-learn can clone models with it.

    See Also
    --------
    init_score : Where to start.

    Notes
    -----
    CatBoost wants an ``eval_metric`` beside an objective that is not its own; ``"Logloss"`` knows
    raw scores. It chooses other defaults for such an objective: ``learning_rate`` and
    ``leaf_estimation_iterations`` among them.

    ``CatBoostClassifier`` numbers the classes it finds: labels -1 and 1 become 0 and 1, and nothing
    is left out. With `ignore_index` or soft labels use ``CatBoostRegressor`` and a metric of
    regression, ``eval_metric="RMSE"``, which gives labels as they are.

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
    where: ArrayLike | None = None,
    ignore_index: float | None = None,
) -> Any:
    """Log odds of the weighted positives: the constant score of the least loss.

    Parameters
    ----------
    target : array_like
        Probabilities in [0, 1], of shape (n,), or (n, k) for k labels.
    weight : array_like, optional
        Weight of each row, of shape (n,), or of each element, of the shape of `target`.
    pos_weight : array_like, optional
        Factor of positives, >= 0: a number, or of shape (k,).
    label_smoothing : float
        With a in [0, 1], a target y becomes y (1 - a) + a / 2.
    where : array_like of bool, optional
        Elements to count, broadcast against `target`.
    ignore_index : int or float, optional
        Elements whose target equals it are left out.

    Returns
    -------
    numpy.float64 or ndarray of float64
        A number, or of shape (k,). A soft target y counts as y positives and 1 - y negatives.

    Raises
    ------
    ValueError
        If there is no positive or no negative of a weight above 0, for then no finite score is
        best; or if a target that counts is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits.boosting import init_score
    >>> target = np.repeat([0, 1], [300, 100])
    >>> print(f"{init_score(target):.6f} {init_score(target, pos_weight=3):.6f}")
    -1.098612 0.000000
    """
    array = read_real("target", target)
    if array.ndim not in (1, 2):
        raise ValueError(f"target has shape {array.shape}; it must be (n,) or (n, k)")
    if weight is not None:
        weight = as_real_array("weight", weight)
        if weight.shape != array.shape:
            weight = as_row_weight("weight", weight, array.ndim)
    weights = as_pos_weight(pos_weight)
    check_broadcast("pos_weight", weights, "target", array.shape)
    if where is not None:
        check_broadcast("where", as_array("where", where), "target", array.shape)
    # At this logit a positive loses 1024 times its weight and a negative, at 0 to the last bit,
    # nothing; at the opposite one it is the other way round. So the exact sums are the loss's own.
    sums = {
        kind: binary_cross_entropy_with_logits(
            np.broadcast_to(logit, array.shape),
            array if type(array) is np.ndarray else target,
            weight,
            reduction="sum",
            pos_weight=weights,
            label_smoothing=label_smoothing,
            where=where,
            ignore_index=ignore_index,
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
    """The arguments, and the derivatives of scores that come from one of the libraries.

    An object never changes, so a copy of it is the same object: CatBoost hands out copies of its
    parameters, and scikit-learn's ``clone`` wants back what it put in.
    """

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
        self._arguments: dict[str, Any] = {
            "pos_weight": kept(as_pos_weight(pos_weight)),
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

    def _key(self) -> tuple[Any, ...]:
        """Return what is equal where the arguments are, and can be hashed."""
        values = dict(self._arguments)
        weights = values.pop("pos_weight")
        if weights is not None:
            exact = weights if weights.dtype.kind in "biu" else weights.astype(np.float64)
            values["pos_weight"] = (weights.shape, *exact.ravel().tolist())
        return type(self), *sorted(values.items())

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, _Objective) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), self._arguments)

    def _rows(self, rows: _Rows) -> Rows:
        """Return scores, labels of their shape, and weights of rows."""
        score, label = as_array("score", rows.score), as_array("label", rows.label)
        if score.size != label.size:
            raise ValueError(
                f"{self._library} gives scores of shape {score.shape} and labels of shape "
                f"{label.shape}; each score needs a label of its own, 0 or 1 or in between"
            )
        names = Names("score", "label", rows.weight_name)
        label = label.reshape(score.shape)
        return Rows(names, score, label, rows.weight, self._arguments["pos_weight"])

    def _derivatives(
        self, rows: _Rows, dtype: DTypeLike | None = None, out: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        found, given = self._rows(rows), self._arguments
        with found.naming_a_bad_label(given["ignore_index"], given["check"]):
            return grad_and_hess(
                found.score, found.label, found.weight, **given, dtype=dtype, out=out
            )


def _made(cls: type[_Objective], arguments: dict[str, Any]) -> _Objective:
    """Return an object that was pickled."""
    return cls(**arguments)


class _XGBoost(_Objective):
    _library, _floor = "XGBoost", _XGBOOST_FLOOR

    # XGBoost looks for the name sample_weight.
    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._derivatives(_told_apart(y_true, y_pred, sample_weight))


class _LightGBM(_Objective):
    _library = "LightGBM"

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        self._seen: list[weakref.ref[Any]] = []

    # LightGBM counts the parameters: three are labels, scores and weights.
    def __call__(
        self, y_true: Any, y_pred: Any, weight: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        rows = _told_apart(y_true, y_pred, weight)
        result = self._derivatives(rows, np.float32)
        if rows.data is not None:
            if self._is_new(rows.data):
                _warn_of_parameters(getattr(rows.data, "params", None) or {})
        elif self._arguments["ignore_index"] is not None and self._is_new(rows.label):
            _warn_of_recoded_labels(as_array("label", rows.label), self._arguments["ignore_index"])
        return result

    def _is_new(self, source: Any) -> bool:
        """Whether a training begins: in each of its rounds the data are the same object."""
        self._seen = [seen for seen in self._seen if seen() is not None]
        if any(seen() is source for seen in self._seen):
            return False
        with contextlib.suppress(TypeError):  # a list, of a call by hand
            self._seen.append(weakref.ref(source))
        return True

    def metric(self, y_true: Any, y_pred: Any, weight: Any = None) -> tuple[str, float, bool]:
        """Return name, value and direction of the log loss, without pos_weight and smoothing.

        It takes what the object takes when it is called. The name is none of LightGBM's own
        metrics, which take the scores for probabilities.
        """
        rows, given = self._rows(_told_apart(y_true, y_pred, weight)), self._arguments
        with rows.naming_a_bad_label(given["ignore_index"], given["check"]):
            loss = binary_cross_entropy_with_logits(
                rows.score,
                rows.label,
                rows.weight,
                reduction="weighted_mean",
                ignore_index=given["ignore_index"],
                check=given["check"],
                num_threads=given["num_threads"],
            )
        return "log_loss_from_logits", float(loss), False


# What weighs or scales the scores of LightGBM's own objective alone, and its value without effect.
_LIGHTGBM_IGNORES = {
    "scale_pos_weight": "1",
    "is_unbalance": "false",
    "unbalance": "false",
    "unbalanced_sets": "false",
    "sigmoid": "1",
}


def _warn_of_parameters(params: Mapping[str, Any]) -> None:
    """Warn of parameters that change nothing beside an objective that is not LightGBM's own."""
    for name, without in _LIGHTGBM_IGNORES.items():
        value = params.get(name)
        if value is None or str(value).lower().removesuffix(".0") == without:
            continue
        cure = "" if name == "sigmoid" else "; the objective's pos_weight= does what it would"
        warn(
            f"LightGBM ignores {name}={value} beside an objective that is not its own{cure}",
            UserWarning,
        )


def _warn_of_recoded_labels(label: NDArray[Any], ignore_index: float) -> None:
    """Warn if labels look like the numbers of classes, among which none is to be left out."""
    if ((label == 0) | (label == 1)).all() and not (label == ignore_index).any():
        warn(
            f"ignore_index is {ignore_index}, but every label that LightGBM gives is 0 or 1: "
            "LGBMClassifier numbers the classes it finds, so labels -1 and 1 become 0 and 1 and "
            "none is left out; LGBMRegressor and lightgbm.train give labels as they are",
            UserWarning,
        )


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
        rows = _Rows(approxes, targets, minus, "weight")
        self._derivatives(rows, np.float64, (ders[:, 0], ders[:, 1]))
        return ders


class _Rows(NamedTuple):
    """What a library gives an objective."""

    score: Any
    label: Any
    weight: Any
    weight_name: str
    data: Any = None  # a DMatrix or a Dataset, by the native API


def _told_apart(first: Any, second: Any, weight: Any) -> _Rows:
    """Return scores, labels and weights, whichever of its two APIs a library calls from."""
    if not hasattr(second, "get_label"):
        return _Rows(second, first, weight, "sample_weight")
    weight = second.get_weight()
    # A DMatrix without weights has none, in an array.
    weight = None if weight is None or not len(weight) else weight
    return _Rows(first, second.get_label(), weight, "weight", second)
