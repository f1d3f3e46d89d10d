"""The Cython layer: entry points for contiguous arrays, cimport, and the object's short way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest

from bcelogits import (
    BCEWithLogitsLoss,
    _core,
    binary_cross_entropy_with_logits,
    sigmoid,
    value_and_grad,
)

SUFFIXES = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}


@pytest.mark.parametrize("dtype", SUFFIXES, ids=str)
class TestVectors:
    def entry(self, name, dtype):
        return getattr(_core, f"{name}_{SUFFIXES[dtype]}")

    def problem(self, dtype, n=5000):
        rng = np.random.default_rng(0)
        return rng.standard_normal(n).astype(dtype), rng.integers(0, 2, n).astype(dtype)

    @pytest.mark.parametrize("n", [1, 16, 5000])
    def test_give_the_bits_of_the_functions(self, dtype, n):
        x, y = self.problem(dtype, n)
        for reduction in ("mean", "sum"):
            expected = binary_cross_entropy_with_logits(x, y, reduction=reduction)
            assert self.entry(reduction, dtype)(x, y) == expected
        out = np.empty_like(x)
        self.entry("loss", dtype)(x, y, out)
        np.testing.assert_array_equal(out, binary_cross_entropy_with_logits(x, y, reduction="none"))
        self.entry("grad", dtype)(x, y, out)
        np.testing.assert_array_equal(out, value_and_grad(x, y, reduction="none")[1])
        value = self.entry("mean_and_grad", dtype)(x, y, out)
        expected_value, expected_grad = value_and_grad(x, y)
        assert value == expected_value
        np.testing.assert_array_equal(out, expected_grad)
        self.entry("sigmoid", dtype)(x, out)
        np.testing.assert_array_equal(out, sigmoid(x))

    def test_take_any_buffer_and_leave_operands_alone(self, dtype):
        x, y = self.problem(dtype)
        x.flags.writeable = y.flags.writeable = False
        assert self.entry("mean", dtype)(memoryview(x), memoryview(y)) == (
            binary_cross_entropy_with_logits(x, y)
        )

    def test_out_may_be_an_operand(self, dtype):
        x, y = self.problem(dtype)
        expected = binary_cross_entropy_with_logits(x, y, reduction="none")
        self.entry("loss", dtype)(x, y, x)
        np.testing.assert_array_equal(x, expected)

    def test_nothing(self, dtype):
        empty = np.empty(0, dtype)
        assert self.entry("sum", dtype)(empty, empty) == 0
        assert np.isnan(self.entry("mean", dtype)(empty, empty))
        self.entry("loss", dtype)(empty, empty, empty)

    @pytest.mark.parametrize("name", ["mean", "sum", "loss", "grad", "mean_and_grad"])
    def test_errors(self, dtype, name):
        x, y = self.problem(dtype)
        outs = () if name in ("mean", "sum") else (np.empty_like(x),)
        entry = self.entry(name, dtype)
        with pytest.raises(ValueError, match=r"lengths, 5000 and 4999"):
            entry(x, y[1:], *outs)
        if outs:
            with pytest.raises(ValueError, match=r"lengths, 5000 and 4999"):
                entry(x, y, outs[0][1:])
        y[4321] = 1.5
        with pytest.raises(ValueError, match=r"^target\[4321\] is 1\.5, outside \[0, 1\]$"):
            entry(x, y, *outs)
        with pytest.raises(ValueError, match=r"not C-contiguous|not contiguous"):
            entry(x[::2], y[::2], *(out[::2] for out in outs))
        with pytest.raises(ValueError, match="dtype mismatch"):
            entry(x.astype(np.int64), y, *outs)


MODULE = """
# cython: language_level=3, freethreading_compatible=True
cimport bcelogits
from bcelogits cimport loss_f32, mean_f64

def mean(const double[::1] x, const double[::1] y, double[::1] grad):
    cdef double a, b
    with nogil:
        a = mean_f64(x, y)
        b = bcelogits.mean_and_grad_f64(x, y, grad)
    return a, b

def loss(float[::1] x, float[::1] y):
    with nogil:
        loss_f32(x, y, x)
"""

USE = """
import numpy as np, user
from bcelogits import binary_cross_entropy_with_logits, value_and_grad
x, y = np.linspace(-3, 3, 1000), np.arange(1000) % 2.0
grad = np.empty(1000)
value, expected = value_and_grad(x, y)
assert user.mean(x, y, grad) == (value, value)
assert (grad == expected).all()
x, y = x.astype("f"), y.astype("f")
expected = binary_cross_entropy_with_logits(x, y, reduction="none")
user.loss(x, y)
assert (x == expected).all()
y[7] = -1
try:
    user.loss(x, y)
except ValueError as error:
    print(error)
"""

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
setup(ext_modules=cythonize([Extension("user", ["user.pyx"])], quiet=True))
"""


def test_cimport(tmp_path):
    """A user's module, compiled without our C header, calls the functions without the GIL."""
    pytest.importorskip("Cython", reason="Cython compiles the module")
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no C compiler {compiler}")
    (tmp_path / "user.pyx").write_text(MODULE)
    (tmp_path / "setup.py").write_text(SETUP)
    for command in (["setup.py", "-q", "build_ext", "--inplace"], ["-W", "error", "-c", USE]):
        process = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == "target[7] is -1.0, outside [0, 1]"


class TestShortWay:
    """A call of the object skips `forward` where it can, and nobody can tell."""

    class Counting(BCEWithLogitsLoss):
        """Has a `forward` of its own: every call is to reach it."""

        calls = 0

        def forward(self, input, target):
            self.calls += 1
            return super().forward(input, target)

    def problem(self, dtype=np.float32):
        rng = np.random.default_rng(1)
        return rng.standard_normal((40, 6)).astype(dtype), rng.integers(0, 2, (40, 6)).astype(dtype)

    def test_forward_of_a_subclass_is_called(self):
        x, y = self.problem()
        criterion = self.Counting(reduction="sum")
        assert criterion(x, y) == BCEWithLogitsLoss(reduction="sum")(x, y)
        assert criterion.calls == 1

    @pytest.mark.parametrize(
        "configuration",
        [
            {},
            {"weight": np.linspace(0, 1, 6)},
            {"weight": 0.5, "pos_weight": [[2.0]]},
            {"pos_weight": np.float16(3)},
            {"label_smoothing": 0.25},
            {"ignore_index": 1},
            {"ignore_index": 0.5},
            {"ignore_index": 1000},
            {"ignore_index": -np.inf},
        ],
        ids=lambda c: ",".join(c) or "-",
    )
    @pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])
    def test_same_bits_as_forward(self, reduction, configuration):
        criterion = BCEWithLogitsLoss(reduction=reduction, **configuration)
        for dtype in (np.float16, np.float32, np.float64, np.int8, bool):
            x, y = self.problem(dtype)
            for a, b in ((x, y), (x.T.copy().T, y), (x[::2, ::-1], y[::2, ::-1]), (x, y > 0)):
                actual, expected = criterion(a, b), criterion.forward(a, b)
                assert type(actual) is type(expected)
                assert actual.dtype == expected.dtype
                assert actual.tobytes(order="A") == expected.tobytes(order="A")
                if reduction == "none":
                    assert actual.strides == expected.strides

    def test_keywords(self):
        x, y = self.problem()
        criterion = BCEWithLogitsLoss()
        assert criterion(input=x, target=y) == criterion(x, target=y) == criterion(x, y)

    def test_means_of_nothing_warn(self):
        for criterion, n in ((BCEWithLogitsLoss(), 0), (BCEWithLogitsLoss(ignore_index=1), 3)):
            with pytest.warns(RuntimeWarning, match="Mean of empty slice") as caught:
                mean = criterion(np.ones(n), np.ones(n))
            assert np.isnan(mean)
            assert [w.filename for w in caught] == [__file__]
        with pytest.warns(RuntimeWarning, match="add up to 0"):
            BCEWithLogitsLoss(weight=0.0, reduction="weighted_mean")(np.ones(3), np.ones(3))

    def test_arguments_cannot_be_changed(self):
        """They are validated once."""
        criterion = BCEWithLogitsLoss()
        for name in ("weight", "pos_weight", "reduction", "label_smoothing", "ignore_index"):
            with pytest.raises(AttributeError, match=name):
                setattr(criterion, name, None)
