"""The loss of operations that torch differentiates, transforms and batches.

It serves derivatives of second and higher order, ``torch.func`` and forward-mode differentiation.
Softplus and sigmoid come from the C core; the rest are products and sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bcelogits.torch import _operators
from bcelogits.torch._tensors import Options, check_broadcast
from bcelogits.torch._ways import check_forward_mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class _Elementwise(torch.autograd.Function):
    """What functions of each element have in common."""

    generate_vmap_rule = False

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])


class _Sigmoid(_Elementwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _operators.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad_output * (_Sigmoid.apply(x) * _Sigmoid.apply(-x))

    jvp = backward

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor) -> tuple[Tensor, int]:
        return _Sigmoid.apply(x), in_dims[0]


class _Softplus(_Elementwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _operators.softplus(x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad_output * _Sigmoid.apply(x)

    jvp = backward

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor) -> tuple[Tensor, int]:
        return _Softplus.apply(x), in_dims[0]


class _Checked(_Elementwise):
    """The same values, of which none is outside the range of the argument of this name."""

    @staticmethod
    def forward(values: Tensor, name: str, ignore_index: int | float | None) -> Tensor:
        return _operators.checked(values, name, ignore_index)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:
        return grad_output, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return tangent.view_as(tangent)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], values: Tensor, name: str, ignore_index: Any
    ) -> tuple[Tensor, int]:
        return _Checked.apply(values, name, ignore_index), in_dims[0]


def loss(tensors: Sequence[Tensor | None], options: Options) -> Tensor:
    """Return the loss, differentiable to any order."""
    x, target, weight, pos_weight = tensors
    assert x is not None
    assert target is not None
    check_forward_mode()
    check_broadcast("weight", weight, x)
    check_broadcast("pos_weight", pos_weight, x)
    if options.check:
        target = _Checked.apply(target, "target", options.ignore_index)
        if pos_weight is not None:
            pos_weight = _Checked.apply(pos_weight, "pos_weight", None)
    keep = None if options.ignore_index is None else target != options.ignore_index
    # What this rounds on its way, half precision could not hold.
    wide = torch.promote_types(torch.promote_types(x.dtype, options.dtype), torch.float32)
    x, y = x.to(wide), target.to(wide)
    if keep is not None:
        x, y = torch.where(keep, x, 0), torch.where(keep, y, 0)  # whatever they hold
    y = y * (1 - options.label_smoothing) + options.label_smoothing / 2
    positive = y if pos_weight is None else y * pos_weight.to(wide)
    losses = _term(positive, -x) + _term(1 - y, x)
    if weight is not None:
        losses = losses * weight.to(wide)
    if keep is not None:
        losses = torch.where(keep, losses, 0)
    return _reduce(losses, keep, weight, options).to(options.dtype)


def _term(coefficient: Tensor, x: Tensor) -> Tensor:
    """Return the product with softplus(x), 0 and not NaN where it is 0 times infinity."""
    return coefficient * _Softplus.apply(torch.where((coefficient == 0) & x.isinf(), 0, x))


def _reduce(losses: Tensor, keep: Tensor | None, weight: Tensor | None, options: Options) -> Tensor:
    if options.reduction == "none":
        return losses
    if options.reduction == "sum":
        return losses.sum()
    if options.reduction == "mean" or weight is None:
        return losses.mean() if keep is None else losses.sum() / keep.sum()
    weights = weight.to(losses.dtype).expand(losses.shape)
    return losses.sum() / (weights if keep is None else torch.where(keep, weights, 0)).sum()


def grads(
    grad_output: Tensor,
    tensors: Sequence[Tensor | None],
    options: Options,
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Return the gradients that are needed; differentiable if gradients are recorded."""
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # Names of their own, lest one be differentiated by way of another.
        own = [None if t is None else t.view_as(t) for t in tensors]
        value = loss(own, options._replace(check=False))
        wanted = [i for i, n in enumerate(needed) if n and own[i] is not None]
        found = torch.autograd.grad(
            value,
            [own[i] for i in wanted],
            grad_output,
            create_graph=create_graph,
            materialize_grads=True,
        )
    results: list[Tensor | None] = [None] * len(own)
    for i, grad in zip(wanted, found, strict=True):
        results[i] = grad
    return results


def grads_of_grads(
    grads_output: Sequence[Tensor | None],
    grad_output: Tensor,
    tensors: Sequence[Tensor | None],
    options: Options,
    needed: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """Differentiate `grads`: by grad_output and by each tensor that takes part in a graph."""
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = [None if t is None else t.view_as(t) for t in (grad_output, *tensors)]
        first = grads(inputs[0], inputs[1:], options, needed)
        pairs = [
            (a, b)
            for a, b in zip(first, grads_output, strict=True)
            if a is not None and b is not None and a.requires_grad
        ]
        wanted = [i for i, t in enumerate(inputs) if t is not None and t.requires_grad]
        results: list[Tensor | None] = [None] * len(inputs)
        if pairs:  # the gradients may all be constant
            found = torch.autograd.grad(
                [a for a, _ in pairs],
                [inputs[i] for i in wanted],
                [b for _, b in pairs],
                create_graph=create_graph,
                materialize_grads=True,
            )
            for i, grad in zip(wanted, found, strict=True):
                results[i] = grad
    return tuple(results)
