"""The picture of ``--plot``: reliability diagrams with counts, and distributions of losses."""

from __future__ import annotations

import io
import os
import warnings
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from bcelogits.cli.errors import CommandError, one_line
from bcelogits.cli.histograms import LOSS_EDGES, Histograms

if TYPE_CHECKING:
    from bcelogits.cli.scoring import Report

_MOST_PANELS = 24
_COLUMNS = 3  # of panels
_POINTS = 15  # of a reliability diagram, at most
_PER_POINT = 25  # elements, at least: of fewer, a rate says little
_NAME_LENGTH = 30

_BLUE, _ORANGE, _GREY = "#2463a8", "#c8641c", "#888888"


def draw(report: Report) -> bytes:
    """Return the picture, as a file of the format that the suffix of its name tells.

    Parameters
    ----------
    report : Report
        With histograms. Everything has a panel, and each group; or each label, if there are several
        and no groups. Of many, those with the most rows are drawn.

    Returns
    -------
    bytes

    Raises
    ------
    CommandError
        If it cannot be drawn.
    """
    histograms = report.totals.histograms
    assert histograms is not None
    assert report.options.plot is not None
    series = _series(report, histograms)
    columns = min(_COLUMNS, len(series))
    rows = -(-len(series) // columns)
    figure = Figure(figsize=(6.4 * columns, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subfigures(rows, columns, squeeze=False).ravel()
    for panel, (name, predictions, losses) in zip(panels, series, strict=False):
        _draw_panel(panel, name, predictions, losses)
    content = io.BytesIO()
    suffix = os.path.splitext(report.options.plot)[1].lower()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "bcelogits"}):
        # The names of groups are the data's: a script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        try:
            figure.savefig(content, format=suffix[1:], dpi=120, metadata=_metadata(suffix))
        except (ValueError, RuntimeError) as error:
            raise CommandError(f"--plot: {error}") from None
    return content.getvalue()


def _metadata(suffix: str) -> dict[str, Any]:
    """Leave out what would make two pictures of the same figures differ."""
    return {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[
        suffix
    ]


Series = tuple[str, NDArray[np.float64], NDArray[np.float64]]


def _series(report: Report, histograms: Histograms) -> list[Series]:
    totals, options = report.totals, report.options
    names: list[str | None] = list(totals.groups if options.by is not None else options.targets)
    everything = ("all", histograms.predictions.sum(axis=0), histograms.losses.sum(axis=0))
    if options.by is None and len(names) == 1:
        return [everything]
    sizes = histograms.losses.sum(axis=1)
    # Groups of earlier runs alone have no histogram.
    most = set(sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))[: _MOST_PANELS - 1])
    shown = names if options.by is None else list(report.groups)
    number = {name: i for i, name in enumerate(names)}
    wanted = [number[name] for name in shown if number[name] in most]
    if len(sizes) > len(wanted):
        everything = (f"all ({len(sizes) - len(wanted)} smaller ones not drawn)", *everything[1:])
    return [
        everything,
        *((_title(names[i]), histograms.predictions[i], histograms.losses[i]) for i in wanted),
    ]


def _title(name: str | None) -> str:
    if name is None:
        return "(missing)"
    text = one_line(name) or "(empty)"
    return text if len(text) <= _NAME_LENGTH else f"{text[: _NAME_LENGTH - 1]}…"


def _draw_panel(
    panel: Any, name: str, predictions: NDArray[np.float64], losses: NDArray[np.float64]
) -> None:
    count = int(losses.sum())
    panel.suptitle(f"{name}, {count:,}", fontsize="medium", parse_math=False)
    grid = panel.add_gridspec(2, 2, height_ratios=(3, 1))
    reliability = panel.add_subplot(grid[0, 0])
    counts = panel.add_subplot(grid[1, 0], sharex=reliability)
    _draw_reliability(reliability, counts, predictions)
    _draw_losses(panel.add_subplot(grid[:, 1]), losses)


def _draw_reliability(axes: Any, below: Any, predictions: NDArray[np.float64]) -> None:
    numbers, predicted, observed, low, high = reliability(predictions)
    most = float(max(*predicted, *high)) if len(numbers) else 1.0
    limit = min(1.0, 1.05 * most) or 1.0
    axes.plot([0, limit], [0, limit], color=_GREY, linewidth=0.8, linestyle="--")
    spread = np.maximum([observed - low, high - observed], 0)
    axes.errorbar(predicted, observed, spread, color=_BLUE, fmt="o-", markersize=3, linewidth=1)
    axes.set(ylabel="observed rate", xlim=(0, limit), ylim=(0, limit))
    axes.tick_params(labelbottom=False)
    below.vlines(predicted, 0, numbers, color=_BLUE, linewidth=3)
    below.set(xlabel="mean prediction", ylabel="count")
    below.set_ylim(bottom=0)


def _draw_losses(axes: Any, losses: NDArray[np.float64]) -> None:
    # What is beyond the ends is drawn at the ends.
    inner = losses[1:-1].copy()
    inner[0] += losses[0]
    inner[-1] += losses[-1]
    share = inner / max(inner.sum(), 1)
    axes.stairs(share, LOSS_EDGES, fill=True, color=_ORANGE)
    used = np.flatnonzero(inner)
    if len(used):
        # A power of ten at least, which has a tick.
        axes.set_xlim(LOSS_EDGES[max(used[0] - 4, 0)], LOSS_EDGES[min(used[-1] + 5, len(inner))])
    axes.set(xscale="log", xlabel="loss", ylabel="share of the elements")
    axes.xaxis.set_minor_formatter(NullFormatter())


def reliability(
    predictions: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """Return the points of a reliability diagram, of about as many elements each.

    Parameters
    ----------
    predictions : ndarray of float64, shape (5, bins)
        Of `Histograms`.

    Returns
    -------
    tuple of ndarray
        Of each point the number of elements, the mean prediction, the rate of positives, and the
        ends of the interval around the rate that would contain 95 % of the samples of so many
        elements: Wilson's, which knows that rates are between 0 and 1. The elements of different
        weights tell as much as (sum w)^2 / sum w^2 of equal ones. Source: L. Kish, Survey Sampling,
        Wiley 1965.
    """
    predictions = predictions[:, predictions[1] > 0]
    before = np.cumsum(predictions[0]) - predictions[0]
    total = max(predictions[0].sum(), 1)
    most = min(max(total // _PER_POINT, 1), _POINTS)
    # A fine bin goes to the point in which its first element is.
    points = np.floor(before / total * most).astype(np.intp)
    starts = np.flatnonzero(np.diff(points, prepend=-1))
    if not len(starts):
        return (np.empty(0),) * 5
    sums = np.add.reduceat(predictions, starts, axis=1)
    numbers, weights, predicted, observed, _ = sums
    rate = observed / weights
    effective = _effective_number(*sums[[0, 1, 4]])
    z = 1.959963984540054
    middle = (rate + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z * np.sqrt(rate * (1 - rate) / effective + (z / (2 * effective)) ** 2)
    half /= 1 + z * z / effective
    return numbers, predicted / weights, rate, middle - half, middle + half


def _effective_number(
    numbers: NDArray[np.float64], weights: NDArray[np.float64], squares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how many elements of equal weights tell as much, of at least one each.

    Squares beyond the range of doubles tell nothing, which is as much as one element does.
    """
    good = (squares > np.finfo(np.float64).tiny) & (squares < np.inf)
    weights, squares = np.where(good, (weights, squares), 1.0)
    return np.clip(weights / squares * weights, 1.0, numbers)
