"""Scoring: from the chunks of all files to the sums of every group and label."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bcelogits import binary_cross_entropy_with_logits, sigmoid
from bcelogits.cli.arguments import Options
from bcelogits.cli.errors import CommandError, DataError, shown
from bcelogits.cli.progress import progress_bar
from bcelogits.cli.readers import Chunk, Wanted, check_file, read
from bcelogits.cli.summary import Summary
from bcelogits.cli.totals import RunningTotals

# Below this many rows per group in a chunk, one call for all losses and a sum per group cost less
# than a call per group.
_ROWS_PER_CALL = 256

Advance = Callable[[int], None]


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
    """

    options: Options
    pos_weight: tuple[float, ...] | None
    overall: Scores
    groups: dict[str | None, Scores]


def score(options: Options) -> Report:
    """Score files.

    Parameters
    ----------
    options : Options
        What to score, and how.

    Returns
    -------
    Report

    Raises
    ------
    CommandError
        If a file cannot be read or holds what cannot be scored.
    """
    sizes = {path: check_file(path) for path in options.paths}
    balanced = options.pos_weight == "balanced"
    total = sum(sizes[path] for path in options.paths) * (2 if balanced else 1)
    with progress_bar(total) as advance:
        pos_weight: tuple[float, ...] | None
        if options.pos_weight == "balanced":
            pos_weight = _balanced_pos_weight(options, advance)
        else:
            pos_weight = options.pos_weight
        totals = _Totals(options, pos_weight)
        numbers = (*options.logits, *options.targets)
        if options.weight is not None:
            numbers += (options.weight,)
        wanted = Wanted(tuple(dict.fromkeys(numbers)), options.by)
        for chunk in _chunks(options, wanted, advance):
            totals.add(chunk)
    return Report(options, pos_weight, totals.overall(), totals.groups())


def _chunks(options: Options, wanted: Wanted, advance: Advance) -> Iterator[Chunk]:
    for path in options.paths:
        done = 0
        for chunk in read(path, wanted):
            yield chunk
            advance(chunk.position - done)
            done = chunk.position


def _balanced_pos_weight(options: Options, advance: Advance) -> tuple[float, ...]:
    """Return negatives over positives of each label."""
    labels = np.arange(len(options.targets))
    sums = RunningTotals(2)
    for chunk in _chunks(options, Wanted(options.targets), advance):
        targets = [_target(chunk, name) for name in options.targets]
        positives = [float(np.sum(target, dtype=np.float64)) for target in targets]
        sums.add(labels, np.array([[chunk.rows - count, count] for count in positives]))
    result = []
    for label, name in enumerate(options.targets):
        negatives, positive = sums.merged(labels[label : label + 1])
        if not positive or math.isinf(negatives / positive):
            raise CommandError(f"--pos-weight balanced: column {name!r} has no positive target")
        result.append(negatives / positive)
    return tuple(result)


@dataclass
class _Totals:
    """Sums of every group and label, fed chunk by chunk."""

    options: Options
    pos_weight: tuple[float, ...] | None
    # slot = group * labels + label; fields: rows, sums of w, w*y, w*prediction and losses
    sums: RunningTotals = field(default_factory=lambda: RunningTotals(5))
    ids: dict[str | None, int] = field(default_factory=dict)

    def add(self, chunk: Chunk) -> None:
        groups, order, starts = self._segments(chunk)
        weight = None if self.options.weight is None else _weight(chunk, self.options.weight)
        labels = len(self.options.targets)
        stops = np.append(starts[1:], chunk.rows)
        rows = (stops - starts).astype(np.float64)
        names = zip(self.options.logits, self.options.targets, strict=True)
        for label, (logit_name, target_name) in enumerate(names):
            logit, target = _logit(chunk, logit_name), _target(chunk, target_name)
            part = weight
            if order is not None:
                logit, target = logit[order], target[order]
                part = None if weight is None else weight[order]
            pos_weight = None if self.pos_weight is None else self.pos_weight[label]
            sums = np.empty((len(groups), 5))
            sums[:, 0] = rows
            sums[:, 1] = rows if part is None else _segment_sums(part, None, starts)
            sums[:, 2] = _segment_sums(target.astype(np.float64, copy=False), part, starts)
            sums[:, 3] = _segment_sums(sigmoid(logit), part, starts)
            sums[:, 4] = self._losses(logit, target, part, pos_weight, starts, stops)
            self.sums.add(groups * labels + label, sums)

    def _segments(
        self, chunk: Chunk
    ) -> tuple[NDArray[np.intp], NDArray[np.intp] | None, NDArray[np.intp]]:
        """Return the groups of a chunk, the order that sorts its rows by them, their starts."""
        if chunk.groups is None:
            return np.zeros(1, np.intp), None, np.zeros(1, np.intp)
        ids = self.ids
        lookup = np.array([ids.setdefault(name, len(ids)) for name in chunk.groups.names], np.intp)
        groups = lookup[chunk.groups.codes]
        # NumPy sorts 16-bit keys by radix
        keys = groups.astype(np.uint16) if len(ids) <= 1 << 16 else groups
        order = np.argsort(keys, kind="stable")
        groups = groups[order]
        starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
        return groups[starts], order, starts

    def _losses(
        self,
        logit: NDArray[np.float64],
        target: NDArray[Any],
        weight: NDArray[np.float64] | None,
        pos_weight: float | None,
        starts: NDArray[np.intp],
        stops: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Return the sum of the losses of each segment."""

        def loss(part: slice, reduction: Literal["none", "sum"]) -> NDArray[np.float64]:
            result: NDArray[np.float64] = binary_cross_entropy_with_logits(
                logit[part],
                target[part],
                None if weight is None else weight[part],
                reduction=reduction,
                pos_weight=pos_weight,
                label_smoothing=self.options.label_smoothing,
            )
            return result

        if len(starts) * _ROWS_PER_CALL > len(logit) and len(starts) > 1:
            return _segment_sums(loss(slice(None), "none"), None, starts)
        segments = zip(starts.tolist(), stops.tolist(), strict=True)
        return np.array([loss(slice(start, stop), "sum") for start, stop in segments])

    def overall(self) -> Scores:
        labels = len(self.options.targets)
        slots = np.arange(max(1, len(self.ids)) * labels)
        return _scores(
            [self.sums.merged(slots[label::labels]) for label in range(labels)],
            self.sums.merged(slots),
        )

    def groups(self) -> dict[str | None, Scores]:
        labels = len(self.options.targets)
        sums = self.sums.rounded(len(self.ids) * labels).tolist()
        result = {}
        for name in sorted(self.ids, key=_group_order):
            first = self.ids[name] * labels
            slots = np.arange(first, first + labels)
            everything = self.sums.merged(slots) if labels > 1 else sums[first]
            result[name] = _scores(sums[first : first + labels], everything)
        return result


def _scores(labels: list[list[float]], all_labels: list[float]) -> Scores:
    rows = int(labels[0][0])
    summaries = [_summary(rows, sums) for sums in labels]
    everything = _summary(rows, all_labels) if len(labels) > 1 else summaries[0]
    return Scores(everything, summaries)


def _summary(rows: int, sums: list[float]) -> Summary:
    count, weight, positives, prediction, loss = sums
    return Summary(rows, int(count), weight, positives, prediction, loss)


def _segment_sums(
    values: NDArray[np.float64], weight: NDArray[np.float64] | None, starts: NDArray[np.intp]
) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.add.reduceat(values if weight is None else weight * values, starts)


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
    values = chunk.numbers[name].astype(np.float64, copy=False)
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
