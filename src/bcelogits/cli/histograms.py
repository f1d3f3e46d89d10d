"""Histograms of predictions and losses, for pictures: counts in bins that never change."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bcelogits.cli.errors import CommandError

# Of logits: an eighth wide, and what is beyond. A picture joins them to bins of similar counts.
_LOGIT_STEP = 1 / 8
_LOGIT_LIMIT = 24.0
LOGIT_BINS = int(2 * _LOGIT_LIMIT / _LOGIT_STEP) + 2

# Of losses: an eighth of a power of ten wide, and what is beyond.
_LOSS_PER_DECADE = 8
_LOSS_DECADES = (-6, 3)
LOSS_BINS = (_LOSS_DECADES[1] - _LOSS_DECADES[0]) * _LOSS_PER_DECADE + 2

# Sums of each bin of logits: elements, weights, predictions, targets, squares of weights.
LOGIT_SUMS = 5

# Each takes 16 KB.
_MOST_SERIES = 4096

LOSS_EDGES: NDArray[np.float64] = np.logspace(*_LOSS_DECADES, LOSS_BINS - 1)


@dataclass
class Histograms:
    """Histograms of several series: the groups, or the labels where there are no groups.

    Attributes
    ----------
    by_group : bool
        Whether a series is a group.
    predictions : ndarray of float64, shape (series, LOGIT_SUMS, LOGIT_BINS)
        For each bin of logits the number of elements, and sums of their weights, weighted
        predictions, weighted targets, and squares of the weights.
    losses : ndarray of float64, shape (series, LOSS_BINS)
        For each bin of losses, the number of elements; the loss is that without the weight.
    """

    by_group: bool
    predictions: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((0, LOGIT_SUMS, LOGIT_BINS))
    )
    losses: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, LOSS_BINS)))

    def add(
        self,
        series: NDArray[np.intp],
        logit: NDArray[np.float64],
        target: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        prediction: NDArray[np.float64],
        loss: NDArray[np.float64],
    ) -> None:
        """Add elements, each to the series of its number."""
        self._grow(int(series.max(initial=-1)) + 1)
        count = len(self.losses)
        inner = np.clip(logit, -_LOGIT_LIMIT - _LOGIT_STEP, _LOGIT_LIMIT) + _LOGIT_LIMIT
        bins = series * LOGIT_BINS + (np.floor(inner / _LOGIT_STEP).astype(np.intp) + 1)
        size = count * LOGIT_BINS
        w = np.ones(len(logit)) if weight is None else weight
        with np.errstate(over="ignore", under="ignore"):  # whoever reads the squares looks at it
            squares = w * w
        for i, values in enumerate((None, w, w * prediction, w * target, squares)):
            sums = np.bincount(bins, values, size)
            self.predictions[:, i] += sums.reshape(count, LOGIT_BINS)
        bins = series * LOSS_BINS + np.searchsorted(LOSS_EDGES, loss, "right")
        self.losses += np.bincount(bins, minlength=count * LOSS_BINS).reshape(count, LOSS_BINS)

    def merge(self, other: Histograms, groups: NDArray[np.intp]) -> None:
        """Add those of another object; `groups` are the numbers that its groups have here."""
        series = groups if self.by_group else np.arange(len(other.losses))
        series = series[: len(other.losses)]
        self._grow(int(series.max(initial=-1)) + 1)
        self.predictions[series] += other.predictions
        self.losses[series] += other.losses

    def _grow(self, size: int) -> None:
        if size > _MOST_SERIES:
            raise CommandError(f"--plot: more than {_MOST_SERIES} groups are no picture")
        more = size - len(self.losses)
        if more > 0:
            self.predictions = np.pad(self.predictions, ((0, more), (0, 0), (0, 0)))
            self.losses = np.pad(self.losses, ((0, more), (0, 0)))
