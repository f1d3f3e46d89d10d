"""The loss: the function, the class, and what each reduction takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bcelogits import _core, _parallel
from bcelogits._arrays import (
    Arguments,
    Result,
    as_float_dtype,
    as_ignore_index,
    as_label_smoothing,
    as_pos_weight,
    as_weight,
    kept,
    split_axes,
)
from bcelogits._core import REDUCTIONS
from bcelogits._derivatives import compute_grad_and_hess, compute_value_and_grad
from bcelogits._reduction import Reduction, legacy_reduction, warn_of_empty_means
from bcelogits._repr import written_arguments
from bcelogits._threads import as_num_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray


def binary_cross_entropy_with_logits(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    pos_weight: ArrayLike | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    where: ArrayLike | None = None,
    axis: int | tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    check: bool = True,
    num_threads: int | None = None,
    out: NDArray[Any] | None = None,
) -> Any:
    r"""Binary cross entropy of logits.

    With the logit :math:`x`, target :math:`y`, weight :math:`w` and weight of positives :math:`p`
    the loss of an element is

    .. math::

        w \left[ p\,y \log(1 + e^{-x}) + (1 - y) \log(1 + e^{x}) \right].

    Positional arguments are in the order of ``torch.nn.functional``'s function of this name.

    Parameters
    ----------
    input : array_like
        Logits, of any shape: float16, bfloat16, float32 or float64. Integers and booleans become
        float64, but for uint16, the type of bit patterns of bfloat16.
    target : array_like
        Probabilities in [0, 1], of the shape of `input`, of one of these dtypes, an integer dtype
        or bool.
    weight : array_like, optional
        Factor of each element, broadcast against `input`.
    size_average, reduce : bool, optional
        Deprecated, as in PyTorch: they override `reduction`.
    reduction : {'mean', 'sum', 'weighted_mean', 'none'}
        'mean' divides the sum by the number of elements, 'weighted_mean' by the sum of their
        weights, 'none' gives the loss of each element.
    pos_weight : array_like, optional
        Factor of the positive term, >= 0, broadcast against `input`: shape (C,) for logits of shape
        (N, C), (C, 1, 1) for (N, C, H, W).
    label_smoothing : float
        With a in [0, 1], y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Elements whose target equals it are left out: of the sum, of what it is divided by, and of
        the check. With 'none' their loss is 0.
    where : array_like of bool, optional
        Elements to count, broadcast against `input`. The others are left out.
    axis : int or tuple of int, optional
        Reduce over these axes only. Not with 'none'.
    dtype : dtype, optional
        Dtype of the result, by default that of `out`, or else of `input`. With 'none', float64 is
        also what the loss is computed in.
    check : bool
        Whether a target outside [0, 1] is an error. Otherwise the formula holds as it is written.
    num_threads : int, optional
        Number of threads, -1 for all cores; by default what `set_num_threads` set.
    out : ndarray, optional
        Where the result is written, of its shape. It may share memory with the other arguments.

    Returns
    -------
    ndarray or scalar
        With 'none' an array of the shape of `input`, otherwise a NumPy scalar, or an array of the
        axes that are left. `out` if it is given.

    Raises
    ------
    ValueError
        If shapes do not fit, a target is outside [0, 1], an element of `pos_weight` is negative, an
        element that is not left out is missing in one of the arrays, or an argument is not one of
        its choices. After an error about a target's value `out` may hold anything, unless it
        shares memory with another argument.
    TypeError
        If a dtype is complex, of objects that are no numbers or otherwise not real, or of extended
        precision; or if an argument is of a kind that gives no array, such as a sparse one.

    Warns
    -----
    RuntimeWarning
        If a mean is that of no element, or its weights add up to 0.
    DeprecationWarning
        If `size_average` or `reduce` is given.

    See Also
    --------
    BCEWithLogitsLoss : Keeps the arguments for many calls.
    value_and_grad : The loss and its gradient in one pass.

    Notes
    -----
    Arrays are read by position: labels and indexes are not looked at. None, NA, a null or an
    element under a mask is missing, and never a number; what is left out may miss anything.

    A term whose factor is 0 is 0, also where the logarithm is infinite. Sums and means are carried
    in more than double precision. The weight arguments are rounded to float32 unless `input` is
    float64.

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import binary_cross_entropy_with_logits
    >>> loss = binary_cross_entropy_with_logits(np.array([0.2, -1.5, 3.0, 0.7]), [1, 0, 1, 0])
    >>> print(f"{loss:.8f}")
    0.48783139
    """
    meant = legacy_reduction(size_average, reduce, reduction)
    threads = as_num_threads(num_threads)
    arguments = Arguments(
        input,
        target,
        as_weight("weight", weight, partial=True),
        as_pos_weight(pos_weight, partial=True),
        as_label_smoothing(label_smoothing),
        as_ignore_index(ignore_index),
        where,
        check,
    )
    if meant != "none":
        return _reduce_loss(arguments, threads, meant, axis, dtype, out)
    if axis is not None:
        raise ValueError("axis is for reductions, not for reduction='none'")
    return _map_loss(arguments, threads, dtype, out)


def _map_loss(
    arguments: Arguments, threads: int, dtype: DTypeLike | None = None, out: Any = None
) -> Any:
    result_dtype = arguments.dtype if dtype is None else as_float_dtype(dtype)
    result = Result(
        "out", out, arguments.input, result_dtype, arguments.arrays(), strict=dtype is not None
    )
    call = arguments.call(float64=dtype is not None and result_dtype == np.float64)
    if result.shares and arguments.check:
        _parallel.check_target(call)  # before anything is overwritten
    _parallel.map_elements(call, _core.LOSS, threads, result.array)
    return result.get()


def _reduce_loss(
    arguments: Arguments,
    threads: int,
    reduction: str,
    axis: int | tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    out: Any = None,
) -> Any:
    """Sum or average the loss over the axes."""
    shape, order = split_axes(arguments.input.shape, axis)
    result = Result(
        "out",
        out,
        shape,
        arguments.dtype if dtype is None else as_float_dtype(dtype),
        arguments.arrays(),
        elementwise=False,
        strict=dtype is not None,
    )
    _parallel.reduce(arguments.call(), REDUCTIONS[reduction], threads, result.array, order)
    warn_of_empty_means(arguments, reduction, threads, result.array, axis)
    return result.get()


class BCEWithLogitsLoss(_core.Loss):
    """Binary cross entropy of logits, with arguments kept for many calls.

    The arguments, and what a call returns, are those of `binary_cross_entropy_with_logits`. They
    are validated and copied once, here. Positional arguments are in the order of
    ``torch.nn.BCEWithLogitsLoss``.

    Parameters
    ----------
    weight : array_like, optional
        Factor of each element, broadcast against the logits.
    size_average, reduce : bool, optional
        Deprecated, as in PyTorch: they override `reduction`.
    reduction : {'mean', 'sum', 'weighted_mean', 'none'}
        What a call returns: the sum of the losses, that sum divided by the number of elements or by
        the sum of their weights, or the loss of each element.
    pos_weight : array_like, optional
        Factor of the positive term, >= 0, broadcast against the logits.
    label_smoothing : float
        With a in [0, 1], y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Elements whose target equals it are left out.
    check : bool
        Whether a target outside [0, 1] is an error.
    num_threads : int, optional
        Number of threads, -1 for all cores; by default what `set_num_threads` set.

    Attributes
    ----------
    weight, pos_weight : ndarray or None
        Copies of what was given, which cannot be written to.
    reduction : str
    label_smoothing : float
    ignore_index : int, float or None
    check : bool
    num_threads : int or None

    Examples
    --------
    >>> import numpy as np
    >>> from bcelogits import BCEWithLogitsLoss
    >>> criterion = BCEWithLogitsLoss(pos_weight=[10.0])
    >>> loss = criterion(np.array([0.2, -0.8, 1.5]), [1, 0, 1])
    >>> print(f"{loss:.8f}")
    2.78887405
    """

    def __init__(
        self,
        weight: ArrayLike | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Reduction = "mean",
        pos_weight: ArrayLike | None = None,
        *,
        label_smoothing: float = 0.0,
        ignore_index: float | None = None,
        check: bool = True,
        num_threads: int | None = None,
    ) -> None:
        as_num_threads(num_threads)
        super().__init__(
            weight=kept(as_weight("weight", weight)),
            reduction=legacy_reduction(size_average, reduce, reduction),
            pos_weight=kept(as_pos_weight(pos_weight)),
            label_smoothing=as_label_smoothing(label_smoothing),
            ignore_index=as_ignore_index(ignore_index),
            check=bool(check),
            num_threads=num_threads,
            # A subclass with a method `forward` of its own expects to see every call.
            plain=type(self).forward is BCEWithLogitsLoss.forward,
        )

    def forward(self, input: ArrayLike, target: ArrayLike) -> Any:
        """Compute the loss; the same as calling the object.

        Parameters
        ----------
        input : array_like
            Logits.
        target : array_like
            Probabilities in [0, 1], of the shape of `input`.

        Returns
        -------
        ndarray or scalar
            With reduction 'none' an array of the shape of `input`, otherwise a NumPy scalar.
        """
        arguments = self._arguments(input, target)
        threads = as_num_threads(self.num_threads)
        if self.reduction == "none":
            return _map_loss(arguments, threads)
        return _reduce_loss(arguments, threads, self.reduction)

    def value_and_grad(
        self,
        input: ArrayLike,
        target: ArrayLike,
        *,
        wrt: str | tuple[str, ...] = "input",
        grad_output: ArrayLike | None = None,
        where: ArrayLike | None = None,
        out: Any = None,
    ) -> tuple[Any, Any]:
        """Compute the loss and its gradient; see the function `value_and_grad`."""
        arguments = self._arguments(input, target, where)
        threads = as_num_threads(self.num_threads)
        return compute_value_and_grad(arguments, threads, self.reduction, wrt, grad_output, out)

    def grad_and_hess(
        self,
        input: ArrayLike,
        target: ArrayLike,
        *,
        where: ArrayLike | None = None,
        hess_floor: float = 0.0,
        dtype: DTypeLike | None = None,
        out: Any = None,
    ) -> tuple[Any, Any]:
        """Compute elementwise derivatives by the logits; see the function `grad_and_hess`."""
        arguments = self._arguments(input, target, where)
        threads = as_num_threads(self.num_threads)
        return compute_grad_and_hess(arguments, threads, hess_floor, dtype, out)

    def _is_cut(self, size: int) -> bool:
        """Whether a call on so many elements goes to `forward`, which can share it."""
        return _parallel.is_cut(size, as_num_threads(self.num_threads))

    def _arguments(
        self, input: ArrayLike, target: ArrayLike, where: ArrayLike | None = None
    ) -> Arguments:
        return Arguments(
            input,
            target,
            self.weight,
            self.pos_weight,
            self.label_smoothing,
            self.ignore_index,
            where,
            self.check,
        )

    def _configuration(self) -> dict[str, Any]:
        return {
            "reduction": self.reduction,
            "weight": self.weight,
            "pos_weight": self.pos_weight,
            "label_smoothing": self.label_smoothing,
            "ignore_index": self.ignore_index,
            "check": self.check,
            "num_threads": self.num_threads,
        }

    def extra_repr(self) -> str:
        """Return what is set, as a string: the arguments shown by ``repr``."""
        return written_arguments(self._configuration())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self._configuration()), self.__dict__


def _restore(cls: type[BCEWithLogitsLoss], configuration: dict[str, Any]) -> BCEWithLogitsLoss:
    """Return an object of a class whose constructor may take other arguments."""
    loss = cls.__new__(cls)
    BCEWithLogitsLoss.__init__(loss, **configuration)
    return loss
