"""Objectives of gradient boosting against those that are written with NumPy.

A row is a whole call of the objective, as the library makes it, or a whole short training. The
arrays are those of `data`; labels are float32, as XGBoost and LightGBM hand them over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from bcelogits import boosting

from . import peers
from .cases import OURS, THEIRS, Case
from .data import Array, logits, targets
from .measure import Contest

ROWS = 10**6
TRAINING_ROWS, FEATURES, TREES = 10**5, 10, 10
Objective = Callable[[Array, Array], tuple[Array, Array]]


def numpy_objective(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """The usual objective."""
    p = 1 / (1 + np.exp(-y_pred))
    return p - y_true, p * (1 - p)


def weighted_objective(alpha: float, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """The formula of imbalance-xgboost for positives that count alpha times."""
    p = 1 / (1 + np.exp(-y_pred))
    weight = alpha**y_true
    return weight * (p - y_true), weight * p * (1 - p)


def _call(ours: Objective, theirs: Objective, dtype: str) -> Contest:
    x, t = logits(ROWS, dtype), targets(ROWS)
    statements = {OURS: "ours(t, x)", THEIRS: "theirs(t, x)"}
    return Contest(statements, {"ours": ours, "theirs": theirs, "x": x, "t": t})


def _data() -> tuple[Array, Array]:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((TRAINING_ROWS, FEATURES), dtype=np.float32)
    logit = x[:, 0] + x[:, 1] * x[:, 2] - 1
    return x, (rng.logistic(size=TRAINING_ROWS) < logit).astype(np.float32)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # OSError: LightGBM without libgomp
        raise peers.MissingPeerError(f"{name}: {error}") from None


def _of_xgboost(ours: Any, theirs: Any) -> Contest:
    xgboost = _library("xgboost")
    rows = xgboost.QuantileDMatrix(*_data(), nthread=1)
    params = {"objective": "binary:logistic", "base_score": 0.5, "nthread": 1}

    def train(objective: Any) -> None:
        xgboost.train(params, rows, TREES, obj=objective)

    statements = {OURS: "train(ours)", THEIRS: "train(theirs)"}
    return Contest(statements, {"train": train, "ours": ours, "theirs": theirs})


def _of_lightgbm(ours: Any, theirs: Any) -> Contest:
    lightgbm = _library("lightgbm")
    fixed = {"boost_from_average": False, "num_threads": 1, "verbose": -1}
    x, y = _data()
    rows = lightgbm.Dataset(x, y, params=fixed)

    def train(objective: Any) -> None:
        lightgbm.train({"objective": objective, **fixed}, rows, TREES)

    statements = {OURS: "train(ours)", THEIRS: "train(theirs)"}
    return Contest(statements, {"train": train, "ours": ours, "theirs": theirs})


def _numpy_of_scores(score: Array, rows: Any) -> tuple[Array, Array]:
    """The usual objective as the native functions call it."""
    return numpy_objective(rows.get_label(), score)


def cases() -> list[Case]:
    """Return the rows."""
    found = []
    for dtype in ("float32", "float64"):
        for name, ours in (("xgboost", boosting.xgboost()), ("lightgbm", boosting.lightgbm())):
            if (name, dtype) == ("lightgbm", "float32"):
                continue  # its scores are float64
            make = partial(_call, ours, numpy_objective, dtype)
            found.append(Case(f"{name}(), {dtype}, 10^6", "NumPy objective", None, None, make))
        weighted = partial(weighted_objective, 3.0)
        make = partial(_call, boosting.xgboost(pos_weight=3.0), weighted, dtype)
        name = f"xgboost(pos_weight=3), {dtype}, 10^6"
        found.append(Case(name, "imbalance-xgboost's formula", None, None, make))
    for library, contest, ours, own in (
        ("XGBoost", _of_xgboost, boosting.xgboost(), None),
        ("LightGBM", _of_lightgbm, boosting.lightgbm(), "binary"),
    ):
        name = f"{library}, {TREES} trees of {TRAINING_ROWS} rows"
        for against, theirs in (("NumPy objective", _numpy_of_scores), ("its own objective", own)):
            found.append(Case(name, against, None, None, partial(contest, ours, theirs)))
    return found
