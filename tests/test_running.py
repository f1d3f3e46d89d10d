"""RunningLoss: a stream is worth the whole, in any order, and a failed update changes nothing."""

from __future__ import annotations

import copy
import itertools
import json
import math
import pickle

import numpy as np
import pytest
import ulp
from hypothesis import given
from hypothesis import strategies as st

import bcelogits as bce
from bcelogits import RunningLoss, _core
from bcelogits import binary_cross_entropy_with_logits as loss

BLOCK = _core.BLOCK
REDUCED = ("mean", "sum", "weighted_mean")


def data(n, seed=5, dtype=np.float64, classes=None):
    rng = np.random.default_rng(seed)
    shape = n if classes is None else (n, classes)
    x = rng.normal(0, 4, shape).astype(dtype)
    y = (rng.random(shape) < 0.3).astype(dtype)
    w = rng.uniform(0.5, 2, shape).astype(dtype)
    return x, y, w


def fed(chunks, **options):
    running = RunningLoss(**options)
    for chunk in chunks:
        running.update(*chunk)
    return running


def cut(arrays, length):
    n = len(arrays[0])
    return [tuple(a[i : i + length] for a in arrays) for i in range(0, n, length)]


def figures(running):
    return [
        *(running.compute(reduction) for reduction in REDUCED),
        running.count, running.weight_sum, running.positive_sum,
    ]  # fmt: skip


def assert_same(a, b):
    for one, other in zip(figures(a), figures(b), strict=True):
        np.testing.assert_array_equal(one, other)


class TestCompute:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("length", [BLOCK, 3 * BLOCK])
    def test_chunks_of_whole_blocks_give_the_bits_of_the_whole(self, dtype, length):
        x, y, w = data(7 * BLOCK + 77, dtype=dtype)
        for weight in (None, w):
            chunks = cut((x, y) if weight is None else (x, y, w), length)
            for reduction in REDUCED:
                whole = loss(x, y, weight, reduction=reduction, dtype=np.float64)
                assert fed(chunks).compute(reduction) == whole

    @pytest.mark.parametrize("length", [1, 100, 4097])
    def test_any_chunks_are_within_the_bound(self, length):
        x, y, w = data(5000)
        running = fed(cut((x, y, w), length))
        exact = math.fsum(loss(x, y, w, reduction="none"))
        assert running.compute("sum") == pytest.approx(exact, rel=4 * np.finfo(float).eps)

    def test_is_float64_whatever_the_logits(self):
        x, y, _ = data(10, dtype=np.float16)
        assert type(fed([(x, y)]).compute()) is np.float64

    def test_counts_and_sums(self):
        x, y, w = data(1000)
        running = fed(cut((x, y, w), 300))
        assert running.count == 1000
        assert type(running.count) is int
        assert running.weight_sum == math.fsum(w)
        assert running.positive_sum == math.fsum(w * y)

    def test_takes_the_options_of_a_loss(self):
        x, _, w = data(500)
        y = np.arange(500) % 4 - 1  # -1 is ignored, 2 is hidden
        where = y < 2
        options = {"pos_weight": [3.0], "label_smoothing": 0.1, "ignore_index": -1}
        running = fed([(x, y, w, where)], **options)
        assert running.compute() == loss(x, y, w, where=where, **options)
        assert running.count == 250
        assert running.positive_sum == math.fsum(w[(y == 1) & where])

    def test_later_changes_of_pos_weight_do_not_matter(self):
        x, y, _ = data(10)
        p = np.array([3.0])
        running = RunningLoss(pos_weight=p)
        p[0] = 100
        running.update(x, y)
        assert running.compute() == loss(x, y, pos_weight=[3.0])

    @pytest.mark.parametrize("threads", [2, 5])
    def test_threads_change_no_bit(self, threads):
        x, y, w = data(2 * _core.ALONE + 999, dtype=np.float32)
        alone = fed([(x, y, w)])
        before = bce.get_num_threads()
        try:
            bce.set_num_threads(threads)
            shared = fed([(x, y, w)])
        finally:
            bce.set_num_threads(before)
        assert_same(alone, shared)

    def test_carries_what_doubles_would_lose(self):
        running = fed([([1e300], [0.0]), ([-30.0], [0.0]), ([1.0], [0.5], [0.0])])
        running.update([1e300], [0.0], [-1.0])
        ulp.assert_agrees(running.compute("sum"), loss([-30.0], [0.0], reduction="sum"), 0.0)

    @pytest.mark.parametrize(
        ("logits", "targets", "expected"),
        [
            ([np.inf], [0.0], np.inf),
            ([np.nan], [0.0], np.nan),
            ([np.inf, 1.0], [1.0, 0.0], 1.3132616875182228),
        ],
    )
    def test_special_logits(self, logits, targets, expected):
        running = fed([(logits, targets)], check=False)
        np.testing.assert_array_equal(running.compute("sum"), expected)
        assert_same(running, RunningLoss.from_state_dict(running.state_dict()))

    def test_nothing_yet(self):
        running = RunningLoss()
        assert running.compute("sum") == 0
        assert running.count == 0
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            assert np.isnan(running.compute())
        assert np.isnan(running.normalized_entropy())

    def test_weights_that_add_up_to_zero(self):
        running = fed([([1.0, 2.0], [0, 1], [1.0, -1.0])])
        with pytest.warns(RuntimeWarning, match="weights that add up to 0"):
            running.compute("weighted_mean")

    @pytest.mark.parametrize("reduction", ["none", "median", None])
    def test_other_reductions(self, reduction):
        with pytest.raises((ValueError, TypeError), match="reduction"):
            RunningLoss().compute(reduction)


class TestAxis:
    @pytest.mark.parametrize("axis", [0, (0,), -2])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_result_for_each_class(self, axis, dtype):
        x, y, w = data(2 * BLOCK, dtype=dtype, classes=3)
        running = fed(cut((x, y, w), BLOCK), axis=axis, pos_weight=[1.0, 2.0, 3.0])
        for reduction in REDUCED:
            np.testing.assert_array_equal(
                running.compute(reduction),
                loss(x, y, w, pos_weight=[1.0, 2.0, 3.0], axis=0, reduction=reduction,
                     dtype=np.float64),
            )  # fmt: skip
        np.testing.assert_array_equal(running.count, [2 * BLOCK] * 3)
        np.testing.assert_allclose(running.positive_sum, (w * y).sum(0, dtype=float), rtol=1e-6)

    def test_several_axes(self):
        rng = np.random.default_rng(3)
        x, y = rng.normal(size=(2, 5, 4, 6)), rng.random((2, 5, 4, 6))
        running = fed([(x, y), (x[:1], y[:1])], axis=(0, 2))
        x, y = np.concatenate((x, x[:1])), np.concatenate((y, y[:1]))
        np.testing.assert_allclose(running.compute(), loss(x, y, axis=(0, 2)), rtol=1e-15)
        assert running.compute().shape == (5, 6)

    def test_lengths_that_change(self):
        running = fed([data(5, classes=3)], axis=0)
        before = figures(running)
        with pytest.raises(ValueError, match=r"\(4,\).*\(3,\)"):
            running.update(*data(5, classes=4))
        for a, b in zip(before, figures(running), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_without_an_update_there_is_no_shape(self):
        with pytest.raises(ValueError, match="no update"):
            RunningLoss(axis=0).compute()

    @pytest.mark.parametrize("axis", [1.0, "0", (0, None)])
    def test_not_an_axis(self, axis):
        with pytest.raises(TypeError, match="axis"):
            RunningLoss(axis=axis)

    def test_beyond_the_array(self):
        with pytest.raises(np.exceptions.AxisError):
            RunningLoss(axis=3).update([[1.0]], [[0.0]])


class TestFailedUpdate:
    @pytest.mark.parametrize("axis", [None, 0])
    @pytest.mark.parametrize(
        "wrong",
        [
            lambda x, y, w: (x, np.where(np.arange(len(x))[:, None] == len(x) - 1, 1.5, y), w),
            lambda x, y, w: (x, y[:-1], w),
            lambda x, y, w: (x.astype(complex), y, w),
            lambda x, y, w: (x, y, w[:, :2]),
            lambda x, y, w: (x, y, w, "all"),
        ],
        ids=["target", "shape", "dtype", "weight", "where"],
    )
    def test_changes_nothing(self, axis, wrong):
        chunk = data(2 * BLOCK, classes=3)
        running = fed([chunk], axis=axis)
        before = running.state_dict()
        with pytest.raises((ValueError, TypeError)):
            running.update(*wrong(*chunk))
        assert running.state_dict() == before


class TestMerge:
    @given(st.permutations(range(6)), st.lists(st.booleans(), min_size=6, max_size=6))
    def test_order_does_not_matter(self, order, left):
        parts = [fed([data(50 + i, seed=i)]) for i in range(6)]
        merged = RunningLoss()
        for i, into_left in zip(order, left, strict=True):
            if into_left:
                merged.merge(parts[i])
            else:
                other = copy.deepcopy(parts[i])
                other.merge(merged)
                merged = other
        straight = fed([data(50 + i, seed=i) for i in range(6)])
        assert merged.state_dict() == straight.state_dict()

    def test_leaves_the_other_as_it_is(self):
        a, b = fed([data(10)]), fed([data(20, seed=6)])
        before = b.state_dict()
        a.merge(b)
        a.update(*data(5))
        assert b.state_dict() == before
        assert a.count == 35

    def test_with_itself_counts_twice(self):
        running = fed([data(10)])
        running.merge(running)
        assert running.count == 20

    def test_an_empty_one_with_axis(self):
        full, empty = fed([data(4, classes=2)], axis=0), RunningLoss(axis=0)
        full.merge(empty)
        empty.merge(full)
        assert_same(full, empty)

    @pytest.mark.parametrize(
        "options",
        [{"pos_weight": [2.0]}, {"label_smoothing": 0.1}, {"ignore_index": 0}, {"axis": 0},
         {"check": False}],
    )  # fmt: skip
    def test_other_arguments(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            RunningLoss().merge(RunningLoss(**options))

    def test_other_classes(self):
        a, b = (fed([data(4, classes=c)], axis=0) for c in (2, 3))
        with pytest.raises(ValueError, match=r"other.*\(3,\).*\(2,\)"):
            a.merge(b)

    def test_something_else(self):
        with pytest.raises(TypeError, match="float"):
            RunningLoss().merge(1.0)


class TestNormalizedEntropy:
    def test_is_the_loss_over_that_of_the_base_rate(self):
        x, y, w = data(1000)
        running = fed([(x, y, w)])
        rate = np.average(y, weights=w)
        base = loss(np.full(1000, np.log(rate / (1 - rate))), y, w, reduction="weighted_mean")
        expected = loss(x, y, w, reduction="weighted_mean") / base
        assert running.normalized_entropy() == pytest.approx(expected, rel=1e-13)

    def test_is_one_for_the_base_rate(self):
        y = np.array([1, 0, 0, 0])
        assert fed([(np.full(4, -np.log(3)), y)]).normalized_entropy() == pytest.approx(1)

    def test_of_classes(self):
        x, y, w = data(100, classes=3)
        y[:, 1] = 1
        entropies = fed([(x, y, w)], axis=0).normalized_entropy()
        for c in (0, 2):
            assert entropies[c] == fed([(x[:, c], y[:, c], w[:, c])]).normalized_entropy()
        assert np.isnan(entropies[1])


class TestState:
    @pytest.mark.parametrize("options", [{}, {"axis": 0, "pos_weight": [1.0, 2.0, 3.5]},
        {"axis": (0, 1), "ignore_index": -1, "check": False, "label_smoothing": 0.25}])  # fmt: skip
    def test_survives_json_and_pickle(self, options):
        running = fed([data(100, classes=3)], **options)
        copies = [
            RunningLoss.from_state_dict(json.loads(json.dumps(running.state_dict()))),
            pickle.loads(pickle.dumps(running)),
            copy.deepcopy(running),
        ]
        running.update(*data(7, seed=8, classes=3))
        for other in copies:
            other.update(*data(7, seed=8, classes=3))
            assert other.state_dict() == running.state_dict()
            assert repr(other) == repr(running)
            assert_same(other, running)

    @given(st.lists(st.floats(-700, 700), min_size=1, max_size=5), st.sampled_from([-1.0, 1.0]))
    def test_loses_no_bit(self, logits, weight):
        running = fed([(logits, np.zeros(len(logits)), np.full(len(logits), weight))])
        assert_same(RunningLoss.from_state_dict(running.state_dict()), running)

    def test_pos_weight_of_any_dtype_is_kept(self):
        for value in (2**60 + 1, np.float32(0.1), 0.1, True):
            state = json.loads(json.dumps(RunningLoss(pos_weight=[value]).state_dict()))
            assert state["arguments"]["pos_weight"] == [value]
            assert RunningLoss.from_state_dict(state).state_dict() == state

    def test_reset(self):
        running = fed([data(10, classes=3)], axis=0)
        running.reset()
        assert running.state_dict() == RunningLoss(axis=0).state_dict()
        running.update(*data(10, classes=4))

    @pytest.mark.parametrize(
        ("path", "value", "name"),
        [
            (("format",), 2, "format"),
            (("shape",), [2], "count|shape"),
            (("shape",), [1], "shape"),
            (("shape",), None, "shape"),
            (("shape",), "()", "shape"),
            (("count",), [-1], r"count\[0\]"),
            (("count",), [1.0], r"count\[0\]"),
            (("count",), [1, 2], "count"),
            (("loss",), ["0.5"], r"loss\[0\]"),
            (("loss",), [""], r"loss\[0\]"),
            (("loss",), ["f" * 700], r"loss\[0\]"),
            (("weight",), [5], r"weight\[0\]"),
            (("positive",), ["inf or so"], r"positive\[0\]"),
            (("arguments",), [], "arguments"),
            (("arguments", "check"), 1, "check"),
            (("arguments", "label_smoothing"), 2, "label_smoothing"),
            (("arguments", "pos_weight"), [-1.0], "pos_weight"),
            (("arguments", "more"), 0, "more"),
            (("more",), 0, "more"),
        ],
    )
    def test_fields_are_looked_at(self, path, value, name):
        state = fed([data(10)]).state_dict()
        *parents, last = path
        place = state
        for parent in parents:
            place = place[parent]
        place[last] = value
        with pytest.raises((ValueError, TypeError), match=name):
            RunningLoss.from_state_dict(state)

    @pytest.mark.parametrize("name", ["format", "arguments", "shape", "count", "loss"])
    def test_missing_fields(self, name):
        state = RunningLoss().state_dict()
        del state[name]
        with pytest.raises(ValueError, match=name):
            RunningLoss.from_state_dict(state)

    def test_not_a_state(self):
        with pytest.raises(ValueError, match="list"):
            RunningLoss.from_state_dict([])


def test_repr():
    assert repr(RunningLoss()) == "RunningLoss()"
    assert repr(RunningLoss(axis=0, check=False)) == "RunningLoss(axis=0, check=False)"
    assert repr(RunningLoss(pos_weight=[1.0, 2.5])) == "RunningLoss(pos_weight=[1. , 2.5])"


def test_many_chunks_of_one_element_in_every_order():
    chunks = [([x], [y]) for x, y in ((-40.0, 0.0), (40.0, 0.0), (1e-300, 1.0), (700.0, 0.0))]
    results = {fed(order).compute() for order in itertools.permutations(chunks)}
    assert len(results) == 1
