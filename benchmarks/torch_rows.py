"""What is measured of bcelogits.torch: each call against torch's own loss, on the same tensors."""

from __future__ import annotations

from functools import partial
from typing import Any

from . import peers
from .cases import Case, pair
from .data import logits, targets
from .measure import Contest

SMALL, LARGE = 16, 2**20


def _losses(module: bool) -> dict[str, Any]:
    peers.load("PyTorch")
    import torch

    import bcelogits.torch

    if module:
        ours, theirs = bcelogits.torch.BCEWithLogitsLoss, torch.nn.BCEWithLogitsLoss
        return {"loss": ours(), "torch_loss": theirs()}
    return {
        "loss": bcelogits.torch.binary_cross_entropy_with_logits,
        "torch_loss": torch.nn.functional.binary_cross_entropy_with_logits,
    }


def _tensors(shape: int | tuple[int, ...], dtype: str = "float32") -> dict[str, Any]:
    convert = peers.load("PyTorch").convert
    return {"x": convert(logits(shape, dtype)), "t": convert(targets(shape, dtype))}


def _forward(n: int, dtype: str, arguments: str = "") -> Contest:
    return pair(
        f"loss(x, t{arguments})",
        f"torch_loss(x, t{arguments})",
        **_losses(module=False),
        **_tensors(n, dtype),
    )


def _forward_and_backward(n: int, dtype: str) -> Contest:
    names = _losses(module=False) | _tensors(n, dtype)
    names["x"].requires_grad_()
    return pair(
        "x.grad = None; loss(x, t).backward()",
        "x.grad = None; torch_loss(x, t).backward()",
        **names,
    )


def _training_step(samples: int, features: int, hidden: int, labels: int) -> Contest:
    """A step of a network of two layers, by gradient descent."""
    names = _losses(module=True)
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(features, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, labels)
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    x = _tensors((samples, features))["x"]
    t = _tensors((samples, labels))["t"]

    def step(criterion: Any) -> None:
        optimizer.zero_grad()
        criterion(network(x), t).backward()
        optimizer.step()

    return pair("step(loss)", "step(torch_loss)", step=step, **names)


def cases() -> list[Case]:
    """Return the rows."""
    against = "PyTorch"
    found = []
    for n, written in ((SMALL, "n = 16"), (LARGE, "2^20")):
        for dtype in ("float32", "float64"):
            if n == SMALL and dtype == "float64":
                continue
            name = f"{dtype}, {written}"
            both = partial(_forward_and_backward, n, dtype)
            none = partial(_forward, n, dtype, ", reduction='none'")
            found += [
                Case(f"torch: mean, {name}", against, None, None, partial(_forward, n, dtype)),
                Case(f"torch: none, {name}", against, None, None, none),
                Case(f"torch: mean, forward and backward, {name}", against, None, None, both),
            ]
    for sizes in ((256, 32, 64, 20), (4096, 64, 64, 256)):
        samples, features, hidden, labels = sizes
        name = f"{samples} samples, {features} features, {hidden} hidden, {labels} labels"
        make = partial(_training_step, *sizes)
        found.append(Case(f"torch: a training step, {name}", against, None, None, make))
    return found
