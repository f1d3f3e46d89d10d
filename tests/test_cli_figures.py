"""What a picture shows, in numbers: intervals from what defines them, shares of losses, axes."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the command draws with matplotlib (extra: plot)")

from matplotlib.figure import Figure

from bcelogits.cli import plot
from bcelogits.cli.histograms import LOSS_BINS, LOSS_EDGES, Histograms


def points(logit: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
    histograms = Histograms(True)
    n = len(logit)
    prediction = 1 / (1 + np.exp(-logit))
    histograms.add(np.zeros(n, np.intp), logit, target, None, prediction, np.ones(n))
    return plot.reliability(histograms.predictions[0])


@pytest.mark.parametrize("positives", [0, 1, 7, 12, 24])
def test_of_one_point(positives: int) -> None:
    """Its ends are the rates p that are z standard deviations, sqrt(p (1 - p) / n), away."""
    n = 24
    target = np.zeros(n)
    target[:positives] = 1
    numbers, predicted, rate, low, high = points(np.full(n, -0.5), target)
    assert (numbers.tolist(), rate.tolist()) == ([n], [positives / n])
    np.testing.assert_allclose(predicted, 1 / (1 + np.exp(0.5)), rtol=1e-15)
    z = NormalDist().inv_cdf(0.975)
    for end in (low[0], high[0]):
        variance = end * (1 - end) / n
        assert (rate[0] - end) ** 2 == pytest.approx(z * z * variance, rel=1e-12, abs=1e-15)
    assert -1e-15 <= low[0] <= rate[0] + 1e-15
    assert rate[0] - 1e-15 <= high[0] <= 1 + 1e-15
    assert high[0] - low[0] > 0.1


def test_of_a_known_case() -> None:
    """81 of 263, an example that papers on intervals of proportions have: 0.2553 to 0.3662."""
    target = np.zeros(263)
    target[:81] = 1
    # all in one bin, and so in one point
    *_, low, high = points(np.full(263, 0.3), target)
    assert [round(float(end), 4) for end in (*low, *high)] == [0.2553, 0.3662]


@pytest.mark.parametrize(
    ("elements", "expected"), [(24, 1), (49, 1), (50, 2), (374, 14), (375, 15)]
)
def test_a_point_has_25_elements_or_more(elements: int, expected: int) -> None:
    logit = np.linspace(-20, 20, elements)
    numbers, predicted, *_ = points(logit, (logit > 0).astype(float))
    assert len(numbers) == expected
    assert numbers.sum() == elements
    assert (np.diff(predicted) > 0).all()


def test_there_are_15_points_at_most() -> None:
    logit = np.linspace(-20, 20, 5000)
    numbers, *_ = points(logit, np.ones(5000))
    assert len(numbers) == 15
    assert numbers.min() > 5000 / 15 / 2


def drawn_losses(counts: dict[int, float]) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the shares that are drawn of losses in some bins, and the ends of the axis."""
    losses = np.zeros(LOSS_BINS)
    losses[list(counts)] = list(counts.values())
    before = losses.copy()
    axes = Figure().subplots()
    plot._draw_losses(axes, losses)
    np.testing.assert_array_equal(losses, before)
    (steps,) = axes.patches
    shares, edges, _ = steps.get_data()
    np.testing.assert_array_equal(edges, LOSS_EDGES)
    assert axes.get_xscale() == "log"
    return shares, axes.get_xlim()


def test_losses_are_shares_on_an_axis_that_ends_near_them() -> None:
    shares, ends = drawn_losses({31: 30, 40: 10})
    assert {i: share for i, share in enumerate(shares) if share} == {30: 0.75, 39: 0.25}
    assert ends == (LOSS_EDGES[30 - 4], LOSS_EDGES[39 + 5])


def test_losses_beyond_the_bins_are_drawn_at_the_ends() -> None:
    shares, ends = drawn_losses({0: 1, 1: 2, LOSS_BINS - 2: 3, LOSS_BINS - 1: 4})
    assert (shares[0], shares[-1]) == (0.3, 0.7)
    assert ends == (LOSS_EDGES[0], LOSS_EDGES[-1])


def test_no_losses_are_no_shares() -> None:
    shares, _ = drawn_losses({})
    assert not shares.any()


def drawn_reliability(logit: np.ndarray, target: np.ndarray) -> tuple[Figure, Figure]:
    histograms = Histograms(True)
    n = len(logit)
    prediction = 1 / (1 + np.exp(-logit))
    histograms.add(np.zeros(n, np.intp), logit, target, None, prediction, np.ones(n))
    above, below = Figure().subplots(2)
    plot._draw_reliability(above, below, histograms.predictions[0])
    return above, below


def test_a_diagram_ends_a_little_beyond_its_largest_point() -> None:
    logit, target = np.full(400, -3.0), np.zeros(400)
    target[:20] = 1
    *_, high = points(logit, target)
    above, below = drawn_reliability(logit, target)
    assert above.get_xlim() == above.get_ylim() == (0, pytest.approx(1.05 * high[0]))
    assert below.get_ylim()[0] == 0
    above, _ = drawn_reliability(np.full(400, 9.0), np.ones(400))
    assert above.get_xlim() == (0, 1)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        (None, "(missing)"),
        ("", "(empty)"),
        ("a" * 30, "a" * 30),
        ("a" * 31, "a" * 29 + "…"),
        ("a" * 99, "a" * 29 + "…"),
    ],
)
def test_title_of_a_group(name: str | None, title: str) -> None:
    assert plot._title(name) == title
