"""Running sums over chunks: the one place where figures of different chunks are added."""

import math

import numpy as np
from numpy.typing import NDArray


class RunningTotals:
    """Sums of many slots (a group and a label each), carried in twice double precision.

    Each sum is an unevaluated pair of doubles, so that neither the number of chunks nor their
    order shows in the result.

    Parameters
    ----------
    fields : int
        Sums of each slot.
    """

    def __init__(self, fields: int) -> None:
        self._high = np.zeros((0, fields))
        self._low = np.zeros((0, fields))

    def add(self, slots: NDArray[np.integer], sums: NDArray[np.float64]) -> None:
        """Add to some slots; new ones come into being with zero sums.

        Parameters
        ----------
        slots : ndarray of int, shape (n,)
            Different from each other.
        sums : ndarray of float64, shape (n, fields)
            What to add.
        """
        if not len(slots):
            return
        self._grow(int(slots.max()) + 1)
        high = self._high[slots]
        with np.errstate(over="ignore", invalid="ignore"):
            total = high + sums
            # the rounding error of the addition (Knuth's TwoSum); infinite sums have none
            rest = total - high
            error = (high - (total - rest)) + (sums - rest)
        self._high[slots] = total
        self._low[slots] += np.where(np.isfinite(total), error, 0.0)

    def rounded(self, size: int) -> NDArray[np.float64]:
        """Return the sums of the first slots, each rounded once.

        Parameters
        ----------
        size : int
            How many slots; those never added to are zero.

        Returns
        -------
        ndarray of float64, shape (size, fields)
        """
        self._grow(size)
        result: NDArray[np.float64] = self._high[:size] + self._low[:size]
        return result

    def merged(self, slots: NDArray[np.integer]) -> list[float]:
        """Return the sums over some slots, each rounded once.

        Parameters
        ----------
        slots : ndarray of int, shape (n,)
            Which ones; those never added to are zero.

        Returns
        -------
        list of float, length fields
        """
        self._grow(int(slots.max(initial=-1)) + 1)
        pairs = np.vstack((self._high[slots], self._low[slots]))
        return [_exact_sum(values) for values in pairs.T.tolist()]

    def _grow(self, size: int) -> None:
        if size > len(self._high):
            # doubled, so that many new groups cost no more than a copy each
            more = max(size, 2 * len(self._high)) - len(self._high)
            self._high = np.pad(self._high, ((0, more), (0, 0)))
            self._low = np.pad(self._low, ((0, more), (0, 0)))


def _exact_sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:  # partial sums beyond the largest double
        return sum(values)
