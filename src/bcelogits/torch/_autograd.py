"""The loss and its gradients as autograd sees them: as functions, and as traced operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bcelogits.torch import _formula, _kernels, _operators
from bcelogits.torch._tensors import HALVES, Options
from bcelogits.torch._ways import COMPOSED, DIRECT, way_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Loss(torch.autograd.Function):
    """The loss. Its gradient by the logits, if they need one, is computed along with it."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        pos_weight: Tensor | None,
        options: Options,
    ) -> Tensor:
        tensors = input, target, weight, pos_weight
        ctx.options = options
        if not ctx.needs_input_grad[0]:
            ctx.save_for_backward(*tensors, None)
            return _kernels.loss(tensors, options)
        value, grad = _kernels.loss_and_grad(tensors, options)
        ctx.save_for_backward(*tensors, grad)
        return value

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, unit_grad = ctx.saved_tensors
        needed = ctx.needs_input_grad[:4]
        return *differentiate(grad_output, tensors, ctx.options, needed, unit_grad), None


class Grads(torch.autograd.Function):
    """The gradients that are needed, and None for the others."""

    @staticmethod
    def forward(
        ctx: Any,
        grad_output: Tensor,
        input: Tensor,
        target: Tensor,
        weight: Tensor | None,
        pos_weight: Tensor | None,
        options: Options,
        needed: Sequence[bool],
    ) -> tuple[Tensor | None, ...]:
        tensors = input, target, weight, pos_weight
        ctx.save_for_backward(grad_output, *tensors)
        ctx.options, ctx.needed = options, needed
        return tuple(_kernels.grads(grad_output, tensors, options, needed))

    @staticmethod
    def backward(ctx: Any, *grads_output: Tensor | None) -> tuple[Tensor | None, ...]:
        grad_output, *tensors = ctx.saved_tensors
        found = _formula.grads_of_grads(grads_output, grad_output, tensors, ctx.options, ctx.needed)
        return *found, None, None


def differentiate(
    grad_output: Tensor,
    tensors: Sequence[Tensor | None],
    options: Options,
    needed: Sequence[bool],
    unit_grad: Tensor | None,
) -> Sequence[Tensor | None]:
    """Return the gradients that are needed, and None for the others.

    `unit_grad`, if it is known, is the one by the logits where `grad_output` is 1.
    """
    chosen = way_back(grad_output, *tensors)
    if chosen == COMPOSED:
        return _formula.grads(grad_output, tensors, options, needed)
    known = None
    if needed[0] and unit_grad is not None and not torch.is_grad_enabled():
        known = _scaled(unit_grad, grad_output, options, may_look=chosen == DIRECT)
    if known is not None:
        needed = (False, *needed[1:])
        if not any(needed):
            return known, None, None, None
    if chosen != DIRECT:
        found = _spread(_operators.grads(grad_output, *tensors, *options, needed), needed)
    elif torch.is_grad_enabled():  # gradients of gradients may be asked for
        found = Grads.apply(grad_output, *tensors, options, needed)
    else:
        found = _kernels.grads(grad_output, tensors, options, needed)
    return found if known is None else (known, *found[1:])


def comes_with_grad(input: Tensor, options: Options) -> bool:
    """Whether the gradient of a traced loss is worth computing along with it."""
    return (
        torch.is_grad_enabled()
        and input.requires_grad
        and (options.reduction == "none" or input.dtype not in HALVES)
    )


def _scaled(grad: Tensor, factor: Tensor, options: Options, may_look: bool) -> Tensor | None:
    """Return the gradient times the factor, or None if that would lose digits."""
    if options.reduction != "none":
        if may_look and factor.item() == 1:
            return grad
        if grad.dtype in HALVES:
            return None  # divided by a number of elements, it may be subnormal
    return (grad * factor).to(grad.dtype)


def _spread(grads: Sequence[Tensor], needed: Sequence[bool]) -> list[Tensor | None]:
    found = iter(grads)
    return [next(found) if wanted else None for wanted in needed]


# ---- operators -------------------------------------------------------------------------------


def _of_loss(ctx: Any, grad_output: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    *tensors, unit_grad = ctx.saved_tensors
    needed = list(ctx.needs_input_grad[:4])
    found = differentiate(grad_output, tensors, ctx.options, needed, unit_grad)
    return *found, *(None for _ in ctx.options), None


def _of_grads(ctx: Any, grads_output: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    grad_output, *tensors = ctx.saved_tensors
    found = _formula.grads_of_grads(
        _spread(grads_output, ctx.needed), grad_output, tensors, ctx.options, ctx.needed
    )
    return *found, *(None for _ in ctx.options), None


def _keep_loss(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors_and_options, with_grad = inputs
    ctx.options = Options(*tensors_and_options[4:])
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*tensors_and_options[:4], output[1] if with_grad else None)


def _keep_grads(ctx: Any, inputs: tuple[Any, ...], output: Sequence[Tensor]) -> None:
    *tensors_and_options, ctx.needed = inputs
    ctx.options = Options(*tensors_and_options[5:])
    ctx.save_for_backward(*tensors_and_options[:5])


_operators.loss.register_autograd(_of_loss, setup_context=_keep_loss)
_operators.grads.register_autograd(_of_grads, setup_context=_keep_grads)
