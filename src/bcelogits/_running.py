"""The loss of a stream: sums that are carried exactly from one update to the next."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bcelogits import _parallel
from bcelogits._arrays import (
    Arguments,
    as_ignore_index,
    as_label_smoothing,
    as_pos_weight,
    as_weight,
    kept,
    split_axes,
)
from bcelogits._core import REDUCTIONS, Accumulator
from bcelogits._entropy import entropy
from bcelogits._missing import element_error
from bcelogits._reduction import check_reduction, warn_of_divisors
from bcelogits._repr import shown, written_arguments
from bcelogits._running_state import pack, unpack
from bcelogits._threads import get_num_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class RunningLoss:
    """Binary cross entropy of logits that come in chunks.

    Sums are exact: the order of updates and merges does not change a result, and cutting the data
    otherwise changes it within the accuracy of a loss alone. Chunks that bring each result a
    multiple of 4096 elements give the bits of the whole, if all are of one dtype.

    Parameters
    ----------
    pos_weight : array_like, optional
        Factor of the positive term, >= 0, broadcast against the logits of each update.
    label_smoothing : float
        With a in [0, 1], a target y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Elements whose target equals it are left out.
    axis : int or tuple of int, optional
        What an update adds up, as in `binary_cross_entropy_with_logits`: the other axes are kept,
        and have the same lengths in each update. With logits of shape (N, C), axis 0 gives a
        result for each class. By default everything is one sum.
    check : bool
        Whether a target outside [0, 1] is an error, and a logit that is NaN.

    See Also
    --------
    binary_cross_entropy_with_logits : The loss of arrays that are there as a whole.

    Notes
    -----
    Large updates are shared by as many threads as `set_num_threads` says.
    Objects may be pickled; an update, a merge and a reset must not run at the same time as another
    method of the object.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import RunningLoss
    >>> running = RunningLoss()
    >>> running.update(np.array([0.2, -1.5]), [1, 0])
    >>> running.update(np.array([3.0, 0.7]), [1, 0])
    >>> print(f"{running.compute():.8f}", running.count)
    0.48783139 4
    """

    def __init__(
        self,
        *,
        pos_weight: ArrayLike | None = None,
        label_smoothing: float = 0.0,
        ignore_index: float | None = None,
        axis: int | tuple[int, ...] | None = None,
        check: bool = True,
    ) -> None:
        self._pos_weight = kept(as_pos_weight(pos_weight))
        self._label_smoothing = as_label_smoothing(label_smoothing)
        self._ignore_index = as_ignore_index(ignore_index)
        self._axis = _as_axis(axis)
        self._check = bool(check)
        self.reset()

    def reset(self) -> None:
        """Forget all updates."""
        self._shape: tuple[int, ...] | None = () if self._axis is None else None
        self._sums = Accumulator()

    def update(
        self,
        input: ArrayLike,
        target: ArrayLike,
        weight: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> None:
        """Add the losses of some elements.

        Parameters
        ----------
        input : array_like
            Logits.
        target : array_like
            Probabilities in [0, 1], of the shape of `input`.
        weight : array_like, optional
            Factor of each element, broadcast against `input`.
        where : array_like of bool, optional
            Elements to count, broadcast against `input`.

        Raises
        ------
        ValueError, TypeError
            As `binary_cross_entropy_with_logits` does; if a logit is NaN, which a sum would be from
            then on, unless `check` is false; or if the axes that are kept have other lengths than
            before. Nothing was added then.
        """
        arguments = Arguments(
            input,
            target,
            as_weight("weight", weight, partial=True),
            self._pos_weight,
            self._label_smoothing,
            self._ignore_index,
            where,
            self._check,
        )
        shape, order = split_axes(arguments.input.shape, self._axis)
        self._check_shape(shape, "input")
        added = Accumulator(_size(shape))
        _parallel.accumulate(arguments.call(), get_num_threads(), added, len(shape), order)
        if self._check:
            refuse_nan_logits(arguments, added)
        self._add(added, shape)

    def merge(self, other: RunningLoss) -> None:
        """Add what another object has been updated with.

        Parameters
        ----------
        other : RunningLoss
            Constructed with the same arguments. It stays as it is.

        Raises
        ------
        ValueError
            If it was not, or if the axes that it keeps have other lengths.
        TypeError
            If it is no RunningLoss.
        """
        if not isinstance(other, RunningLoss):
            raise TypeError(f"other must be a RunningLoss, not {type(other).__name__}")
        mine, others = self._configuration(), other._configuration()
        for name, value in mine.items():
            if not _same(value, others[name]):
                raise ValueError(f"{name} is {value!r} here and {others[name]!r} in other")
        if other._shape is not None:
            self._check_shape(other._shape, "other")
            self._add(other._sums.part(0, other._sums.size), other._shape)

    def _check_shape(self, shape: tuple[int, ...], name: str) -> None:
        if self._shape is not None and shape != self._shape:
            raise ValueError(
                f"{name} keeps axes of the shape {shape}, earlier updates those of {self._shape}"
            )

    def _add(self, added: Accumulator, shape: tuple[int, ...]) -> None:
        """Add sums that are this object's from now on: what it has stays whole if interrupted."""
        if self._shape is not None:
            added.merge(self._sums)
        self._sums, self._shape = added, shape

    def compute(self, reduction: str = "mean") -> Any:
        """Return the loss of all elements so far.

        Parameters
        ----------
        reduction : {'mean', 'sum', 'weighted_mean'}
            The sum of the losses, that sum divided by the number of elements, or by the sum of
            their weights.

        Returns
        -------
        numpy.float64 or ndarray of float64
            An array, of the axes that are kept, if `axis` was given.

        Warns
        -----
        RuntimeWarning
            If a mean is that of no element, or its weights add up to 0.
        """
        check_reduction(reduction)
        if reduction == "none":
            raise ValueError("reduction='none' is for arrays; a RunningLoss keeps their sums")
        values = self._shaped(self._sums.results(REDUCTIONS[reduction]))
        if reduction != "sum":
            weights = self._sums.weights() if reduction == "weighted_mean" else None
            warn_of_divisors(self._sums.counts(), weights)
        return values

    @property
    def count(self) -> Any:
        """Number of elements so far: an int, or an array of int64 if `axis` was given."""
        counts = self._shaped(self._sums.counts())
        return counts if self._axis is not None else int(counts)

    @property
    def weight_sum(self) -> Any:
        """Sum of their weights, each 1 where none was given."""
        return self._shaped(self._sums.weights())

    @property
    def positive_sum(self) -> Any:
        """Sum of weight times target, before any smoothing."""
        return self._shaped(self._sums.positives())

    def normalized_entropy(self) -> Any:
        """Return the weighted mean of the loss over the entropy of the base rate.

        Returns
        -------
        numpy.float64 or ndarray of float64
            Below 1 if the logits predict better than the base rate alone, the weighted mean of the
            targets. NaN where all targets are the same, and without any element.

        Notes
        -----
        Source: X. He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD
        2014, section 2.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            losses = self._sums.results(REDUCTIONS["weighted_mean"])
            rates = self._sums.positives() / self._sums.weights()
            entropies = np.array([entropy(rate) or np.nan for rate in rates.tolist()])
            return self._shaped(losses / entropies)

    def _shaped(self, values: NDArray[Any]) -> Any:
        if self._shape is None:
            raise ValueError("there was no update yet, so the shape of a result is not known")
        return values.reshape(self._shape)[()]

    def _configuration(self) -> dict[str, Any]:
        return {
            "pos_weight": self._pos_weight,
            "label_smoothing": self._label_smoothing,
            "ignore_index": self._ignore_index,
            "axis": self._axis,
            "check": self._check,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({written_arguments(self._configuration())})"

    def state_dict(self) -> dict[str, Any]:
        """Return the arguments and the sums as plain numbers, strings, lists and None.

        Returns
        -------
        dict
            Nothing is rounded. `json` takes it, and `from_state_dict` makes the object of it.
        """
        return pack(self._configuration(), self._shape, self._sums)

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Self:
        """Return an object in the state that `state_dict` told.

        Parameters
        ----------
        state : dict
            What `state_dict` returned, with or without a way through JSON.

        Raises
        ------
        ValueError, TypeError
            If it is something else; the message names the field.
        """
        configuration, shape, sums = unpack(state)
        new = cls(**configuration)
        if new._axis is None and shape != ():
            raise ValueError(f"shape is {shape} without an axis; it must be []")
        new._shape, new._sums = shape, sums
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        return self.from_state_dict, (self.state_dict(),)


def refuse_nan_logits(arguments: Arguments, sums: Accumulator) -> None:
    """Raise if a logit that counts is NaN; the sums tell whether it is worth a look."""
    if not np.isnan(sums.results(REDUCTIONS["sum"])).any():
        return
    counted = arguments.counted()
    for box in _parallel.boxes(arguments.input.shape):
        found = np.isnan(arguments.input[box]) & counted[box]
        if found.any():
            inside = np.unravel_index(int(np.argmax(found)), found.shape)
            index = [part.start + int(i) for part, i in zip(box, inside, strict=True)]
            raise element_error(
                "input",
                index,
                "nan, and so would be every result from then on; leave it out with where=, or "
                "construct the object with check=False",
            )


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _as_axis(axis: Any) -> int | tuple[int, ...] | None:
    if axis is None:
        return None
    try:
        if isinstance(axis, tuple | list):
            return tuple(operator.index(a) for a in axis)
        return operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be an int or a tuple of ints, not {shown(axis)}") from None


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b))
