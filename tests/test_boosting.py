"""The objectives of bcelogits.boosting, in XGBoost, LightGBM and CatBoost and without them."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import bcelogits as bce
from bcelogits import boosting

ROOT = Path(__file__).resolve().parents[1]
MAKERS = [boosting.xgboost, boosting.lightgbm, boosting.catboost]


def peer(name: str) -> ModuleType:
    """Import a library, or skip."""
    # OSError: LightGBM without libgomp
    return pytest.importorskip(
        name, reason=f"the peer, {name}, is not installed", exc_type=(ImportError, OSError)
    )


# --- trees of the real libraries -------------------------------------------------------------

ROUNDS, RATE = 4, 0.3


class Trees(NamedTuple):
    """What was learned: where rows are parted, which must be equal, and numbers that are close."""

    splits: Any
    scores: Any  # raw, of the training rows

    def assert_same(self, other: Trees, rtol: float = 2e-5) -> None:
        assert self.splits == other.splits
        assert len(set(np.ravel(self.scores))) > 4  # something was learned
        np.testing.assert_allclose(self.scores, other.scores, rtol=rtol, atol=rtol)


class Data(NamedTuple):
    x: Any
    y: Any
    w: Any


def train_xgboost(
    data: Data, objective: Any = None, *, weighted: bool = False, **params: Any
) -> Trees:
    """Trees of an objective, or of the built-in one, by the native API."""
    xgb = peer("xgboost")
    margin = params.pop("base_margin", None)
    matrix = xgb.DMatrix(
        data.x, data.y, weight=data.w if weighted else None, base_margin=margin, nthread=1
    )
    fixed = {"eta": RATE, "max_depth": 4, "base_score": 0.5, "nthread": 1, "verbosity": 0}
    params = {"objective": "binary:logistic", **fixed, **params}
    params.pop("soft", None)
    model = xgb.train(params, matrix, ROUNDS, obj=objective)
    table = model.trees_to_dataframe()
    columns = ["Tree", "Node", "Feature", "Split", "Yes", "No"]
    splits = table[columns].astype(str).to_numpy().tolist()
    return Trees(splits, model.predict(matrix, output_margin=True))


def train_lightgbm(
    data: Data, objective: Any = None, *, weighted: bool = False, soft: bool = False, **params: Any
) -> Trees:
    lgb = peer("lightgbm")
    rows = lgb.Dataset(data.x, data.y, weight=data.w if weighted else None)
    built_in = "cross_entropy" if soft else "binary"
    params = {
        "objective": built_in if objective is None else objective,
        "learning_rate": RATE,
        "boost_from_average": False,
        "min_gain_to_split": 1e-3,  # rows that are all alike are not parted by rounding
        "num_threads": 1,
        "verbose": -1,
        **params,
    }
    model = lgb.train(params, rows, ROUNDS)
    table = model.trees_to_dataframe()
    columns = ["tree_index", "node_index", "split_feature", "threshold", "count"]
    splits = table[columns].astype(str).to_numpy().tolist()
    return Trees(splits, model.predict(data.x, raw_score=True))


def catboost_params(objective: Any, **params: Any) -> dict[str, Any]:
    """What CatBoost sets otherwise for an objective that is not its own, and no chance."""
    return {
        "loss_function": objective,
        "eval_metric": "Logloss",
        "iterations": ROUNDS,
        "learning_rate": RATE,
        "depth": 4,
        "boost_from_average": False,
        "boosting_type": "Plain",
        "bootstrap_type": "No",
        "random_strength": 0,
        "leaf_estimation_iterations": 1,
        "leaf_estimation_backtracking": "No",
        "allow_writing_files": False,
        "thread_count": 1,
        "verbose": False,
        **params,
    }


def train_catboost(
    data: Data, objective: Any = None, *, weighted: bool = False, soft: bool = False, **params: Any
) -> Trees:
    cb = peer("catboost")
    built_in = "CrossEntropy" if soft else "Logloss"
    if objective is None:
        params["eval_metric"] = built_in
    else:
        params["boost_from_average"] = None
        if soft:
            params["eval_metric"] = "RMSE"  # a metric of classes would make labels classes
    chosen = catboost_params(built_in if objective is None else objective, **params)
    model = cb.CatBoost({name: value for name, value in chosen.items() if value is not None})
    model.fit(cb.Pool(data.x, data.y, weight=data.w if weighted else None))
    splits = model.calc_leaf_indexes(data.x).tolist()
    return Trees(splits, model.predict(data.x, prediction_type="RawFormulaVal"))


TRAINERS: dict[str, tuple[Callable[..., Any], Callable[..., Trees]]] = {
    "xgboost": (boosting.xgboost, train_xgboost),
    "lightgbm": (boosting.lightgbm, train_lightgbm),
    "catboost": (boosting.catboost, train_catboost),
}
every_library = pytest.mark.parametrize("library", TRAINERS)


def breast_cancer() -> Data:
    x, y = peer("sklearn.datasets").load_breast_cancer(return_X_y=True)
    return Data(x, y, np.linspace(0.25, 4, y.size))


def flights() -> Data:
    """Late or not, by carrier, airport, month and what a model thought."""
    parquet = peer("pyarrow.parquet")
    table = parquet.read_table(ROOT / "examples" / "flights.parquet").slice(0, 20_000)
    codes = [
        np.unique(table[name].to_numpy(), return_inverse=True)[1]
        for name in ("carrier", "origin", "month")
    ]
    x = np.stack([*codes, table["logit"].to_numpy()], axis=1, dtype=np.float64)
    y = table["target"].to_numpy()
    return Data(x, y, np.resize([1.0, 0.5, 3.0, 0.0], y.size))


@pytest.fixture(scope="module", params=[breast_cancer, flights], ids=lambda load: load.__name__)
def data(request: pytest.FixtureRequest) -> Data:
    found: Data = request.param()
    return found


@pytest.fixture(scope="module")
def cancer() -> Data:
    return breast_cancer()


@every_library
class TestTrees:
    """The trees are those of the library's own objective."""

    @pytest.mark.parametrize("weighted", [False, True])
    def test_same_trees(self, library: str, data: Data, weighted: bool) -> None:
        objective, train = TRAINERS[library]
        train(data, objective(), weighted=weighted).assert_same(train(data, weighted=weighted))

    @pytest.mark.parametrize("weighted", [False, True])
    def test_pos_weight_is_scale_pos_weight(self, library: str, data: Data, weighted: bool) -> None:
        objective, train = TRAINERS[library]
        theirs = train(data, weighted=weighted, scale_pos_weight=3.5)
        if library != "catboost":
            train(data, objective(pos_weight=3.5), weighted=weighted).assert_same(theirs)
            return
        # CatBoost weighs rows themselves so, when it compares splits and holds leaves back.
        train(data, objective(), weighted=weighted, class_weights=[1, 3.5]).assert_same(theirs)
        made = objective(pos_weight=3.5).calc_ders_range(theirs.scores, data.y, data.w)
        rows = data.w * np.where(data.y == 1, 3.5, 1)
        np.testing.assert_allclose(
            made, objective().calc_ders_range(theirs.scores, data.y, rows), rtol=1e-15
        )

    def test_soft_labels(self, library: str, data: Data) -> None:
        objective, train = TRAINERS[library]
        soft = data._replace(y=np.clip(data.y * 0.7 + np.resize([0.1, 0, 0.3], data.y.size), 0, 1))
        ours = train(soft, objective(), weighted=True, soft=True)
        ours.assert_same(train(soft, weighted=True, soft=True))

    def test_label_smoothing(self, library: str, cancer: Data) -> None:
        objective, train = TRAINERS[library]
        soft = cancer._replace(y=cancer.y * 0.8 + 0.1)
        ours = train(cancer, objective(label_smoothing=0.2))
        ours.assert_same(train(soft, soft=True))

    def test_left_out_labels(self, library: str, cancer: Data) -> None:
        """Training is that of rows without weight."""
        objective, train = TRAINERS[library]
        out = np.arange(cancer.y.size) % 5 == 0
        marked = cancer._replace(y=np.where(out, 0.5, cancer.y))
        none = cancer._replace(w=np.where(out, 0.0, 1.0))
        if library == "catboost":  # which looks for borders between rows of no weight too
            scores = cancer.x[:, 0]
            made = objective(ignore_index=0.5).calc_ders_range(scores, marked.y, None)
            ders = objective().calc_ders_range(scores, none.y, none.w)
            np.testing.assert_array_equal(made, ders)
            return
        params = {"tree_method": "exact"} if library == "xgboost" else {}
        ours = train(marked, objective(ignore_index=0.5), **params)
        ours.assert_same(train(none, objective(), weighted=True, **params))

    def test_scores_of_the_library_are_never_written(self, library: str, cancer: Data) -> None:
        made, train = TRAINERS[library]
        seen: list[bool] = []

        def watch(call: Callable[..., Any], score: Any, *args: Any) -> Any:
            before = score.copy()
            result = call(score, *args)
            seen.append(np.array_equal(before, score))
            assert all(not np.may_share_memory(score, r) for r in result)
            return result

        objective = made()
        if library == "catboost":
            call = objective.calc_ders_range
            objective.calc_ders_range = lambda *args: watch(call, *args)
            train(cancer, objective)
        else:
            train(cancer, lambda score, rows: watch(objective, score, rows))
        assert len(seen) >= ROUNDS
        assert all(seen)

    def test_a_bad_label_is_named(self, library: str, cancer: Data) -> None:
        """In the library's own exception or ours, but with our words."""
        objective, train = TRAINERS[library]
        bad = cancer._replace(y=np.where(np.arange(cancer.y.size) == 7, 1.5, cancer.y))
        with pytest.raises(Exception, match=r"label\[7\] is 1\.5, outside"):
            train(bad, objective(), **({"eval_metric": "RMSE"} if library == "catboost" else {}))


class TestXGBoost:
    def labels(self, cancer: Data) -> Data:
        large = cancer.x > np.median(cancer.x, axis=0)
        return cancer._replace(y=np.stack([cancer.y, large[:, 3], large[:, 20]], axis=1))

    @pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
    def test_several_labels(self, cancer: Data, strategy: str) -> None:
        several = self.labels(cancer)
        params = {"multi_strategy": strategy, "base_score": 0.5}
        xgb = peer("xgboost")
        models = []
        for objective in (boosting.xgboost(), None):
            rows = xgb.DMatrix(several.x, several.y, weight=several.w)
            model = xgb.train(
                {"objective": "binary:logistic", "nthread": 1, **params},
                rows,
                ROUNDS,
                obj=objective,
            )
            models.append(model.predict(rows, output_margin=True))
        assert models[0].shape == several.y.shape
        np.testing.assert_allclose(*models, rtol=2e-5, atol=2e-5)

    def test_a_pos_weight_for_each_label(self, cancer: Data) -> None:
        several = self.labels(cancer)
        sets = [several._replace(y=several.y[:, j]) for j in range(3)]
        each = [train_xgboost(d, scale_pos_weight=p) for d, p in zip(sets, (1, 4, 9), strict=True)]
        together = train_xgboost(several, boosting.xgboost(pos_weight=[1, 4, 9]))
        expected = np.stack([trees.scores for trees in each], axis=1)
        np.testing.assert_allclose(together.scores, expected, rtol=2e-5, atol=2e-5)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_floor_of_the_hessian(self, cancer: Data, weighted: bool) -> None:
        """Where every score is far out, the covers of the trees are sums of floors."""
        margin = np.where(cancer.y == 1, -60.0, 60.0)
        far = {"base_margin": margin, "min_child_weight": 0, "lambda": 1e-14}
        ours = train_xgboost(cancer, boosting.xgboost(), weighted=weighted, **far)
        ours.assert_same(train_xgboost(cancer, weighted=weighted, **far))
        lower = train_xgboost(cancer, boosting.xgboost(hess_floor=0), weighted=weighted, **far)
        assert not np.allclose(lower.scores, ours.scores, rtol=1e-3)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_scikit_learn(self, cancer: Data, weighted: bool) -> None:
        xgb = peer("xgboost")
        weight = cancer.w if weighted else None
        models = []
        for objective in (boosting.xgboost(), "binary:logistic"):
            model = xgb.XGBClassifier(
                objective=objective, n_estimators=ROUNDS, base_score=0.5, n_jobs=1
            )
            models.append(model.fit(cancer.x, cancer.y, sample_weight=weight))
        ours, theirs = (m.predict_proba(cancer.x) for m in models)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)
        again = pickle.loads(pickle.dumps(models[0]))
        np.testing.assert_array_equal(again.predict_proba(cancer.x), ours)

    def test_built_in_metrics_beside_the_objective(self, cancer: Data) -> None:
        xgb = peer("xgboost")
        rows = xgb.DMatrix(cancer.x, cancer.y)
        params = {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1}
        found: dict[str, Any] = {}
        model = xgb.train(
            params,
            rows,
            ROUNDS,
            obj=boosting.xgboost(),
            evals=[(rows, "train")],
            evals_result=found,
            verbose_eval=False,
        )
        margin = model.predict(rows, output_margin=True)
        loss = bce.binary_cross_entropy_with_logits(margin, cancer.y)
        assert found["train"]["logloss"][-1] == pytest.approx(loss, rel=1e-5)
        np.testing.assert_allclose(model.predict(rows), bce.sigmoid(margin), rtol=1e-6)

    def test_classes_are_no_labels(self, cancer: Data) -> None:
        xgb = peer("xgboost")
        model = xgb.XGBClassifier(objective=boosting.xgboost(), n_estimators=1, n_jobs=1)
        with pytest.raises(ValueError, match=r"XGBoost gives scores of shape \(569, 3\)"):
            model.fit(cancer.x, np.arange(569) % 3)

    def test_a_start_for_each_label(self, cancer: Data) -> None:
        """Of init_score, as an array: a list of NumPy's numbers is not what XGBoost reads."""
        xgb = peer("xgboost")
        several = self.labels(cancer)
        start = bce.sigmoid(boosting.init_score(several.y))
        objective = boosting.xgboost()
        model = xgb.XGBClassifier(objective=objective, n_estimators=1, n_jobs=1, base_score=start)
        model.fit(several.x, several.y)
        np.testing.assert_allclose(model.intercept_, start, rtol=1e-6)
        np.testing.assert_allclose(start, several.y.mean(axis=0), rtol=1e-15)

    def test_labels_left_out_go_to_a_regressor(self, cancer: Data) -> None:
        xgb = peer("xgboost")
        out = np.arange(cancer.y.size) % 5 == 0
        marked = np.where(out, -1, cancer.y)
        options: dict[str, Any] = {"n_estimators": 2, "n_jobs": 1, "tree_method": "exact"}
        objective = boosting.xgboost(ignore_index=-1)
        with pytest.raises(ValueError, match="Invalid classes"):
            xgb.XGBClassifier(objective=objective, **options).fit(cancer.x, marked)
        ours = xgb.XGBRegressor(objective=objective, base_score=0, **options)
        ours.fit(cancer.x, marked)
        theirs = xgb.XGBClassifier(base_score=0.5, **options)
        theirs.fit(cancer.x, cancer.y, sample_weight=np.where(out, 0.0, 1.0))
        margin = theirs.predict(cancer.x, output_margin=True)
        np.testing.assert_allclose(ours.predict(cancer.x), margin, rtol=2e-5, atol=2e-5)


class TestLightGBM:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_scikit_learn(self, cancer: Data, weighted: bool) -> None:
        lgb = peer("lightgbm")
        weight = cancer.w if weighted else None
        scores = []
        for objective in (boosting.lightgbm(pos_weight=2), "binary"):
            more = {"scale_pos_weight": 2} if objective == "binary" else {}
            model = lgb.LGBMClassifier(
                objective=objective,
                n_estimators=ROUNDS,
                boost_from_average=False,
                n_jobs=1,
                verbose=-1,
                **more,
            )
            model.fit(cancer.x, cancer.y, sample_weight=weight)
            scores.append(model.predict(cancer.x, raw_score=True))
            again = pickle.loads(pickle.dumps(model))
            np.testing.assert_array_equal(again.predict(cancer.x, raw_score=True), scores[-1])
        np.testing.assert_allclose(*scores, rtol=2e-5, atol=2e-5)

    def test_class_names(self, cancer: Data) -> None:
        lgb = peer("lightgbm")
        model = lgb.LGBMClassifier(
            objective=boosting.lightgbm(), n_estimators=1, n_jobs=1, verbose=-1
        )
        model.fit(cancer.x, np.where(cancer.y == 1, "yes", "no"))
        scores = model.predict(cancer.x, raw_score=True)
        assert np.mean((scores > 0) == cancer.y) > 0.9

    @pytest.mark.parametrize("weighted", [False, True])
    def test_metric_and_start(self, cancer: Data, weighted: bool) -> None:
        """From init_score, metric by metric, training is that of the built-in objective."""
        lgb = peer("lightgbm")
        weight = cancer.w if weighted else None
        start = boosting.init_score(cancer.y, weight)
        results = []
        objective = boosting.lightgbm()
        for mine in (True, False):
            rows = lgb.Dataset(cancer.x, cancer.y, weight=weight)
            if mine:
                rows.set_init_score(np.full(cancer.y.size, start))
            found: dict[str, Any] = {}
            model = lgb.train(
                {
                    "objective": objective if mine else "binary",
                    "metric": "None" if mine else "binary_logloss",
                    "num_threads": 1,
                    "verbose": -1,
                },
                rows,
                ROUNDS,
                valid_sets=[rows],
                feval=objective.metric if mine else None,
                callbacks=[lgb.record_evaluation(found)],
            )
            raw = model.predict(cancer.x, raw_score=True) + (start if mine else 0)
            name = "log_loss_from_logits" if mine else "binary_logloss"
            results.append((raw, found["training"][name]))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=2e-5, atol=2e-5)
        np.testing.assert_allclose(results[0][1], results[1][1], rtol=2e-5)

    def test_metric_of_scikit_learn(self, cancer: Data) -> None:
        lgb = peer("lightgbm")
        objective = boosting.lightgbm()
        model = lgb.LGBMClassifier(objective=objective, n_estimators=2, n_jobs=1, verbose=-1)
        model.fit(
            cancer.x,
            cancer.y,
            eval_X=(cancer.x,),
            eval_y=(cancer.y,),
            eval_metric=objective.metric,
            callbacks=[lgb.log_evaluation(0)],
        )
        scores = model.predict(cancer.x, raw_score=True)
        loss = bce.binary_cross_entropy_with_logits(scores, cancer.y)
        assert objective.metric(cancer.y, scores) == ("log_loss_from_logits", loss, False)
        assert pickle.loads(pickle.dumps(objective.metric))(cancer.y, scores)[1] == loss

    def test_early_stopping_is_that_of_the_built_in_objective(self, cancer: Data) -> None:
        """With metric="none", and the start for the eval set too; without, another metric rules."""
        lgb = peer("lightgbm")
        odd = np.arange(cancer.y.size) % 2 == 1
        x, y, x_eval, y_eval = cancer.x[odd], cancer.y[odd], cancer.x[~odd], cancer.y[~odd]
        start = boosting.init_score(y)
        objective = boosting.lightgbm()
        given = {
            "eval_metric": objective.metric,
            "init_score": np.full(y.size, start),
            "eval_init_score": [np.full(y_eval.size, start)],
        }
        best, evaluated = [], []
        for options, more in (
            ({"objective": "binary"}, {}),
            ({"objective": objective, "metric": "none"}, given),
            ({"objective": objective}, given),
        ):
            model = lgb.LGBMClassifier(**options, n_estimators=60, n_jobs=1, verbose=-1)
            stop = lgb.early_stopping(5, verbose=False)
            model.fit(x, y, eval_X=(x_eval,), eval_y=(y_eval,), callbacks=[stop], **more)
            best.append(model.best_iteration_)
            evaluated.append(model.evals_result_["valid_0"])
        assert best[1] == best[0] > 10 > best[2]
        assert list(evaluated[1]) == ["log_loss_from_logits"]
        assert sorted(evaluated[2]) == ["binary_logloss", "log_loss_from_logits"]
        theirs, ours = evaluated[0]["binary_logloss"], evaluated[1]["log_loss_from_logits"]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)

    @pytest.mark.parametrize(
        "params", [{"scale_pos_weight": 5}, {"is_unbalance": True}, {"unbalance": "true"}]
    )
    def test_a_parameter_without_effect_is_a_warning(self, cancer: Data, params: Any) -> None:
        """One, in each training."""
        objective = boosting.lightgbm()
        ((name, value),) = params.items()
        plain = train_lightgbm(cancer, objective)
        for _ in range(2):
            with pytest.warns(UserWarning, match=f"ignores {name}={value} beside .* pos_weight="):
                ours = train_lightgbm(cancer, objective, **params)
            ours.assert_same(plain)
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                train_lightgbm(cancer, objective, **params)
            assert len(found) == 1

    def test_parameters_that_are_as_if_not_given(self, cancer: Data) -> None:
        params = {"scale_pos_weight": 1.0, "is_unbalance": False, "sigmoid": 1}
        train_lightgbm(cancer, boosting.lightgbm(), **params)

    def test_one_warning_in_a_cross_validation_for_each_fold(self, cancer: Data) -> None:
        lgb = peer("lightgbm")
        params = {"objective": boosting.lightgbm(), "sigmoid": 2.0, "verbose": -1, "num_threads": 1}
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            lgb.cv(params, lgb.Dataset(cancer.x, cancer.y), 3, nfold=2)
        assert [str(w.message) for w in found] == [
            "LightGBM ignores sigmoid=2.0 beside an objective that is not its own"
        ] * 2

    def test_labels_that_became_numbers_of_classes(self, cancer: Data) -> None:
        """-1, to be left out, and 1 come as 0 and 1."""
        lgb = peer("lightgbm")
        objective = boosting.lightgbm(ignore_index=-1)
        options: dict[str, Any] = {"n_estimators": 2, "n_jobs": 1, "verbose": -1}
        marked = np.where(cancer.y == 1, 1, -1)
        with pytest.warns(UserWarning, match="ignore_index is -1, but every label .* LGBMRegr"):
            lgb.LGBMClassifier(objective=objective, **options).fit(cancer.x, marked)
        marked = np.where(np.arange(cancer.y.size) % 5 == 0, -1, cancer.y)
        lgb.LGBMRegressor(objective=objective, **options).fit(cancer.x, marked)

    def test_classes_are_no_labels(self, cancer: Data) -> None:
        lgb = peer("lightgbm")
        model = lgb.LGBMClassifier(
            objective=boosting.lightgbm(), n_estimators=1, n_jobs=1, verbose=-1
        )
        with pytest.raises(ValueError, match=r"LightGBM gives scores of shape \(569, 3\)"):
            model.fit(cancer.x, np.arange(569) % 3)


class TestCatBoost:
    def test_scikit_learn(self, cancer: Data) -> None:
        """Without a warning that numba is missing or cannot compile."""
        cb = peer("catboost")
        scores = []
        for objective in (boosting.catboost(), "Logloss"):
            params = catboost_params(objective)
            if objective != "Logloss":
                del params["boost_from_average"]
            model = cb.CatBoostClassifier(**params).fit(cancer.x, cancer.y, sample_weight=cancer.w)
            scores.append(model.predict_proba(cancer.x))
            again = pickle.loads(pickle.dumps(model))
            np.testing.assert_array_equal(again.predict_proba(cancer.x), scores[-1])
        np.testing.assert_allclose(*scores, rtol=1e-12)


def small_classifier(library: str) -> Any:
    """A model of a library's, with our objective."""
    peer("sklearn")
    module, objective = peer(library), TRAINERS[library][0](pos_weight=2)
    if library == "xgboost":
        return module.XGBClassifier(objective=objective, n_estimators=2, n_jobs=1)
    if library == "lightgbm":
        return module.LGBMClassifier(objective=objective, n_estimators=2, n_jobs=1, verbose=-1)
    return module.CatBoostClassifier(
        loss_function=objective,
        eval_metric="Logloss",
        iterations=2,
        depth=3,
        thread_count=1,
        silent=True,
        allow_writing_files=False,
    )


@every_library
class TestCloning:
    """scikit-learn clones models, and wants the objective back that it put in."""

    def test_clone(self, library: str) -> None:
        model, base = small_classifier(library), peer("sklearn.base")
        again = base.clone(base.clone(model))
        name = "loss_function" if library == "catboost" else "objective"
        assert again.get_params()[name] == TRAINERS[library][0](pos_weight=2)

    def test_validation_and_search(self, library: str, cancer: Data) -> None:
        from sklearn.model_selection import GridSearchCV, cross_val_score

        scores = cross_val_score(
            small_classifier(library),
            cancer.x,
            cancer.y,
            cv=2,
            scoring="roc_auc",
            error_score="raise",
        )
        assert scores.min() > 0.9
        name = "loss_function" if library == "catboost" else "objective"
        candidates = [TRAINERS[library][0](pos_weight=p) for p in (0.5, 3)]
        search = GridSearchCV(
            small_classifier(library),
            {name: candidates},
            cv=2,
            scoring="roc_auc",
            error_score="raise",
        ).fit(cancer.x, cancer.y)
        assert search.best_params_[name] in candidates


@pytest.mark.parametrize("library", ["xgboost", "catboost"])
def test_calibration(library: str, cancer: Data) -> None:
    """Of those that predict probabilities with an objective of one's own."""
    from sklearn.calibration import CalibratedClassifierCV

    model = CalibratedClassifierCV(small_classifier(library), cv=2).fit(cancer.x, cancer.y)
    assert model.score(cancer.x, cancer.y) > 0.9


@every_library
@pytest.mark.parametrize("weighted", [False, True])
def test_lines_of_the_readme_learn_what_the_built_in_does(
    library: str, weighted: bool, cancer: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line before and line after, as they are printed, but with fewer trees."""
    module = peer(library)
    monkeypatch.chdir(tmp_path)  # where CatBoost writes its files
    rows = re.findall(r"(?m)^\| (\w+) \| `(.+)` \| `(.+)` \|$", (ROOT / "README.md").read_text())
    lines = {name.lower(): (before, after) for name, before, after in rows}[library]
    weight = cancer.w if weighted else None
    start = boosting.init_score(cancer.y, weight)
    names = vars(module) | {"boosting": boosting, "sigmoid": bce.sigmoid, "np": np, "start": start}
    brief: dict[str, Any] = {
        "xgboost": {"n_estimators": 20, "n_jobs": 1},
        "lightgbm": {"n_estimators": 20, "n_jobs": 1, "verbose": -1},
        "catboost": {"iterations": 20, "thread_count": 1, "silent": True},
    }[library]

    class Fitted:
        """Stands for the model in a line: sets it to few trees, and fits it with our weights."""

        def __init__(self, *args: Any, **options: Any) -> None:
            self.model = type(self).made(*args, **options, **brief)

        def fit(self, x: Any, y: Any, **options: Any) -> Any:
            return self.model.fit(x, y, sample_weight=weight, **options)

    names |= {"x": cancer.x, "y": cancer.y}
    predictions = []
    for line in lines:
        name = line.partition("(")[0]
        names[name] = type(name, (Fitted,), {"made": getattr(module, name)})
        model = eval(line, dict(names))
        if isinstance(model, Fitted):
            model = model.fit(cancer.x, cancer.y)
        if library == "lightgbm" and len(predictions) == 1:
            predictions.append(bce.sigmoid(start + model.predict(cancer.x, raw_score=True)))
        else:
            predictions.append(model.predict_proba(cancer.x)[:, 1])
    np.testing.assert_allclose(predictions[1], predictions[0], rtol=1e-5)
    assert np.mean((predictions[0] > 0.5) == cancer.y) > 0.95


# --- without the libraries -------------------------------------------------------------------


class Rows:
    """What a DMatrix and a Dataset are to an objective."""

    def __init__(self, label: Any, weight: Any = None) -> None:
        self.label, self.weight = label, weight

    def get_label(self) -> Any:
        return self.label

    def get_weight(self) -> Any:
        return self.weight


X = np.linspace(-40, 40, 81)
Y = (np.arange(81) % 3 == 0).astype(np.float32)
W = np.resize(np.float32([1, 0, 2.5]), 81)


def derivatives(objective: Any, x: Any = X, y: Any = Y, w: Any = None) -> Any:
    """Those of scores, labels and weights, by the way in that the objective has."""
    if hasattr(objective, "calc_ders_range"):
        return objective.calc_ders_range(x, y, w)
    return objective(y, x, w)


@pytest.mark.parametrize("make", [boosting.xgboost, boosting.lightgbm])
@pytest.mark.parametrize("weight", [None, W])
def test_both_apis_give_the_same(make: Callable[..., Any], weight: Any) -> None:
    objective = make(pos_weight=2.0, label_smoothing=0.1)
    native = objective(X, Rows(Y, weight))
    direct = objective(Y, X, weight)
    expected = bce.grad_and_hess(
        X,
        Y,
        weight,
        pos_weight=2.0,
        label_smoothing=0.1,
        hess_floor=1e-16 if make is boosting.xgboost else 0.0,
        dtype=np.float32 if make is boosting.lightgbm else None,
    )
    for found in (native, direct):
        np.testing.assert_array_equal(found, expected)
        assert all(a.dtype == e.dtype for a, e in zip(found, expected, strict=True))
        assert all(a.flags.c_contiguous for a in found)


def test_no_weights_of_a_matrix_are_an_empty_array() -> None:
    found = boosting.xgboost()(X, Rows(Y, np.array([], np.float32)))
    np.testing.assert_array_equal(found, boosting.xgboost()(X, Rows(Y)))


@pytest.mark.parametrize("make", MAKERS)
def test_signatures(make: Callable[..., Any]) -> None:
    """All arguments are named, have the defaults of the loss, and are described."""
    parameters = inspect.signature(make).parameters.values()
    assert {p.kind for p in parameters} == {inspect.Parameter.KEYWORD_ONLY}
    assert {p.name: p.default for p in parameters} == {
        "pos_weight": None,
        "label_smoothing": 0.0,
        "ignore_index": None,
        "hess_floor": 1e-16 if make is boosting.xgboost else 0.0,
        "check": True,
        "num_threads": None,
    }
    for parameter in parameters:
        assert re.search(rf"(?m)^{parameter.name} : ", inspect.getdoc(make) or "")


def test_signatures_are_what_the_libraries_look_for() -> None:
    assert "sample_weight" in inspect.signature(boosting.xgboost()).parameters
    assert len(inspect.signature(boosting.lightgbm()).parameters) == 3
    assert len(inspect.signature(boosting.lightgbm().metric).parameters) == 3


@pytest.mark.parametrize("weights", [None, W])
def test_catboost_has_the_opposite_sign(weights: Any) -> None:
    ders = boosting.catboost(pos_weight=3).calc_ders_range(X, Y, weights)
    grad, hess = bce.grad_and_hess(X, Y, weights, pos_weight=3)
    np.testing.assert_array_equal(ders, -np.stack([grad, hess], axis=1))
    assert ders.dtype == np.float64
    assert ders.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_dtype_that_the_library_stores(dtype: Any) -> None:
    x = X.astype(dtype)
    assert {a.dtype for a in boosting.xgboost()(Y, x)} == {np.dtype(dtype)}
    assert {a.dtype for a in boosting.lightgbm()(Y, x)} == {np.dtype(np.float32)}


def test_weights_are_of_rows() -> None:
    x, y = X.reshape(27, 3), Y.reshape(27, 3)
    w = np.linspace(0, 2, 27)
    grad, _ = boosting.xgboost()(y.ravel(), x, w)  # labels flat, as older versions gave them
    np.testing.assert_array_equal(grad, bce.grad_and_hess(x, y, w[:, None])[0])


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_objectives_pickle(make: Callable[..., Any], copied: Callable[[Any], Any]) -> None:
    objective = make(
        pos_weight=[2.0], label_smoothing=0.1, ignore_index=-1, hess_floor=0.01, num_threads=1
    )
    again = copied(objective)
    assert again == objective
    assert hash(again) == hash(objective)
    assert repr(again) == repr(objective)
    x, y = np.array([0.5, 2.0, -1.0]), np.array([1.0, 0.0, -1.0])
    np.testing.assert_array_equal(derivatives(again, x, y), derivatives(objective, x, y))


@pytest.mark.parametrize("make", MAKERS)
def test_a_copy_is_the_object(make: Callable[..., Any]) -> None:
    objective = make(pos_weight=[2.0, 3.0])
    assert copy.copy(objective) is objective
    assert copy.deepcopy({"a": [objective]})["a"][0] is objective


@pytest.mark.parametrize("make", MAKERS)
def test_objectives_are_equal_if_their_arguments_are(make: Callable[..., Any]) -> None:
    same = [make(pos_weight=p) for p in ([2, 1], (2.0, 1.0), np.float32([2, 1]), np.int8([2, 1]))]
    assert len(set(same)) == 1
    assert make() == make(pos_weight=None, label_smoothing=0, check=True)
    options: list[dict[str, Any]] = [
        {},
        {"pos_weight": 2},
        {"pos_weight": [2]},
        {"pos_weight": [2, 1]},
        {"pos_weight": [[2, 1]]},
        {"label_smoothing": 0.1},
        {"ignore_index": -1},
        {"hess_floor": 0.5},
        {"check": False},
        {"num_threads": 1},
    ]
    assert len({make(**o) for o in options}) == len(options)
    assert len({other() for other in MAKERS}) == 3
    assert make() != "an objective"


@pytest.mark.parametrize("make", MAKERS)
def test_repr_shows_what_is_set(make: Callable[..., Any]) -> None:
    assert repr(make()) == f"bcelogits.boosting.{make.__name__}()"
    assert repr(make(label_smoothing=0.1, hess_floor=0.5)) == (
        f"bcelogits.boosting.{make.__name__}(label_smoothing=0.1, hess_floor=0.5)"
    )


@pytest.mark.parametrize("make", MAKERS)
def test_a_later_change_of_pos_weight_is_not_seen(make: Callable[..., Any]) -> None:
    p = np.array([2.0])
    objective, same = make(pos_weight=p), make(pos_weight=2.0)
    p[:] = 9
    np.testing.assert_array_equal(derivatives(objective, w=W), derivatives(same, w=W))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("pos_weight", -1),
        ("pos_weight", "1"),
        ("label_smoothing", 1.5),
        ("ignore_index", np.nan),
        ("hess_floor", np.nan),
        ("num_threads", 0),
    ],
)
def test_arguments_are_checked_at_once(make: Callable[..., Any], argument: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=argument):
        make(**{argument: value})


def test_weights_of_another_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"weight has shape \(81, 1\)"):
        boosting.lightgbm()(Y, X, W[:, None])
    with pytest.raises(ValueError, match=r"^sample_weight of shape \(7,\) .* label, \(81,\)"):
        boosting.lightgbm()(Y, X, W[:7])
    with pytest.raises(ValueError, match=r"^weight of shape \(7,\) .* label, \(81,\)"):
        boosting.xgboost()(X, Rows(Y, W[:7]))
    with pytest.raises(ValueError, match=r"^pos_weight of shape \(3,\) .* score, \(81,\)"):
        boosting.xgboost(pos_weight=[1, 2, 3])(Y, X)


def test_unchecked_labels() -> None:
    y = np.full(81, 2.0)
    np.testing.assert_array_equal(
        boosting.xgboost(check=False)(y, X), bce.grad_and_hess(X, y, check=False, hess_floor=1e-16)
    )
    with pytest.raises(ValueError, match=r"label\[0\] is 2"):
        boosting.xgboost()(y, X)


# --- init_score ------------------------------------------------------------------------------


def odds(target: Any, weight: Any, pos_weight: float, smoothing: float) -> Fraction:
    """Odds of the weighted positives, exactly."""
    a = Fraction(smoothing)
    rows = [(Fraction(float(y)), Fraction(float(w))) for y, w in zip(target, weight, strict=True)]
    positive = sum(w * (y * (1 - a) + a / 2) for y, w in rows) * Fraction(pos_weight)
    return positive / sum(w * ((1 - y) * (1 - a) + a / 2) for y, w in rows)


halves = st.integers(0, 16).map(lambda k: k / 16)


@given(
    hnp.arrays(np.float64, st.integers(2, 40), elements=halves),
    st.randoms(use_true_random=False),
    st.sampled_from([1.0, 0.25, 7.0]),
    st.sampled_from([0.0, 0.5]),
)
def test_init_score_is_the_log_odds(
    target: Any, random: Any, pos_weight: float, smoothing: float
) -> None:
    target[:2] = 0, 1
    weight = np.array([random.choice([0.5, 1.0, 3.0]) for _ in target])
    found = boosting.init_score(target, weight, pos_weight, label_smoothing=smoothing)
    exact = math.log(odds(target, weight, pos_weight, smoothing))
    assert found == pytest.approx(exact, rel=1e-15, abs=3e-16)


def test_init_score_of_columns() -> None:
    target = np.stack([Y, 1 - Y, np.full(81, 0.5)], axis=1)
    found = boosting.init_score(target, W, [1, 2, 3])
    expected = [boosting.init_score(target[:, j], W, j + 1) for j in range(3)]
    assert found.shape == (3,)
    np.testing.assert_array_equal(found, expected)
    assert isinstance(boosting.init_score(Y.astype(bool)), np.float64)


def test_init_score_has_the_least_loss() -> None:
    score = boosting.init_score(Y, W, 3.0, label_smoothing=0.1)
    grad, _ = bce.grad_and_hess(np.full(81, score), Y, W, pos_weight=3.0, label_smoothing=0.1)
    assert abs(grad.sum()) < 1e-13


def test_init_score_does_not_lose_one_negative_in_many() -> None:
    target = np.ones(10**6, np.float32)
    target[7] = 0
    weight = np.full(target.size, 1e7)
    weight[7] = 1e-7
    exact = math.log(1e7 * (10**6 - 1) / 1e-7)
    assert boosting.init_score(target, weight) == pytest.approx(exact, rel=1e-15)


def test_init_score_takes_the_labels_that_the_objective_takes() -> None:
    """Left out by value or by position, and weights of elements."""
    rng = np.random.default_rng(0)
    target = rng.integers(-1, 2, (200, 3))
    where = rng.integers(0, 2, target.shape) == 1
    weight = rng.uniform(0.5, 2, target.shape)
    found = boosting.init_score(target, weight, [1, 2, 3], where=where, ignore_index=-1)
    for j in range(3):
        rows = where[:, j] & (target[:, j] >= 0)
        alone = boosting.init_score(target[rows, j], weight[rows, j], j + 1)
        assert found[j] == pytest.approx(alone, rel=1e-15)
    by_row = boosting.init_score(target, weight[:, 0], ignore_index=-1)
    np.testing.assert_array_equal(
        by_row, boosting.init_score(target, np.tile(weight[:, :1], 3), ignore_index=-1)
    )
    square = target[:3] == 1
    square[0] = ~square[1]
    rows = np.array([1.0, 2.0, 3.0])  # of rows, where it could be of columns
    np.testing.assert_array_equal(
        boosting.init_score(square, rows), boosting.init_score(square, np.tile(rows[:, None], 3))
    )


@pytest.mark.parametrize(
    ("target", "weight", "pos_weight", "message"),
    [
        ([0, 0], None, None, "positive targets add up to 0"),
        ([1, 1], None, None, "negative targets add up to 0"),
        ([0, 1], [1, 0], None, "positive targets add up to 0"),
        ([0, 1], None, 0, "positive targets add up to 0"),
        ([0, 1], [-1, 1], None, "negative targets add up to -1"),
        ([0, 1], [np.nan, 1], None, "targets add up to nan"),
        ([0, 1], [1, np.inf], None, "targets add up to"),
        ([], None, None, "positive targets add up to 0"),
        ([[0, 1], [1, 1]], None, None, "negative targets in column 1 add up to 0"),
        ([0, 2], None, None, r"target\[1\] is 2"),
        (1, None, None, r"target has shape \(\)"),
        ([0, 1], [1, 1, 1], None, "weight"),
        ([0, 1], [[1, 1]], None, r"weight has shape \(1, 2\)"),
        ([0, 1], None, -1, "pos_weight"),
        ([0, 1], None, [1, 1, 1], r"pos_weight of shape \(3,\) .* of target, \(2,\)"),
    ],
)
def test_init_score_errors(target: Any, weight: Any, pos_weight: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        boosting.init_score(target, weight, pos_weight)


def test_no_library_is_imported() -> None:
    """Not even where an objective of each is made."""
    code = "import sys; from bcelogits import boosting as b; b.xgboost(), b.lightgbm()"
    code += "; b.catboost(); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bcelogits.boosting" in out.stdout.split()
    assert not {"xgboost", "lightgbm", "catboost", "sklearn", "pandas"} & set(out.stdout.split())
