"""The function and the module, with torch's signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.overrides import handle_torch_function, has_torch_function_variadic

from bcelogits._arrays import as_ignore_index, as_label_smoothing
from bcelogits._reduction import Reduction, legacy_reduction, reduction_meant_by
from bcelogits._repr import written_arguments
from bcelogits._threads import as_num_threads
from bcelogits.torch import _autograd, _formula, _kernels, _operators
from bcelogits.torch._tensors import Options, check_operands, check_tensors, result_dtype
from bcelogits.torch._ways import COMPOSED, DIRECT, TRACED, way

if TYPE_CHECKING:
    from torch import Tensor


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    pos_weight: Tensor | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: float | None = None,
    check: bool = True,
    num_threads: int | None = None,
) -> Tensor:
    r"""Binary cross entropy of logits, for tensors on the CPU.

    Takes the place of ``torch.nn.functional.binary_cross_entropy_with_logits``: arguments, results
    and what can be done with them are the same. Tensors are not copied. If the logits need a
    gradient, it is computed in the same pass over memory as the loss.

    Parameters
    ----------
    input : Tensor
        Logits, of any shape: float16, bfloat16, float32 or float64.
    target : Tensor
        Probabilities in [0, 1], of the shape of `input`; also of an integer dtype, or bool.
    weight : Tensor, optional
        Factor of each element, broadcast against `input`.
    size_average, reduce : bool, optional
        Deprecated, as in PyTorch: they override `reduction`.
    reduction : {'mean', 'sum', 'weighted_mean', 'none'}
        'mean' divides the sum by the number of elements, 'weighted_mean' by the sum of their
        weights, 'none' gives the loss of each element.
    pos_weight : Tensor, optional
        Factor of the positive term, >= 0, broadcast against `input`.
    label_smoothing : float
        With a in [0, 1], y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Elements whose target equals it are left out: of the sum, of what it is divided by, and of
        the check. With 'none' their loss is 0.
    check : bool
        Whether a target outside [0, 1] is an error. Otherwise the formula holds as it is written,
        as in PyTorch.
    num_threads : int, optional
        Number of threads, -1 for all cores; by default what `bcelogits.set_num_threads` set.

    Returns
    -------
    Tensor
        With 'none' of the shape of `input`, otherwise of no dimensions. Its dtype is that of
        `target`, or of `input` if targets are integers; under ``torch.autocast`` at least float32.

    Raises
    ------
    ValueError
        If shapes do not fit, a target is outside [0, 1], an element of `pos_weight` is negative, or
        an argument is not one of its choices.
    TypeError
        If an argument is no dense tensor of real numbers.
    NotImplementedError
        If a tensor is on another device than the CPU.

    See Also
    --------
    BCEWithLogitsLoss : Keeps the arguments for many calls.

    Notes
    -----
    All four tensors can be differentiated by, to any order. ``torch.compile`` takes the function
    into its graph whole. Under ``torch.func`` and in forward mode, and for derivatives of second
    and higher order, operations of torch are applied to the softplus of this package.

    Examples
    --------
    >>> import torch
    >>> from bcelogits.torch import binary_cross_entropy_with_logits
    >>> logits = torch.tensor([0.2, -1.5, 3.0, 0.7], requires_grad=True)
    >>> loss = binary_cross_entropy_with_logits(logits, torch.tensor([1.0, 0.0, 1.0, 0.0]))
    >>> loss.backward()
    >>> print(f"{loss.item():.6f}", logits.grad[1])
    0.487831 tensor(0.0456)
    """
    if has_torch_function_variadic(input, target, weight, pos_weight):
        result: Tensor = handle_torch_function(
            binary_cross_entropy_with_logits,
            (input, target, weight, pos_weight),
            input,
            target,
            weight,
            size_average,
            reduce,
            reduction,
            pos_weight,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            check=check,
            num_threads=num_threads,
        )
        return result
    tensors = input, target, weight, pos_weight
    chosen = way(*tensors)
    if chosen != DIRECT:
        check_tensors(*tensors)
    check_operands(input, target)
    if chosen == TRACED and (size_average is not None or reduce is not None):
        # A warning finds the caller by frames, which no graph has.
        meant = reduction_meant_by(size_average, reduce)
    else:
        meant = legacy_reduction(size_average, reduce, reduction)
    as_num_threads(num_threads)
    options = Options(
        meant,
        as_label_smoothing(label_smoothing),
        as_ignore_index(ignore_index),
        bool(check),
        num_threads,
        result_dtype(input, target),
    )
    if chosen == DIRECT:
        if torch.is_grad_enabled():
            for tensor in tensors:
                if tensor is not None and tensor.requires_grad:
                    return _autograd.Loss.apply(*tensors, options)
        return _kernels.loss(tensors, options)
    if chosen == COMPOSED:
        return _formula.loss(tensors, options)
    return _operators.loss(*tensors, *options, _autograd.comes_with_grad(input, options))[0]


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """Binary cross entropy of logits as a module, for tensors on the CPU.

    Takes the place of ``torch.nn.BCEWithLogitsLoss``, whose subclass it is: the same arguments, and
    `weight` and `pos_weight` are buffers of the same names: the tensors themselves, as in torch,
    not copies. A call does what `binary_cross_entropy_with_logits` does.

    Parameters
    ----------
    weight : Tensor, optional
        Factor of each element, broadcast against the logits.
    size_average, reduce : bool, optional
        Deprecated, as in PyTorch: they override `reduction`.
    reduction : {'mean', 'sum', 'weighted_mean', 'none'}
        What a call returns: the sum of the losses, that sum divided by the number of elements or by
        the sum of their weights, or the loss of each element.
    pos_weight : Tensor, optional
        Factor of the positive term, >= 0, broadcast against the logits.
    label_smoothing : float
        With a in [0, 1], y becomes y (1 - a) + a / 2.
    ignore_index : int or float, optional
        Elements whose target equals it are left out.
    check : bool
        Whether a target outside [0, 1] is an error.
    num_threads : int, optional
        Number of threads, -1 for all cores; by default what `bcelogits.set_num_threads` set.

    Examples
    --------
    >>> import torch
    >>> from bcelogits.torch import BCEWithLogitsLoss
    >>> criterion = BCEWithLogitsLoss(pos_weight=torch.tensor([10.0]))
    >>> loss = criterion(torch.tensor([0.2, -0.8, 1.5]), torch.tensor([1.0, 0.0, 1.0]))
    >>> print(f"{loss.item():.6f}")
    2.788874
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: Reduction = "mean",
        pos_weight: Tensor | None = None,
        *,
        label_smoothing: float = 0.0,
        ignore_index: float | None = None,
        check: bool = True,
        num_threads: int | None = None,
    ) -> None:
        as_num_threads(num_threads)
        meant = legacy_reduction(size_average, reduce, reduction)
        super().__init__(weight, reduction=meant, pos_weight=pos_weight)
        self.label_smoothing = as_label_smoothing(label_smoothing)
        self.ignore_index = as_ignore_index(ignore_index)
        self.check = bool(check)
        self.num_threads = num_threads

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        input : Tensor
            Logits.
        target : Tensor
            Probabilities in [0, 1], of the shape of `input`.

        Returns
        -------
        Tensor
            With reduction 'none' of the shape of `input`, otherwise of no dimensions.
        """
        return binary_cross_entropy_with_logits(
            input,
            target,
            self.weight,
            reduction=self.reduction,
            pos_weight=self.pos_weight,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_index,
            check=self.check,
            num_threads=self.num_threads,
        )

    def extra_repr(self) -> str:
        """Return what is set, as a string: the arguments shown by ``repr``."""
        names = (
            "reduction",
            "weight",
            "pos_weight",
            "label_smoothing",
            "ignore_index",
            "check",
            "num_threads",
        )
        return written_arguments({name: getattr(self, name) for name in names})
