"""Which of three ways a call goes.

DIRECT: Tensors have memory, and nobody watches: the C core computes, in functions of autograd.
TRACED: What is done is recorded, by ``torch.compile`` or a dispatch mode for example, or tensors
        have no memory: operators that torch knows.
COMPOSED: Transforms of ``torch.func`` or forward-mode differentiation: the formula of the loss, of
        operations that torch transforms, over the softplus of the C core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.autograd import forward_ad

if TYPE_CHECKING:
    from torch import Tensor

DIRECT, TRACED, COMPOSED = range(3)

_PLAIN = (torch.Tensor, torch.nn.Parameter)

_transforms = torch._C._functorch.get_dynamic_layer_stack_depth
_dispatch_modes = torch._C._len_torch_dispatch_stack
_is_compiling = torch.compiler.is_compiling
_is_tracing = torch.jit.is_tracing


def way(*tensors: Tensor | None) -> int:
    """Return which way a call on these tensors goes."""
    if _transforms() or forward_ad._current_level >= 0:
        return COMPOSED
    if _is_compiling() or _dispatch_modes() or _is_tracing():
        return TRACED
    for tensor in tensors:
        if tensor is not None and not (
            type(tensor) in _PLAIN and tensor.is_cpu and tensor.layout is torch.strided
        ):
            return TRACED
    return DIRECT


def way_back(grad_output: Tensor, *tensors: Tensor | None) -> int:
    """Return which way the gradients of these tensors are computed."""
    if torch._C._functorch.is_legacy_batchedtensor(grad_output):  # by is_grads_batched=True
        return COMPOSED
    return way(grad_output, *tensors)


def check_forward_mode() -> None:
    """Raise where torch would take a derivative for 0: in forward mode within forward mode."""
    if _is_compiling():
        return
    levels = torch._C._functorch.get_interpreter_stack() or ()
    if sum(level.key() == torch._C._functorch.TransformType.Jvp for level in levels) > 1:
        raise NotImplementedError(
            "forward mode within forward mode differentiates no function that is not torch's own; "
            "take one of the two derivatives in reverse mode, for example by torch.func.jacrev"
        )
