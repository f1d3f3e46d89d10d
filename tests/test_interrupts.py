"""Long calls: how they are cut, that it changes no bit, and that an interrupt is heard in each."""

from __future__ import annotations

import _thread
import gc
import math
import operator
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import bcelogits as bce
from bcelogits import _core, _parallel, boosting, get_num_threads, set_num_threads
from bcelogits._core import BLOCK, Accumulator
from bcelogits.metrics import log_loss_from_logits

LONGEST = 2 * BLOCK
SHAPES = [(9 * BLOCK + 77,), (5, 9001), (9001, 5), (3, 2003, 7)]
LAYOUTS = ["C", "F", "swapped axes", "strided"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"weight": True},
    {"weight": True, "pos_weight": True, "where": True, "label_smoothing": 0.1, "ignore_index": 0},
]
REDUCTIONS = ["mean", "sum", "weighted_mean"]

Case = Callable[[], Any]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


# --- the arguments ---------------------------------------------------------------------------


def arrange(array: np.ndarray, layout: str) -> np.ndarray:
    """Return the same elements, in another place in memory."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "swapped axes":  # what an index of the first axis has is Fortran contiguous
        return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "strided":
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array


def arguments(shape: tuple[int, ...], layout: str, dtype: Any) -> dict[str, np.ndarray]:
    if len(shape) == 1 and layout == "swapped axes":
        layout = "C"
    rng = np.random.default_rng(1)
    soft = np.round(rng.random(shape) * 4) / 4
    arrays = {
        "input": (3 * rng.standard_normal(shape)).astype(dtype),
        "target": soft.astype(dtype),
        "weight": rng.random(shape).astype(np.float64),
        "pos_weight": 1 + rng.random(shape[-1]),
        "where": rng.random(shape) < 0.9,
    }
    return {
        name: array if name == "pos_weight" else arrange(array, layout)
        for name, array in arrays.items()
    }


def chosen(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> dict[str, Any]:
    return {k: arrays[k] if v is True else v for k, v in options.items()}


def axes_of(ndim: int) -> list[Any]:
    return [None, 0, -1, (0, -1), ()] if ndim > 1 else [None, 0, ()]


def losses(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> Iterator[Case]:
    x, y, given = arrays["input"], arrays["target"], chosen(arrays, options)
    for reduction in REDUCTIONS:
        for axis in axes_of(x.ndim):
            loss = bce.binary_cross_entropy_with_logits
            yield partial(loss, x, y, reduction=reduction, axis=axis, **given)
    yield partial(bce.binary_cross_entropy_with_logits, x, y, reduction="none", **given)
    other = np.empty(x.shape, np.float64)[::-1]
    yield lambda: bce.binary_cross_entropy_with_logits(
        x, y, reduction="none", dtype=np.float32, out=other, **given
    )
    kept = {k: v for k, v in given.items() if k != "where"}
    yield partial(bce.BCEWithLogitsLoss(**kept), x, y)
    yield partial(bce.BCEWithLogitsLoss(reduction="none", **kept), x, y)


def in_place(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> Iterator[Case]:
    given = chosen(arrays, options)

    def run() -> Any:
        x, y = arrays["input"].copy(), arrays["target"].copy()
        return bce.binary_cross_entropy_with_logits(x, y, reduction="none", out=x, **given)

    yield run


def gradients(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> Iterator[Case]:
    x, y, given = arrays["input"], arrays["target"], chosen(arrays, options)
    weight, pos_weight = arrays["weight"], arrays["pos_weight"]
    everything = ("input", "target", "weight", "pos_weight")
    weights = [weight, weight[..., :1], weight[:1], np.ones(x.shape[-1]), np.array(0.5)]
    for reduction in [*REDUCTIONS, "none"]:
        yield partial(bce.value_and_grad, x, y, reduction=reduction, **given)
        factor = 0.3 if reduction != "none" else weight[:1]
        for w in weights if "weight" in given else weights[:2]:
            more = {**given, "weight": w, "pos_weight": pos_weight}
            yield partial(
                bce.value_and_grad,
                *(x, y),
                **{"reduction": reduction, "wrt": everything, "grad_output": factor, **more},
            )
        more = {**given, "pos_weight": np.array(2.0)}
        yield partial(bce.value_and_grad, x, y, reduction=reduction, wrt="pos_weight", **more)
    yield partial(bce.grad_and_hess, x, y, hess_floor=1e-3, **given)


def streams(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> Iterator[Case]:
    given = chosen(arrays, options)
    weight, where = given.pop("weight", None), given.pop("where", None)

    def run(axis: Any) -> Any:
        running = bce.RunningLoss(axis=axis, **given)
        running.update(arrays["input"], arrays["target"], weight, where)
        running.update(arrays["input"], arrays["target"], weight, where)
        numbers = [running.compute(reduction) for reduction in REDUCTIONS]
        return *numbers, running.count, running.weight_sum, running.positive_sum

    for axis in axes_of(arrays["input"].ndim)[:-1]:  # not a result for each element
        yield partial(run, axis)


def others(arrays: dict[str, np.ndarray], options: dict[str, Any]) -> Iterator[Case]:
    x, y = arrays["input"], arrays["target"]
    for function in (bce.sigmoid, bce.log_sigmoid, bce.softplus):
        yield partial(function, x)
    for axis in axes_of(x.ndim)[:-1]:
        yield partial(bce.balanced_pos_weight, y, axis)
    yield partial(bce.binary_cross_entropy_with_logits, x, y, pos_weight=arrays["weight"])
    whole = (y > 0.5).astype(np.uint64)
    yield partial(bce.binary_cross_entropy_with_logits, x, whole, ignore_index=2**63 + 1)
    if x.ndim < 3:
        yield partial(log_loss_from_logits, whole, x, pos_label=1)
        yield partial(boosting.init_score, y)
        flat = arrays["input"].reshape(-1), arrays["target"].reshape(-1)
        yield partial(boosting.xgboost(), flat[1], flat[0])
        yield partial(boosting.lightgbm(), flat[1], flat[0])
        yield partial(boosting.lightgbm().metric, flat[1], flat[0])


GROUPS = [losses, in_place, gradients, streams, others]


# --- how much one call of the library is given ------------------------------------------------

WHOLE = ("map", "value_and_grad", "accumulate", "find_bad_target")


class Watch:
    """What calls of the library were given: elements, and results besides."""

    def __init__(self) -> None:
        self.work: list[tuple[str, int]] = []

    def add(self, name: str, size: int, results: int = 0) -> None:
        self.work.append((name, size + _parallel._RESULT * results))


class WatchedCall:
    """A `Call` that tells how much it does at a time."""

    watch: Watch
    real: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.call = self.real(*args, **kwargs)

    def part(self, order: Any, box: Any) -> WatchedCall:
        part = object.__new__(type(self))
        part.call = self.call.part(order, box)
        return part

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.call, name)
        if not callable(value):
            return value

        def method(*args: Any) -> Any:
            size = self.call.size
            if name in ("reads_to_count", "refuse_target"):
                pass
            elif name in WHOLE:
                self.watch.add(name, size)
            elif name in ("reduce", "sum_grad", "reduce_grad", "reduce_grad_part"):
                out = next(a for a in args if isinstance(a, np.ndarray))
                self.watch.add(name, size, 0 if out.ndim in (0, len(self.call.shape)) else out.size)
            elif name == "accumulate_each":
                kept, order = args[1], args[2] if len(args) > 2 else None
                shape = [self.call.shape[d] for d in order or range(len(self.call.shape))]
                self.watch.add(name, size, math.prod(shape[:kept]))
            else:
                first, last = args[-2:]
                kept = 0
                if name in ("reduce_each_blocks", "accumulate_each_blocks", "sum_grad_blocks"):
                    kept = args[1 if name == "accumulate_each_blocks" else 2]
                results = math.prod(self.call.shape[:kept])
                inner = size // results
                elements = results * max(min(last * BLOCK, inner) - first * BLOCK, 0)
                if name == "count_blocks" and not self.call.reads_to_count(args[1]):
                    elements = 0
                self.watch.add(name, elements)
            return value(*args)

        return method


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()

    class Call(WatchedCall):
        watch, real = found, _core.Call

    find_negative, copyto = _core.find_negative, np.copyto

    def watched_find_negative(array: np.ndarray) -> Any:
        found.add("find_negative", array.size)
        return find_negative(array)

    def watched_copyto(to: np.ndarray, *args: Any, **kwargs: Any) -> None:
        found.add("copyto", to.size)
        copyto(to, *args, **kwargs)

    monkeypatch.setattr(_core, "Call", Call)
    monkeypatch.setattr(_core, "find_negative", watched_find_negative)
    monkeypatch.setattr(np, "copyto", watched_copyto)
    return found


def same_bits(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same_bits, a, b))
    a, b = np.asarray(a), np.asarray(b)
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:No positive target")
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_call_of_the_library_is_long(
    group: Callable[..., Iterator[Case]],
    layout: str,
    shape: tuple[int, ...],
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the bits are those of one call for everything, with one thread and with three."""
    number = SHAPES.index(shape) + LAYOUTS.index(layout)
    dtype = (np.float32, np.float64, np.float16)[number % 3]
    arrays = arguments(shape, layout, dtype)
    for options in OPTIONS:
        for case in group(arrays, options):
            monkeypatch.setattr(_parallel, "_LONGEST", 1 << 40)
            expected = case()
            monkeypatch.setattr(_parallel, "_LONGEST", LONGEST)
            for threads, share in ((1, _core.ALONE // 2), (3, BLOCK)):
                set_num_threads(threads)
                monkeypatch.setattr(_parallel, "_SHARE", share)
                watch.work.clear()
                assert same_bits(expected, case()), case
                assert watch.work, case
                assert max(size for _, size in watch.work) <= LONGEST, (case, watch.work)
            set_num_threads(1)
            monkeypatch.setattr(_parallel, "_SHARE", _core.ALONE // 2)


@pytest.mark.parametrize("shape", [(40, 1000), (1000, 40)], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_bad_target_is_named_however_a_call_is_cut(
    shape: tuple[int, ...], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_parallel, "_LONGEST", LONGEST)
    monkeypatch.setattr(_parallel, "_SHARE", BLOCK)
    set_num_threads(threads)
    for layout in LAYOUTS:
        arrays = arguments(shape, layout, np.float32)
        arrays["target"][-1, 3] = -1
        arrays["target"][shape[0] // 2, -2] = 2
        arrays["target"][-2, 0] = 7
        place = rf"target\[{shape[0] // 2}, {shape[1] - 2}\] is 2.0, outside \[0, 1\]"
        for group in (losses, in_place, gradients, streams):
            for case in group(arrays, {}):
                with pytest.raises(ValueError, match=place):
                    case()
        with pytest.raises(ValueError, match=place):
            bce.balanced_pos_weight(arrays["target"])


def test_the_first_negative_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parallel, "_LONGEST", LONGEST)
    pos_weight = np.ones((30, 1000))
    pos_weight[21, 4] = pos_weight[22, 0] = -3
    with pytest.raises(ValueError, match=r"pos_weight\[21, 4\] is -3.0, it must be >= 0"):
        bce.BCEWithLogitsLoss(pos_weight=pos_weight)


@pytest.mark.parametrize(
    ("nothing", "message"), [("where", "empty slice"), ("weight", "weights that add up to 0")]
)
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_means_of_nothing_are_told(
    nothing: str, message: str, axis: Any, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the sums of results are kept a few at a time."""
    monkeypatch.setattr(_parallel, "_LONGEST", LONGEST)
    monkeypatch.setattr(_parallel, "_MOST_SUMS", 7)
    arrays = arguments((40, 1000), "C", np.float32)
    given: dict[str, Any] = {"weight": np.ones((40, 1000)), "where": np.ones((40, 1000), bool)}
    loss = partial(
        bce.binary_cross_entropy_with_logits,
        *(arrays["input"], arrays["target"]),
        **{"reduction": "weighted_mean", "axis": axis, **given},
    )
    arrays["input"][3, 3] = np.nan
    loss()  # without a warning
    given[nothing][...] = 0
    if axis is not None:
        given[nothing][(slice(1, None),) if axis else (slice(None), slice(1, None))] = 1
    with pytest.warns(RuntimeWarning, match=message):
        loss()
    assert max(size for _, size in watch.work) <= LONGEST


def test_pieces_are_made_as_they_are_wanted() -> None:
    """There are more of them than memory could hold."""
    shape = (2**40, 2**20)
    assert next(iter(_parallel.boxes(shape)))[0] == slice(0, 1)
    assert next(_parallel._runs_of_blocks(2**60, 3))[0] == 0


# --- interrupts ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["merge", "results", "grad_results", "state", "from_state"])
def test_loops_over_many_results_hear(method: str) -> None:
    sums, other = Accumulator(1000), Accumulator(1000)
    calls = {
        "merge": partial(sums.merge, other),
        "results": partial(sums.results, 0),
        "grad_results": partial(sums.grad_results, _core.GRAD_WEIGHT, 0, 1.0, other, np.float64),
        "state": sums.state,
        "from_state": partial(Accumulator.from_state, sums.state()),
    }
    calls[method]()  # nothing but the interrupt is wrong with it
    handled = sys.exc_info()[1]  # CatBoost leaves one for good
    # No instruction of Python in between, which would hear it: not those of hypothesis either,
    # which are called when garbage is collected.
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            list(map(operator.call, (_thread.interrupt_main, calls[method])))
    finally:
        gc.enable()
    # Another error would end the loop too, and the interrupt be heard right after it.
    assert caught.value.__context__ is handled


class Interrupted:
    """Sums that have added something when the interrupt comes."""

    def __init__(self, sums: Accumulator) -> None:
        self.sums = sums

    def merge(self, other: Interrupted) -> None:
        self.sums.merge(other.sums)
        raise KeyboardInterrupt

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sums, name)


@pytest.mark.parametrize("axis", [None, 1])
def test_an_interrupted_merge_adds_nothing(axis: int | None) -> None:
    """Whichever of the two sums is added to the other."""
    x, y = [[0.5, 1.0], [2.0, -3.0]], [[0, 1], [1, 0]]
    running, other = bce.RunningLoss(axis=axis), bce.RunningLoss(axis=axis)
    running.update(x, y)
    other.update(x, y)
    before, handled = running.state_dict(), sys.exc_info()[1]
    running._sums = Interrupted(running._sums)  # type: ignore[assignment]
    more: Any = Interrupted(other._sums)
    with pytest.raises(KeyboardInterrupt) as caught:
        running._add(more, other._shape or ())
    assert caught.value.__context__ is handled
    assert running.state_dict() == before
    assert more.counts().sum() == 8  # it had added something


ENDLESS = """
    import os, signal, threading
    import numpy as np
    import bcelogits as bce
    from bcelogits import _parallel, boosting
    from bcelogits.metrics import log_loss_from_logits

    N = 2**40
    half = np.float32(0.5)
    x, wide, tall = (np.broadcast_to(half, shape) for shape in ((N,), (2, N), (N, 2)))
    y, everywhere = np.broadcast_to(np.float16(1), (N,)), np.broadcast_to(True, (N,))

    def room(*shape, dtype=np.float32):  # where everything is written to one place
        return np.lib.stride_tricks.as_strided(np.empty(1, dtype), shape, (0,) * len(shape))

    second_row_bad = np.lib.stride_tricks.as_strided(np.array([1, 2], np.float32), (2, N), (4, 0))
    by_all = ("input", "target", "weight", "pos_weight")
    loss, grad = bce.binary_cross_entropy_with_logits, bce.value_and_grad
    running = bce.RunningLoss()
    by_row, by_column = bce.RunningLoss(axis=1), bce.RunningLoss(axis=0)

    cases = {
        "mean": lambda: loss(x, y),
        "weighted mean": lambda: loss(x, y, y, reduction="weighted_mean", where=everywhere),
        "object": lambda: bce.BCEWithLogitsLoss()(x, y),
        "rows": lambda: loss(wide, wide, axis=1),
        "columns": lambda: loss(tall, tall, axis=0),
        "many rows": lambda: loss(tall, tall, axis=1, out=room(N)),
        "losses": lambda: loss(x, y, reduction="none", out=room(N)),
        "gradient": lambda: grad(x, y, out=room(N)),
        "gradients": lambda: grad(
            x, y, half, pos_weight=half, wrt=by_all, out=(room(N), room(N), None, None)
        ),
        "by target": lambda: grad(tall, tall, tall, wrt="target", out=room(N, 2)),
        "by weight": lambda: grad(x, y, y, reduction="weighted_mean", wrt="weight", out=room(N)),
        "by weight of rows": lambda: grad(wide, wide, np.ones((2, 1)), wrt="weight"),
        "by pos_weight": lambda: grad(tall, tall, pos_weight=np.ones(2), wrt="pos_weight"),
        "grad_and_hess": lambda: bce.grad_and_hess(x, y, out=(room(N), room(N))),
        "sigmoid": lambda: bce.sigmoid(x, out=room(N)),
        "log_sigmoid": lambda: bce.log_sigmoid(x, out=room(N)),
        "softplus": lambda: bce.softplus(x, out=room(N)),
        "balanced_pos_weight": lambda: bce.balanced_pos_weight(tall),
        "pos_weight": lambda: bce.BCEWithLogitsLoss(pos_weight=x),
        "stream": lambda: running.update(x, y),
        "stream by row": lambda: by_row.update(wide, wide),
        "stream by column": lambda: by_column.update(tall, tall),
        "search": lambda: loss(wide, second_row_bad, axis=0, out=room(N)),
        "metric": lambda: log_loss_from_logits(x, y),
        "boosting metric": lambda: boosting.lightgbm().metric(y, x),
        "init_score": lambda: boosting.init_score(np.broadcast_to(half, (N, 3))),
    }
    real = np.linspace(-5, 5, 2**20, dtype=np.float32).reshape(2, -1)

    def compute():
        value, gradient = grad(real, real > 0)
        return value, gradient.sum(), *loss(real, real > 0, axis=1)

    bce.set_num_threads(int(os.environ["N"]))
    rows = np.ones((2, 3))
    for stream in (running, by_row):
        stream.update(rows, rows)
    by_column.update(rows.T, rows.T)
    before = [stream.state_dict() for stream in (running, by_row, by_column)]
    expected = compute()

    begun = threading.Event()

    def watched(function):
        def boxes(*args):
            for box in function(*args):
                yield box
                # When the next is wanted. Once: an interrupt within would leave its lock locked.
                if not begun.is_set():
                    begun.set()
        return boxes

    for name in ("boxes", "_boxes", "_ranges"):
        setattr(_parallel, name, watched(getattr(_parallel, name)))

    def interrupt():
        begun.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    for name, case in cases.items():
        thread = threading.Thread(target=interrupt)
        begun.clear()
        thread.start()
        try:
            case()
        except KeyboardInterrupt:
            print(name, flush=True)
        thread.join()
        assert compute() == expected, name
    assert before == [stream.state_dict() for stream in (running, by_row, by_column)]
    print("done", len(cases))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal on this system")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_interrupts_are_heard_in_endless_calls(threads: str) -> None:
    """Each call would take hours; afterwards everything computes as before."""
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(ENDLESS)],
        env={**os.environ, "N": threads},
        capture_output=True,
        text=True,
        timeout=240,
    )
    *heard, end = process.stdout.splitlines() or [""]
    assert (process.returncode, process.stderr) == (0, ""), (process.stderr, heard)
    assert end == f"done {len(heard)}"
