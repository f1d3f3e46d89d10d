"""Scoring: from the chunks of all files to the sums of every group and label."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bcelogits import RunningLoss, binary_cross_entropy_with_logits, sigmoid
from bcelogits._core import Call, is_logit, is_real
from bcelogits.cli.arguments import Options
from bcelogits.cli.engines import Advance, Part, Work, results_of_dask, results_of_threads
from bcelogits.cli.errors import CommandError, DataError, shown
from bcelogits.cli.histograms import Histograms
from bcelogits.cli.inputs import input_files
from bcelogits.cli.progress import progress_bar
from bcelogits.cli.readers import Chunk, Wanted, check_file, check_unchanged, read, split
from bcelogits.cli.summary import Summary
from bcelogits.cli.totals import Totals

T = TypeVar("T")


@dataclass(frozen=True)
class Scores:
    """Figures of one group, or of all rows.

    Attributes
    ----------
    all_labels : Summary
        Over all labels.
    labels : list of Summary
        Of each label, in the order of the options.
    """

    all_labels: Summary
    labels: list[Summary]


@dataclass(frozen=True)
class Report:
    """What a scoring found.

    Attributes
    ----------
    options : Options
        What was asked for.
    pos_weight : tuple of float or None
        The value used for each label; the balanced ones are numbers here.
    overall : Scores
        Over all rows.
    groups : dict of (str or None) to Scores
        Of each group, in order; empty where none were asked for.
    totals : Totals
        What these come from.
    logit_ranges : ndarray of float64, shape (labels, 2)
        The least and the largest logit of each label in these files; inf and -inf of none.
    rows_before : int or None
        Rows of earlier runs that are among these, if a running total was asked for.
    """

    options: Options
    pos_weight: tuple[float, ...] | None
    overall: Scores
    groups: dict[str | None, Scores]
    totals: Totals
    logit_ranges: NDArray[np.float64]
    rows_before: int | None = None

    @property
    def probabilities(self) -> list[str]:
        """The columns of logits in which, this time, no value is one that a probability is not.

        Columns that are all 0 or all 1 are as likely to be logits.
        """
        found = [
            name
            for name, (least, most) in zip(
                self.options.logits, self.logit_ranges.tolist(), strict=True
            )
            if 0 <= least <= most <= 1 and (least, most) not in ((0, 0), (1, 1))
        ]
        return list(dict.fromkeys(found))

    @property
    def is_above(self) -> bool:
        """Whether the mean loss over everything is above what is allowed, or there is none."""
        limit = self.options.fail_above
        return limit is not None and not self.overall.all_labels.mean_loss <= limit


def score(options: Options, earlier: Totals | None = None) -> Report:
    """Score files.

    Parameters
    ----------
    options : Options
        What to score, and how.
    earlier : Totals, optional
        Sums of earlier runs, to be added to.

    Returns
    -------
    Report

    Raises
    ------
    CommandError
        If a file cannot be read or holds what cannot be scored.
    """
    with input_files(options.paths, options.stdin_format) as files:
        found_at_first = [check_file(path) for path in files]
        sizes = [status.st_size for status in found_at_first]
        if options.is_shared:
            parts = [p for path, size in zip(files, sizes, strict=True) for p in _split(path, size)]
        else:
            parts = [Part(path, None, size) for path, size in zip(files, sizes, strict=True)]
        passes = 2 if options.pos_weight == "balanced" else 1
        with _unchanged(files, found_at_first), progress_bar(sum(sizes) * passes) as advance:
            if options.pos_weight == "balanced":
                options = replace(options, pos_weight=_balanced_pos_weight(options, parts, advance))
            totals = _new_totals(options)
            add = partial(_add_part, options=options)
            for found in _results(options, parts, add, totals, advance):
                if found is not totals:
                    totals.merge(found)
    rows_before = None
    if earlier is not None:
        rows_before = earlier.of_all().rows
        totals.merge(earlier)
    return _report(options, totals, rows_before)


@contextmanager
def _unchanged(files: list[str], before: list[os.stat_result]) -> Iterator[None]:
    """Raise a CommandError if a file was changed meanwhile, whatever else is wrong with it."""
    error = None
    try:
        yield
    except CommandError as found:
        error = found
    for path, status in zip(files, before, strict=True):
        check_unchanged(path, status)
    if error is not None:
        raise error


def _split(path: str, size: int) -> list[Part]:
    parts = split(path)
    return [Part(path, part, size // len(parts)) for part in parts]


def _new_totals(options: Options) -> Totals:
    histograms = None if options.plot is None else Histograms(options.by is not None)
    return Totals(len(options.targets), histograms=histograms)


def _results(
    options: Options,
    parts: list[Part],
    add: Callable[[Part, Advance, T | None], T],
    into: T,
    advance: Advance,
) -> Iterator[T]:
    """Add all parts to one object, or yield one for each of them, in their order."""
    work: Work[T] = partial(_to_new, add)
    if options.scheduler is not None:
        yield from results_of_dask(work, parts, options.scheduler, advance)
    elif options.is_shared:
        yield from results_of_threads(work, parts, options.threads, advance)
    else:
        for part in parts:
            yield add(part, advance, into)


def _to_new(add: Callable[[Part, Advance, T | None], T], part: Part, advance: Advance) -> T:
    return add(part, advance, None)


def _add_part(part: Part, advance: Advance, totals: Totals | None, *, options: Options) -> Totals:
    """Add a part to the totals, or to new ones."""
    if totals is None:
        totals = _new_totals(options)
    numbers = (*options.logits, *options.targets)
    if options.weight is not None:
        numbers += (options.weight,)
    wanted = Wanted(tuple(dict.fromkeys(numbers)), options.by)
    for chunk in _chunks(part, wanted, advance):
        _add_chunk(totals, chunk, options)
    return totals


def _chunks(part: Part, wanted: Wanted, advance: Advance) -> Iterator[Chunk]:
    done = 0
    for chunk in read(part.path, wanted, part.part):
        yield chunk
        advance(chunk.position - done)
        done = chunk.position


def _balanced_pos_weight(
    options: Options, parts: list[Part], advance: Advance
) -> tuple[float, ...]:
    """Return negatives over positives of each label."""
    running = _new_counts(options)
    add = partial(_count_part, options=options)
    for found in _results(options, parts, add, running, advance):
        if found is not running:
            for one, other in zip(running, found, strict=True):
                one.merge(other)
    result = []
    for name, counts in zip(options.targets, running, strict=True):
        positive = float(counts.positive_sum)
        negatives = counts.count - positive
        if not positive or math.isinf(negatives / positive):
            raise CommandError(f"--pos-weight balanced: column {name!r} has no positive target")
        result.append(negatives / positive)
    return tuple(result)


def _new_counts(options: Options) -> list[RunningLoss]:
    return [RunningLoss(check=False) for _ in options.targets]


def _count_part(
    part: Part, advance: Advance, counts: list[RunningLoss] | None, *, options: Options
) -> list[RunningLoss]:
    """Count the targets of a part; the losses, of logits that are all 0, do not matter."""
    if counts is None:
        counts = _new_counts(options)
    for chunk in _chunks(part, Wanted(options.targets), advance):
        logits = np.zeros(chunk.rows)
        for name, running in zip(options.targets, counts, strict=True):
            running.update(logits, _target(chunk, name))
    return counts


def _add_chunk(totals: Totals, chunk: Chunk, options: Options) -> None:
    numbers, order, starts = _segments(totals, chunk)
    weight = None if options.weight is None else _weight(chunk, options.weight)
    if order is not None and weight is not None:
        weight = weight[order]
    names = zip(options.logits, options.targets, strict=True)
    for label, (logit_name, target_name) in enumerate(names):
        logit, target = _logit(chunk, logit_name), _target(chunk, target_name)
        totals.add_range(label, logit)
        if order is not None:
            logit, target = logit[order], target[order]
        prediction = sigmoid(logit)
        pos_weight = None
        if options.pos_weight is not None:
            pos_weight = np.array(options.pos_weight[label], np.float64)
        totals.add(
            label,
            numbers,
            starts,
            Call(
                logit,
                target,
                weight,
                pos_weight,
                label_smoothing=options.label_smoothing,
                check=False,  # that has been done
            ),
            Call(logit, prediction, weight, check=False),
        )
        if totals.histograms is not None:
            lengths = np.diff(np.append(starts, chunk.rows))
            series = np.repeat(numbers, lengths) if totals.histograms.by_group else label
            losses = binary_cross_entropy_with_logits(
                logit,
                target,
                reduction="none",
                pos_weight=pos_weight,
                label_smoothing=options.label_smoothing,
            )
            totals.histograms.add(
                np.broadcast_to(np.asarray(series, np.intp), logit.shape),
                logit,
                target.astype(np.float64, copy=False),
                weight,
                prediction,
                losses,
            )


def _segments(
    totals: Totals, chunk: Chunk
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None, NDArray[np.intp]]:
    """Return the groups of a chunk, the order that sorts its rows by them, their starts."""
    if chunk.groups is None:
        return totals.numbers([None]), None, np.zeros(1, np.intp)
    groups = totals.numbers(chunk.groups.names)[chunk.groups.codes]
    # NumPy sorts 16-bit keys by radix
    keys = groups.astype(np.uint16) if len(totals.groups) <= 1 << 16 else groups
    order = np.argsort(keys, kind="stable")
    groups = groups[order]
    starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
    return groups[starts], order, starts


def _report(options: Options, totals: Totals, rows_before: int | None) -> Report:
    groups: dict[str | None, Scores] = {}
    if options.by is not None:
        over_labels, by_label = totals.by_group(), totals.by_label()
        for name in sorted(totals.groups, key=_group_order):
            groups[name] = Scores(over_labels[name], by_label[name])
    pos_weight = options.pos_weight
    assert pos_weight != "balanced"
    overall = Scores(totals.of_all(), totals.of_labels())
    ranges = totals.logit_ranges
    return Report(options, pos_weight, overall, groups, totals, ranges, rows_before)


def _group_order(name: str | None) -> tuple[int, float, str]:
    """Numbers by value, then texts by code point, then the missing."""
    if name is None:
        return 2, 0.0, ""
    try:
        value = float(name)
    except ValueError:
        return 1, 0.0, name
    return (0, value, name) if value == value else (1, 0.0, name)


# Checks of the values. A failed check looks again for the first offender.


def _logit(chunk: Chunk, name: str) -> NDArray[np.float64]:
    given = chunk.numbers[name]
    if is_real(given.dtype) and not is_logit(given.dtype):
        raise CommandError(
            f"{chunk.path}: column {name!r}: logits of type uint16 are refused: they are the bits "
            "of bfloat16 numbers that have lost their type: write them as float32"
        )
    values = given.astype(np.float64, copy=False)
    _check(chunk, name, ~np.isnan(values), "logit", "is not a number")
    return values


def _target(chunk: Chunk, name: str) -> NDArray[Any]:
    values = chunk.numbers[name]
    if values.dtype.kind != "b":
        _check(chunk, name, (values >= 0) & (values <= 1), "target", "is outside [0, 1]")
    return values


def _weight(chunk: Chunk, name: str) -> NDArray[np.float64]:
    values = chunk.numbers[name].astype(np.float64, copy=False)
    good = (values >= 0) & (values < np.inf)
    _check(chunk, name, good, "weight", "is not finite and >= 0")
    return values


def _check(chunk: Chunk, name: str, good: NDArray[np.bool_], what: str, problem: str) -> None:
    if not good.all():
        index = int(np.argmin(good))
        value = shown(chunk.numbers[name][index].item())
        raise DataError(chunk.path, name, chunk.first_row + index, f"{what} {value} {problem}")
