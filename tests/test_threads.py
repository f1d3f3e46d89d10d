"""Threads: their number and where it comes from, and that it changes no bit of any result."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
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


# --- sixteen callers, no two alike -----------------------------------------------------------

CALLERS = 16
ROUNDS = 4 * CALLERS


def calls():
    """Return sixteen calls, each with settings of its own.

    Each makes its outputs anew, and returns what it got or the exception that it was.
    """
    n = 5 * _core.BLOCK + 77
    cube = (31, 40, 19)
    each = iter(range(100))

    def weights(shape, dtype, low=0.25):
        return np.random.default_rng(next(each)).uniform(low, 4, shape).astype(dtype)

    def operands(shape, dtype, target_dtype, layout="C"):
        x = arrange(logits(shape, dtype, next(each)), layout)
        return x, arrange(targets(shape, target_dtype, next(each)), layout)

    def prepared(function, x, y, *, outputs=(), **options):
        def call():
            made = [np.empty(x.shape, dtype) for dtype in outputs]
            out = {"out": made[0] if len(made) == 1 else tuple(made)} if made else {}
            return function(x, y, **options, **out)

        return call

    def in_place(x, y, **options):
        own = x.copy()
        return loss(own, y, out=own, **options)

    loss = bce.binary_cross_entropy_with_logits
    every = ("input", "target", "weight", "pos_weight")
    bad_x, bad_y = operands(cube, np.float32, np.float32)
    bad_y[20, 3, 1], bad_y[30, 1, 1] = 1.5, -1
    ignored_x, ignored_y = operands(cube, np.float64, np.int64, "F")
    ignored_y[::3] = -100
    kept = np.random.default_rng(next(each)).random(cube) < 0.8
    narrow = bce.BCEWithLogitsLoss(weights(19, np.float16), label_smoothing=0.2, num_threads=3)
    default = bce.BCEWithLogitsLoss(reduction="none", pos_weight=weights((), np.float64))
    given = [
        prepared(loss, *operands(n, np.float32, bool), num_threads=1),
        prepared(
            *(loss, *operands(n, np.float64, np.float32)),
            reduction="sum",
            weight=weights(n, np.float32),
            num_threads=2,
        ),
        prepared(
            *(loss, *operands((n // 4, 4), np.float16, np.uint8, "reversed")),
            reduction="weighted_mean",
            weight=weights(4, np.float64),
            pos_weight=weights(4, np.int8, 1),
            num_threads=3,
        ),
        prepared(
            *(loss, *operands(n, np.float32, np.float64, "strided")),
            reduction="none",
            label_smoothing=0.1,
            num_threads=4,
            outputs=[np.float32],
        ),
        prepared(in_place, *operands(n, np.float64, bool), reduction="none", num_threads=5),
        prepared(
            *(loss, *operands(cube, np.float32, np.int32, "F")),
            axis=0,
            pos_weight=weights(19, np.float32),
            num_threads=4,
        ),
        prepared(
            *(loss, ignored_x, ignored_y),
            axis=(0, 2),
            ignore_index=-100,
            where=kept,
            num_threads=2,
        ),
        prepared(
            *(loss, *operands(n, np.float32, np.float32)),
            dtype=np.float64,
            pos_weight=2.5,  # as many threads as is the default
        ),
        prepared(
            bce.value_and_grad,
            *operands(n, np.float64, bool, "reversed"),
            label_smoothing=0.3,
            weight=weights(n, np.float16),
            num_threads=5,
            outputs=[np.float64],
        ),
        prepared(
            *(bce.value_and_grad, *operands(cube, np.float32, np.float64, "strided")),
            reduction="none",
            wrt=every,
            weight=weights((40, 1), np.float32),
            pos_weight=weights(cube, np.float64),
            grad_output=0.3,
            num_threads=2,
        ),
        prepared(
            *(bce.value_and_grad, *operands(cube, np.float32, np.int8)),
            reduction="weighted_mean",
            wrt=("weight", "pos_weight"),
            weight=weights(19, np.float32),
            pos_weight=weights((31, 1, 1), np.float32),
        ),
        prepared(
            *(bce.grad_and_hess, *operands(n, np.float32, np.float32)),
            hess_floor=1e-3,
            num_threads=3,
            outputs=[np.float32, np.float32],
        ),
        prepared(lambda x, y: (narrow(x, y), *narrow.value_and_grad(x, y)), bad_x, bad_y > 0.5),
        prepared(
            lambda x, y: (bce.sigmoid(x), bce.softplus(x), default(x, y)),
            *operands(cube, np.float16, bool),
        ),
        prepared(loss, bad_x, bad_y, label_smoothing=0.5, num_threads=5),
        prepared(loss, bad_x, bad_y, where=bad_y == 7, check=False),  # the mean of nothing
    ]
    assert len(given) == CALLERS
    return [lambda call=call: outcome(call) for call in given]


def outcome(call):
    try:
        return call()
    except (ValueError, RuntimeWarning) as error:
        return type(error), str(error)


def same_outcome(a, b):
    return a == b if isinstance(a[0] if isinstance(a, tuple) else a, type) else same_bits(a, b)


def together(work, number=CALLERS):
    """Call work(i) for each i at the same time, in a thread each, and return what they return."""
    start = threading.Barrier(number, timeout=60)

    def begin(i):
        start.wait()
        return work(i)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


@contextlib.contextmanager
def changing_default():
    """Have another thread change the default number of threads all the while."""
    stop = threading.Event()

    def change():
        for n in itertools.cycle((1, 5, 2, 7, 3)):
            if stop.wait(1e-4):  # others have a use for the processor too
                return
            set_num_threads(n)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        yield
    finally:
        stop.set()
        changer.join()


@pytest.mark.usefixtures("_finely_cut")
def test_each_caller_has_settings_of_its_own():
    """Each call comes from each thread, beside any other, under NumPy's error state of its own."""
    jobs = calls()
    expected = [job() for job in jobs]
    raised = {e[0] for e in expected if isinstance(e, tuple) and isinstance(e[0], type)}
    assert raised == {ValueError, RuntimeWarning}
    states = ("raise", "ignore", "call", "log")

    def work(i):
        wrong = []
        with np.errstate(all=states[i % 4], call=lambda *_: wrong.append("call")):
            before = np.geterr()
            for step in range(ROUNDS):
                k = (i * (1 + 2 * step) + step) % CALLERS  # all of them, in other company each time
                if not same_outcome(expected[k], jobs[k]()):
                    wrong.append(k)
            if np.geterr() != before:
                wrong.append("errstate")
        return wrong

    with changing_default():
        assert together(work) == [[]] * CALLERS


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "none"])
@pytest.mark.parametrize("extent", [(), 7], ids=["a number", "an array"])  # two short ways
def test_callers_share_one_object(reduction, extent):
    """Its short ways, its long one and its threads, on inputs unlike in size, dtype and layout."""
    rng = np.random.default_rng(0)
    loss = bce.BCEWithLogitsLoss(
        rng.uniform(0.5, 2, extent),
        reduction=reduction,
        pos_weight=rng.uniform(1, 3, extent),
        label_smoothing=0.1,
        ignore_index=-1,
    )
    sizes = [7, 700, 9100, 21_000, _core.ALONE + 23]
    layouts = ("C", "strided", "C", "F", "C", "reversed")
    inputs = []
    for i in range(CALLERS):
        shape = (sizes[i % len(sizes)] // 7, 7)
        x = arrange(logits(shape, (np.float32, np.float64, np.float16)[i % 3], i), layouts[i % 6])
        y_dtype = (np.float32, np.int8, np.float64)[i // 4 % 3]
        y = arrange(targets(shape, y_dtype, i), layouts[i % 6])
        y[0, 3] = -1
        x.flags.writeable = y.flags.writeable = False
        inputs.append((x, y))

    def compute(i):
        x, y = inputs[i]
        first, *more = [loss(x, y) for _ in range(min(20, 1 + 100_000 // x.size))]
        assert all(same_bits(first, again) for again in more)
        return first, *loss.value_and_grad(x, y), *loss.grad_and_hess(x, y)

    expected = [compute(i) for i in range(CALLERS)]
    with changing_default():
        for step in range(3):
            order = np.random.default_rng(step).permutation(CALLERS)
            results = together(lambda i, order=order: compute(order[i]))
            for k, result in zip(order, results, strict=True):
                assert same_bits(expected[k], result)


@pytest.mark.usefixtures("_finely_cut")
def test_callers_share_one_input():
    """Read-only operands, of which each caller takes a part, or all by some other setting."""
    x, y = logits(9 * _core.BLOCK + 77), targets(9 * _core.BLOCK + 77, np.float64)
    x.flags.writeable = y.flags.writeable = False

    def compute(i):
        return (
            bce.value_and_grad(x, y, label_smoothing=i / CALLERS, num_threads=1 + i % 5),
            bce.binary_cross_entropy_with_logits(x[i:], y[i:], pos_weight=i, reduction="none"),
        )

    expected = [compute(i) for i in range(CALLERS)]
    for _ in range(5):
        assert all(map(same_bits, expected, together(compute)))


# A RunningLoss promises what its documentation says: each thread may have its own; one that is not
# changed meanwhile may be read by all; and whoever changes one keeps the others off.


def chunks(dtype=np.float32):
    """Return what each of the callers adds: six chunks, not all of one length."""
    rng = np.random.default_rng(5)
    rows = rng.integers(1, 4000, (CALLERS, 6))
    return [
        [(logits((n, 3), dtype, seed=n), targets((n, 3), seed=n), rng.random(3)) for n in own]
        for own in rows
    ]


@pytest.mark.usefixtures("_finely_cut")
@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestRunningLoss:
    def new(self, axis):
        return bce.RunningLoss(axis=axis, pos_weight=[0.5, 1, 3], label_smoothing=0.1)

    def alone(self, axis, given):
        whole = self.new(axis)
        for own in given:
            for x, y, weight in own:
                whole.update(x, y, weight)
        return whole.state_dict()

    def test_one_for_each_thread(self, axis, dtype):
        given = chunks(dtype)
        expected = self.alone(axis, given)

        def update(i):
            own = self.new(axis)
            for x, y, weight in given[i]:
                own.update(x, y, weight)
                own.compute()
            return own

        with changing_default():
            parts = together(update)
        for order in (parts, parts[::-1]):
            total = self.new(axis)
            for part in order:
                total.merge(part)
            assert total.state_dict() == expected

    def test_one_that_all_read(self, axis, dtype):
        shared = self.new(axis)
        for x, y, weight in chunks(dtype)[0]:
            shared.update(x, y, weight)
        before, mean, weight_sum = shared.state_dict(), shared.compute(), shared.weight_sum

        def read(i):
            own = self.new(axis)
            for _ in range(10):
                own.reset()
                own.merge(shared)
                assert own.state_dict() == shared.state_dict() == before
                copied = pickle.loads(pickle.dumps(shared))
                for one in (own, shared, copied):
                    assert np.array_equal(one.compute(), mean)
                    assert np.array_equal(one.weight_sum, weight_sum)
            return i

        assert together(read) == list(range(CALLERS))

    def test_one_that_all_change_in_turn(self, axis, dtype):
        given = chunks(dtype)
        shared, lock = self.new(axis), threading.Lock()

        def update(i):
            for step, (x, y, weight) in enumerate(given[i]):
                own = self.new(axis)
                own.update(x, y, weight)
                with lock:
                    if step % 2:
                        shared.update(x, y, weight)
                    else:
                        shared.merge(own)
                    shared.compute()

        together(update)
        assert shared.state_dict() == self.alone(axis, given)


# --- the default, other processes, the end ----------------------------------------------------


def test_the_default_changes_while_others_compute():
    x, y = logits(LARGE), targets(LARGE)
    expected = bce.value_and_grad(x, y)
    with changing_default(), ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: bce.value_and_grad(x, y), range(24)))
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
