"""bcelogits.metrics, in scikit-learn and without it."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import bcelogits as bce
from bcelogits.metrics import log_loss_from_logits

X = np.linspace(-9, 9, 60)
Y = (np.arange(60) % 3 == 0).astype(int)
W = np.resize([1.0, 0.0, 2.5], 60)


def test_value() -> None:
    found = log_loss_from_logits(Y, X, sample_weight=W)
    assert type(found) is float
    exact = math.fsum(W * (np.logaddexp(0, X) - Y * X)) / math.fsum(W)
    assert found == pytest.approx(exact, rel=1e-15)


def test_float32_logits_give_more_than_float32() -> None:
    x = X.astype(np.float32)
    assert log_loss_from_logits(Y, x) == pytest.approx(
        log_loss_from_logits(Y, x.astype(np.float64)), rel=1e-8
    )


def test_all_arguments() -> None:
    found = log_loss_from_logits(Y, X, sample_weight=W, pos_weight=3, label_smoothing=0.1)
    assert found == bce.binary_cross_entropy_with_logits(
        X, Y, W, reduction="weighted_mean", pos_weight=3, label_smoothing=0.1
    )


def test_several_labels() -> None:
    x, y, w = X.reshape(20, 3), Y.reshape(20, 3), W[:20]
    found = log_loss_from_logits(y, x, sample_weight=w, pos_weight=[1, 2, 3])
    each = [
        log_loss_from_logits(y[:, j], x[:, j], sample_weight=w, pos_weight=j + 1) for j in range(3)
    ]
    assert found == pytest.approx(np.mean(each), rel=1e-15)


@pytest.mark.parametrize("names", [("no", "yes"), (-1, 1), (1, 2), (False, True)])
def test_pos_label(names: tuple[Any, Any]) -> None:
    y = np.array(names)[Y]
    assert log_loss_from_logits(y, X, pos_label=names[1]) == log_loss_from_logits(Y, X)
    assert log_loss_from_logits(y, X, pos_label=names[0]) == log_loss_from_logits(1 - Y, X)


NAMES = np.array(["no", "yes"])


@pytest.mark.parametrize(
    ("y_true", "pos_label", "labels"),
    [
        (["no", "yes"], "Yes", "'no' and 'yes'"),
        (["no", "no"], "yes", "'no'"),
        ([0, 1], "1", "0 and 1"),
        (["0", "1"], 1, "'0' and '1'"),
        ([-1.0, 1.0], 2, "-1.0 and 1.0"),
        ([False, True], 2, "False and True"),
        ([-1, 1], math.nan, "-1 and 1"),
        (np.array(["no", 1], object), "yes", "'no' and 1"),
        ([["no", "yes"], ["no", "a, b"]], "Yes", "'no', 'yes' and 'a, b'"),
        (np.arange(9), 9, "0, 1, 2, 3, 4 and others"),
        (np.resize(NAMES, 300_000), "Yes", "'no' and 'yes'"),
    ],
)
def test_a_pos_label_that_no_label_equals(y_true: Any, pos_label: Any, labels: str) -> None:
    message = (
        f"pos_label is {pos_label!r}, which equals no label of y_true; its labels are {labels}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        log_loss_from_logits(y_true, np.zeros(np.shape(y_true)), pos_label=pos_label)


def test_pos_label_is_one_label() -> None:
    with pytest.raises(TypeError, match=r"pos_label must be one label.*\(2,\)"):
        log_loss_from_logits([0, 1], [-1, 2], pos_label=[0, 1])


MISSING = [
    np.array(["no", None, "yes"], object),
    np.array(["no", np.nan, "yes"], object),
    np.array([0, np.nan, 1]),
    [["no", "no"], [None, "yes"]],
    np.array(["no", None, "yes"], np.dtypes.StringDType(na_object=None)),
]


@pytest.mark.parametrize("y_true", MISSING)
@pytest.mark.parametrize("pos_label", ["yes", None])
def test_a_missing_label_is_an_error(y_true: Any, pos_label: Any) -> None:
    """It does not count as negative."""
    place = r"\[1, 0\]" if np.ndim(y_true) == 2 else r"\[1\]"
    reason = r"(missing|(None|nan|NaT): a missing label)"
    with pytest.raises(ValueError, match=rf"y_true{place} is {reason}"):
        log_loss_from_logits(y_true, np.zeros(np.shape(y_true)), pos_label=pos_label)


def test_a_missing_date_is_no_label() -> None:
    days = np.array(["2020-01-01", "NaT", "2020-01-02"], "datetime64[D]")
    with pytest.raises(ValueError, match=r"y_true\[1\] is NaT: a missing label"):
        log_loss_from_logits(days, np.zeros(3), pos_label=days[0])


def test_missing_labels_of_pandas() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    for labels in (
        pd.Series(["no", pd.NA, "yes"], dtype="string"),
        pd.Series(["no", None, "yes"], dtype="category"),
        pd.Series(["no", None, "yes"]),
    ):
        with pytest.raises(ValueError, match=r"y_true\[1\] is .*missing"):
            log_loss_from_logits(labels, [-1.0, 0.0, 1.0], pos_label="yes")
        assert log_loss_from_logits(labels[[0, 2]], [-1.0, 1.0], pos_label="yes") > 0


@pytest.mark.parametrize(
    ("y_true", "y_score", "options", "message"),
    [
        (1 - 2 * Y, X, {}, r"y_true\[0\] is -1, outside \[0, 1\]; pos_label= says which"),
        (
            np.where(np.arange(300_000) > 299_990, 2, 1),
            np.zeros(300_000),
            {},
            r"y_true\[299991\] is 2",
        ),
        (
            NAMES[Y],
            X,
            {},
            r"^y_true\[0\] is 'yes', which is a text, not a number; pos_label= says which",
        ),
        (
            NAMES[Y].astype(object),
            X,
            {},
            r"^y_true\[0\] is 'yes', which is a text, not a number; pos_label=",
        ),
        (
            NAMES[Y].astype("S"),
            X,
            {},
            r"^y_true\[0\] is b'yes', which is a text, not a number; pos_label=",
        ),
        (Y, NAMES[Y], {}, "^y_score has dtype <U3"),
        (Y, X[:7], {}, r"^y_score has shape \(7,\), y_true has shape \(60,\)"),
        (
            Y,
            np.stack([X, X], axis=1),
            {},
            r"^y_score has shape \(60, 2\), y_true has shape \(60,\)",
        ),
        (Y, X, {"sample_weight": W[:, None]}, r"^sample_weight has shape \(60, 1\)"),
        (Y, X, {"sample_weight": W[:7]}, r"^sample_weight of shape \(7,\) .* of y_true, \(60,\)$"),
        (Y, X, {"sample_weight": NAMES[Y]}, "^sample_weight has dtype <U3"),
        (Y, X, {"pos_weight": -1}, "^pos_weight is -1"),
        (Y, X, {"pos_weight": [1, 2]}, r"^pos_weight of shape \(2,\) .* of y_score, \(60,\)$"),
        (Y, X, {"label_smoothing": 2}, "^label_smoothing"),
    ],
)
def test_errors(y_true: Any, y_score: Any, options: Any, message: str) -> None:
    """They speak of the arguments that there are."""
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        log_loss_from_logits(y_true, y_score, **options)
    assert not re.search(r"\b(target|input)\b|^weight", str(caught.value))


# --- beside scikit-learn ---------------------------------------------------------------------

finite = st.floats(-30, 30)


@given(hnp.arrays(np.float64, st.integers(2, 30), elements=finite), st.data())
def test_it_is_the_log_loss_of_probabilities(x: Any, data: Any) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    y = data.draw(hnp.arrays(bool, x.size))
    w = data.draw(hnp.arrays(np.float64, x.size, elements=st.floats(0.25, 4)))
    expected = metrics.log_loss(y, bce.sigmoid(x), sample_weight=w, labels=[False, True])
    # From 1 - p scikit-learn has what double precision leaves of it.
    assert log_loss_from_logits(y, x, sample_weight=w) == pytest.approx(expected, abs=1e-3)
    near = np.abs(x).max() < 10
    assert not near or log_loss_from_logits(y, x, sample_weight=w) == pytest.approx(
        expected, rel=1e-11, abs=1e-11
    )


@pytest.fixture(scope="module")
def cancer() -> tuple[Any, Any]:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


class TestScorer:
    def scorer(self, **options: Any) -> Any:
        from sklearn.metrics import make_scorer

        return make_scorer(
            log_loss_from_logits,
            greater_is_better=False,
            response_method="decision_function",
            **options,
        )

    @pytest.mark.parametrize("weighted", [False, True])
    def test_is_neg_log_loss(self, cancer: tuple[Any, Any], weighted: bool) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import get_scorer

        x, y = cancer
        model = LogisticRegression().fit(x, y)
        options = {"sample_weight": np.resize([1.0, 2.0, 0.5], y.size)} if weighted else {}
        found = self.scorer()(model, x, y, **options)
        assert found == pytest.approx(get_scorer("neg_log_loss")(model, x, y, **options), rel=1e-9)

    @pytest.mark.parametrize("pos_label", ["benign", "malignant"])
    def test_pos_label_turns_the_scores(self, cancer: tuple[Any, Any], pos_label: str) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import get_scorer

        x, y = cancer
        names = np.where(y == 1, "benign", "malignant")
        model = LogisticRegression().fit(x, names)
        expected = get_scorer("neg_log_loss")(model, x, names)
        assert self.scorer(pos_label=pos_label)(model, x, names) == pytest.approx(expected)

    def test_cross_validation(self, cancer: tuple[Any, Any]) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_validate

        x, y = cancer
        scoring = {"ours": self.scorer(), "theirs": "neg_log_loss"}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = cross_validate(LogisticRegression(), x, y, scoring=scoring)
        np.testing.assert_allclose(found["test_ours"], found["test_theirs"], rtol=1e-9)

    def test_xgboost_takes_it(self, cancer: tuple[Any, Any]) -> None:
        xgboost = pytest.importorskip("xgboost", reason="the peer, xgboost, is not installed")
        from bcelogits import boosting

        x, y = cancer
        model = xgboost.XGBClassifier(
            objective=boosting.xgboost(),
            eval_metric=log_loss_from_logits,
            n_estimators=3,
            n_jobs=1,
        )
        weight = np.resize([1.0, 2.0], y.size)
        model.fit(x, y, eval_set=[(x, y)], sample_weight_eval_set=[weight], verbose=False)
        found = model.evals_result()["validation_0"]
        np.testing.assert_allclose(found["log_loss_from_logits"], found["logloss"], rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "most"), [(np.float64, 36.04), (np.float32, 15.94), (np.float16, 6.93)]
)
def test_what_a_wrong_prediction_costs_in_scikit_learn(dtype: Any, most: float) -> None:
    """As docs/scikit-learn.md has it; a logit costs what it says."""
    sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")
    certain = np.array([[0, 1], [1, 0]], dtype)
    assert round(float(sklearn.log_loss([0, 1], certain)), 2) == most
    assert log_loss_from_logits([0, 1], [800.0, -800.0]) == 800
