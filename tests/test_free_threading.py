"""Calls from many threads at once, whether or not a GIL orders them, and that import leaves it off.

`make test-freethreaded` runs these, and all others, on a Python without one.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import threading
from concurrent.futures import Future
from functools import partial
from itertools import repeat

import numpy as np
import pytest

import bcelogits as bce
from bcelogits import _core, _threads

WITHOUT_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
THREADS = 8
ROUNDS = 50


def together(*functions):
    """Call each function in a thread of its own, all at once, and raise what they raise."""
    start = threading.Barrier(len(functions))
    futures = [Future() for _ in functions]

    def run(function, future):
        start.wait()
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threads = [
        threading.Thread(target=run, args=pair) for pair in zip(functions, futures, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [future.result() for future in futures]


def python(code, *options):
    """Run code in a new process, where nothing has been imported, and return what it prints."""
    process = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", code], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


@pytest.mark.skipif(not WITHOUT_GIL, reason="this Python has a GIL: make test-freethreaded")
def test_import_leaves_the_gil_off():
    """A module that does not declare itself safe switches it on, with a warning."""
    assert python("import bcelogits, sys; print(sys._is_gil_enabled())") == "False"


@pytest.mark.skipif(not WITHOUT_GIL, reason="this Python has a GIL: make test-freethreaded")
def test_these_tests_run_without_the_gil():
    assert not sys._is_gil_enabled()


def test_first_call_in_many_threads():
    """What is found out at the first use: instruction set, the number of bfloat16, the pool."""
    code = """
import threading
import numpy as np
import bcelogits as bce
import ml_dtypes
x = np.linspace(-9, 9, 1 << 19).astype(ml_dtypes.bfloat16)
y = np.arange(x.size) % 2
start, results = threading.Barrier(8), []
def run():
    start.wait()
    results.append(float(bce.binary_cross_entropy_with_logits(x, y, num_threads=3)))
threads = [threading.Thread(target=run) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(results), len(set(results)))
"""
    pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
    assert python(code) == "8 1"


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_one_object_for_all(dtype):
    """The short way and the long one, on the same operands and the same object."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(5000).astype(dtype)
    y = (rng.random(5000) < 0.3).astype(dtype)
    loss = bce.BCEWithLogitsLoss(pos_weight=np.asarray(2.5, dtype), label_smoothing=0.1)
    expected = loss(x, y)

    def call():
        return {loss(x, y).item() for _ in range(ROUNDS)}

    def derive():
        return {loss.value_and_grad(x, y)[0].item() for _ in range(ROUNDS)}

    for values in together(*[call, derive] * (THREADS // 2)):
        assert values == {expected.item()}


def test_pool_grows_while_it_is_used():
    """Calls that want more helpers replace the pool of those that compute."""
    x = np.linspace(-5, 5, 2 * _core.ALONE + 12_302).astype(np.float32)
    y = x > 1
    expected = bce.binary_cross_entropy_with_logits(x, y)

    def call(n):
        return bce.binary_cross_entropy_with_logits(x, y, num_threads=n)

    for _ in range(5):
        _threads._forget_pool()
        assert together(*(lambda n=n: call(n) for n in range(1, THREADS + 1))) == (
            [expected] * THREADS
        )


def test_pool_is_as_large_as_was_asked_for():
    """A thread never takes a small pool for a large one that another has just made."""
    rng = np.random.default_rng(1)
    for _ in range(ROUNDS):
        pool = _threads._Pool()
        sizes = rng.permutation(np.arange(1, THREADS + 1)).tolist()  # the last to come is first
        executors = together(*(partial(pool._of_size, size) for size in sizes))
        for size, executor in zip(sizes, executors, strict=True):
            assert executor._max_workers >= size
        for executor in executors:
            executor.shutdown()


def test_settings_change_while_others_compute():
    x = np.linspace(-5, 5, 2 * _core.ALONE).astype(np.float32)
    y = x > 1
    expected = bce.binary_cross_entropy_with_logits(x, y)
    before = bce.get_num_threads()

    def change():
        for n in list(range(1, THREADS)) * 5:
            bce.set_num_threads(n)
            assert bce.get_num_threads() in range(1, THREADS)

    def select():
        for name in fused * ROUNDS:
            _core.select_isa(name)

    def compute():
        return {bce.binary_cross_entropy_with_logits(x, y).item() for _ in range(5)}

    selected = bce.active_isa()
    # Without fused multiply-add the bits may differ.
    fused = [selected, *(name for name in bce.supported_isas() if name != "baseline")]
    try:
        _, _, *results = together(change, select, *repeat(compute, THREADS))
    finally:
        bce.set_num_threads(before)
        _core.select_isa(selected)
    assert results == [{expected.item()}] * THREADS


def test_in_place_on_parts():
    """Threads that write to parts of one array."""
    x = np.linspace(-30, 30, 64_000)
    expected = bce.sigmoid(x)
    parts = np.split(x, THREADS)
    together(*(lambda part=part: bce.sigmoid(part, out=part) for part in parts))
    np.testing.assert_array_equal(x, expected)
