"""Tensors: what is taken, as which arrays, and the options that go with them.

An array shares the memory of its tensor: nothing is copied in either direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from bcelogits._arrays import Arguments, as_pos_weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

NAMES = ("input", "target", "weight", "pos_weight")

HALVES = (torch.float16, torch.bfloat16)
_LOGITS = (*HALVES, torch.float32, torch.float64)


class Options(NamedTuple):
    """What is not a tensor. `dtype` is that of the loss."""

    reduction: str
    label_smoothing: float
    ignore_index: int | float | None
    check: bool
    num_threads: int | None
    dtype: torch.dtype


def check_tensors(
    input: Tensor, target: Tensor, weight: Tensor | None, pos_weight: Tensor | None
) -> None:
    """Raise unless these are dense tensors of the CPU, or without memory."""
    for name, tensor in zip(NAMES, (input, target, weight, pos_weight), strict=True):
        if tensor is None and name in ("weight", "pos_weight"):
            continue
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, not {type(tensor).__name__}")
        if not (tensor.is_cpu or tensor.is_meta):
            raise NotImplementedError(
                f"{name} is on {tensor.device}; bcelogits computes on the CPU alone. For other "
                "devices there is torch.nn.functional.binary_cross_entropy_with_logits"
            )
        if tensor.layout is not torch.strided or tensor.is_nested:
            raise TypeError(f"{name} must be a dense tensor, not one of layout {tensor.layout}")


def check_operands(input: Tensor, target: Tensor) -> None:
    """Raise unless logits are floats, and targets have their shape."""
    if input.dtype not in _LOGITS:
        raise TypeError(
            f"input has dtype {input.dtype}; it must be float16, bfloat16, float32 or float64"
        )
    if target.shape != input.shape:
        raise ValueError(
            f"target has shape {tuple(target.shape)}, input has shape {tuple(input.shape)}; "
            "they must be the same"
        )


def check_broadcast(name: str, tensor: Tensor | None, input: Tensor) -> None:
    """Raise if a weight does not broadcast to the shape of the logits, as the library does."""
    if tensor is None:
        return
    fits = tensor.ndim <= input.ndim
    for extent, wanted in zip(reversed(tensor.shape), reversed(input.shape), strict=False):
        fits = fits and extent in (1, wanted)
    if not fits:
        raise ValueError(
            f"{name} of shape {tuple(tensor.shape)} does not broadcast to the shape of input, "
            f"{tuple(input.shape)}"
        )


def result_dtype(input: Tensor, target: Tensor) -> torch.dtype:
    """Return the dtype of the loss: as torch has it, that of the target if it is a float."""
    dtype: torch.dtype = target.dtype if target.is_floating_point() else input.dtype
    if dtype in HALVES and torch.is_autocast_enabled("cpu"):
        return torch.float32
    return dtype


def as_array(name: str, tensor: Tensor) -> NDArray[Any]:
    """Return the memory of a tensor as an array."""
    try:
        if tensor.dtype is torch.bfloat16:
            bits: NDArray[Any] = tensor.detach().resolve_neg().view(torch.int16).numpy()
            return bits.view(_bfloat16())
        return tensor.numpy(force=True)  # even if it needs a gradient
    except TypeError as error:
        raise TypeError(f"{name} of dtype {tensor.dtype} is not supported: {error}") from error


def _bfloat16() -> Any:
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise ImportError(
            "tensors of dtype bfloat16 need ml_dtypes, which bcelogits[torch] installs"
        ) from None
    return bfloat16


def as_arguments(tensors: Sequence[Tensor | None], options: Options, check: bool) -> Arguments:
    """Return the arguments as the rest of the package takes them."""
    input, target, weight, pos_weight = tensors
    assert input is not None
    assert target is not None
    p = None if pos_weight is None else as_array("pos_weight", pos_weight)
    return Arguments(
        as_array("input", input),
        as_array("target", target),
        None if weight is None else as_array("weight", weight),
        as_pos_weight(p) if check else p,
        options.label_smoothing,
        options.ignore_index,
        None,
        check and options.check,
    )
