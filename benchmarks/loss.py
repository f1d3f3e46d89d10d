"""Time the main calls beside NumPy and, where it is installed, PyTorch; print Markdown.

Within a case the contestants take turns, so that a disturbance of the machine meets all of them.
Every call runs on one thread.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import numpy as np

import bcelogits as bce

Contestants = dict[str, Callable[[], object]]


def numpy_loss(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The usual stable formula, as it is written with NumPy."""
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def contest(contestants: Contestants, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least and the median time in seconds of each contestant's call."""
    repeats = {}
    for name, call in contestants.items():
        call()
        start = perf_counter()
        call()
        # Long enough for the clock, short enough to take turns often.
        repeats[name] = max(1, int(1e-3 / (perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            start = perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((perf_counter() - start) / repeats[name])
    return {name: (min(t), statistics.median(t)) for name, t in times.items()}


def cases(dtype: str, n: int) -> dict[str, Contestants]:
    """Return the calls to time on `n` logits of `dtype` with hard targets."""
    rng = np.random.default_rng(n)
    x = rng.normal(0, 4, n).astype(dtype)
    y = (rng.random(n) < 0.3).astype(dtype)
    out = np.empty_like(x)
    loss = bce.BCEWithLogitsLoss()
    found: dict[str, Contestants] = {
        "mean": {
            "bcelogits": lambda: loss(x, y),
            "NumPy": lambda: numpy_loss(x, y).mean(),
            "np.dot, reads the same bytes": lambda: np.dot(x, y),
        },
        "none, into out": {
            "bcelogits": lambda: bce.binary_cross_entropy_with_logits(
                x, y, reduction="none", out=out
            ),
            "NumPy": lambda: numpy_loss(x, y),
            "np.exp into out": lambda: np.exp(x, out=out),
        },
        "value and gradient of the mean": {
            "bcelogits": lambda: loss.value_and_grad(x, y),
            "NumPy": lambda: (numpy_loss(x, y).mean(), (1 / (1 + np.exp(-x)) - y) / n),
        },
    }
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        function = torch.nn.functional.binary_cross_entropy_with_logits
        tx, ty = torch.from_numpy(x), torch.from_numpy(y)
        leaf = tx.clone().requires_grad_()

        def forward_backward() -> object:
            leaf.grad = None
            value = function(leaf, ty)
            value.backward()
            return value

        found["mean"]["PyTorch"] = lambda: function(tx, ty)
        found["none, into out"]["PyTorch"] = lambda: function(tx, ty, reduction="none")
        found["value and gradient of the mean"]["PyTorch"] = forward_backward
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 2**12, 2**16, 2**20, 2**24])
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    print(
        f"bcelogits {bce.__version__} ({bce.active_isa()}), NumPy {np.__version__}, "
        f"Python {platform.python_version()}, {platform.machine()}\n"
    )
    print("| call | dtype | n | library | least, us | median, us | least, ns per element |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: |")
    for dtype in ("float32", "float64"):
        for n in arguments.sizes:
            for case, contestants in cases(dtype, n).items():
                for name, (least, median) in contest(contestants, arguments.rounds).items():
                    print(
                        f"| {case} | {dtype} | {n} | {name} | {least * 1e6:.2f} "
                        f"| {median * 1e6:.2f} | {least * 1e9 / n:.3f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
