"""Missing values: no mask and no null becomes a number, and none is in the way if left out."""

from __future__ import annotations

import collections
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from containers import (
    BOOLEANS,
    FLOATS,
    KINDS,
    Lazy,
    Masked,
    arrow_array,
    dask_column,
    library,
    masked,
    pandas_series,
    polars_series,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bcelogits import (
    BCEWithLogitsLoss,
    RunningLoss,
    balanced_pos_weight,
    binary_cross_entropy_with_logits,
    boosting,
    grad_and_hess,
    metrics,
    sigmoid,
    value_and_grad,
)

loss = binary_cross_entropy_with_logits


@pytest.fixture(autouse=True)
def dask_without_a_word():
    """Dask warns that its own conversion of pandas' types is of limited use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Dask currently has limited support")
        yield


@pytest.mark.parametrize(("make", "values"), KINDS)
class TestContainers:
    x, y = np.array([0.2, -1.5, 3.0]), np.array([1, 0, 0])
    where = np.array([True, False, True])

    def test_nothing_is_missing(self, make, values):
        dtype = loss(make(values), self.y, reduction="none").dtype
        x = np.array(values, dtype)
        np.testing.assert_array_equal(
            loss(make(values), self.y, reduction="none"), loss(x, self.y, reduction="none")
        )
        expected = loss(self.x, np.array(values), reduction="none")
        np.testing.assert_array_equal(loss(self.x, make(values), reduction="none"), expected)

    def test_is_refused(self, make, values):
        container = make([values[0], None, values[2]])
        calls = {
            "input": lambda: loss(container, self.y),
            "target": lambda: loss(self.x, container),
            "weight": lambda: loss(self.x, self.y, container),
            "pos_weight": lambda: loss(self.x, self.y, pos_weight=container),
            "grad_output": lambda: value_and_grad(
                self.x, self.y, reduction="none", grad_output=container
            ),
        }
        for name, call in calls.items():
            with pytest.raises(ValueError, match=rf"^{name}\[1\] is missing; .*where="):
                call()

    def test_is_left_out(self, make, values):
        container = make([values[0], None, values[2]])
        other = np.array([values[0], 1 - values[0], values[2]])
        for arguments, expected in (
            ((container, self.y), (other, self.y)),
            ((self.x, container), (self.x, other)),
            ((self.x, self.y, container), (self.x, self.y, other)),
        ):
            found = loss(*arguments, where=self.where)
            assert found == pytest.approx(loss(*expected, where=self.where), rel=1e-3)
            assert found == pytest.approx(float(loss(*expected, where=self.where)), rel=2e-7) or (
                found.dtype == np.float16
            )
        found = loss(self.x, self.y, pos_weight=container, where=self.where)
        assert found == loss(self.x, self.y, pos_weight=other, where=self.where)
        _, grad = value_and_grad(
            self.x, self.y, reduction="none", grad_output=container, where=self.where
        )
        expected = value_and_grad(
            self.x, self.y, reduction="none", grad_output=other, where=self.where
        )
        np.testing.assert_array_equal(grad, expected[1])


@pytest.mark.parametrize("make", [*BOOLEANS.values(), *(FLOATS[k] for k in ("objects", "list"))])
def test_where_is_neither_yes_nor_no(make):
    x, y = np.array([0.2, -1.5, 3.0]), np.array([1, 0, 0])
    assert loss(x, y, where=make([True, False, True])) == loss(x, y, where=[True, False, True])
    for function in (loss, grad_and_hess, value_and_grad):
        with pytest.raises(ValueError, match=r"^where\[1\] is missing"):
            function(x, y, where=make([True, None, True]))


class TestNumbers:
    """What is a number stays one."""

    def test_nan(self):
        assert np.isnan(loss([np.nan, 1.0], [0, 1]))
        assert np.isnan(loss(np.ma.masked_array([np.nan, 1.0], False), [0, 1]))
        assert np.isnan(loss(np.array([np.nan, 1], object), [0, 1]))

    def test_nan_of_libraries(self):
        pd, pl, pa = (library(n) for n in ("pandas", "polars", "pyarrow"))
        for x in (
            pd.Series([np.nan, 1.0]),
            pd.DataFrame({"a": [np.nan, 1.0]})["a"],
            pl.Series([np.nan, 1.0]),
            pa.array([np.nan, 1.0]),
            pd.Series(pd.arrays.ArrowExtensionArray(pa.array([np.nan, 1.0]))),
        ):
            assert np.isnan(loss(x, [0, 1]))

    def test_nan_beside_what_is_no_number_is_missing(self):
        """As pandas reads a column of booleans with a gap."""
        pd = library("pandas")
        column = pd.Series([True, np.nan, False])
        with pytest.raises(ValueError, match=r"^target\[1\] is missing"):
            loss([0.2, 1.0, 2.0], column)

    def test_pandas_tells_nan_from_na(self):
        pd = library("pandas")
        if "future.distinguish_nan_and_na" not in pd._config.config._registered_options:
            pytest.skip("this pandas has no NaN beside NA")
        with pd.option_context("future.distinguish_nan_and_na", True):
            column = pd.Series([0.5, np.nan, None], dtype="Float64")
            with pytest.raises(ValueError, match=r"^input\[2\] is missing"):
                loss(column, [0, 1, 0])
            assert np.isnan(loss(column[:2], [0, 1]))

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, bool])
    def test_dtypes_are_kept(self, dtype):
        x = np.ma.masked_array(np.array([1, 0, 1], dtype), [False, True, False])
        result = loss(x, [1, 0, 1], where=[True, False, True])
        assert result.dtype == (dtype if np.dtype(dtype).kind == "f" else float)

    def test_masked_arrays_are_not_copied(self):
        x = np.ma.masked_array(np.linspace(-1, 1, 5), False)
        out = x.data
        expected = loss(x, np.ones(5), reduction="none")
        assert loss(x, np.ones(5), reduction="none", out=out) is out
        np.testing.assert_array_equal(out, expected)


class TestDepth:
    """Lists of containers, and tables."""

    y = np.array([[0, 1], [1, 0]])

    def check(self, make):
        whole, gap = make([[0.5, 1.0], [-1.0, 0.25]]), make([[0.5, 1.0], [-1.0, None]])
        x = np.array([[0.5, 1.0], [-1.0, 0.25]])
        assert loss(whole, self.y) == loss(x, self.y)
        with pytest.raises(ValueError, match=r"^input\[1, 1\] is missing"):
            loss(gap, self.y)
        where = np.array([[True, True], [True, False]])
        assert loss(gap, self.y, where=where) == loss(x, self.y, where=where)

    @pytest.mark.parametrize(
        "make",
        [
            lambda rows: rows,
            lambda rows: tuple(map(tuple, rows)),
            lambda rows: np.array(rows, object),
            lambda rows: [masked(row) for row in rows],
            lambda rows: list(map(Masked.of, rows)),
            lambda rows: collections.UserList(map(masked, rows)),
            lambda rows: [[np.ma.masked if x is None else x for x in row] for row in rows],
            lambda rows: list(map(Lazy, rows)),
        ],
        ids=["lists", "tuples", "objects", "masked", "subclass", "UserList", "constants", "lazy"],
    )
    def test_lists(self, make):
        self.check(make)

    def test_of_four_levels(self):
        x = [[[masked([1.0, 2.0])], [masked([None, 4.0])]]]
        with pytest.raises(ValueError, match=r"^input\[0, 1, 0, 0\] is missing"):
            loss(x, np.zeros((1, 2, 1, 2)))

    def test_lists_of_series(self):
        pd, pl = library("pandas"), library("polars")
        self.check(lambda rows: [pd.Series(row, dtype="Float64") for row in rows])
        self.check(lambda rows: list(map(pl.Series, rows)))

    def test_pandas_frames(self):
        pd = library("pandas")
        self.check(lambda rows: pd.DataFrame(rows, columns=["a", "b"], dtype="Float64"))
        self.check(lambda rows: pd.DataFrame({"a": [r[0] for r in rows],
                   "b": pd.array([r[1] for r in rows], dtype="Float64")}))  # fmt: skip
        frame = pd.DataFrame({"a": [0.2], "b": [0.3]}).astype("Float32")
        assert loss(frame, [[1, 0]]) == loss(np.float32([[0.2, 0.3]]), [[1, 0]])
        columns = pd.DataFrame({"a": np.array([1, 0], "i1"), "b": [True, False]})
        assert loss(np.zeros((2, 2)), columns) == pytest.approx(np.log(2))

    def test_polars_frames(self):
        pl = library("polars")
        names = ["a", "b"]
        self.check(lambda rows: pl.DataFrame(rows, schema=names, orient="row"))
        self.check(lambda rows: pl.Series(rows, dtype=pl.Array(pl.Float64, 2)))
        rows = pl.Series([[0.5, 1.0], None], dtype=pl.Array(pl.Float64, 2))
        with pytest.raises(ValueError, match=r"^input\[1, 0\] is missing"):
            loss(rows, self.y)

    def test_arrow_tables(self):
        pa = library("pyarrow")

        def columns(rows):
            return {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}

        self.check(lambda rows: pa.table(columns(rows)))
        self.check(lambda rows: pa.record_batch(columns(rows)))

    def test_dask_frames(self):
        pd, dd = library("pandas"), library("dask.dataframe")
        self.check(lambda rows: dd.from_pandas(
            pd.DataFrame(rows, columns=["a", "b"], dtype="Float64"), npartitions=2))  # fmt: skip


class TestLeftOut:
    def test_by_ignore_index(self):
        """Where the target says that an element is left out, it is, whatever else is missing."""
        x, w = masked([0.5, None, 1.0]), masked([1.0, None, 2.0])
        y = np.array([0, -1, 1])
        expected = loss([0.5, 0.0, 1.0], y, [1.0, 0.0, 2.0], ignore_index=-1)
        assert loss(x, y, w, ignore_index=-1, pos_weight=w + 1) > expected
        assert loss(x, y, w, ignore_index=-1) == expected
        with pytest.raises(ValueError, match=r"^input\[1\] is missing"):
            loss(x, y + 1.0 * (y < 0), w, ignore_index=-1)

    @pytest.mark.parametrize("index", [-1, 2**63 + 5, 0.5])
    def test_targets_under_a_mask(self, index):
        """They are left out if the number there is that of ignore_index, and not otherwise."""
        x, under = np.array([0.2, -1.5, 3.0]), np.array([1, index, 0])
        y = np.ma.masked_array(under, under == index)
        assert loss(x, y, ignore_index=index) == loss(x, under, ignore_index=index)
        y[2] = np.ma.masked
        with pytest.raises(ValueError, match=r"^target\[2\] is missing"):
            loss(x, y, ignore_index=index)

    @pytest.mark.parametrize(
        "make",
        [list, pandas_series("Int64"), polars_series, arrow_array, dask_column("Int8"),
         FLOATS["masked objects"]],
    )  # fmt: skip
    def test_a_null_is_no_ignore_index(self, make):
        for index in (-1, 0, 1):
            with pytest.raises(ValueError, match=r"^target\[1\] is missing"):
                loss([0.2, -1.5, 3.0], make([1, None, 1]), ignore_index=index)
        y = make([1, None, 0])
        found = loss([0.2, -1.5, 3.0], y, ignore_index=0, where=[True, False, True])
        assert found == loss([0.2], [1])

    def test_weights_that_are_broadcast(self):
        x, y = np.linspace(-2, 2, 12).reshape(4, 3), np.arange(12).reshape(4, 3) % 2
        w, column = masked([1.0, None, 2.0]), masked([1.0, 2.0, None, 3.0])[:, None]
        where = np.ones((4, 3), bool)
        for arguments in ({"weight": w}, {"pos_weight": w}):
            with pytest.raises(ValueError, match=r"weight\[1\] is missing"):
                loss(x, y, where=where, **arguments)
        where[:3, 1] = False
        with pytest.raises(ValueError, match=r"^weight\[1\] is missing"):
            loss(x, y, w, where=where)
        where[3, 1] = False
        assert loss(x, y, w, where=where) == loss(x, y, [1, 7, 2], where=where)
        with pytest.raises(ValueError, match=r"^weight\[2, 0\] is missing"):
            loss(x, y, column, where=where)
        rows = np.array([[True], [True], [False], [True]])
        assert loss(x, y, column, where=rows) == loss(x, y, [[1], [2], [7], [3]], where=rows)
        with pytest.raises(ValueError, match=r"^weight is missing"):
            loss(x, y, np.ma.masked)

    @given(st.data())
    def test_first_that_counts_is_named(self, data):
        shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
        x, y = np.zeros(shape), np.ones(shape)
        gone, where = (data.draw(hnp.arrays(bool, shape)) for _ in range(2))
        x[gone] = np.nan
        for name in ("input", "target"):
            arguments = {"input": np.zeros(shape), "target": y, "where": where}
            arguments[name] = np.ma.masked_array(x if name == "input" else y + 7 * gone, gone)
            found = np.argwhere(gone & where)
            if len(found):
                place = f"[{', '.join(map(str, found[0]))}]" if shape else ""
                with pytest.raises(ValueError) as error:  # noqa: PT011
                    loss(**arguments, reduction="sum")
                assert str(error.value).startswith(f"{name}{place} is missing")
            else:
                count = np.sum(where)
                assert loss(**arguments, reduction="sum") == pytest.approx(count * np.log(2))

    def test_shapes_are_told_first(self):
        x, y = masked([0.5, None, 1.0]), np.ones(3)
        with pytest.raises(ValueError, match=r"target has shape \(2,\)"):
            loss(x, [1, 0])
        with pytest.raises(ValueError, match=r"weight of shape \(2,\)"):
            loss(y, y, masked([1.0, None]))
        with pytest.raises(ValueError, match=r"where of shape \(2,\)"):
            loss(x, y, where=[True, False])

    @pytest.mark.parametrize("check", [True, False])
    def test_check_makes_no_difference(self, check):
        with pytest.raises(ValueError, match=r"^input\[0\] is missing"):
            loss([None, 1.0], [0, 1], check=check)

    def test_out_is_not_touched(self):
        out = np.full(3, 5.0)
        for arguments in ((masked([0.5, None, 1.0]), [0, 1, 0]), (np.ones(3), [0, None, 1])):
            for call in (
                lambda a=arguments: loss(*a, reduction="none", out=out),
                lambda a=arguments: value_and_grad(*a, out=out),
                lambda a=arguments: grad_and_hess(*a, out=(out, None)),
            ):
                with pytest.raises(ValueError, match="is missing"):
                    call()
        assert (out == 5).all()
        with pytest.raises(TypeError, match=r"^out has a mask"):
            loss(np.ones(3), np.ones(3), reduction="none", out=masked([1.0, None, 2.0]))


class TestEveryDoor:
    gap = staticmethod(lambda: masked([0.5, None, 0.25]))

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])
    def test_objects(self, reduction):
        criterion = BCEWithLogitsLoss(reduction=reduction)
        for call in (criterion, criterion.forward, criterion.value_and_grad,
                     criterion.grad_and_hess):  # fmt: skip
            with pytest.raises(ValueError, match=r"^input\[1\] is missing"):
                call(self.gap(), np.zeros(3))
            with pytest.raises(ValueError, match=r"^target\[1\] is missing"):
                call(np.zeros(3), self.gap())
        left_out = criterion.value_and_grad(
            self.gap(), np.zeros(3), where=np.array([True, False, True])
        )
        assert np.isfinite(left_out[0]).all()

    @pytest.mark.parametrize("name", ["weight", "pos_weight"])
    def test_constructors(self, name):
        for make in (BCEWithLogitsLoss, RunningLoss, boosting.xgboost, boosting.catboost):
            if name == "pos_weight" or make is BCEWithLogitsLoss:
                with pytest.raises(ValueError, match=rf"^{name}\[1\] is missing"):
                    make(**{name: self.gap()})

    def test_functions_of_one_argument(self):
        for function, name in ((sigmoid, "x"), (balanced_pos_weight, "target")):
            with pytest.raises(ValueError, match=rf"^{name}\[1\] is missing"):
                function(self.gap())

    def test_metrics(self):
        for arguments, name in (
            ((self.gap(), np.zeros(3)), "y_true"),
            (([0, None, 1], np.zeros(3)), "y_true"),
            ((np.zeros(3), self.gap()), "input|y_score"),
        ):
            with pytest.raises(ValueError, match=rf"^({name})\[1\] is missing"):
                metrics.log_loss_from_logits(*arguments)
        with pytest.raises(ValueError, match=r"^sample_weight\[1\] is missing"):
            metrics.log_loss_from_logits(np.zeros(3), np.zeros(3), sample_weight=self.gap())
        with pytest.raises(ValueError, match=r"^y_true\[1\] is missing"):
            metrics.log_loss_from_logits(["yes", None, "no"], np.zeros(3), pos_label="yes")
        texts = np.array(["yes", np.nan, "no"], object)
        with pytest.raises(ValueError, match=r"^y_true\[1\] is missing"):
            metrics.log_loss_from_logits(texts, np.zeros(3), pos_label="yes")

    def test_boosting(self):
        for objective in (boosting.xgboost(), boosting.lightgbm()):
            with pytest.raises(ValueError, match=r"^label\[1\] is missing"):
                objective(self.gap(), np.zeros(3))
            with pytest.raises(ValueError, match=r"^score\[1\] is missing"):
                objective(np.zeros(3), self.gap())
            with pytest.raises(ValueError, match=r"^(sample_)?weight\[1\] is missing"):
                objective(np.zeros(3), np.zeros(3), self.gap())
        with pytest.raises(ValueError, match=r"^target\[1\] is missing"):
            boosting.init_score(self.gap())

    @pytest.mark.parametrize("axis", [None, 0])
    def test_running(self, axis):
        running = RunningLoss(axis=axis)
        running.update(np.ones((2, 3)), np.zeros((2, 3)))
        before = running.state_dict()
        gap, zeros = np.ma.stack([self.gap(), self.gap()]), np.zeros((2, 3))
        for arguments, name in (
            ((gap, zeros), "input"), ((zeros, gap), "target"), ((zeros, zeros, gap), "weight"),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=rf"^{name}\[0, 1\] is missing"):
                running.update(*arguments)
        assert running.state_dict() == before
        running.update(gap, zeros, None, ~gap.mask)
        assert np.sum(running.count) == 10


class TestLogitsThatAreNaN:
    """In a stream: no later update mends a total that is NaN."""

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("axis", [None, 0, 1])
    @pytest.mark.parametrize("rows", [3, 5000])
    def test_are_refused(self, dtype, axis, rows):
        running = RunningLoss(axis=axis)
        x, y = np.ones((rows, 3), dtype), np.zeros((rows, 3))
        running.update(x, y)
        before = pickle.dumps(running)
        x[rows - 1, 1:] = np.nan
        with pytest.raises(ValueError, match=rf"^input\[{rows - 1}, 1\] is nan, .*where="):
            running.update(x, y)
        assert pickle.dumps(running) == before
        running.update(x, y, None, ~np.isnan(x))
        assert np.sum(running.count) == 6 * rows - 2

    def test_pass_without_a_check(self):
        running = RunningLoss(check=False)
        running.update([np.nan, 1.0], [0, 1])
        assert np.isnan(running.compute())

    def test_are_left_out_by_ignore_index(self):
        running = RunningLoss(ignore_index=-1)
        running.update([np.nan, 1.0], [-1, 1])
        assert running.count == 1
        with pytest.raises(ValueError, match=r"^input\[2\] is nan"):
            running.update([np.nan, 1.0, np.nan], [-1, 1, 0])

    def test_are_not_the_only_way_to_nan(self):
        running = RunningLoss()
        running.update([1.0, 1.0], [0, 0], [np.inf, -np.inf])
        assert np.isnan(running.compute("sum"))

    def test_beyond_a_piece_of_work(self):
        x = np.zeros(300_000, np.float32)
        x[290_001] = np.nan
        with pytest.raises(ValueError, match=r"^input\[290001\] is nan"):
            RunningLoss().update(x, x != x)


def test_plain_calls_import_no_masked_arrays():
    code = (
        "import sys, numpy, bcelogits; before = 'numpy.ma' in sys.modules;"
        "bcelogits.binary_cross_entropy_with_logits(numpy.ones(2), [1, 0], 2.0);"
        "print(before, 'numpy.ma' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() in ([b"False", b"False"], [b"True", b"True"])


class TestClassWeightsAndStarts:
    """They take the labels that the loss takes."""

    @pytest.mark.parametrize(
        "labels", [[1, None, 0, 0], np.ma.masked_array([1, 7, 0, 0], [0, 1, 0, 0])]
    )
    def test_what_is_left_out_may_be_missing(self, labels):
        where = [True, False, True, True]
        assert balanced_pos_weight(labels, where=where) == 2
        assert boosting.init_score(labels, where=where) == pytest.approx(np.log(0.5))
        for function in (balanced_pos_weight, boosting.init_score):
            with pytest.raises(ValueError, match=r"target\[1\] is missing"):
                function(labels)

    def test_a_label_under_a_mask_may_be_ignored(self):
        labels = np.ma.masked_array([1, -1, 0, 0], [0, 1, 0, 0])
        assert balanced_pos_weight(labels, ignore_index=-1) == 2
        assert boosting.init_score(labels, ignore_index=-1) == pytest.approx(np.log(0.5))

    def test_weights_too(self):
        weight = np.ma.masked_array([1.0, 9.0, 3.0], [0, 1, 0])
        found = balanced_pos_weight([1, 1, 0], weight=weight, where=[True, False, True])
        assert found == 3
        with pytest.raises(ValueError, match=r"weight\[1\] is missing"):
            balanced_pos_weight([1, 1, 0], weight=weight)
