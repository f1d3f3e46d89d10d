"""Threads: their number and where it comes from, and that it changes no bit of any result."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bcelogits as bce
from bcelogits import _core, _parallel, _threads, get_num_threads, set_num_threads

NUMBERS = (2, 3, 7)
LARGE = 2 * _core.ALONE + 12_302  # enough for several threads


@pytest.fixture(autouse=True)
def _restored():
    before = get_num_threads()
    yield
    set_num_threads(before)


def available():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def test_set_and_get():
    for n in (3, 1):
        set_num_threads(n)
        assert get_num_threads() == n
    set_num_threads(-1)
    assert get_num_threads() == available()


@pytest.mark.parametrize("n", [0, -2])
def test_not_a_number_of_threads(n):
    with pytest.raises(ValueError, match=rf"num_threads.*{n}"):
        set_num_threads(n)
    assert get_num_threads() >= 1


@pytest.mark.parametrize("n", [None, 1.0, "2"])
def test_not_an_integer(n):
    with pytest.raises(TypeError, match="num_threads"):
        set_num_threads(n)


def run(value):
    environment = {k: v for k, v in os.environ.items() if k != "BCELOGITS_NUM_THREADS"}
    if value is not None:
        environment["BCELOGITS_NUM_THREADS"] = value
    code = "import bcelogits; print(bcelogits.get_num_threads())"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("value", "expected"), [(None, 1), ("", 1), ("1", 1), ("5", 5), ("-1", available())]
)
def test_environment_variable(value, expected):
    process = run(value)
    assert process.returncode == 0, process.stderr
    assert int(process.stdout) == expected


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_environment_variable_that_is_no_number_of_threads(value):
    process = run(value)
    assert process.returncode == 1
    error = process.stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: BCELOGITS_NUM_THREADS")
    assert repr(value) in error


# --- the same bits ---------------------------------------------------------------------------


@pytest.fixture
def _finely_cut(monkeypatch):
    """Let a few blocks be enough for threads, so that small arrays will do."""
    monkeypatch.setattr(_parallel, "_SHARE", _core.BLOCK)


def same_bits(a, b):
    if isinstance(a, tuple):
        return all(map(same_bits, a, b))
    assert (type(a), a.dtype, a.shape, a.strides) == (type(b), b.dtype, b.shape, b.strides)
    return a.tobytes() == b.tobytes()


def assert_same(function, *args, numbers=NUMBERS, **kwargs):
    alone = function(*args, num_threads=1, **kwargs)
    for n in numbers:
        assert same_bits(alone, function(*args, num_threads=n, **kwargs)), n


def logits(shape, dtype=np.float32, seed=0):
    return (3 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def targets(shape, dtype=bool, seed=1):
    return (np.random.default_rng(seed).random(shape) < 0.3).astype(dtype)


def arrange(array, layout):
    """Return the same elements, in another place in memory."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    return array


@pytest.mark.usefixtures("_finely_cut")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("target_dtype", [bool, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "weighted_mean", "none"])
def test_same_bits_of_any_dtype(dtype, target_dtype, reduction):
    x, y = logits(9 * _core.BLOCK + 77, dtype), targets(9 * _core.BLOCK + 77, target_dtype)
    weight = np.random.default_rng(2).random(x.shape)
    for options in ({}, {"weight": weight, "pos_weight": 3.0}, {"label_smoothing": 0.1}):
        options = {"reduction": reduction, **options}
        assert_same(bce.binary_cross_entropy_with_logits, x, y, **options)
        assert_same(bce.value_and_grad, x, y, **options)


@pytest.mark.usefixtures("_finely_cut")
@pytest.mark.parametrize("layout", ["C", "F", "strided", "reversed"])
@pytest.mark.parametrize("target_layout", ["C", "F", "strided"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 2), (1, 2), (2, 0, 1)])
def test_same_bits_of_any_layout(layout, target_layout, axis):
    shape = (31, 45, 53)
    x, y = arrange(logits(shape), layout), arrange(targets(shape, np.int8), target_layout)
    y[3, 4, 5] = -1
    options = {
        "weight": arrange(np.random.default_rng(2).random(shape), layout),
        "pos_weight": np.linspace(0.5, 2, 45)[:, None],
        "where": arrange(np.random.default_rng(3).random(shape) < 0.9, target_layout),
        "ignore_index": -1,
    }
    for reduction in ("mean", "sum", "weighted_mean"):
        for dtype in (np.float32, np.float64):
            assert_same(
                bce.binary_cross_entropy_with_logits,
                *(x, y),
                **{"reduction": reduction, "axis": axis, "dtype": dtype, **options},
            )
        if axis is None:
            assert_same(bce.value_and_grad, x, y, reduction=reduction, **options)
    if axis is None:
        wrt = ("input", "target", "weight", "pos_weight")
        assert_same(bce.value_and_grad, x, y, reduction="none", wrt=wrt, grad_output=0.3, **options)
        assert_same(bce.grad_and_hess, x, y, hess_floor=1e-3, **options)


@given(data=st.data())
def test_same_bits_of_any_shape(data):
    shape = data.draw(
        st.lists(st.sampled_from([1, 2, 3, 17, 64, 300, 5000]), min_size=1, max_size=4)
        .map(tuple)
        .filter(lambda shape: np.prod(shape) <= 60_000)
    )
    x, y = logits(shape), targets(shape, np.float64)
    axis = data.draw(st.none() | st.integers(0, len(shape) - 1))
    reduction = data.draw(st.sampled_from(["mean", "sum", "weighted_mean"]))
    number = data.draw(st.integers(2, 9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parallel, "_SHARE", _core.BLOCK // 8)
        assert_same(
            bce.binary_cross_entropy_with_logits,
            *(x, y),
            reduction=reduction,
            axis=axis,
            numbers=(number,),
        )
        assert_same(bce.value_and_grad, x, y, reduction=reduction, numbers=(number,))


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_object_and_default(reduction):
    x, y = logits(LARGE), targets(LARGE)
    alone = bce.BCEWithLogitsLoss(reduction=reduction)
    expected = alone(x, y), alone.value_and_grad(x, y), alone.grad_and_hess(x, y), bce.sigmoid(x)
    for n in NUMBERS:
        set_num_threads(n)
        assert same_bits(expected[0], alone(x, y))
        assert same_bits(expected[1], alone.value_and_grad(x, y))
        assert same_bits(expected[2], alone.grad_and_hess(x, y))
        assert same_bits(expected[3], bce.sigmoid(x))
        set_num_threads(1)
        loss = bce.BCEWithLogitsLoss(reduction=reduction, num_threads=n)
        assert same_bits(expected[0], loss(x, y))
        assert same_bits(expected[1], loss.value_and_grad(x, y))


def test_long_calls_are_cut_for_one_thread_too(monkeypatch):
    x, y = logits(LARGE), targets(LARGE)
    expected = bce.value_and_grad(x, y, num_threads=1)
    monkeypatch.setattr(_parallel, "_LONGEST", LARGE // 3)
    calls = shared_calls(monkeypatch)
    assert same_bits(expected, bce.value_and_grad(x, y, num_threads=1))
    assert same_bits(expected[0], bce.BCEWithLogitsLoss()(x, y))
    assert calls == [1, 1]
    assert max(last - first for first, last in _parallel._runs_of_blocks(LARGE, 1)) < LARGE // 3


def test_in_place():
    x, y = logits(LARGE), targets(LARGE)
    expected = bce.binary_cross_entropy_with_logits(x, y, reduction="none")
    out = bce.binary_cross_entropy_with_logits(x, y, reduction="none", out=x, num_threads=3)
    assert out is x
    assert same_bits(expected, x)


# --- who works -------------------------------------------------------------------------------


def test_several_threads_work():
    """Each of them waits until all are there."""
    barrier = threading.Barrier(3, timeout=60)

    def work(pieces):
        next(pieces)
        barrier.wait()
        return threading.get_ident()

    workers = _threads.share(range(3), 3, work)
    assert len(set(workers)) == 3
    assert threading.get_ident() in workers


def shared_calls(monkeypatch):
    calls = []

    def share(pieces, threads, work):
        calls.append(threads)
        return _threads.share(pieces, threads, work)

    monkeypatch.setattr(_parallel, "share", share)
    return calls


@pytest.mark.parametrize("n", [1, 2, 3])
def test_number_of_threads_is_heeded(n, monkeypatch):
    monkeypatch.setattr(_parallel, "_LONGEST", 1 << 40)
    calls = shared_calls(monkeypatch)
    x, y = logits(LARGE), targets(LARGE)
    expected = [] if n == 1 else [n]
    for set_default in (False, True):
        set_num_threads(n if set_default else 1)
        number = None if set_default else n
        loss = bce.BCEWithLogitsLoss(num_threads=number)
        for call in (
            lambda loss=loss: loss(x, y),
            lambda loss=loss: loss.forward(x, y),
            lambda loss=loss: loss.grad_and_hess(x, y),
            lambda k=number: bce.binary_cross_entropy_with_logits(x, y, num_threads=k),
            lambda k=number: bce.binary_cross_entropy_with_logits(
                x.reshape(-1, 5), y.reshape(-1, 5), axis=1, num_threads=k
            ),
            lambda k=number: bce.grad_and_hess(x, y, num_threads=k),
        ):
            calls.clear()
            call()
            assert calls == expected
    bce.softplus(x)
    assert calls == 2 * expected


def test_small_calls_are_the_work_of_one_thread(monkeypatch):
    monkeypatch.setattr(_parallel, "_LONGEST", 1 << 40)
    calls = shared_calls(monkeypatch)
    x, y = logits(_core.ALONE - 1), targets(_core.ALONE - 1)
    bce.BCEWithLogitsLoss(num_threads=8)(x, y)
    bce.value_and_grad(x, y, num_threads=8)
    assert calls == []
    x, y = logits(_core.ALONE), targets(_core.ALONE)
    bce.BCEWithLogitsLoss(num_threads=8)(x, y)
    assert calls == [2]


def test_no_pool_before_it_is_needed():
    code = """
        import sys, threading
        import numpy as np
        import bcelogits as bce
        x = np.zeros(2**16, np.float32)
        bce.BCEWithLogitsLoss(num_threads=4)(x, x)
        assert "concurrent.futures" not in sys.modules
        assert threading.active_count() == 1
    """
    run_code(code)


# --- errors and interrupts -------------------------------------------------------------------


@pytest.mark.parametrize("n", NUMBERS)
@pytest.mark.parametrize("function", [bce.binary_cross_entropy_with_logits, bce.value_and_grad])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_first_bad_target_is_named(n, function, reduction):
    x, y = logits((LARGE // 100, 100)), targets((LARGE // 100, 100), np.float32)
    y[-1, 7], y[LARGE // 200, 3] = -1, 2
    with pytest.raises(ValueError, match=rf"target\[{LARGE // 200}, 3\] is 2.0, outside \[0, 1\]"):
        function(x, y, reduction=reduction, num_threads=n)


@pytest.mark.parametrize("raises", ["caller", "helper"])
def test_an_exception_arrives_when_all_have_stopped(raises):
    caller = threading.get_ident()
    begun = threading.Barrier(2, timeout=60)
    raised = threading.Event()
    working = []

    def work(pieces):
        next(pieces)
        working.append(1)
        begun.wait()
        if (threading.get_ident() == caller) == (raises == "caller"):
            raised.set()
            working.pop()
            raise KeyboardInterrupt
        assert raised.wait(60)
        left = sum(1 for _ in pieces)
        working.pop()
        return left

    with pytest.raises(KeyboardInterrupt):
        _threads.share(itertools.repeat(None, 1000), 2, work)
    assert not working


def test_a_helper_that_never_comes(monkeypatch):
    """The queue of a pool whose only thread is busy is not waited for."""
    monkeypatch.setattr(_threads, "_pool", _threads._Pool())
    done = threading.Event()
    busy = []
    _threads._pool.submit(1, lambda: done.wait(60), busy)
    try:
        assert _threads.share(range(5), 2, sum) == [10]
    finally:
        done.set()
    assert busy[0].result()


def test_no_thread_to_be_had(monkeypatch):
    monkeypatch.setattr(_threads, "_pool", _threads._Pool())

    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    x, y = logits(LARGE), targets(LARGE)
    assert_same(bce.binary_cross_entropy_with_logits, x, y)


# --- many callers, other processes, the end --------------------------------------------------


def test_the_default_changes_while_others_compute():
    x, y = logits(LARGE), targets(LARGE)
    expected = bce.value_and_grad(x, y)
    stop = threading.Event()

    def change():
        for n in itertools.cycle((1, 5, 2, 7, 3)):
            if stop.is_set():
                return
            set_num_threads(n)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: bce.value_and_grad(x, y), range(24)))
    finally:
        stop.set()
        changer.join()
    assert all(same_bits(expected, result) for result in results)


def run_code(code, **environment):
    """Run a program; warnings about fork in a process with threads are its own affair."""
    process = subprocess.run(
        [
            sys.executable,
            *["-W", "error", "-W", "ignore::DeprecationWarning", "-c"],
            textwrap.dedent(code),
        ],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    return process.stdout


PROGRAM = """
    import os, multiprocessing, sys
    import numpy as np
    import bcelogits as bce

    x = np.linspace(-5, 5, 2**20, dtype=np.float32)
    y = (x > 0).astype(np.float32)
    loss = bce.BCEWithLogitsLoss(num_threads=3)
    used = sys.argv[1:] == ["used"] or os.environ.get("USED") == "1"

    def compute(_=None):
        return float(loss(x, y))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("used", ["0", "1"])
def test_fork(used):
    code = (
        PROGRAM
        + """
    expected = float(bce.BCEWithLogitsLoss()(x, y))
    if used:
        assert compute() == expected
    child = os.fork()
    if child == 0:
        os._exit(0 if compute() == expected and compute() == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert compute() == expected
    """
    )
    run_code(code, USED=used)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_while_another_thread_computes():
    code = (
        PROGRAM
        + """
    import threading
    expected = compute()
    stop = threading.Event()

    def keep_computing():
        while not stop.is_set():
            assert compute() == expected

    thread = threading.Thread(target=keep_computing)
    thread.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0 if compute() == expected else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    thread.join()
    """
    )
    run_code(code)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method, tmp_path):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            PROGRAM
            + f"""
    if __name__ == "__main__":
        expected = compute()
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            assert pool.map(compute, range(6)) == 6 * [expected]
    """
        )
    )
    process = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", program],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (process.returncode, process.stderr) == (0, "")


@pytest.mark.parametrize(
    "end",
    [
        "",  # right after use
        "import atexit; atexit.register(compute)",
        "import threading; threading.Thread(target=compute).start()",
        "import threading; threading.Thread(target=compute, daemon=True).start()",
    ],
)
def test_interpreter_exit(end):
    run_code(
        PROGRAM
        + f"""
    compute()
    {end}
    """
    )


def test_environment_variable_is_heeded():
    code = """
        import numpy as np
        import bcelogits as bce
        from bcelogits import _parallel
        numbers = []
        _parallel._LONGEST = 2**40
        share = _parallel.share
        _parallel.share = lambda pieces, n, work: (numbers.append(n), share(pieces, n, work))[1]
        x = np.zeros(2**20, np.float32)
        bce.BCEWithLogitsLoss()(x, x)
        bce.sigmoid(x)
        print(*numbers)
    """
    assert run_code(code, BCELOGITS_NUM_THREADS="3") == "3 3\n"
    assert run_code(code, BCELOGITS_NUM_THREADS="") == "\n"
