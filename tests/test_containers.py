"""Containers that cannot be taken, with the way out, and those of bfloat16."""

from __future__ import annotations

import decimal
import sys

import numpy as np
import pytest
from containers import library, masked

from bcelogits import (
    BCEWithLogitsLoss,
    RunningLoss,
    boosting,
    grad_and_hess,
    metrics,
    sigmoid,
    value_and_grad,
)
from bcelogits import binary_cross_entropy_with_logits as loss


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
