"""bcelogits.dask: the results of the same calls in memory, on every scheduler."""

from __future__ import annotations

import inspect
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import ulp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bcelogits as bce
from bcelogits import _core

dask = pytest.importorskip("dask", reason="dask is not installed (extra: dask)")
da = pytest.importorskip("dask.array", reason="dask.array is not installed (extra: dask)")

import bcelogits.dask as lazy  # noqa: E402

BLOCK = _core.BLOCK
REDUCED = ("mean", "sum", "weighted_mean")
EPS = {np.float32: 2.0**-23, np.float64: 2.0**-52}


@pytest.fixture(autouse=True)
def synchronous():
    """What has no cluster runs here and now, where a debugger and a coverage tool can follow."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def cluster(cluster_address):
    """A client of two worker processes."""
    from distributed import Client

    with Client(cluster_address, set_as_default=False) as client:
        yield client


def data(shape, dtype=np.float64, seed=11):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 4, shape).astype(dtype)
    y = (rng.random(shape) < 0.3).astype(dtype)
    w = rng.uniform(0.5, 2, shape).astype(dtype)
    p = rng.uniform(0.5, 3, shape[-1:]).astype(dtype)
    return x, y, w, p


def options(case, shape):
    """Arguments besides, in memory."""
    _, _, w, p = data(shape)
    return {
        "none": {},
        "weights": {"weight": w[:, :1], "pos_weight": p},
        "full weights": {"weight": w, "pos_weight": w + 1, "label_smoothing": 0.125},
        "left out": {"weight": w[0], "where": w < 1.5, "ignore_index": 1},
        "scalars": {"weight": 0.75, "pos_weight": np.float32(3)},
    }[case]


CASES = ("none", "weights", "full weights", "left out", "scalars")
SHAPE = (50, 31)


def cut(arrays, seed=0):
    """Return arguments as dask arrays, each in chunks of its own."""
    rng = np.random.default_rng(seed)
    return {
        name: da.from_array(v, chunks=tuple(int(rng.integers(7, 29)) for _ in v.shape))
        if isinstance(v, np.ndarray)
        else v
        for name, v in arrays.items()
    }


class TestLoss:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("in_memory", [False, True])
    @pytest.mark.parametrize("reduction", ["none", *REDUCED])
    def test_is_that_in_memory(self, dtype, case, in_memory, reduction):
        x, y, *_ = data(SHAPE, dtype)
        more = options(case, SHAPE)
        expected = bce.binary_cross_entropy_with_logits(x, y, reduction=reduction, **more)
        found = lazy.binary_cross_entropy_with_logits(
            da.from_array(x, chunks=(17, 11)),
            da.from_array(y, chunks=(20, 31)),
            reduction=reduction,
            **(more if in_memory else cut(more)),
        )
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        value = found.compute()
        assert (value.shape, value.dtype) == (expected.shape, expected.dtype)
        if reduction == "none":
            np.testing.assert_array_equal(value, expected)
        else:
            # Both are within the bound of the exact value.
            np.testing.assert_allclose(value, expected, rtol=2 * EPS[dtype])

    @pytest.mark.parametrize("axis", [0, 1, -1, (0, 1), ()])
    @pytest.mark.parametrize("reduction", REDUCED)
    @pytest.mark.parametrize("chunks", [(17, 11), (50, 11), (9, 31)])
    def test_axis(self, axis, reduction, chunks):
        x, y, w, p = data(SHAPE)
        more = {"reduction": reduction, "axis": axis, "pos_weight": p, "weight": w[:, :1]}
        expected = bce.binary_cross_entropy_with_logits(x, y, **more)
        found = lazy.binary_cross_entropy_with_logits(da.from_array(x, chunks=chunks), y, **more)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.compute(), expected, rtol=2 * EPS[np.float64])

    def test_axis_of_many_results_in_many_chunks(self):
        x, y, *_ = data((3, 10_000), np.float32)
        found = lazy.binary_cross_entropy_with_logits(da.from_array(x, chunks=(2, -1)), y, axis=0)
        assert max(found.chunks[0]) <= 4096
        expected = bce.binary_cross_entropy_with_logits(x, y, axis=0)
        np.testing.assert_allclose(found.compute(), expected, rtol=2 * EPS[np.float32])

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("reduction", REDUCED)
    @pytest.mark.parametrize("blocks", [1, 3])
    def test_chunks_of_whole_blocks_give_the_bits(self, dtype, reduction, blocks):
        x, y, w, _ = data((7 * BLOCK + 77,), dtype)
        for weight in (None, w):
            expected = bce.binary_cross_entropy_with_logits(x, y, weight, reduction=reduction)
            found = lazy.binary_cross_entropy_with_logits(
                da.from_array(x, chunks=blocks * BLOCK), y, weight, reduction=reduction
            )
            assert found.compute() == expected

    @pytest.mark.parametrize("reduction", REDUCED)
    def test_rows_of_whole_blocks_give_the_bits(self, reduction):
        x, y, w, p = data((3 * BLOCK, 8), np.float32)
        more = {"reduction": reduction, "pos_weight": p, "weight": w}
        rows = da.from_array(x, chunks=(BLOCK, -1))
        for axis in (None, 0, 1):
            np.testing.assert_array_equal(
                lazy.binary_cross_entropy_with_logits(rows, y, axis=axis, **more).compute(),
                bce.binary_cross_entropy_with_logits(x, y, axis=axis, **more),
            )

    @given(st.data())
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_shapes_and_chunks(self, draw):
        shape = tuple(draw.draw(st.lists(st.integers(1, 6), max_size=3)))
        x, y, w, _ = data((*shape, 1))
        x, y, w = x[..., 0], y[..., 0], w[..., 0]
        chunks = [draw.draw(st.integers(1, n)) for n in shape]
        ones = [draw.draw(st.booleans()) for _ in shape]
        w = w[tuple(slice(1) if one else slice(None) for one in ones)]
        w = w[(0,) * draw.draw(st.integers(0, next((i for i, o in enumerate(ones) if not o), 0)))]
        axes = draw.draw(st.sampled_from([None, *range(len(shape))]))
        reduction = draw.draw(st.sampled_from(REDUCED))
        more = {"reduction": reduction, "axis": axes}
        cut = lazy.binary_cross_entropy_with_logits(da.from_array(x, chunks=chunks), y, w, **more)
        whole = bce.binary_cross_entropy_with_logits(x, y, w, **more)
        assert cut.shape == whole.shape
        np.testing.assert_allclose(cut.compute(), whole, rtol=2 * EPS[np.float64])
        value, grads = lazy.value_and_grad(
            da.from_array(x, chunks=chunks), y, w, reduction=reduction, wrt=("input", "weight")
        )
        whole = bce.value_and_grad(x, y, w, reduction=reduction, wrt=("input", "weight"))
        for a, b in zip((value, *grads), (whole[0], *whole[1]), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a.compute(), b, rtol=1e-14, atol=1e-14)

    def test_nothing_is_computed_before(self):
        def fail(*_):
            pytest.fail("computed")

        x = da.map_blocks(fail, chunks=((5, 5),), dtype=float, meta=np.empty(0))
        loss = lazy.binary_cross_entropy_with_logits(x, x, x, pos_weight=x)
        value, grads = lazy.value_and_grad(x, x, x, wrt=("input", "weight"))
        assert (loss.shape, value.shape, grads[0].shape) == ((), (), (10,))

    @pytest.mark.parametrize("dtype", ["float16", "float64", np.float32])
    @pytest.mark.parametrize("reduction", ["none", "mean"])
    def test_dtype(self, dtype, reduction):
        x, y, *_ = data(SHAPE, np.float32)
        found = lazy.binary_cross_entropy_with_logits(
            da.from_array(x, chunks=20), y, reduction=reduction, dtype=dtype
        )
        assert found.dtype == dtype
        np.testing.assert_array_equal(
            found.compute(),
            bce.binary_cross_entropy_with_logits(x, y, reduction=reduction, dtype=dtype),
        )

    def test_integers_and_a_list(self):
        x = da.from_array([[1, -2, 3], [4, 5, -6]], chunks=1)
        loss = lazy.binary_cross_entropy_with_logits(x, [[0, 1, 1], [1, 1, 0]])
        assert loss.dtype == np.float64
        ulp.assert_agrees(
            loss.compute(),
            bce.binary_cross_entropy_with_logits(x.compute(), [[0, 1, 1], [1, 1, 0]]),
            1,
        )

    def test_pytorchs_older_arguments(self):
        x, y, *_ = data((10,))
        with pytest.warns(DeprecationWarning, match="reduction='sum'"):
            loss = lazy.binary_cross_entropy_with_logits(x, y, None, False)
        assert loss.compute() == bce.binary_cross_entropy_with_logits(x, y, reduction="sum")

    @pytest.mark.parametrize("chunks", [3, 10])
    @pytest.mark.parametrize(("more", "message"), [({"where": np.zeros(10, bool)}, "Mean of empty"),
        ({"weight": np.zeros(10), "reduction": "weighted_mean"}, "add up to 0")])  # fmt: skip
    def test_means_of_nothing_warn(self, chunks, more, message):
        x, y, *_ = data((10,))
        loss = lazy.binary_cross_entropy_with_logits(da.from_array(x, chunks=chunks), y, **more)
        with pytest.warns(RuntimeWarning, match=message):
            assert np.isnan(loss.compute())

    def test_parameters_are_those_in_memory(self):
        for name in ("binary_cross_entropy_with_logits", "value_and_grad"):
            mine = inspect.signature(getattr(lazy, name)).parameters
            theirs = inspect.signature(getattr(bce, name)).parameters
            assert list(mine) == [n for n in theirs if n != "out"]
            assert all(mine[n].default == theirs[n].default for n in mine)
            assert all(mine[n].kind == theirs[n].kind for n in mine)


class TestGradients:
    @pytest.mark.parametrize("case", CASES)
    @pytest.mark.parametrize("reduction", ["none", *REDUCED])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_are_those_in_memory(self, case, reduction, dtype):
        x, y, *_ = data(SHAPE, dtype)
        more = options(case, SHAPE)
        wrt = ("input", "target", *(name for name in more if name.endswith("weight")))
        factor = data(SHAPE, seed=3)[2][0] if reduction == "none" else 2.5
        expected = bce.value_and_grad(
            x, y, reduction=reduction, wrt=wrt, grad_output=factor, **more
        )
        found = lazy.value_and_grad(
            da.from_array(x, chunks=(17, 11)), da.from_array(y, chunks=20),
            reduction=reduction, wrt=wrt, grad_output=factor, **cut(more),
        )  # fmt: skip
        value, grads = dask.compute(*found)
        np.testing.assert_allclose(value, expected[0], rtol=2 * EPS[dtype])
        for name, lazily, grad, wanted in zip(wrt, found[1], grads, expected[1], strict=True):
            assert (lazily.shape, lazily.dtype) == (wanted.shape, wanted.dtype), name
            assert (np.shape(grad), grad.dtype) == (wanted.shape, wanted.dtype), name
            # Those by target and by weight may be differences: relative to their terms.
            largest = max(float(np.abs(wanted).max()), float(np.max(expected[0])))
            np.testing.assert_allclose(
                grad, wanted, rtol=6 * EPS[dtype], atol=4 * EPS[dtype] * largest, err_msg=name
            )
        if reduction != "weighted_mean":
            np.testing.assert_array_equal(grads[0], expected[1][0])

    @pytest.mark.parametrize("reduction", ["sum", "weighted_mean", "none"])
    def test_infinities_are_no_warnings(self, reduction):
        x = np.full((6, 2), -3e38, np.float32)
        w = np.array([[1.0, np.inf]], np.float32)
        more = {"wrt": ("weight", "pos_weight"), "reduction": reduction}
        arguments = (np.ones((6, 2)), w)
        p = np.array([1.0, 2.0])
        with np.errstate(all="raise"):
            lazily = lazy.value_and_grad(
                da.from_array(x, chunks=2), *arguments, pos_weight=p, **more
            )
            found = dask.compute(*lazily)
        expected = bce.value_and_grad(x, *arguments, pos_weight=p, **more)
        np.testing.assert_array_equal(found[0], expected[0])
        for grad, wanted in zip(found[1], expected[1], strict=True):
            np.testing.assert_array_equal(grad, wanted)

    @pytest.mark.parametrize("wrt", ["input", "target", "weight"])
    def test_by_one_argument(self, wrt):
        x, y, w, _ = data(SHAPE)
        value, grad = lazy.value_and_grad(da.from_array(x, chunks=20), y, w[0], wrt=wrt)
        expected = bce.value_and_grad(x, y, w[0], wrt=wrt)
        assert grad.shape == expected[1].shape
        np.testing.assert_allclose(value.compute(), expected[0], rtol=1e-15)
        np.testing.assert_allclose(grad.compute(), expected[1], rtol=1e-14)

    @pytest.mark.parametrize("reduction", ["mean", "weighted_mean"])
    def test_a_mean_of_all_waits_for_nothing(self, reduction):
        """The gradient of one chunk is there without the others."""

        def once(block_info=None):
            if block_info[None]["chunk-location"] != (1,):
                pytest.fail("computed")
            return np.zeros(5)

        x = da.map_blocks(once, chunks=((5, 5),), dtype=float, meta=np.empty(0))
        _, grad = lazy.value_and_grad(x, np.zeros(10), reduction=reduction)
        np.testing.assert_array_equal(grad[5:].compute(), np.full(5, 0.05))

    @pytest.mark.parametrize(
        ("more", "error"),
        [
            ({"wrt": "logits"}, "wrt must be one of"),
            ({"wrt": "weight"}, "weight is None"),
            ({"reduction": "median"}, "reduction must be one of"),
            ({"grad_output": np.ones(10)}, "grad_output must be a number"),
        ],
    )
    def test_bad_arguments(self, more, error):
        x, y, *_ = data((10,))
        with pytest.raises((ValueError, TypeError), match=error):
            lazy.value_and_grad(x, y, **more)


class TestErrors:
    @pytest.mark.parametrize(
        ("more", "error", "message"),
        [
            ({"target": np.zeros((5, 3))}, ValueError, r"\(5, 3\).*\(5, 4\)"),
            ({"weight": np.zeros((5, 3))}, ValueError, r"weight of shape \(5, 3\)"),
            ({"weight": np.zeros((2, 5, 4))}, ValueError, r"weight of shape \(2, 5, 4\)"),
            ({"pos_weight": [-1.0]}, ValueError, r"pos_weight\[0\] is -1"),
            ({"where": np.ones((5, 4))}, TypeError, "where has dtype float64"),
            ({"where": da.ones((5, 4))}, TypeError, "where has dtype float64"),
            ({"weight": da.ones((5, 4), dtype=complex)}, TypeError, "weight has dtype complex"),
            ({"label_smoothing": 2}, ValueError, "label_smoothing"),
            ({"num_threads": 0}, ValueError, "num_threads"),
            ({"reduction": "none", "axis": 0}, ValueError, "axis"),
            ({"axis": 2}, ValueError, "axis"),
            ({"dtype": "int8"}, TypeError, "dtype"),
        ],
    )
    def test_come_at_once(self, more, error, message):
        arguments = {"input": da.zeros((5, 4), chunks=2), "target": np.zeros((5, 4))} | more
        with pytest.raises(error, match=message):
            lazy.binary_cross_entropy_with_logits(**arguments)

    @pytest.mark.parametrize("reduction", ["none", *REDUCED])
    def test_a_bad_target_is_named_by_its_index_in_the_whole(self, reduction):
        x, y, *_ = data(SHAPE)
        y[40, 20] = 2
        x = da.from_array(x, chunks=(17, 11))
        loss = lazy.binary_cross_entropy_with_logits(x, y, reduction=reduction)
        _, grad = lazy.value_and_grad(x, y, reduction=reduction)
        for result in (loss, grad):
            with pytest.raises(ValueError, match=r"^target\[40, 20\] is 2.0, outside \[0, 1\]$"):
                result.compute()
        lazy.binary_cross_entropy_with_logits(x, y, check=False).compute()
        where = np.arange(31) != 20
        lazy.binary_cross_entropy_with_logits(x, y, where=where).compute()

    def test_a_bad_pos_weight_is_named_when_it_is_seen(self):
        loss = lazy.binary_cross_entropy_with_logits(
            da.zeros(6, chunks=2), np.zeros(6), pos_weight=-da.ones(6)
        )
        with pytest.raises(ValueError, match=r"in chunk \(.,\): pos_weight\[0\] is -1"):
            loss.compute()


class TestMissing:
    """Masks of chunks and nulls of columns are looked at when a result is computed."""

    def gap(self, name):
        x, y, w, p = data(SHAPE)
        arrays = {"input": x, "target": y, "weight": w, "pos_weight": p}
        chosen = np.ma.masked_array(arrays[name], False)
        chosen[(40, 20)[-chosen.ndim :]] = np.ma.masked
        arrays[name] = chosen
        chunks = {1: (7,), 2: (17, 11)}
        return {k: da.from_array(v, chunks=chunks[v.ndim]) for k, v in arrays.items()}, arrays

    @pytest.mark.parametrize("name", ["input", "target", "weight", "pos_weight"])
    @pytest.mark.parametrize("reduction", ["none", *REDUCED])
    def test_is_named_by_its_index_in_the_whole(self, name, reduction):
        cut, arrays = self.gap(name)
        place = r"\[20\]" if name == "pos_weight" else r"\[40, 20\]"
        for arguments in (cut, cut | {name: arrays[name]}):
            loss = lazy.binary_cross_entropy_with_logits(**arguments, reduction=reduction)
            _, grad = lazy.value_and_grad(**arguments, reduction=reduction)
            for result in (loss, grad):
                with pytest.raises(ValueError, match=rf"^{name}{place} is missing; .*where="):
                    result.compute()

    @pytest.mark.parametrize("name", ["input", "target", "weight", "pos_weight"])
    @pytest.mark.parametrize("reduction", ["none", *REDUCED])
    def test_is_left_out(self, name, reduction):
        cut, arrays = self.gap(name)
        where = np.arange(31) != 20
        more = {"reduction": reduction, "where": where}
        expected = bce.value_and_grad(**arrays, **more)
        found = lazy.value_and_grad(**cut, **more)
        np.testing.assert_allclose(found[0].compute(), expected[0], rtol=2 * EPS[np.float64])
        np.testing.assert_allclose(found[1].compute(), expected[1], rtol=6 * EPS[np.float64])

    def test_grad_output_and_where(self):
        x, y, *_ = data(SHAPE)
        x, factor = da.from_array(x, chunks=(17, 11)), np.ma.masked_array(y + 1, y != y)
        factor[40, 20] = np.ma.masked
        more = {"reduction": "none", "grad_output": da.from_array(factor, chunks=20)}
        for wrt in ("input", "target"):
            _, grad = lazy.value_and_grad(x, y, wrt=wrt, **more)
            with pytest.raises(ValueError, match=r"^grad_output\[40, 20\] is missing"):
                grad.compute()
            lazy.value_and_grad(x, y, wrt=wrt, **more, where=np.arange(31) != 20)[1].compute()
        where = da.from_array(np.ma.masked_array(y == 0, factor.mask), chunks=9)
        with pytest.raises(ValueError, match=r"where\[.*\] is missing"):
            lazy.binary_cross_entropy_with_logits(x, y, where=where).compute()

    def test_chunks_whose_masks_nobody_announced(self):
        """Rechunking them keeps what is masked."""
        x = da.from_array(np.arange(8.0), chunks=2)
        x = x.map_blocks(lambda block: np.ma.masked_equal(block, 5), meta=np.empty(0))
        for chunks in (1, 2, 3, 8):
            loss = lazy.binary_cross_entropy_with_logits(x.rechunk(chunks), np.zeros(8))
            with pytest.raises(ValueError, match=r"^input\[5\] is missing"):
                loss.compute()

    def test_by_ignore_index(self):
        y = np.array([1, -1, 0, 1])
        x = da.from_array(np.ma.masked_equal([0.5, 9.0, -2.0, 3.0], 9), chunks=2)
        loss = lazy.binary_cross_entropy_with_logits(x, y, ignore_index=-1)
        assert loss.compute() == bce.binary_cross_entropy_with_logits([0.5, -2.0, 3.0], [1, 0, 1])

    def test_in_another_process(self, cluster):
        cut, _ = self.gap("input")
        loss = lazy.binary_cross_entropy_with_logits(**cut)
        with pytest.raises(ValueError, match=r"^input\[40, 20\] is missing"):
            cluster.compute(loss).result()

    def test_logits_of_a_stream_that_are_nan(self):
        x, y, *_ = data((100, 3))
        x[77, 1:] = np.nan
        for axis in (None, 0, 1):
            running = lazy.RunningLoss(axis=axis)
            running.update(da.from_array(x[:50], chunks=(30, 2)), y[:50])
            if axis == 1:
                running.reset()
            before = running.state_dict()
            with pytest.raises(ValueError, match=r"^input\[77, \d\] is nan, .*where="):
                running.update(da.from_array(x, chunks=(30, 2)), y)
            assert running.state_dict() == before
            running.update(da.from_array(x, chunks=(30, 2)), y, where=x == x)
        running = lazy.RunningLoss(check=False)
        running.update(da.from_array(x, chunks=30), y)
        assert np.isnan(running.compute())


class TestColumns:
    """Every type of column that the functions in memory take."""

    TYPES = ("float32", "Float32", "Float64", "float[pyarrow]", "int8", "Int64", "UInt8",
             "boolean", "bool[pyarrow]", "bool", "int8[pyarrow]", "category", object)  # fmt: skip

    @pytest.fixture(autouse=True)
    def modules(self):
        self.dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")
        self.pd = pytest.importorskip("pandas", reason="pandas is not installed")

    def frame(self, dtype, values):
        if "pyarrow" in str(dtype):
            pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        with dask.config.set({"dataframe.convert-string": False}):
            column = self.pd.Series(values, dtype=object if dtype is object else None)
            column = column.astype(dtype)
            frame = self.pd.DataFrame({"x": [0.2, -1.5, 3.0, 0.5], "y": column})
            return frame, self.dd.from_pandas(frame, npartitions=2)

    @pytest.mark.parametrize("dtype", TYPES)
    def test_are_read(self, dtype):
        frame, columns = self.frame(dtype, [1, 0, 0, 1])
        expected = bce.RunningLoss()
        expected.update(frame["x"], [1, 0, 0, 1], [1, 0, 0, 1])
        running = lazy.RunningLoss()
        running.update(columns["x"], columns["y"], columns["y"])
        assert running.state_dict() == expected.state_dict()
        logits = bce.binary_cross_entropy_with_logits(frame["y"], [1, 0, 0, 1])
        loss = lazy.binary_cross_entropy_with_logits(columns["y"], columns["y"])
        assert loss.compute() == pytest.approx(logits, rel=1e-6)

    @pytest.mark.parametrize("dtype", ["Float32", "Int8", "boolean", "bool[pyarrow]", object])
    def test_nulls(self, dtype):
        _, columns = self.frame(dtype, [1, 0, None, 1])
        running = lazy.RunningLoss(ignore_index=0)
        with pytest.raises(ValueError, match=r"in chunk \(1,\): target\[0\] is missing"):
            running.update(columns["x"], columns["y"])
        assert running.count == 0
        running.update(columns["x"], columns["y"], where=columns["x"] < 3)
        assert running.count == 2
        expected = bce.binary_cross_entropy_with_logits([0.2, 0.5], [1, 1])
        assert running.compute() == expected

    def test_several_in_one_array(self):
        frame = self.pd.DataFrame({"x": [0.2, -1.5], "y": [True, False], "z": [1, 0]})
        frame["z"] = frame["z"].astype("Int8")
        columns = self.dd.from_pandas(frame, npartitions=2)
        running = lazy.RunningLoss(axis=0)
        running.update(columns[["x", "x"]], columns[["y", "z"]])
        assert running.compute().tolist() == [bce.binary_cross_entropy_with_logits(
            frame["x"], frame["y"])] * 2  # fmt: skip

    def test_texts_come_at_once(self):
        _, columns = self.frame("string", list("abcd"))
        with pytest.raises(TypeError, match="target has dtype"):
            lazy.binary_cross_entropy_with_logits(columns["x"], columns["y"])

    def test_bit_patterns_come_at_once(self):
        message = r"^input has dtype uint16.*ml_dtypes"
        _, columns = self.frame("uint16", [1, 0, 1, 0])
        for x in (columns["y"], da.zeros(4, dtype=np.uint16), np.zeros(4, np.uint16)):
            with pytest.raises(TypeError, match=message):
                lazy.binary_cross_entropy_with_logits(x, np.zeros(4))


class TestXarray:
    def test_stays_lazy(self):
        xr = pytest.importorskip("xarray", reason="xarray is not installed")

        def fail(*_):
            pytest.fail("computed")

        x = da.map_blocks(fail, chunks=((5, 5),), dtype=float, meta=np.empty(0))
        for wrapped in (xr.DataArray(x), xr.Variable("a", x)):
            loss = lazy.binary_cross_entropy_with_logits(
                wrapped, wrapped, wrapped, pos_weight=wrapped, reduction="none"
            )
            assert loss.chunks == ((5, 5),)
            value, grad = lazy.value_and_grad(wrapped, wrapped)
            assert (value.shape, grad.chunks) == ((), ((5, 5),))
        zeros = xr.DataArray(da.zeros(20, chunks=5))
        loss = lazy.binary_cross_entropy_with_logits(zeros, zeros, where=zeros == 0)
        assert loss.compute() == pytest.approx(np.log(2))


class TestSchedulers:
    """The same bits, whoever computes."""

    def results(self, compute):
        x, y, w, p = data((3 * BLOCK, 3), np.float32)
        x = da.from_array(x, chunks=(BLOCK // 2, 2))
        loss = lazy.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, axis=0)
        none = lazy.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, reduction="none")
        wrt = ("input", "target", "weight", "pos_weight")
        value, grads = lazy.value_and_grad(
            x, da.from_array(y, chunks=1000), da.from_array(w), pos_weight=p, wrt=wrt,
            reduction="weighted_mean",
        )  # fmt: skip
        return compute([loss, none, value, *grads])

    def test_threads(self):
        def compute(things):
            return dask.compute(*things, scheduler="threads", num_workers=2)

        for a, b in zip(
            self.results(compute), self.results(lambda t: dask.compute(*t)), strict=True
        ):
            np.testing.assert_array_equal(a, b)

    def test_processes(self, cluster):
        def compute(things):
            return cluster.gather(cluster.compute(things))

        for a, b in zip(
            self.results(compute), self.results(lambda t: dask.compute(*t)), strict=True
        ):
            np.testing.assert_array_equal(a, b)

    def test_an_error_in_another_process(self, cluster):
        x, y, *_ = data((100,))
        y[77] = -1
        loss = lazy.binary_cross_entropy_with_logits(da.from_array(x, chunks=30), y)
        with pytest.raises(ValueError, match=r"^target\[77\] is -1.0, outside \[0, 1\]$"):
            cluster.compute(loss).result()

    def test_a_stream_in_processes(self, cluster):
        dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")
        frame, columns = logs(dd)
        running = lazy.RunningLoss()
        with cluster.as_current():
            running.update(frame["logit"], frame["target"], frame["weight"])
        whole = bce.RunningLoss()
        whole.update(columns["logit"], columns["target"], columns["weight"])
        assert running.state_dict() == whole.state_dict()


def logs(dd, rows=4 * BLOCK, npartitions=4):
    """A dataframe in partitions of whole blocks, and its columns."""
    import pandas as pd

    x, y, w, _ = data((rows, 3))
    columns = {"logit": x[:, 0], "other": x[:, 1], "target": y[:, 0], "very": y[:, 1],
               "weight": w[:, 0]}  # fmt: skip
    return dd.from_pandas(pd.DataFrame(columns), npartitions=npartitions), columns


class TestRunningLoss:
    @pytest.fixture
    def frame(self):
        dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")
        return logs(dd)

    def test_of_a_dataframe(self, frame):
        frame, columns = frame
        running = lazy.RunningLoss(pos_weight=[2.0], label_smoothing=0.1)
        running.update(frame["logit"], frame["target"], where=frame["weight"] > 1)
        whole = bce.RunningLoss(pos_weight=[2.0], label_smoothing=0.1)
        whole.update(columns["logit"], columns["target"], where=columns["weight"] > 1)
        assert running.state_dict() == whole.state_dict()

    def test_of_several_columns(self, frame):
        frame, columns = frame
        running = lazy.RunningLoss(axis=0, pos_weight=[1, 3])
        running.update(frame[["logit", "other"]], frame[["target", "very"]], frame[["weight"]])
        whole = bce.RunningLoss(axis=0, pos_weight=[1, 3])
        x, y = (np.stack([columns[n] for n in names], 1)
                for names in (["logit", "other"], ["target", "very"]))  # fmt: skip
        whole.update(x, y, columns["weight"][:, None])
        assert running.state_dict() == whole.state_dict()

    def test_a_lazy_loss_of_columns(self, frame):
        frame, columns = frame
        loss = lazy.binary_cross_entropy_with_logits(frame["logit"], frame["target"])
        expected, expected_grad = bce.value_and_grad(columns["logit"], columns["target"])
        assert loss.compute() == expected
        value, grad = dask.compute(*lazy.value_and_grad(frame["logit"], frame["target"]))
        assert value == expected
        np.testing.assert_array_equal(grad, expected_grad)

    def test_of_arrays_in_chunks_along_the_classes(self):
        x, y, w, p = data((100, 7))
        running = lazy.RunningLoss(axis=0, pos_weight=p)
        running.update(da.from_array(x, chunks=(30, 2)), da.from_array(y, chunks=9), w[0])
        running.update(x, y)
        whole = bce.RunningLoss(axis=0, pos_weight=p)
        whole.update(x, y, w[0])
        whole.update(x, y)
        np.testing.assert_allclose(running.compute(), whole.compute(), rtol=1e-15)
        assert running.count.tolist() == [200] * 7

    def test_merges_with_those_in_memory_and_pickles(self):
        x, y, *_ = data((100,))
        running, plain = lazy.RunningLoss(), bce.RunningLoss()
        running.update(da.from_array(x, chunks=30), y)
        plain.update(x, y)
        running.merge(plain)
        plain.merge(running)
        assert (running.count, plain.count) == (200, 300)
        other = pickle.loads(pickle.dumps(running))
        assert type(other) is lazy.RunningLoss
        assert other.state_dict() == running.state_dict()

    def test_an_update_that_raises_changes_nothing(self, frame):
        frame, columns = frame
        running = lazy.RunningLoss()
        running.update(frame["logit"], frame["target"])
        before = running.state_dict()
        wrong = [
            (frame["logit"], frame["other"]),
            (frame["logit"], frame["target"].repartition(npartitions=2)),
            (frame["logit"], frame["target"][frame["weight"] > 1]),
            (frame["logit"], columns["target"]),
            (frame["logit"], frame[["target"]]),
        ]
        for arguments in wrong:
            with pytest.raises(ValueError, match=r"target|lengths"):
                running.update(*arguments)
        assert running.state_dict() == before


def test_sums_go_from_process_to_process():
    sums = _core.Accumulator(3)
    x, y, w, _ = data((100, 3))
    _core.Call(x, y, w).accumulate_each(sums, 1, (1, 0))
    other = pickle.loads(pickle.dumps(sums))
    assert other.state() == sums.state()
    function, (version, content) = sums.__reduce__()
    for arguments in ((version + 1, content), (version, content[:-1])):
        with pytest.raises(ValueError, match="another version"):
            function(*arguments)


def test_sums_of_runs():
    x, y, w, _ = data((1000,))
    starts, parts = np.array([0, 10, 10, 500]), np.array([2, 0, 3, 2])
    sums = _core.Accumulator(2)
    sums.extend(4)
    call = _core.Call(x, y, w)
    call.accumulate_runs(sums, starts, parts)
    assert sums.counts().tolist() == [0, 0, 510, 490]
    losses = bce.binary_cross_entropy_with_logits(x, y, w, reduction="none")
    exact = [0, 0, math.fsum([*losses[:10], *losses[500:]]), math.fsum(losses[10:500])]
    np.testing.assert_allclose(
        sums.results(_core.REDUCTIONS["sum"]), exact, rtol=4 * EPS[np.float64]
    )
    into = _core.Accumulator(1)
    sums.merge_into(into, np.zeros(4, np.intp))
    assert into.weights()[0] == math.fsum(w)
    with pytest.raises(ValueError, match="one dimension"):
        _core.Call(x[:6].reshape(2, 3), y[:6].reshape(2, 3)).accumulate_runs(into, parts, parts)
    for starts, parts in (([0], [4]), ([0, 1], [0]), ([1001], [0]), ([-1], [0]), ([5, 2], [0, 0])):
        with pytest.raises((IndexError, ValueError, RuntimeError)):
            call.accumulate_runs(sums, np.array(starts), np.array(parts))


def test_importing_bcelogits_does_not_import_dask():
    code = "import sys, bcelogits; print('dask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


def test_without_dask():
    code = "import sys; sys.modules['dask'] = None; import bcelogits.dask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"ImportError: bcelogits.dask needs dask: pip install 'bcelogits[dask]'" in done.stderr
