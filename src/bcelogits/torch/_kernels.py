"""The loss and its gradients as functions of tensors, which the C core computes.

Nothing here knows of graphs, and tensors are those of the CPU, with memory of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bcelogits import _core, _parallel
from bcelogits._core import REDUCTIONS
from bcelogits._derivatives import map_grad, reduce_grad
from bcelogits._threads import as_num_threads
from bcelogits.torch._tensors import NAMES, Options, as_arguments, as_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_DTYPES = {torch.float16: "f2", torch.float32: "f4", torch.float64: "f8"}


def empty_like(tensor: Tensor) -> Tensor:
    """Return room for the gradient by a tensor."""
    return torch.empty_like(tensor, requires_grad=False)


def empty_loss(input: Tensor, options: Options) -> Tensor:
    """Return room for the loss."""
    if options.reduction == "none":
        return torch.empty_like(input, dtype=options.dtype, requires_grad=False)
    return torch.empty((), dtype=options.dtype, device=input.device)


def _room(input: Tensor, options: Options) -> tuple[Tensor, NDArray[Any]]:
    """Return room for the loss, as a tensor and as its array."""
    if options.reduction == "none" or options.dtype is torch.bfloat16:
        value = empty_loss(input, options)
        return value, as_array("value", value)
    array = np.empty((), _DTYPES[options.dtype])
    return torch.from_numpy(array), array  # in half the time


def loss(tensors: Sequence[Tensor | None], options: Options) -> Tensor:
    """Compute the loss."""
    arguments = as_arguments(tensors, options, check=True)
    threads = as_num_threads(options.num_threads)
    input = tensors[0]
    assert input is not None
    value, out = _room(input, options)
    if options.reduction == "none":
        call = arguments.call(float64=options.dtype is torch.float64)
        _parallel.map_elements(call, _core.LOSS, threads, out)
    else:
        _parallel.reduce(arguments.call(), REDUCTIONS[options.reduction], threads, out)
    return value


def loss_and_grad(tensors: Sequence[Tensor | None], options: Options) -> tuple[Tensor, Tensor]:
    """Compute the loss and, in the same pass over memory, its gradient by the logits."""
    arguments = as_arguments(tensors, options, check=True)
    threads = as_num_threads(options.num_threads)
    input = tensors[0]
    assert input is not None
    value, out = _room(input, options)
    grad = empty_like(input)
    grad_out = as_array("grad", grad)
    if options.reduction == "none":
        call = arguments.call(float64=options.dtype is torch.float64)
        _parallel.map_elements(call, _core.LOSS_AND_GRAD, threads, out, grad_out)
    else:
        code = REDUCTIONS[options.reduction]
        _parallel.value_and_grad(arguments.call(), code, 1.0, threads, out, grad_out)
    return value, grad


def grads(
    grad_output: Tensor,
    tensors: Sequence[Tensor | None],
    options: Options,
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """Compute the gradients that are needed, each of the shape and dtype of its tensor."""
    arguments = as_arguments(tensors, options, check=False)  # the loss has checked them
    threads = as_num_threads(options.num_threads)
    code = REDUCTIONS.get(options.reduction)
    factor = as_array("grad_output", grad_output)
    call = arguments.call(grad_output=factor if code is None else None)
    shape = arguments.input.shape
    results: list[Tensor | None] = [None] * len(NAMES)
    for i, name in enumerate(NAMES):
        tensor = tensors[i]
        if tensor is None or not needed[i]:
            continue
        grad = results[i] = empty_like(tensor)
        out = as_array("grad", grad)
        if code is None:
            map_grad(call, name, threads, out, shape)
        elif name == "input":
            value = np.empty(())  # comes with it
            _parallel.value_and_grad(call, code, float(factor), threads, value, out)
        else:
            reduce_grad(call, name, code, float(factor), threads, out, shape)
    return results
