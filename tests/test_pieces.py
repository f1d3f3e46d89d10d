"""How long pieces are, and how many threads a call takes: numbers that change no result."""

from __future__ import annotations

import numpy as np
import pytest

import bcelogits as bce
from bcelogits import _parallel
from bcelogits._core import ALONE, BLOCK


def test_a_piece_is_half_as_long_with_helpers() -> None:
    """One of them may have begun another when the caller hears a signal."""
    longest = _parallel._LONGEST
    assert _parallel._piece(1 << 40, 1) == longest
    for threads in (2, 3, 8, 64):
        assert _parallel._piece(1 << 40, threads) == longest // 2


def test_pieces_are_eight_for_each_thread_but_not_too_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_parallel, "_LONGEST", 1 << 30)
    assert _parallel._piece(24 << 20, 3) == 1 << 20
    assert _parallel._piece(10, 4) == ALONE // 4
    assert len(list(_parallel._runs_of_blocks(64 * ALONE, 4))) == 32


@pytest.mark.parametrize("longest", [1 << 15, 1 << 18])
def test_what_is_cut(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More elements than the longest piece, a result counting as 128, or than one thread takes."""
    monkeypatch.setattr(_parallel, "_LONGEST", longest)
    assert not _parallel.is_cut(longest, 1)
    assert _parallel.is_cut(longest + 1, 1)
    assert not _parallel.is_cut(longest - 128 * 7, 1, 7)
    assert _parallel.is_cut(longest - 128 * 7 + 1, 1, 7)
    monkeypatch.setattr(_parallel, "_LONGEST", 1 << 40)
    assert not _parallel.is_cut(ALONE - 1, 64)
    assert _parallel.is_cut(ALONE, 2)
    assert not _parallel.is_cut(ALONE, 1)


def test_threads_are_as_many_as_there_is_work_for() -> None:
    for size, threads, expected in (
        *((0, 4, 1), (1, 4, 1), (ALONE - 1, 4, 1), (ALONE, 4, 2), (ALONE, 1, 1)),
        *((ALONE * 3 // 2 - 1, 4, 2), (ALONE * 3 // 2, 4, 3), (1 << 40, 4, 4)),
    ):
        assert _parallel._threads_for(size, threads) == expected


@pytest.mark.parametrize(("length", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (101, 7), (9, 0)])
def test_ranges_are_all_of_it_in_parts_of_about_the_same_length(length: int, most: int) -> None:
    ranges = list(_parallel._ranges(length, most))
    assert [i for first, last in ranges for i in range(first, last)] == list(range(length))
    lengths = [last - first for first, last in ranges]
    assert len(lengths) == -(-length // max(most, 1))  # no more than it takes
    assert max(lengths, default=0) - min(lengths, default=0) <= 1
    assert max(lengths, default=0) <= max(most, 1)


@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5), (4, 3, 5), (2, 0, 3), (1, 1, 9)])
@pytest.mark.parametrize("each", [1, 4])
@pytest.mark.parametrize("most", [1, 6, 20, 1000])
def test_boxes_are_all_of_it_in_order(shape: tuple[int, ...], each: int, most: int) -> None:
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    boxes = list(_parallel._boxes(shape, each, most))
    found = [numbers[box].ravel() for box in boxes]
    assert np.concatenate([*found, []]).tolist() == numbers.ravel().tolist()
    for box, part in zip(boxes, found, strict=True):
        assert each * part.size <= max(most, each)
        if part.size:
            assert _parallel._first(box, shape) == part[0]
            place = np.unravel_index(part[0], shape)
            assert _parallel._moved((0,) * len(shape), box) == place
        assert _parallel._box_size(box) == part.size
    assert len(boxes) <= max(1, 2 * each * numbers.size // most + sum(shape) + 1)


@pytest.mark.parametrize("bad", [-1.0, np.nan])
@pytest.mark.parametrize("place", [0, BLOCK - 1, BLOCK, 3 * BLOCK])
def test_a_negative_pos_weight_is_found_on_either_side_of_the_length_of_a_block(
    bad: float, place: int
) -> None:
    weights = np.ones(place + 1)
    weights[place] = bad
    with pytest.raises(ValueError, match=rf"pos_weight\[{place}\] is {bad}, it must be >= 0"):
        bce.BCEWithLogitsLoss(pos_weight=weights)


@pytest.mark.parametrize("size", [1, 2 * BLOCK, 2 * BLOCK + 1, 5 * BLOCK])
def test_one_value_that_is_not_finite_is_seen(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parallel, "_LONGEST", 2 * BLOCK)
    values = np.zeros(size)
    assert _parallel.are_finite(values)
    for place in {0, size // 2, size - 1}:
        for value in (np.inf, -np.inf, np.nan):
            values[place] = value
            assert not _parallel.are_finite(values)
        values[place] = 0
