"""Running sums over chunks: the one place where figures of different chunks are added.

They are the library's exact sums. Neither the chunks, nor their order, nor who has added which of
them up shows in a result. A group takes about 4 KB for each label.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bcelogits._core import REDUCTIONS, Accumulator, Call
from bcelogits.cli.histograms import Histograms
from bcelogits.cli.summary import Summary


@dataclass
class Totals:
    """Sums of every group and label.

    Attributes
    ----------
    labels : int
        How many there are.
    groups : dict of (str or None) to int
        The number of each group. Its sums are the parts from number * labels on, one for a label.
    losses : Accumulator
        Of losses, weights and weighted targets.
    predictions : Accumulator
        The same with predictions as the targets: what it knows as positives are weighted
        predictions.
    histograms : Histograms or None
        What a picture shows besides.
    logit_ranges : ndarray of float64, shape (labels, 2)
        The least and the largest logit of each label; inf and -inf of none.
    """

    labels: int
    groups: dict[str | None, int] = field(default_factory=dict)
    losses: Accumulator = field(default_factory=lambda: Accumulator(0))
    predictions: Accumulator = field(default_factory=lambda: Accumulator(0))
    histograms: Histograms | None = None
    logit_ranges: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no logits."""
        self.logit_ranges = np.tile([np.inf, -np.inf], (self.labels, 1))

    def add_range(self, label: int, logits: NDArray[np.float64]) -> None:
        """Take note of the least and the largest logit of a label."""
        if len(logits):
            self._widen(slice(label, label + 1), np.array([[logits.min(), logits.max()]]))

    def _widen(self, labels: slice, ranges: NDArray[np.float64]) -> None:
        found = self.logit_ranges[labels]
        np.minimum(found[:, 0], ranges[:, 0], out=found[:, 0])
        np.maximum(found[:, 1], ranges[:, 1], out=found[:, 1])

    def numbers(self, names: list[str | None]) -> NDArray[np.intp]:
        """Return the numbers of groups; new ones come into being."""
        groups = self.groups
        numbers = np.array([groups.setdefault(name, len(groups)) for name in names], np.intp)
        self.losses.extend(len(groups) * self.labels)
        self.predictions.extend(len(groups) * self.labels)
        return numbers

    def add(
        self,
        label: int,
        groups: NDArray[np.intp],
        starts: NDArray[np.intp],
        losses: Call,
        predictions: Call,
    ) -> None:
        """Add to one label of some groups.

        Parameters
        ----------
        label : int
        groups : ndarray of int, shape (n,)
            Numbers of groups.
        starts : ndarray of int, shape (n,)
            Where the elements of each begin.
        losses, predictions : Call
            Logits, weights, and targets or predictions.
        """
        parts = groups * self.labels + label
        losses.accumulate_runs(self.losses, starts, parts)
        predictions.accumulate_runs(self.predictions, starts, parts)

    def merge(self, other: Totals) -> None:
        """Add what another object of the same labels has."""
        numbers = self.numbers(list(other.groups))
        parts = (numbers[:, np.newaxis] * self.labels + np.arange(self.labels)).ravel()
        other.losses.merge_into(self.losses, parts)
        other.predictions.merge_into(self.predictions, parts)
        self._widen(slice(None), other.logit_ranges)
        if self.histograms is not None and other.histograms is not None:
            self.histograms.merge(other.histograms, numbers)

    def by_label(self) -> dict[str | None, list[Summary]]:
        """Return the figures of each label, for each group."""
        summaries = _summaries(self.losses, self.predictions, 1)
        starts = range(0, len(summaries), self.labels)
        return {
            name: summaries[start : start + self.labels]
            for name, start in zip(self.groups, starts, strict=True)
        }

    def by_group(self) -> dict[str | None, Summary]:
        """Return the figures over all labels, for each group."""
        size = len(self.groups)
        parts = np.repeat(np.arange(size, dtype=np.intp), self.labels)
        return dict(zip(self.groups, self._merged(parts, size, self.labels), strict=True))

    def of_labels(self) -> list[Summary]:
        """Return the figures of each label, over all groups."""
        parts = np.tile(np.arange(self.labels, dtype=np.intp), len(self.groups))
        return self._merged(parts, self.labels, 1)

    def of_all(self) -> Summary:
        """Return the figures over everything."""
        (summary,) = self._merged(np.zeros(self.losses.size, np.intp), 1, self.labels)
        return summary

    def _merged(self, parts: NDArray[np.intp], size: int, labels: int) -> list[Summary]:
        losses, predictions = Accumulator(size), Accumulator(size)
        self.losses.merge_into(losses, parts)
        self.predictions.merge_into(predictions, parts)
        return _summaries(losses, predictions, labels)


def _summaries(losses: Accumulator, predictions: Accumulator, labels: int) -> list[Summary]:
    """Return figures of the parts; a row counts once for each label in a part."""
    columns = (
        losses.counts(),
        losses.weights(),
        losses.positives(),
        predictions.positives(),
        losses.results(REDUCTIONS["sum"]),
    )
    return [
        Summary(count // labels, count, *sums)
        for count, *sums in zip(*(column.tolist() for column in columns), strict=True)
    ]
