"""Sizes: beyond 32 bits, beyond memory, no element at all, as many dimensions as NumPy has.

SOAK=1 takes the sizes that last minutes: `make soak`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import bcelogits as bce

SOAK = os.environ.get("SOAK") == "1"
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and maps as Linux has them")


def run_python(code: str, *arguments: str) -> str:
    """Run a program of its own, which limits itself."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def sparse(path: Path, dtype: str, n: int) -> np.memmap:
    """Return a file of n zeros that takes no room."""
    with open(path, "wb") as file:
        file.truncate(n * np.dtype(dtype).itemsize)
    return np.memmap(path, dtype, "r+", shape=(n,))


class TestMoreThan32Bits:
    N = 2**31 + 4099

    @linux
    def test_the_last_target_is_found(self, tmp_path):
        """A mapped file of targets, of which the last alone is wrong, and one logit for all."""
        y = sparse(tmp_path / "targets", "u1", self.N)
        y[-1] = 2
        x = np.broadcast_to(np.float32(0.25), y.shape)
        with pytest.raises(ValueError, match=rf"^target\[{self.N - 1}\] is 2, "):
            bce.binary_cross_entropy_with_logits(x, y, num_threads=-1)

    @pytest.mark.skipif(not SOAK, reason="takes a minute: make soak")
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
    @pytest.mark.parametrize("num_threads", [1, 2])
    def test_mean_and_count(self, dtype, num_threads):
        x = np.broadcast_to(dtype(0.25), (self.N,))
        y = np.broadcast_to(np.int8(1), (self.N,))
        one = bce.binary_cross_entropy_with_logits(x[:1], y[:1])
        assert bce.binary_cross_entropy_with_logits(x, y, num_threads=num_threads) == one
        running = bce.RunningLoss()
        running.update(x, y)
        assert running.count == self.N

    @pytest.mark.skipif(not SOAK, reason="takes a minute: make soak")
    def test_rows_of_2_to_the_31(self):
        x = np.broadcast_to(np.float32([[0.5], [-0.5]]), (2, self.N))
        means = bce.binary_cross_entropy_with_logits(x, np.broadcast_to(True, x.shape), axis=1)
        for mean, logit in zip(means, (0.5, -0.5), strict=True):
            assert mean == bce.softplus(np.float32(-logit))


@linux
def test_a_file_larger_than_memory_in_constant_memory(tmp_path):
    """20 GB with SOAK=1: what the process may allocate is limited to 64 MB more than it has."""
    n = 2**32 if SOAK else 2**25
    sparse(tmp_path / "logits", "f4", n)
    sparse(tmp_path / "targets", "u1", n)
    code = """
    import resource, sys
    import numpy as np
    import bcelogits as bce

    x, y = (np.memmap(path, dtype, "r") for path, dtype in zip(sys.argv[1:], ("f4", "u1")))
    bce.binary_cross_entropy_with_logits(x[:100000], y[:100000], num_threads=2)
    with open("/proc/self/status") as file:
        data = next(int(line.split()[1]) for line in file if line.startswith("VmData"))
    limit = data * 1024 + 64 * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    for num_threads in (1, 2):
        mean = bce.binary_cross_entropy_with_logits(x, y, num_threads=num_threads)
        assert mean == np.log(np.float32(2))
    try:
        np.ones(2**27)
    except MemoryError:
        print("limited")
    """
    out = run_python(code, str(tmp_path / "logits"), str(tmp_path / "targets"))
    assert out == "limited\n"


@linux
@pytest.mark.parametrize(
    "call",
    [
        "bce.binary_cross_entropy_with_logits(x, x, reduction='none')",
        "bce.value_and_grad(x, x)",
        "bce.grad_and_hess(x, x)",
        "bce.sigmoid(x)",
        "bce.binary_cross_entropy_with_logits(x, x, axis=1)",
    ],
)
def test_no_memory_for_the_result(call):
    """A MemoryError, after which everything works."""
    code = """
    import resource, sys
    import numpy as np
    import bcelogits as bce

    x = np.broadcast_to(np.float64(0.5), (2**27, 1))
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**26, size + 2**26))
    try:
        eval(sys.argv[1])
    except MemoryError:
        assert bce.sigmoid(0.0) == 0.5
        print("no memory")
    """
    assert run_python(code, call) == "no memory\n"


def test_64_dimensions():
    shape = (1,) * 31 + (2,) + (1,) * 30 + (3, 2)
    assert len(shape) == 64
    x = np.linspace(-3, 3, 12, dtype=np.float32)
    y = np.float32(x > 0)
    wide_x, wide_y = x.reshape(shape), y.reshape(shape)
    assert bce.binary_cross_entropy_with_logits(wide_x, wide_y) == (
        bce.binary_cross_entropy_with_logits(x, y)
    )
    swapped = wide_x.swapaxes(31, 62)
    losses = bce.binary_cross_entropy_with_logits(x, y, reduction="none")
    np.testing.assert_array_equal(
        bce.binary_cross_entropy_with_logits(swapped, wide_y.swapaxes(31, 62), reduction="none"),
        losses.reshape(shape).swapaxes(31, 62),
    )
    means = bce.binary_cross_entropy_with_logits(wide_x, wide_y, axis=tuple(range(63)))
    np.testing.assert_array_equal(
        means, bce.binary_cross_entropy_with_logits(x.reshape(6, 2), y.reshape(6, 2), axis=0)
    )
    _, grad = bce.value_and_grad(wide_x, wide_y)
    assert grad.shape == shape


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 2**40), (0,) * 64])
def test_no_element(shape):
    x, y = np.zeros(shape, np.float32), np.zeros(shape, bool)
    assert bce.binary_cross_entropy_with_logits(x, y, reduction="none").shape == shape
    assert bce.binary_cross_entropy_with_logits(x, y, reduction="sum") == 0
    with pytest.warns(RuntimeWarning):
        assert np.isnan(bce.binary_cross_entropy_with_logits(x, y))
    grad, hess = bce.grad_and_hess(x, y)
    assert grad.shape == hess.shape == shape
    if shape[-1] > 2**30:
        return
    sums = bce.binary_cross_entropy_with_logits(x, y, reduction="sum", axis=0)
    assert sums.shape == shape[1:]
    assert not sums.any()
