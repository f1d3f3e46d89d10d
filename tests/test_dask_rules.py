"""bcelogits.dask: what holds of chunks, sums and errors, rule by rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import bcelogits as bce
from bcelogits import _threads

dask = pytest.importorskip("dask", reason="dask is not installed (extra: dask)")
da = pytest.importorskip("dask.array", reason="dask.array is not installed (extra: dask)")

import bcelogits.dask as lazy  # noqa: E402


@pytest.fixture(autouse=True)
def synchronous():
    """Here and now, where a debugger can follow."""
    with dask.config.set(scheduler="synchronous"):
        yield


def data(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(5)
    return rng.normal(0, 3, shape), (rng.random(shape) < 0.4) * 1.0, rng.uniform(0.5, 2, shape)


def unknown(array: Any) -> Any:
    """The same array, in chunks whose lengths dask does not know."""
    return array[da.ones(array.shape, chunks=array.chunks, dtype=bool)]


class TestChunks:
    @pytest.mark.parametrize(
        ("shape", "axis", "most"),
        [((2, 3, 5000), 0, (1, 4096)), ((2, 100, 100), 0, (40, 100)), ((2, 64, 64), 0, (64, 64))],
    )
    def test_a_chunk_has_4096_sums_at_most(self, shape: Any, axis: int, most: Any) -> None:
        x, y, w = data(shape)
        loss = lazy.binary_cross_entropy_with_logits(
            da.from_array(x, chunks=(1, -1, -1)), y, w, axis=axis
        )
        assert tuple(max(lengths) for lengths in loss.chunks) == most
        expected = bce.binary_cross_entropy_with_logits(x, y, w, axis=axis)
        np.testing.assert_allclose(loss.compute(), expected, rtol=1e-15)

    def test_results_that_are_whole_in_a_chunk_stay_in_it(self) -> None:
        x, y, _ = data((6, 10_000))
        loss = lazy.binary_cross_entropy_with_logits(da.from_array(x, chunks=(-1, 5000)), y, axis=0)
        assert loss.chunks == ((5000, 5000),)

    def test_losses_are_in_the_chunks_of_the_logits(self) -> None:
        x, y, w = data((7, 9))
        for target in (y, da.from_array(y, chunks=2), da.from_array(y, chunks=(3, 4))):
            loss = lazy.binary_cross_entropy_with_logits(
                da.from_array(x, chunks=(3, 4)), target, w[:1], reduction="none"
            )
            assert loss.chunks == ((3, 3, 1), (4, 4, 1))

    @pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])
    def test_lengths_that_are_not_known(self, reduction: Any) -> None:
        x, y, w = data((20,))
        cut = [unknown(da.from_array(array, chunks=6)) for array in (x, y, w)]
        value, (by_x, by_w) = lazy.value_and_grad(
            *cut, reduction=reduction, wrt=("input", "weight")
        )
        expected, (expected_x, expected_w) = bce.value_and_grad(
            x, y, w, reduction=reduction, wrt=("input", "weight")
        )
        np.testing.assert_allclose(value.compute(), expected, rtol=1e-15)
        np.testing.assert_array_equal(by_x.compute(), expected_x)
        np.testing.assert_allclose(by_w.compute(), expected_w, rtol=1e-14, atol=1e-15)

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            (
                np.zeros(20),
                "^target is in memory, while the lengths of the chunks of input are not",
            ),
            (unknown(da.zeros(20, chunks=5)), r"^target is in \(4,\) chunks, input in \(2,\), and"),
        ],
    )
    def test_lengths_that_are_not_known_need_chunks(self, target: Any, message: str) -> None:
        x = unknown(da.zeros(20, chunks=10))
        with pytest.raises(ValueError, match=message):
            lazy.binary_cross_entropy_with_logits(x, target)

    def test_lengths_that_are_not_known_and_differ(self) -> None:
        x, y = (unknown(da.zeros(20, chunks=chunks)) for chunks in ((8, 12), (12, 8)))
        loss = lazy.binary_cross_entropy_with_logits(x, y)
        with pytest.raises(ValueError, match=r"^in chunk \(\d,\): target has shape \(\d+,\)"):
            loss.compute()


class TestSums:
    @pytest.mark.parametrize("chunks", [1, 4])
    def test_of_gradients_are_rounded_once(self, chunks: int) -> None:
        """However much of them cancels between the chunks, or in one."""
        x = da.zeros((4, 1), chunks=chunks)
        w = np.array([[2.0**70], [1.0], [-(2.0**70)], [2.0**-30]])
        for more in ({"reduction": "sum"}, {"reduction": "none"}):
            _, grad = lazy.value_and_grad(
                x, np.ones((4, 1)), w, pos_weight=np.ones(1), wrt="pos_weight", **more
            )
            terms = w.ravel() * bce.softplus(0.0)
            assert grad.compute().tolist() == [math.fsum(terms)]

    def test_what_is_merged_stays_as_it_is(self) -> None:
        x, y, _ = data((10,))
        pieces = []
        for i in (0, 5):
            running = bce.RunningLoss()
            running.update(x[i : i + 5], y[i : i + 5])
            pieces.append(lazy._Piece(running._sums, ()))
        before = [piece.sums.state() for piece in pieces]
        merged = [lazy._merge(pieces, (0,), False).sums.state() for _ in range(2)]
        assert merged[0] == merged[1]
        assert [piece.sums.state() for piece in pieces] == before
        assert merged[0][0][0] == 10

    def test_pieces_of_other_shapes_are_refused(self) -> None:
        x, y, _ = data((4, 3))
        pieces = []
        for columns in (2, 3):
            running = bce.RunningLoss(axis=0)
            running.update(x[:, :columns], y[:, :columns])
            pieces.append(lazy._Piece(running._sums, (columns,)))
        with pytest.raises(ValueError, match=r"axes of the shapes \(2,\) and \(3,\)"):
            lazy._merge(pieces, (0,), False)

    @pytest.mark.parametrize("left_out", [{"ignore_index": 0}, {"where": np.arange(12) % 3 > 0}])
    @pytest.mark.parametrize("reduction", ["mean", "weighted_mean"])
    def test_gradients_are_divided_by_what_counts(self, left_out: Any, reduction: Any) -> None:
        x, y, w = data((12,))
        for weight in (None, w):
            _, grad = lazy.value_and_grad(
                da.from_array(x, chunks=5), y, weight, reduction=reduction, **left_out
            )
            _, expected = bce.value_and_grad(x, y, weight, reduction=reduction, **left_out)
            np.testing.assert_array_equal(grad.compute(), expected)

    @pytest.mark.parametrize("reduction", ["mean", "sum", "weighted_mean"])
    @pytest.mark.parametrize("factor", [-2.5, np.float32(3), da.from_array(np.array(0.5))])
    def test_gradients_are_times_a_factor(self, reduction: Any, factor: Any) -> None:
        if isinstance(factor, da.Array):
            factor = factor.compute()
        x, y, w = data((12, 2))
        wrt = ("input", "target", "weight", "pos_weight")
        arguments = {"pos_weight": w[0], "reduction": reduction, "grad_output": factor, "wrt": wrt}
        _, grads = lazy.value_and_grad(da.from_array(x, chunks=(5, 1)), y, w[:1], **arguments)
        _, expected = bce.value_and_grad(x, y, w[:1], **arguments)
        for grad, wanted in zip(grads, expected, strict=True):
            np.testing.assert_allclose(grad.compute(), wanted, rtol=1e-13, atol=1e-14)


class TestErrors:
    @pytest.mark.parametrize(
        ("more", "place"),
        [
            ({}, "1, 1"),
            ({"where": np.array([True, False, True, True, True])}, "3, 4"),
            ({"ignore_index": 2}, "3, 4"),
        ],
    )
    def test_the_bad_target_that_counts_is_named(self, more: Any, place: str) -> None:
        x, y, _ = data((5, 5))
        y[1, 1], y[3, 4] = 2, -3
        value = {"1, 1": "2.0", "3, 4": "-3.0"}[place]
        loss = lazy.binary_cross_entropy_with_logits(da.from_array(x, chunks=5), y, **more)
        with pytest.raises(ValueError, match=rf"^target\[{place}\] is {value}, outside \[0, 1\]$"):
            loss.compute()
        _, grad = lazy.value_and_grad(da.from_array(x, chunks=2), y, wrt="target", **more)
        with pytest.raises(ValueError, match=r"^target\[\d, \d\] is -?\d.0, outside \[0, 1\]$"):
            grad.compute()

    def test_a_single_number(self) -> None:
        loss = lazy.binary_cross_entropy_with_logits(da.from_array(np.array(0.5)), np.array(2.0))
        with pytest.raises(ValueError, match=r"^target is 2.0, outside \[0, 1\]$"):
            loss.compute()

    def test_without_a_known_place_the_chunk_is_named(self) -> None:
        y = np.zeros(20)
        y[13] = 5
        x, y = (unknown(da.from_array(array, chunks=10)) for array in (np.zeros(20), y))
        loss = lazy.binary_cross_entropy_with_logits(x, y)
        with pytest.raises(ValueError, match=r"^in chunk \(1,\): target\[3\] is 5.0, outside"):
            loss.compute()

    @pytest.mark.parametrize("function", ["binary_cross_entropy_with_logits", "value_and_grad"])
    def test_a_bad_number_of_threads(self, function: str) -> None:
        for wrong, error in ((0, ValueError), ("2", TypeError), (-2, ValueError)):
            with pytest.raises(error, match="num_threads"):
                getattr(lazy, function)(da.zeros(3), np.zeros(3), num_threads=wrong)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])
@pytest.mark.parametrize("chunks", [100, 300])
def test_the_number_of_threads_is_that_of_each_chunk(
    reduction: Any, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is an argument or set where the chunk is computed."""
    asked = set()
    as_num_threads = _threads.as_num_threads

    def watched(number: Any) -> int:
        asked.add(number)
        return as_num_threads(number)

    monkeypatch.setattr(lazy, "as_num_threads", watched)
    for module in ("_loss", "_derivatives"):
        monkeypatch.setattr(f"bcelogits.{module}.as_num_threads", watched)
    x, y, w = data((300,))
    x = da.from_array(x, chunks=chunks)
    for number in (None, 3):
        loss = lazy.binary_cross_entropy_with_logits(
            x, y, w, reduction=reduction, num_threads=number
        )
        grads = lazy.value_and_grad(
            x, y, w, reduction=reduction, wrt=("input", "weight"), num_threads=number
        )
        asked.clear()
        dask.compute(loss, grads)
        assert asked == {number}


def test_where_may_be_true() -> None:
    x, y, _ = data((10,))
    cut = da.from_array(x, chunks=4)
    found = lazy.binary_cross_entropy_with_logits(cut, y, where=True)
    assert found.compute() == pytest.approx(bce.binary_cross_entropy_with_logits(x, y), rel=1e-15)
    with pytest.raises(TypeError, match="where has dtype int64"):
        lazy.binary_cross_entropy_with_logits(cut, y, where=np.ones(10, np.int64))


def test_a_running_loss_keeps_whole_objects_and_needs_one_shape() -> None:
    x, y, w = data((30, 6))
    running = lazy.RunningLoss(axis=0, label_smoothing=0.1, ignore_index=1, check=False)
    running.update(da.from_array(x, chunks=(7, 2)), y, w, where=w > 1)
    whole = bce.RunningLoss(axis=0, label_smoothing=0.1, ignore_index=1, check=False)
    whole.update(x, y, w, w > 1)
    assert running.count.tolist() == whole.count.tolist()
    np.testing.assert_array_equal(running.weight_sum, whole.weight_sum)
    np.testing.assert_allclose(running.compute(), whole.compute(), rtol=1e-15)
    before = running.state_dict()
    with pytest.raises(ValueError, match=r"input keeps axes of the shape \(5,\), .* \(6,\)"):
        running.update(da.from_array(x[:, :5], chunks=4), y[:, :5])
    assert running.state_dict() == before
