"""Errors: one clear exception that names the argument, the index, the value, the shapes."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import ulp

import bcelogits
from bcelogits import (
    BCEWithLogitsLoss,
    binary_cross_entropy_with_logits,
    grad_and_hess,
    value_and_grad,
)

FUNCTIONS = {
    "loss": binary_cross_entropy_with_logits,
    "none": lambda *a, **k: binary_cross_entropy_with_logits(*a, reduction="none", **k),
    "value_and_grad": value_and_grad,
    "grad_and_hess": grad_and_hess,
}
every = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def shapes(a, b):
    """A pattern for a message with both shapes, in either order."""
    a, b = re.escape(str(a)), re.escape(str(b))
    return rf"{a}.*{b}|{b}.*{a}"


def arrays(shape=(4, 3)):
    x = np.linspace(-2, 2, int(np.prod(shape))).reshape(shape)
    return x, (x > 0).astype(float)


class TestShapes:
    @every
    @pytest.mark.parametrize(
        ("input_shape", "target_shape"),
        [((4, 3), (3, 4)), ((4, 3), (3,)), ((4, 3), (4, 1)), ((4,), (4, 1)), ((4,), ()),
         ((), (1,)), ((0,), (0, 0)), ((1, 4), (4,)), ((2, 3), (6,))],
    )  # fmt: skip
    def test_target(self, function, input_shape, target_shape):
        """Not broadcast: a column against a row is a classic mistake."""
        with pytest.raises(ValueError, match=shapes(input_shape, target_shape)) as error:
            function(np.zeros(input_shape), np.zeros(target_shape))
        assert "target" in str(error.value)
        assert "input" in str(error.value)

    @every
    @pytest.mark.parametrize("name", ["weight", "pos_weight", "where"])
    @pytest.mark.parametrize("shape", [(4,), (3, 1), (2,), (4, 3, 1), (2, 4, 3), (0,), (1, 1, 1)])
    def test_what_is_broadcast(self, function, name, shape):
        """Too long, misaligned, or of more dimensions than input: it may not enlarge the result."""
        x, y = arrays((4, 3))
        value = np.ones(shape, bool if name == "where" else float)
        with pytest.raises(ValueError, match=shapes(shape, (4, 3))) as error:
            function(x, y, **{name: value})
        assert name in str(error.value)

    @every
    @pytest.mark.parametrize("name", ["weight", "pos_weight", "where"])
    def test_may_not_enlarge_a_single_element(self, function, name):
        value = np.ones(5, bool if name == "where" else float)
        for shape in ((), (1,)):
            with pytest.raises(ValueError, match=name):
                function(np.zeros(shape), np.zeros(shape), **{name: value})

    @pytest.mark.parametrize("shape", [(3,), (4, 1), (12,), (4, 3, 1), (0,)])
    def test_grad_output(self, shape):
        x, y = arrays((4, 3))
        value_and_grad(x, y, reduction="none", grad_output=np.ones((4, 3)))
        with pytest.raises(ValueError, match=r"grad_output.*\("):
            value_and_grad(x, y, grad_output=np.ones(shape))
        if shape not in ((3,), (4, 1)):
            with pytest.raises(ValueError, match=shapes(shape, (4, 3))):
                value_and_grad(x, y, reduction="none", grad_output=np.ones(shape))


class TestTargetRange:
    BAD = (1.5, -0.5, np.nan, np.inf, -np.inf, np.nextafter(1, 2), -5e-324, 1e300)

    @every
    @pytest.mark.parametrize("value", BAD)
    @pytest.mark.parametrize("index", [(0, 0), (2, 5), (11, 12)])
    def test_names_index_and_value(self, function, value, index):
        x = np.zeros((12, 13))
        y = np.zeros((12, 13))
        y[index] = value
        y[index[0], index[1] + 1 :] = 7  # the first of several is named
        with pytest.raises(ValueError, match="target") as error:
            function(x, y)
        message = str(error.value)
        start = f"target[{index[0]}, {index[1]}] is "
        assert message.startswith(start)
        assert message.endswith(", outside [0, 1]")
        shown = float(message[len(start) :].split(",")[0])
        np.testing.assert_equal(shown, value)

    @every
    @pytest.mark.parametrize("dtype", [np.float16, ulp.BFLOAT16, np.float32, np.float64], ids=str)
    @pytest.mark.parametrize("value", [1.5, -0.25, np.nan, np.inf])
    def test_dtypes_of_floats(self, function, dtype, value):
        for logits in (np.float16, np.float32, np.float64):
            y = np.array([0, 1, value, 0]).astype(dtype)
            with pytest.raises(ValueError, match=rf"^target\[2\] is {value}, outside \[0, 1\]$"):
                function(np.zeros(4, logits), y)

    @every
    @pytest.mark.parametrize(
        ("dtype", "value"),
        [(d, v) for d in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u8")
         for v in (2, -1, np.iinfo(d).max, np.iinfo(d).min) if v in range(np.iinfo(d).min, 2**64)
         and v <= np.iinfo(d).max and v not in (0, 1)],
    )  # fmt: skip
    def test_dtypes_of_integers(self, function, dtype, value):
        y = np.array([0, 1, 1, value], dtype)
        with pytest.raises(ValueError, match=rf"^target\[3\] is {value}, outside \[0, 1\]$"):
            function(np.zeros(4), y)

    @every
    @pytest.mark.parametrize("value", [1.5, -1.0, 2, np.nan])
    def test_zero_dimensional(self, function, value):
        with pytest.raises(ValueError, match=rf"^target is {value}, outside \[0, 1\]$"):
            function(0.5, value)

    @every
    def test_far_into_a_long_array(self, function):
        for n, i in ((100_000, 99_999), (100_000, 65_537), (17, 16), (4097, 4096)):
            y = np.zeros(n, np.float32)
            y[i] = 2
            with pytest.raises(ValueError, match=rf"^target\[{i}\] is 2\.0, "):
                function(np.zeros(n, np.float32), y)

    @every
    @pytest.mark.parametrize("index", [(0, 0, 0), (1, 2, 3), (2, 0, 4)])
    def test_index_is_that_of_the_array_given(self, function, index):
        """In whatever order the memory is read, the first in C order is named."""
        y = np.zeros((3, 4, 5))
        y[index] = 3
        y.reshape(-1)[np.ravel_multi_index(index, y.shape) + 1 :] = 9
        x = np.zeros((3, 4, 5))
        pattern = rf"^target\[{index[0]}, {index[1]}, {index[2]}\] is 3\.0, "
        for order in itertools.permutations(range(3)):
            back = np.argsort(order)
            a, b = (np.ascontiguousarray(v.transpose(order)).transpose(back) for v in (x, y))
            with pytest.raises(ValueError, match=pattern):
                function(a, b)
        flipped = np.ascontiguousarray(y[::-1, :, ::-1])[::-1, :, ::-1]
        with pytest.raises(ValueError, match=pattern):
            function(x, flipped)
        with pytest.raises(ValueError, match=pattern):
            function(x, y.astype(">f8"))
        with pytest.raises(ValueError, match=pattern):
            function(np.asfortranarray(x), np.asfortranarray(y))

    @every
    def test_with_weights(self, function):
        """A weight of zero does not excuse a target."""
        x, y = np.zeros((3, 4)), np.zeros((3, 4))
        y[1, 2] = -1
        for kwargs in (
            {"weight": 0.0},
            {"weight": np.zeros((3, 4))},
            {"weight": np.ones((3, 1)), "pos_weight": np.zeros(4)},
            {"where": np.array([[False], [True], [True]])},
            {"ignore_index": -2},
        ):
            with pytest.raises(ValueError, match=r"^target\[1, 2\] is -1\.0, "):
                function(x, y, **kwargs)

    def test_along_an_axis(self):
        x, y = np.zeros((3, 4)), np.zeros((3, 4))
        y[1, 2] = y[2, 0] = 2
        for axis in (0, 1, -1, (0, 1)):
            with pytest.raises(ValueError, match=r"^target\[1, 2\] is 2\.0, "):
                binary_cross_entropy_with_logits(x, y, axis=axis)

    def test_from_the_class(self):
        criterion = BCEWithLogitsLoss()
        for dtype in (np.float32, np.float64):
            x, y = np.zeros(5, dtype), np.array([0, 1, 0, 2, 0], dtype)
            for method in (
                criterion,
                criterion.forward,
                criterion.value_and_grad,
                criterion.grad_and_hess,
            ):
                with pytest.raises(ValueError, match=r"^target\[3\] is 2\.0, outside \[0, 1\]$"):
                    method(x, y)
        BCEWithLogitsLoss(check=False)(x, y)


class TestPosWeight:
    @every
    @pytest.mark.parametrize("value", [-1.0, -5e-324, np.nan, -np.inf])
    def test_must_not_be_negative(self, function, value):
        x, y = arrays((4, 3))
        for pos_weight, where in (
            (value, "pos_weight"),
            (np.array([1, value, 1]), r"pos_weight\[1\]"),
            (np.array([[1.0], [1], [value], [value]]), r"pos_weight\[2, 0\]"),
            (np.where(x == x[3, 1], value, 1.0), r"pos_weight\[3, 1\]"),
        ):
            with pytest.raises(ValueError, match=rf"{where} is {value}"):
                function(x, y, pos_weight=pos_weight)

    @every
    def test_integers(self, function):
        x, y = arrays((4, 3))
        with pytest.raises(ValueError, match=r"pos_weight\[2\] is -3"):
            function(x, y, pos_weight=[1, 2, -3])

    @every
    @pytest.mark.parametrize("value", [0, 0.0, -0.0, np.inf, 1e300])
    def test_zero_and_infinity_are_weights(self, function, value):
        function(np.float64([0.5]), [1], pos_weight=value)

    def test_class(self):
        with pytest.raises(ValueError, match=r"pos_weight\[1\] is -2"):
            BCEWithLogitsLoss(pos_weight=[1.0, -2.0])([0.0, 0.0], [0, 1])


OTHER_DTYPES = {
    "complex64": np.ones(3, np.complex64),
    "complex128": np.ones(3, complex),
    "object": np.array([1, 0, 1j], object),
    "str": np.array(["1", "0", "1"]),
    "bytes": np.array([b"1", b"0", b"1"]),
    "datetime64": np.array(["2020", "2021", "2022"], "M8[D]"),
    "timedelta64": np.array([1, 0, 1], "m8[s]"),
    "longdouble": np.ones(3, np.longdouble),
    "structured": np.zeros(3, [("a", "f4")]),
    "list of str": ["1", "0", "1"],
}


class TestDtypes:
    @every
    @pytest.mark.parametrize("name", ["input", "target", "weight", "pos_weight"])
    @pytest.mark.parametrize("kind", OTHER_DTYPES)
    def test_other_dtypes(self, function, name, kind):
        arguments = {"input": np.zeros(3), "target": np.zeros(3), name: OTHER_DTYPES[kind]}
        with pytest.raises(TypeError, match=rf"\b{name}\b") as error:
            function(**arguments)
        if isinstance(OTHER_DTYPES[kind], np.ndarray) and kind not in ("structured",):
            assert str(OTHER_DTYPES[kind].dtype) in str(error.value)

    @every
    @pytest.mark.parametrize(
        "where",
        [np.ones(3), np.ones(3, int), [1, 0, 1], "yes", np.array([True, "no", False], object)],
    )
    def test_where_must_be_boolean(self, function, where):
        with pytest.raises(TypeError, match="where"):
            function(np.zeros(3), np.zeros(3), where=where)

    @pytest.mark.parametrize("kind", OTHER_DTYPES)
    def test_grad_output(self, kind):
        with pytest.raises(TypeError, match="grad_output"):
            value_and_grad(
                np.zeros(3), np.zeros(3), reduction="none", grad_output=OTHER_DTYPES[kind]
            )

    @every
    @pytest.mark.parametrize("name", ["input", "target", "weight", "pos_weight"])
    def test_ragged_lists(self, function, name):
        arguments = {"input": [[0.0, 1], [2, 3]], "target": [[0, 1], [1, 0]], name: [[1, 2], [3]]}
        with pytest.raises(TypeError, match=rf"^{name} is ragged"):
            function(**arguments)

    @pytest.mark.parametrize(
        "dtype",
        [int, "i8", bool, complex, "S4", object, "M8[s]", np.longdouble, "no such", [("a", 1)]],
        ids=str,
    )
    @pytest.mark.parametrize("function", [FUNCTIONS[k] for k in ("loss", "none", "grad_and_hess")])
    def test_dtype(self, function, dtype):
        with pytest.raises(TypeError, match="dtype"):
            function(np.zeros(3), np.zeros(3), dtype=dtype)


class TestChoices:
    @pytest.mark.parametrize("reduction", ["average", "", "Mean", "batchmean", None, 1, b"mean"])
    def test_reduction(self, reduction):
        x, y = arrays()
        calls = [
            lambda: binary_cross_entropy_with_logits(x, y, reduction=reduction),
            lambda: value_and_grad(x, y, reduction=reduction),
            lambda: BCEWithLogitsLoss(reduction=reduction)(x, y),
        ]
        for call in calls:
            with pytest.raises((ValueError, TypeError), match="reduction") as error:
                call()
            if isinstance(reduction, str):
                assert isinstance(error.value, ValueError)
                assert repr(reduction) in str(error.value)
                for choice in ("none", "mean", "sum", "weighted_mean"):
                    assert choice in str(error.value)

    @pytest.mark.parametrize("wrt", ["x", "logits", "", (), ("input", "bias"), None, 1, ["inputs"]])
    def test_wrt(self, wrt):
        x, y = arrays()
        with pytest.raises((ValueError, TypeError), match="wrt"):
            value_and_grad(x, y, wrt=wrt)

    @pytest.mark.parametrize("name", ["weight", "pos_weight"])
    def test_wrt_what_is_not_given(self, name):
        x, y = arrays()
        for wrt in (name, ("input", name)):
            with pytest.raises(ValueError, match=name):
                value_and_grad(x, y, wrt=wrt)

    @every
    @pytest.mark.parametrize("a", [-0.1, 1.1, np.nan, np.inf, 2])
    def test_label_smoothing(self, function, a):
        x, y = arrays()
        with pytest.raises(ValueError, match=rf"label_smoothing.*{a}"):
            function(x, y, label_smoothing=a)
        with pytest.raises(ValueError, match=rf"label_smoothing.*{a}"):
            BCEWithLogitsLoss(label_smoothing=a)(x, y)

    @every
    @pytest.mark.parametrize("a", ["0.1", None, [0.1, 0.2], 1j])
    def test_label_smoothing_is_a_number(self, function, a):
        x, y = arrays()
        with pytest.raises(TypeError, match="label_smoothing"):
            function(x, y, label_smoothing=a)

    @every
    @pytest.mark.parametrize("index", ["0", [0], 1j])
    def test_ignore_index_is_a_number(self, function, index):
        x, y = arrays()
        with pytest.raises(TypeError, match="ignore_index"):
            function(x, y, ignore_index=index)

    @every
    @pytest.mark.parametrize("n", [0, -2, -100])
    def test_num_threads(self, function, n):
        x, y = arrays()
        with pytest.raises(ValueError, match=rf"num_threads.*{n}"):
            function(x, y, num_threads=n)
        with pytest.raises(ValueError, match=rf"num_threads.*{n}"):
            BCEWithLogitsLoss(num_threads=n)(x, y)

    @every
    @pytest.mark.parametrize("n", [1.5, "2", [1], 2.0])
    def test_num_threads_is_an_integer(self, function, n):
        x, y = arrays()
        with pytest.raises(TypeError, match="num_threads"):
            function(x, y, num_threads=n)

    @every
    @pytest.mark.parametrize("n", [None, 1, 2, -1, np.int64(3)])
    def test_num_threads_that_are_fine(self, function, n):
        x, y = arrays()
        function(x, y, num_threads=n)

    @pytest.mark.parametrize("floor", ["0", None, [0.1], np.nan])
    def test_hess_floor(self, floor):
        x, y = arrays()
        with pytest.raises((TypeError, ValueError), match="hess_floor"):
            grad_and_hess(x, y, hess_floor=floor)


class TestAxis:
    def test_not_with_none(self):
        x, y = arrays()
        with pytest.raises(ValueError, match=r"axis.*none|none.*axis"):
            binary_cross_entropy_with_logits(x, y, reduction="none", axis=0)

    @pytest.mark.parametrize("axis", [2, -3, (0, 2), 100, 10**400, (0, -(2**64))])
    def test_out_of_bounds(self, axis):
        x, y = arrays()
        with pytest.raises(np.exceptions.AxisError, match="axis") as error:
            binary_cross_entropy_with_logits(x, y, axis=axis)
        assert "2" in str(error.value)

    @pytest.mark.parametrize("axis", [(0, 0), (1, -1)])
    def test_twice(self, axis):
        x, y = arrays()
        with pytest.raises(ValueError, match="axis"):
            binary_cross_entropy_with_logits(x, y, axis=axis)

    @pytest.mark.parametrize("axis", [0.0, "0", (0.5,)])
    def test_not_an_integer(self, axis):
        x, y = arrays()
        with pytest.raises(TypeError):
            binary_cross_entropy_with_logits(x, y, axis=axis)


class TestOut:
    SENTINEL = 123.0

    def outs(self, shape, dtype=float):
        return np.full(shape, self.SENTINEL, dtype)

    def calls(self, x, y, out, **kwargs):
        yield lambda: binary_cross_entropy_with_logits(x, y, reduction="none", out=out, **kwargs)
        yield lambda: value_and_grad(x, y, out=out, **kwargs)
        yield lambda: grad_and_hess(x, y, out=(out, np.empty_like(x)), **kwargs)
        yield lambda: grad_and_hess(x, y, out=(np.empty_like(x), out), **kwargs)

    @pytest.mark.parametrize("shape", [(3, 4), (4,), (12,), (4, 2), (), (0, 3)])
    def test_shape(self, shape):
        x, y = arrays((4, 3))
        out = self.outs(shape)
        for call in self.calls(x, y, out):
            with pytest.raises(ValueError, match=shapes(shape, (4, 3))) as error:
                call()
            assert "out" in str(error.value)
        assert (out == self.SENTINEL).all()

    @pytest.mark.parametrize("axis", [None, 0, 1])
    def test_shape_of_a_reduction(self, axis):
        x, y = arrays((4, 3))
        shape = {None: (), 0: (3,), 1: (4,)}[axis]
        for wrong in ((4, 3), (2,), (5,)):
            out = self.outs(wrong)
            with pytest.raises(ValueError, match=shapes(wrong, shape)) as error:
                binary_cross_entropy_with_logits(x, y, axis=axis, out=out)
            assert "out" in str(error.value)
            assert (out == self.SENTINEL).all()

    @pytest.mark.parametrize("dtype", [int, np.uint8, bool, "M8[s]"])
    def test_dtype(self, dtype):
        """float to these is no same-kind cast."""
        x, y = arrays((4, 3))
        out = np.zeros((4, 3), dtype)
        for call in self.calls(x, y, out):
            with pytest.raises(TypeError, match="out"):
                call()

    @pytest.mark.parametrize("out", [[[0.0] * 3] * 4, 1.0, "out", memoryview(bytearray(8))])
    def test_must_be_an_array(self, out):
        x, y = arrays((4, 3))
        for call in self.calls(x, y, out):
            with pytest.raises(TypeError, match="out"):
                call()

    def test_must_be_writeable(self):
        x, y = arrays((4, 3))
        out = self.outs((4, 3))
        out.flags.writeable = False
        for call in self.calls(x, y, out):
            with pytest.raises(ValueError, match="out"):
                call()
        assert (out == self.SENTINEL).all()

    @pytest.mark.parametrize("out", [np.empty((4, 3)), (np.empty((4, 3)),), (None,) * 3, [None]])
    def test_of_grad_and_hess_is_a_pair(self, out):
        x, y = arrays((4, 3))
        with pytest.raises((TypeError, ValueError), match="out"):
            grad_and_hess(x, y, out=out)

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"weight": np.ones(5)},
            {"pos_weight": np.ones(5)},
            {"pos_weight": [1, 1, -1.0]},
            {"pos_weight": -1.0},
            {"where": np.ones(5, bool)},
            {"where": np.ones(3)},
            {"label_smoothing": 2},
            {"num_threads": 0},
        ],
        ids=lambda k: next(iter(k)),
    )
    def test_is_not_touched_by_other_errors(self, kwargs):
        x, y = arrays((4, 3))
        out = self.outs((4, 3))
        for call in self.calls(x, y, out, **kwargs):
            with pytest.raises((ValueError, TypeError)):
                call()
            assert (out == self.SENTINEL).all()

    def test_of_a_reduction_is_not_touched_by_a_bad_target(self):
        x, y = arrays((4, 3))
        y[3, 2] = 2
        for axis in (None, 0, 1):
            out = self.outs({None: (), 0: (3,), 1: (4,)}[axis])
            with pytest.raises(ValueError, match=r"target\[3, 2\]"):
                binary_cross_entropy_with_logits(x, y, axis=axis, out=out)


class TestSignatures:
    @every
    def test_missing_arguments(self, function):
        with pytest.raises(TypeError):
            function()
        with pytest.raises(TypeError, match="target"):
            function([1.0])

    @every
    def test_unknown_arguments(self, function):
        with pytest.raises(TypeError, match="smoothing"):
            function([1.0], [1], smoothing=0.1)

    def test_keyword_only(self):
        with pytest.raises(TypeError):
            binary_cross_entropy_with_logits([1.0], [1], None, None, None, "mean", None, 0.1)
        with pytest.raises(TypeError):
            BCEWithLogitsLoss(None, None, None, "mean", None, 0.1)
        with pytest.raises(TypeError):
            value_and_grad([1.0], [1], None, "mean")
        with pytest.raises(TypeError):
            grad_and_hess([1.0], [1], None, None)


@every
def test_a_failed_call_leaves_nothing_behind(function):
    """The next call gives what it would have given."""
    x, y = arrays((40, 30))
    expected = function(x, y)
    bad = y.copy()
    bad[39, 29] = np.nan
    for _ in range(3):
        with pytest.raises(ValueError, match=r"target\[39, 29\] is nan"):
            function(x, bad)
        again = function(x, y)
        pairs = (
            zip(again, expected, strict=True) if isinstance(again, tuple) else [(again, expected)]
        )
        for a, b in pairs:
            np.testing.assert_array_equal(a, b)


def test_errors_are_those_of_python():
    """No exception class of our own to catch."""
    assert not [n for n in bcelogits.__all__ if n.endswith(("Error", "Warning"))]


@pytest.mark.parametrize(
    ("function", "name"), [("loss", "label_smoothing"), ("grad_and_hess", "hess_floor")]
)
def test_numbers_beyond_a_float(function, name):
    x, y = arrays()
    with pytest.raises(ValueError, match=f"{name}.*beyond"):
        FUNCTIONS[function](x, y, **{name: 10**400})


class TestObjectsThatTakeLongToWrite:
    """NumPy abridges long axes, not many: the repr of this array has a million numbers."""

    ARRAY = np.broadcast_to(0.5, (2,) * 20)

    @pytest.mark.parametrize("value", [ARRAY, [ARRAY], (ARRAY, 1)])
    def test_messages_are_short(self, value):
        for call in (
            lambda: binary_cross_entropy_with_logits([0.0], [0.0], dtype=value),
            lambda: bcelogits.RunningLoss(axis=value),
            lambda: bcelogits.RunningLoss(axis=(value, 0)),
        ):
            with pytest.raises(TypeError) as error:
                call()
            assert len(str(error.value)) < 500

    def test_of_a_text(self):
        with pytest.raises(TypeError, match=r"not '.*\.\.\..*'$") as error:
            binary_cross_entropy_with_logits([0.0], [0.0], dtype="x" * 10_000)
        assert len(str(error.value)) < 500

    def test_repr_is_short(self):
        assert len(repr(BCEWithLogitsLoss(self.ARRAY))) < 500
        assert "(2, 2, 2," in repr(BCEWithLogitsLoss(self.ARRAY))
