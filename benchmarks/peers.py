"""Other libraries, and this one: how each computes the mean, the losses and the gradient.

A peer is loaded when it is first asked for. One that cannot be is kept in `missing`, with the
reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import bcelogits as bce

Array = Any


class MissingPeerError(Exception):
    """A library is not installed or does not work here."""


@dataclass(frozen=True)
class Peer:
    """Functions of a logits and a targets array; None where the library has no such call.

    `convert` makes of an array what the functions take, without a copy where that is possible.
    """

    mean: Callable[[Any, Any], object]
    none: Callable[[Any, Any], object] | None = None
    value_and_grad: Callable[[Any, Any], object] | None = None
    convert: Callable[[Array], Any] = field(default=lambda array: array)
    # The same for logits that gradients are taken by, where that differs.
    convert_leaf: Callable[[Array], Any] | None = None


def _bcelogits() -> Peer:
    mean, none = bce.BCEWithLogitsLoss(), bce.BCEWithLogitsLoss(reduction="none")
    return Peer(mean, none, mean.value_and_grad)


def _numpy() -> Peer:
    def none(x: Array, t: Array) -> Array:
        return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))

    def value_and_grad(x: Array, t: Array) -> tuple[Any, Array]:
        return none(x, t).mean(), (1 / (1 + np.exp(-x)) - t) / x.dtype.type(x.size)

    return Peer(lambda x, t: none(x, t).mean(), none, value_and_grad)


def _scipy() -> Peer:
    from scipy.special import expit, log_expit

    def none(x: Array, t: Array) -> Array:
        return (1 - t) * x - log_expit(x)

    def value_and_grad(x: Array, t: Array) -> tuple[Any, Array]:
        return none(x, t).mean(), (expit(x) - t) / x.dtype.type(x.size)

    return Peer(lambda x, t: none(x, t).mean(), none, value_and_grad)


def _torch_module() -> Any:
    import torch

    torch.set_num_threads(1)
    return torch


def _torch_peer(torch: Any, loss: Callable[..., Any]) -> Peer:
    def value_and_grad(leaf: Any, t: Any) -> Any:
        leaf.grad = None
        value = loss(leaf, t)
        value.backward()
        return value

    return Peer(
        loss,
        lambda x, t: loss(x, t, reduction="none"),
        value_and_grad,
        convert=torch.from_numpy,
        convert_leaf=lambda array: torch.from_numpy(array).requires_grad_(),
    )


def _torch() -> Peer:
    torch = _torch_module()
    return _torch_peer(torch, torch.nn.functional.binary_cross_entropy_with_logits)


def _torch_compile() -> Peer:
    torch = _torch_module()

    def loss(x: Any, t: Any, reduction: str = "mean") -> Any:
        return torch.nn.functional.binary_cross_entropy_with_logits(x, t, reduction=reduction)

    # One kernel for all sizes: otherwise each of them is compiled anew.
    peer = _torch_peer(torch, torch.compile(loss, dynamic=True))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n in (100, 37):
                x, t = torch.zeros(n), torch.ones(n)
                peer.mean(x, t)
    except Exception as error:
        raise MissingPeerError(f"does not compile here: {_first_line(error)}") from error
    return peer


def _numba() -> Peer:
    from math import exp, log1p

    from numba import njit

    @njit
    def mean(x: Array, t: Array) -> float:
        total = 0.0
        for i in range(x.size):
            total += max(x[i], 0) - x[i] * t[i] + log1p(exp(-abs(x[i])))
        return total / x.size

    @njit
    def none(x: Array, t: Array) -> Array:
        out = np.empty_like(x)
        for i in range(x.size):
            out[i] = max(x[i], 0) - x[i] * t[i] + log1p(exp(-abs(x[i])))
        return out

    @njit
    def value_and_grad(x: Array, t: Array) -> tuple[float, Array]:
        total, grad = 0.0, np.empty_like(x)
        for i in range(x.size):
            e = exp(-abs(x[i]))
            total += max(x[i], 0) - x[i] * t[i] + log1p(e)
            sigmoid = (1 if x[i] >= 0 else e) / (1 + e)
            grad[i] = (sigmoid - t[i]) / x.size
        return total / x.size, grad

    return Peer(mean, none, value_and_grad)


def _jax() -> Peer:
    import jax

    jax.config.update("jax_enable_x64", True)  # without it float64 arrays become float32

    def losses(x: Any, t: Any) -> Any:
        return -t * jax.nn.log_sigmoid(x) - (1 - t) * jax.nn.log_sigmoid(-x)

    mean = jax.jit(lambda x, t: losses(x, t).mean())
    none = jax.jit(losses)
    both = jax.jit(jax.value_and_grad(lambda x, t: losses(x, t).mean()))
    return Peer(
        lambda x, t: mean(x, t).block_until_ready(),
        lambda x, t: none(x, t).block_until_ready(),
        lambda x, t: jax.block_until_ready(both(x, t)),
        convert=jax.numpy.asarray,
    )


def _scikit_learn() -> Peer:
    from sklearn._loss import HalfBinomialLoss

    loss = HalfBinomialLoss()

    def none(x: Array, t: Array) -> Array:
        return loss.loss(t, x, n_threads=1)

    def value_and_grad(x: Array, t: Array) -> tuple[Any, Array]:
        value, gradient = loss.loss_gradient(t, x, n_threads=1)
        return value.mean(), gradient

    return Peer(lambda x, t: none(x, t).mean(), none, value_and_grad)


# In the order in which reports list them; what each needs to be installed.
_LOADERS: dict[str, tuple[Callable[[], Peer], tuple[str, ...]]] = {
    "bcelogits": (_bcelogits, ()),
    "NumPy": (_numpy, ()),
    "SciPy": (_scipy, ("scipy",)),
    "PyTorch": (_torch, ("torch",)),
    "torch.compile": (_torch_compile, ("torch",)),
    "Numba": (_numba, ("numba",)),
    "JAX": (_jax, ("jax",)),
    "scikit-learn": (_scikit_learn, ("scikit-learn",)),
}

PACKAGES = (
    *("numpy", "scipy", "torch", "numba", "jax", "scikit-learn", "xgboost-cpu", "lightgbm"),
    *("ml_dtypes", "matplotlib"),
)

missing: dict[str, str] = {}
_loaded: dict[str, Peer] = {}


def leave_out(name: str, reason: str) -> None:
    """Treat a peer as missing."""
    missing[name] = reason


def load(name: str) -> Peer:
    """Return a peer, or raise MissingPeerError."""
    if name in missing:
        raise MissingPeerError(f"{name}: {missing[name]}")
    if name not in _loaded:
        loader, needs = _LOADERS[name]
        try:
            for package in needs:
                version(package)
            _loaded[name] = loader()
        except PackageNotFoundError:
            missing[name] = "not installed"
        except MissingPeerError as error:
            missing[name] = str(error)
        except Exception as error:
            missing[name] = f"cannot be loaded: {_first_line(error)}"
    if name in missing:
        raise MissingPeerError(f"{name}: {missing[name]}")
    return _loaded[name]


def load_all() -> Mapping[str, Peer]:
    """Return every peer that can be had."""
    found = {}
    for name in _LOADERS:
        try:
            found[name] = load(name)
        except MissingPeerError:
            continue
    return found


def installed_version(package: str) -> str | None:
    """Return the version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".strip(": ")
