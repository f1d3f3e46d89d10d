"""Reductions: their names, PyTorch's older arguments for them, means of nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bcelogits import _parallel
from bcelogits._arrays import split_axes, warn
from bcelogits._core import REDUCTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bcelogits._arrays import Arguments

Reduction = Literal["none", "mean", "sum", "weighted_mean"]


def check_reduction(reduction: str) -> None:
    """Raise unless there is a reduction of this name."""
    if not isinstance(reduction, str):
        raise TypeError(f"reduction must be a str, not {type(reduction).__name__}")
    if reduction != "none" and reduction not in REDUCTIONS:
        names = ", ".join(map(repr, ["none", *REDUCTIONS]))
        raise ValueError(f"reduction must be one of {names}, not {reduction!r}")


def legacy_reduction(size_average: Any, reduce: Any, reduction: str) -> str:
    """Return the reduction that PyTorch's three arguments mean together."""
    if size_average is None and reduce is None:
        check_reduction(reduction)
        return reduction
    meant = reduction_meant_by(size_average, reduce)
    warn(
        f"size_average and reduce are deprecated, use reduction='{meant}' instead",
        DeprecationWarning,
    )
    return meant


def reduction_meant_by(size_average: Any, reduce: Any) -> str:
    """Return what the two older arguments mean where not both are None."""
    if reduce is not None and not reduce:
        return "none"
    return "mean" if size_average is None or size_average else "sum"


def warn_of_empty_means(
    arguments: Arguments,
    reduction: str,
    threads: int,
    means: NDArray[Any],
    axis: int | tuple[int, ...] | None = None,
) -> None:
    """Warn as NumPy does where a mean has nothing to divide by."""
    weight = arguments.weight if reduction == "weighted_mean" else None
    all_count = arguments.where is None and arguments.ignored is None and arguments.input.size > 0
    if reduction == "sum" or (all_count and weight is None) or _parallel.are_finite(means):
        return
    shape, order = split_axes(arguments.input.shape, axis)
    counts, weights = True, True  # whether none is 0
    for _, sums in _parallel.accumulated(arguments.call(), threads, shape, order):
        counts = counts and bool(np.all(sums.counts()))
        weights = weights and (weight is None or bool(np.all(sums.weights())))
    warn_of_divisors(counts, weights)


def warn_of_divisors(counts: Any, weights: Any | None) -> None:
    """Warn if a count is 0, or else a sum of weights, where these are divided by."""
    if not np.all(counts):
        warn("Mean of empty slice", RuntimeWarning)
    elif weights is not None and not np.all(weights):
        warn("Mean with weights that add up to 0", RuntimeWarning)
