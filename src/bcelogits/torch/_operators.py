"""The computations as operators of torch, opaque to what traces them.

Each takes tensors of the CPU and returns new ones. Derivatives are registered where they are
known, in `_autograd`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import bcelogits
from bcelogits import _parallel
from bcelogits._arrays import Arguments, as_pos_weight
from bcelogits.torch import _kernels
from bcelogits.torch._tensors import Options, as_array, check_broadcast

if TYPE_CHECKING:
    from torch import Tensor

_TENSORS = "Tensor input, Tensor target, Tensor? weight, Tensor? pos_weight"
_OPTIONS = (
    "str reduction, float label_smoothing, Scalar? ignore_index, bool check, int? num_threads, "
    "ScalarType dtype"
)


def _told_apart(*arguments: Any) -> tuple[tuple[Tensor | None, ...], Options, Any]:
    """Return the tensors, the options and what comes last, in the order of the schemas."""
    *options, last = arguments[4:]
    return arguments[:4], Options(*options), last


@torch.library.custom_op(
    "bcelogits::loss",
    mutates_args=(),
    schema=f"({_TENSORS}, {_OPTIONS}, bool with_grad) -> (Tensor, Tensor)",
)
def loss(input: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient by the logits, which is empty unless it is wanted."""
    tensors, options, with_grad = _told_apart(input, *rest)
    if with_grad:
        return _kernels.loss_and_grad(tensors, options)
    return _kernels.loss(tensors, options), input.new_empty(0)


@loss.register_fake
def _(input: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    (_, _, weight, pos_weight), options, with_grad = _told_apart(input, *rest)
    check_broadcast("weight", weight, input)
    check_broadcast("pos_weight", pos_weight, input)
    grad = _kernels.empty_like(input) if with_grad else input.new_empty(0)
    return _kernels.empty_loss(input, options), grad


@torch.library.custom_op(
    "bcelogits::grads",
    mutates_args=(),
    schema=f"(Tensor grad_output, {_TENSORS}, {_OPTIONS}, bool[] needed) -> Tensor[]",
)
def grads(grad_output: Tensor, *rest: Any) -> list[Tensor]:
    """Return the gradients that are needed, and no others."""
    tensors, options, needed = _told_apart(*rest)
    found = _kernels.grads(grad_output, tensors, options, needed)
    return [grad for grad in found if grad is not None]


@grads.register_fake
def _(grad_output: Tensor, *rest: Any) -> list[Tensor]:
    tensors, _, needed = _told_apart(*rest)
    return [
        _kernels.empty_like(tensor)
        for tensor, wanted in zip(tensors, needed, strict=True)
        if tensor is not None and wanted
    ]


@torch.library.custom_op("bcelogits::sigmoid", mutates_args=(), schema="(Tensor x) -> Tensor")
def sigmoid(x: Tensor) -> Tensor:
    """Return the sigmoid of each element."""
    result = _kernels.empty_like(x)
    bcelogits.sigmoid(as_array("input", x), out=as_array("result", result))
    return result


@torch.library.custom_op("bcelogits::softplus", mutates_args=(), schema="(Tensor x) -> Tensor")
def softplus(x: Tensor) -> Tensor:
    """Return the softplus of each element."""
    result = _kernels.empty_like(x)
    bcelogits.softplus(as_array("input", x), out=as_array("result", result))
    return result


@torch.library.custom_op(
    "bcelogits::checked",
    mutates_args=(),
    schema="(Tensor values, str name, Scalar? ignore_index) -> Tensor",
)
def checked(values: Tensor, name: str, ignore_index: int | float | None) -> Tensor:
    """Return the values, unless one is outside the range of the argument of this name."""
    array = as_array(name, values)
    if name == "pos_weight":
        as_pos_weight(array)
    else:
        logits = np.broadcast_to(np.float32(0), array.shape)  # which nobody looks at
        arguments = Arguments(logits, array, None, None, 0.0, ignore_index, None, True)
        _parallel.check_target(arguments.call())
    return values.detach().clone()


def _elementwise_fake(x: Tensor, *_: Any) -> Tensor:
    return _kernels.empty_like(x)


def _elementwise_vmap(operator: Any) -> Any:
    def vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor, *rest: Any) -> tuple[Tensor, Any]:
        return operator(x, *rest), in_dims[0]

    return vmap


for _operator in (sigmoid, softplus, checked):
    _operator.register_fake(_elementwise_fake)
    _operator.register_vmap(_elementwise_vmap(_operator))
