"""Missing values: no mask and no null becomes a number, and none is in the way if left out."""

from __future__ import annotations

import collections
import decimal
import itertools
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
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


def library(name):
    return pytest.importorskip(name, reason=f"{name} is not installed, whose containers are tried")


# --- ways in which something can be missing --------------------------------------------------

# Each makes a container of a list of numbers, in which None is missing.


def masked(values, under=7.0):
    """A masked array with something under its mask."""
    gone = [v is None for v in values]
    filled = [under if v is None else v for v in values]
    # Booleans stay so: what is under a mask has the dtype of the others.
    dtype = np.array([v for v in values if v is not None]).dtype
    return np.ma.masked_array(np.array(filled).astype(dtype), gone)


class Masked(np.ndarray):
    """An array with a mask that is no np.ma: as astropy has them."""

    @classmethod
    def of(cls, values):
        found = masked(values)
        array = np.asarray(found.data).view(cls)
        array.mask = np.ma.getmaskarray(found)
        return array


class Lazy:
    """A variable of a file: what ``__array__`` returns has a mask, which np.asarray drops."""

    def __init__(self, values):
        self.whole = masked(values)

    def __array__(self, dtype=None, copy=None):
        return self.whole


class LazyBesides(Lazy):
    """One that has the mask as an attribute."""

    @property
    def mask(self):
        return np.ma.getmaskarray(self.whole)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.whole)


class Variable:
    """A variable of a file that is read by an index alone, as those of scipy.io."""

    def __init__(self, values):
        self.whole = masked(values)
        self.shape = self.whole.shape

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        return self.whole[index]


class Interface:
    """The mask of NumPy's array interface: true where an element is there."""

    def __init__(self, values):
        self.whole = masked(values)

    @property
    def __array_interface__(self):
        there = ~np.ma.getmaskarray(self.whole)
        return {**np.asarray(self.whole).__array_interface__, "mask": there}


def pandas_series(dtype):
    return lambda values: library("pandas").Series(values, dtype=dtype)


def pandas_array(values):
    return library("pandas").array(values, dtype="Float64")


def pandas_category(values):
    return library("pandas").Series(values, dtype="category")


def pandas_pyarrow(dtype):
    def make(values):
        library("pyarrow")
        return library("pandas").Series(values, dtype=dtype)

    return make


def xarray_of_pandas(values):
    return library("xarray").DataArray(pandas_array(values), dims="x")


def polars_series(values):
    return library("polars").Series(values)


def arrow_array(values):
    return library("pyarrow").array(values)


def arrow_chunks(values):
    pa = library("pyarrow")
    kind = pa.array(values).type
    return pa.chunked_array([values[:1], values[1:]], type=kind)


def arrow_runs(values):
    pa = library("pyarrow")
    return pa.RunEndEncodedArray.from_arrays(list(range(1, len(values) + 1)), pa.array(values))


def arrow_dictionary(values):
    pa = library("pyarrow")
    return pa.DictionaryArray.from_arrays(list(range(len(values))), pa.array(values))


def arrow_half(values):
    pa = library("pyarrow")
    return pa.array([None if v is None else np.float16(v) for v in values], pa.float16())


def dask_chunks(values):
    da = library("dask.array")
    found = masked(values)
    return da.from_array(found, chunks=1)


def dask_rechunked(values):
    da = library("dask.array")
    whole = da.from_array(np.arange(len(values)), chunks=1)
    found = masked(values)
    return whole.map_blocks(lambda i: found[i], meta=np.empty(0, found.dtype)).rechunk(2)


def dask_column(dtype):
    def make(values):
        dd = library("dask.dataframe")
        return dd.from_pandas(library("pandas").Series(values, dtype=dtype), npartitions=2)

    return make


number = itertools.count()


def netcdf_variable(values):
    netCDF4 = library("netCDF4")
    found = masked(values)
    file = netCDF4.Dataset(f"{next(number)}.nc", "w", diskless=True)  # of its own name
    file.createDimension("x", len(values))
    variable = file.createVariable("v", found.dtype, ("x",), fill_value=-9.0)
    variable[:] = found
    return variable


def astropy_masked(values):
    found = masked(values)
    units = library("astropy.utils.masked")
    return units.Masked(np.asarray(found), mask=np.ma.getmaskarray(found))


FLOATS = {
    "masked array": masked,
    "nan under the mask": lambda v: masked(v, np.nan),
    "subclass of masked array": lambda v: masked(v).view(type("Sub", (np.ma.MaskedArray,), {})),
    "subclass with a mask": Masked.of,
    "__array__ with a mask": Lazy,
    "__array__ and a mask": LazyBesides,
    "variable of a file": Variable,
    "array interface": Interface,
    "list": list,
    "tuple": tuple,
    "list of masked": lambda v: [np.ma.masked if x is None else x for x in v],
    "list of 0-d masked arrays": lambda v: [masked(v)[i : i + 1].reshape(()) for i in range(3)],
    "UserList": collections.UserList,
    "deque": collections.deque,
    "objects": lambda v: np.array(v, object),
    "masked objects": lambda v: np.ma.masked_array(np.array(v, object), [x is None for x in v]),
    "pandas NA": lambda v: [library("pandas").NA if x is None else x for x in v],
    "pandas NaT": lambda v: [library("pandas").NaT if x is None else x for x in v],
    "pandas Float64": pandas_series("Float64"),
    "pandas array": pandas_array,
    "pandas index": lambda v: library("pandas").Index(v, dtype="Float64"),
    "pandas category": pandas_category,
    "pandas double[pyarrow]": pandas_pyarrow("double[pyarrow]"),
    "xarray of pandas": xarray_of_pandas,
    "polars": polars_series,
    "pyarrow": arrow_array,
    "pyarrow chunks": arrow_chunks,
    "pyarrow runs": arrow_runs,
    "pyarrow dictionary": arrow_dictionary,
    "pyarrow half": arrow_half,
    "dask chunks": dask_chunks,
    "dask rechunked": dask_rechunked,
    "dask Float64": dask_column("Float64"),
    "netCDF4": netcdf_variable,
    "astropy": astropy_masked,
}
INTEGERS = {
    "masked array": masked,
    "list": list,
    "pandas Int64": pandas_series("Int64"),
    "pandas int8[pyarrow]": pandas_pyarrow("int8[pyarrow]"),
    "polars": polars_series,
    "pyarrow": arrow_array,
    "dask UInt8": dask_column("UInt8"),
}
BOOLEANS = {
    "masked array": masked,
    "list": list,
    "pandas boolean": pandas_series("boolean"),
    "pandas objects": pandas_series(object),
    "pandas bool[pyarrow]": pandas_pyarrow("bool[pyarrow]"),
    "polars": polars_series,
    "pyarrow": arrow_array,
    "dask boolean": dask_column("boolean"),
}

KINDS = [
    pytest.param(make, values, id=f"{name}-{type(values[0]).__name__}")
    for kinds, values in (
        (FLOATS, [0.25, 0.5, 0.75]),
        (INTEGERS, [1, 0, 1]),
        (BOOLEANS, [True, False, True]),
    )
    for name, make in kinds.items()
]


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


# --- what cannot be taken --------------------------------------------------------------------


def sparse_array():
    return library("scipy.sparse").csr_array([[1.0, 0.0]])


def sparse_matrix():
    return library("scipy.sparse").coo_matrix([[1.0, 0.0]])


def lazy_frame():
    return library("polars").LazyFrame({"a": [1.0]})


def dask_bag():
    return library("dask.bag").from_sequence([1, 0])


def dask_delayed():
    return library("dask").delayed(1)


def mixed_frame():
    return library("pandas").DataFrame({"a": [1.0, 0.0], "b": ["x", "y"]})


def list_column():
    return library("polars").Series([[1.0], [2.0, 3.0]])


def arrow_scalar():
    return library("pyarrow").scalar(1.0)


def decimal_column():
    return library("pyarrow").array([decimal.Decimal(1)])


REFUSED = {
    "csr_array": (sparse_array, r"is sparse, .*scipy.csr_array; pass {}\.toarray\(\)"),
    "coo_matrix": (sparse_matrix, r"is sparse, .*scipy.coo_matrix; pass {}\.toarray\(\)"),
    "Decimal": (lambda: [decimal.Decimal(1)], r"\[0\] is .*decimal.Decimal; .*dtype=float"),
    "Decimal alone": (lambda: decimal.Decimal(1), r"decimal.Decimal; pass float\({}\)"),
    "decimal column": (decimal_column, r"\[0\] is .*decimal.Decimal; .*dtype=float"),
    "generator": (lambda: (i for i in [1, 0]), r"is an iterator, .*generator; pass list\({}\)"),
    "iterator": (lambda: iter([1, 0]), r"is an iterator, .*; pass list\({}\)"),
    "map": (lambda: map(int, "10"), r"is an iterator, .*map; pass list\({}\)"),
    "dict": (lambda: {"a": 1}, r"dict; pass list\({}\.values\(\)\)"),
    "set": (lambda: {1, 0}, r"set; pass list\({}\)"),
    "ragged": (lambda: [[1, 0], [1]], r"is ragged: {0}\[0\] has length 2, {0}\[1\] has length 1"),
    "ragged inside": (lambda: [[[1, 0], [1]]], r"is ragged: {0}\[0\]\[0\] has length 2"),
    "half nested": (lambda: [1, [1]], r"is ragged: {0}\[0\] is no list, {0}\[1\] has length 1"),
    "ragged masks": (lambda: [masked([1, None]), masked([1])], "is ragged"),
    "list column": (list_column, r"is nested: {0}\[0\] is .*ndarray; pass numpy.stack"),
    "frame of two types": (mixed_frame, r"\[0, 1\] is 'x', which is no number"),
    "LazyFrame": (lazy_frame, r"is lazy, .*LazyFrame; pass {}\.collect\(\)"),
    "Bag": (dask_bag, r"is lazy, .*Bag; pass {}\.compute\(\)"),
    "Delayed": (dask_delayed, r"is lazy, .*Delayed.*; pass {}\.compute\(\)"),
    "scalar of pyarrow": (arrow_scalar, r"DoubleScalar; pass {}\.as_py\(\)"),
    "void": (lambda: np.zeros(2, "V2"), r"has dtype \|V2; .*pass {}\.view\(ml_dtypes.bfloat16\)"),
    "long integer": (lambda: [2**70], "integers beyond 64 bits"),
    "long integer alone": (lambda: 2**70, r"an integer beyond 64 bits; pass float\({}\)"),
    "object": (object, "of type object, which is no array"),
    "objects": (lambda: [1, object()], r"\[1\] is of type object, which is no number"),
    "text": (lambda: np.array([1, "a"], object), r"\[1\] is 'a', which is no number"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", ["input", "target", "weight", "pos_weight", "where"])
def test_says_what_it_is_and_the_way_out(kind, name):
    make, message = REFUSED[kind]
    arguments = {"input": [0.5, 1.0], "target": [1, 0], name: make()}
    with pytest.raises(TypeError, match=rf"^{name}.*" + message.format(name)):
        loss(**arguments)


def test_sparse_arrays_of_others():
    sparse = library("sparse")
    with pytest.raises(TypeError, match=r"^input is sparse, .*COO; pass input\.todense\(\)"):
        loss(sparse.COO.from_numpy(np.ones(2)), [1, 0])


class TestBfloat16:
    def test_tensors_are_read(self):
        torch, ml_dtypes = library("torch"), library("ml_dtypes")
        x = torch.tensor([0.5, -1.25, 3.0, 8.0], dtype=torch.bfloat16)
        y = np.array([1, 0, 0, 1])
        expected = loss(x.float().numpy().astype(ml_dtypes.bfloat16), y, reduction="none")
        found = loss(x, y, reduction="none")
        assert found.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(loss(x[::2], y[::2], reduction="none"), expected[::2])
        assert loss(np.zeros(4), y, x) == loss(np.zeros(4), y, x.float().numpy())

    def test_tensors_of_a_graph_are_refused(self):
        torch = library("torch")
        for dtype in (torch.bfloat16, torch.float32):
            x = torch.ones(2, dtype=dtype, requires_grad=True)
            with pytest.raises(TypeError, match=r"^input .*detach\(\)"):
                loss(x, [1, 0])

    def test_without_ml_dtypes(self, monkeypatch):
        torch = library("torch")
        monkeypatch.setitem(sys.modules, "ml_dtypes", None)
        with pytest.raises(TypeError, match=r"needs ml_dtypes; pass input\.float\(\)"):
            loss(torch.ones(2, dtype=torch.bfloat16), [1, 0])

    def test_that_lost_its_type(self, tmp_path):
        ml_dtypes = library("ml_dtypes")
        np.save(tmp_path / "x.npy", np.ones(2, ml_dtypes.bfloat16))
        x = np.load(tmp_path / "x.npy")
        with pytest.raises(TypeError, match=r"pass input\.view\(ml_dtypes\.bfloat16\)"):
            loss(x, [1, 0])
        assert loss(x.view(ml_dtypes.bfloat16), [1, 0]) == np.float32(0.8125)


class TestBits:
    """uint16 logits are bit patterns of bfloat16, wherever they come from."""

    message = r"^{} has dtype uint16.*\.view\(ml_dtypes\.bfloat16\).*\.astype\(numpy\.float64\)"

    @pytest.mark.parametrize("dtype", ["u2", ">u2", "<u2"])
    def test_are_refused(self, dtype):
        x, y = np.array([16128, 49024], dtype), np.array([1, 0], dtype)
        criterion = BCEWithLogitsLoss()
        none = BCEWithLogitsLoss(reduction="none")
        for function in (loss, value_and_grad, grad_and_hess, criterion, none, criterion.forward,
                         RunningLoss().update):  # fmt: skip
            with pytest.raises(TypeError, match=self.message.format("input")):
                function(x, y)
        with pytest.raises(TypeError, match=self.message.format("x")):
            sigmoid(x)
        with pytest.raises(TypeError, match=self.message.format("input|score")):
            boosting.xgboost()(y, x)
        with pytest.raises(TypeError, match=self.message.format("input|y_score")):
            metrics.log_loss_from_logits(y, x)

    def test_of_libraries(self):
        pd, pl, pa = (library(n) for n in ("pandas", "polars", "pyarrow"))
        for x in (
            [np.uint16(1), np.uint16(2)],
            pd.Series([1, 2], dtype="UInt16"),
            pl.Series([1, 2], dtype=pl.UInt16),
            pa.array([1, 2], pa.uint16()),
        ):
            with pytest.raises(TypeError, match=self.message.format("input")):
                loss(x, [1, 0])
        with pytest.raises(TypeError, match=self.message.format("input")):
            loss(pa.array([1, None], pa.uint16()), [1, 0], where=[True, False])

    def test_are_targets_and_weights(self):
        ones = np.ones(2, np.uint16)
        assert loss([1.0, 2.0], ones, ones, pos_weight=ones) == loss([1.0, 2.0], [1, 1])

    def test_are_not_other_integers(self):
        for dtype in ("i2", "u1", "u4", "u8"):
            assert loss(np.array([1, 2], dtype), [1, 0]) == loss([1, 2], [1, 0])


class TestKeptArguments:
    @pytest.mark.parametrize("name", ["weight", "pos_weight"])
    def test_are_copies_that_nobody_changes(self, name):
        x, y = np.array([0.2, 1.0]), np.array([1, 1])
        kept = np.array([5.0, 2.0])
        criterion = BCEWithLogitsLoss(**{name: kept})
        expected = loss(x, y, **{name: kept.copy()})
        kept[:] = -5
        assert criterion(x, y) == criterion.forward(x, y) == expected
        with pytest.raises(ValueError, match="read-only"):
            getattr(criterion, name)[0] = -5
        again = pickle.loads(pickle.dumps(criterion))
        assert again(x, y) == expected
        assert not getattr(again, name).flags.writeable

    def test_keep_their_order_and_type(self):
        weight = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
        kept = BCEWithLogitsLoss(weight).weight
        assert kept.dtype == weight.dtype
        assert kept.flags.f_contiguous

    @pytest.mark.parametrize(
        "name", ["weight", "pos_weight", "reduction", "label_smoothing", "ignore_index", "check",
                 "num_threads"]
    )  # fmt: skip
    def test_attributes_are_read_only(self, name):
        criterion = BCEWithLogitsLoss()
        with pytest.raises(AttributeError):
            setattr(criterion, name, getattr(criterion, name))

    def test_of_a_stream_and_of_objectives(self):
        p = np.array([3.0])
        running, objective = RunningLoss(pos_weight=p), boosting.lightgbm(pos_weight=p)
        p[0] = -5
        running.update([0.2], [1])
        assert running.compute() == loss([0.2], [1], pos_weight=3)
        grad, _ = objective(np.array([1]), np.array([0.0]))
        assert grad[0] == -1.5


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
