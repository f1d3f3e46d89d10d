"""Plot the errors of float32 losses and gradients over the logits, beside other libraries.

Writes pictures to docs/images/ and prints the largest errors as a Markdown table. Libraries that
are not installed are named and left out. What is drawn is the largest error of the logits in each
bin, in units in the last place of the exact value; the logits are a fixed random sample.

Usage
-----
    python tools/plot_accuracy.py
    python tools/plot_accuracy.py --folder /tmp/pictures --format png
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from error_budget import ulp_errors
from matplotlib.figure import Figure

import bcelogits

mpl.use("agg")  # no display is needed

Array = Any
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"

LIMIT = 110.0
BINS_PER_UNIT = 1
LOGITS_PER_BIN = 4000
SEED = 20240

# Mid-tones: they and the transparent background suit light and dark pages alike.
INK = "#7a7a7a"
STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.transparent": True,
    "svg.hashsalt": "bcelogits",  # the same picture gives the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


class Values(NamedTuple):
    """The loss and its gradient with respect to the logits."""

    loss: Array
    grad: Array


class Library(NamedTuple):
    """One implementation: the module to import, what it computes, and how it is drawn."""

    name: str
    module: str
    evaluate: Callable[[Array, Array], Values]
    colour: str


def with_bcelogits(x: Array, y: Array) -> Values:
    """Return what this package computes."""
    return Values(*bcelogits.value_and_grad(x, y, reduction="none"))


def with_torch(x: Array, y: Array) -> Values:
    """Return what PyTorch computes, with its own derivative."""
    import torch

    logits = torch.tensor(x, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.tensor(y), reduction="none"
    )
    loss.sum().backward()
    assert logits.grad is not None
    return Values(loss.detach().numpy(), logits.grad.numpy())


def with_jax(x: Array, y: Array) -> Values:
    """Return the formula of optax's sigmoid_binary_cross_entropy in JAX, and its derivative."""
    import jax

    def loss(x: Array) -> Array:
        return -y * jax.nn.log_sigmoid(x) - (1 - y) * jax.nn.log_sigmoid(-x)

    return Values(np.asarray(loss(x)), np.asarray(jax.grad(lambda x: loss(x).sum())(x)))


def with_sklearn(x: Array, y: Array) -> Values:
    """Return what scikit-learn's logistic regression computes."""
    from sklearn._loss import HalfBinomialLoss

    return Values(*HalfBinomialLoss().loss_gradient(y, x))


def with_scipy(x: Array, y: Array) -> Values:
    """Return the formula with SciPy's log_expit, and the derivative that is usual with it."""
    from scipy.special import expit, log_expit

    return Values(-y * log_expit(x) - (1 - y) * log_expit(-x), expit(x) - y)


LIBRARIES = [
    Library("PyTorch", "torch", with_torch, "#e8590c"),
    Library("scikit-learn", "sklearn", with_sklearn, "#c2459c"),
    Library("SciPy", "scipy", with_scipy, "#2f9e44"),
    Library("JAX", "jax", with_jax, "#a17c00"),
    Library("bcelogits", "bcelogits", with_bcelogits, "#2a7fff"),
]


def installed() -> list[Library]:
    """Return the libraries that can be imported, with their versions in their names."""
    found = []
    for library in LIBRARIES:
        try:
            version = importlib.import_module(library.module).__version__
        except ImportError:
            print(f"{library.name} is not installed: left out", file=sys.stderr)
            continue
        found.append(library._replace(name=f"{library.name} {version.split('+')[0]}"))
    return found


def exact(x: Array, y: float) -> Values:
    """Return loss and gradient for y 0 or 1 in float64, from terms that do not cancel."""
    x = x.astype(np.float64)
    z = -x if y else x
    e = np.exp(-np.abs(z))
    grad = np.where(z > 0, 1.0, e) / (1 + e)
    return Values(np.maximum(z, 0) + np.log1p(e), -grad if y else grad)


def draw_logits() -> tuple[Array, Array]:
    """Return the edges of the bins and the logits, a row for each bin."""
    edges = np.linspace(-LIMIT, LIMIT, 2 * int(LIMIT) * BINS_PER_UNIT + 1)
    inside = np.random.default_rng(SEED).random((edges.size - 1, LOGITS_PER_BIN))
    return edges, (edges[:-1, None] + inside / BINS_PER_UNIT).astype(np.float32)


class Curve(NamedTuple):
    """The largest error in each bin, the largest of all, and where it is."""

    errors: Array
    worst: float
    at: float


def measure(library: Library, x: Array, y: float) -> list[Curve]:
    """Return the errors of the loss and of the gradient."""
    flat = x.ravel()
    actual = library.evaluate(flat, np.full_like(flat, y))
    curves = []
    for got, wanted in zip(actual, exact(flat, y), strict=True):
        if got.dtype != np.float32:
            raise TypeError(f"{library.name} returned {got.dtype}, not float32")
        errors = ulp_errors(got.astype(np.float64), wanted)
        worst = int(errors.argmax())
        by_bin = errors.reshape(x.shape).max(axis=1)
        curves.append(Curve(by_bin, float(errors[worst]), float(flat[worst])))
    return curves


def plot_errors(
    what: str, edges: Array, curves: dict[tuple[str, int], Curve], libraries: list[Library]
) -> Figure:
    """Draw the errors over the logits: a row for each library, a column for each target."""
    figure = Figure(figsize=(8, 1.4 * len(libraries) + 0.5))
    grid = figure.subplots(len(libraries), 2, sharex=True, sharey=True, squeeze=False)
    bottom = 0.1  # smaller errors are drawn here
    for library, row in zip(libraries, grid, strict=True):
        for y, panel in enumerate(row):
            errors = np.maximum(curves[library.name, y].errors, bottom)
            style = {"facecolor": (library.colour, 0.3), "edgecolor": library.colour}
            panel.stairs(errors, edges, baseline=bottom, fill=True, linewidth=1, **style)
            panel.axhline(1, color=INK, linewidth=1, linestyle=":")
            panel.set_yscale("log")
            panel.set_title(f"{library.name}: {what.lower()}, target {y}")
            panel.grid(visible=True)
    panel.set_xlim(-LIMIT, LIMIT)
    panel.set_ylim(bottom, 10**8)
    panel.set_yticks([1, 10**3, 10**6])
    panel.minorticks_off()
    figure.supxlabel("logit", fontsize="medium")
    figure.supylabel("largest error in ULP; dotted: 1 ULP", fontsize="medium")
    return figure


def plot_cancellation(libraries: list[Library]) -> Figure:
    """Draw the loss for the target 0 as PyTorch and we return it, where PyTorch's cancels."""
    figure = Figure(figsize=(8, 3.6))
    panel = figure.subplots()
    x = np.linspace(-24, -6, 1201, dtype=np.float32)
    floor = 1e-11
    for library in libraries:
        loss = library.evaluate(x, np.zeros_like(x)).loss
        if library.module == "torch":
            label = f"{library.name}; 0 is drawn at the bottom"
            panel.plot(x, np.maximum(loss, floor), color=library.colour, linewidth=1.2, label=label)
        elif library.module == "bcelogits":
            style = {"color": library.colour, "linewidth": 2.5, "alpha": 0.6}
            panel.plot(x, loss, **style, label=library.name)
    panel.plot(x, exact(x, 0).loss, color=INK, linewidth=0.8, linestyle="--", label="exact")
    panel.set_yscale("log")
    panel.set_ylim(floor, 1e-2)
    panel.set_xlim(x[0], x[-1])
    panel.set_title("Loss, target 0, float32")
    panel.set_xlabel("logit")
    panel.set_ylabel("loss")
    panel.grid(visible=True)
    panel.legend(loc="upper left")
    return figure


def table(curves: dict[str, dict[tuple[str, int], Curve]], libraries: list[Library]) -> str:
    """Return the largest errors and their logits as a Markdown table."""
    columns = [(what, y) for what in curves for y in (0, 1)]
    lines = [
        f"| | {' | '.join(f'{what.lower()}, y={y}' for what, y in columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for library in libraries:
        cells = []
        for what, y in columns:
            curve = curves[what][library.name, y]
            shown = f"{curve.worst:.3g}" if curve.worst < 1000 else f"{curve.worst:,.0f}"
            cells.append(f"{shown} at {curve.at:.5g}")
        lines.append(f"| {library.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Plot errors of float32 losses and gradients.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: docs/images")
    parser.add_argument("--format", choices=["svg", "png"], default="svg", help="%(default)s")
    options = parser.parse_args(arguments)

    mpl.rcParams.update(STYLE)
    libraries = installed()
    edges, x = draw_logits()
    curves: dict[str, dict[tuple[str, int], Curve]] = {"Loss": {}, "Gradient": {}}
    for library in libraries:
        for y in (0, 1):
            for what, curve in zip(curves, measure(library, x, y), strict=True):
                curves[what][library.name, y] = curve

    pictures = {
        f"{what.lower()}-error": plot_errors(what, edges, curves[what], libraries)
        for what in curves
    }
    pictures["cancellation"] = plot_cancellation(libraries)
    options.folder.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if options.format == "svg" else {}
    for name, figure in pictures.items():
        path = options.folder / f"{name}.{options.format}"
        figure.savefig(path, metadata=metadata, dpi=110)
        print(f"{path}: {path.stat().st_size:,} bytes", file=sys.stderr)
    print(table(curves, libraries))
    print(f"\nLargest errors in ULP over {x.size:,} logits from {-LIMIT:g} to {LIMIT:g}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
