"""``bcelogits score --plot``: what is drawn, and that the file is whole or not there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the command reads files with pyarrow (extra: cli)")
pytest.importorskip("matplotlib", reason="the command draws with matplotlib (extra: plot)")

from cli_files import LOGIT, TARGET, flights, write_parquet

import bcelogits as bce
from bcelogits.cli import main, plot
from bcelogits.cli.arguments import Options
from bcelogits.cli.histograms import LOGIT_BINS, LOGIT_SUMS, LOSS_BINS, LOSS_EDGES, Histograms
from bcelogits.cli.scoring import score


def options(path: Path, picture: Path, **more: Any) -> Options:
    return Options((str(path),), ("logit",), ("late",), plot=str(picture), **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_parquet(tmp_path / "a.parquet", flights(3000))
    return tmp_path / "a.parquet"


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG\r\n\x1a\n"), ("svg", b"<?xml"), ("PDF", b"%PDF")]
)
def test_the_file(
    path: Path, tmp_path: Path, suffix: str, magic: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / f"a.{suffix}"
    picture.write_bytes(b"an older one")
    assert main(["score", str(path), *LOGIT, *TARGET]) == 0
    plain = capsys.readouterr()
    assert main(["score", str(path), *LOGIT, *TARGET, "--plot", str(picture)]) == 0
    assert capsys.readouterr() == plain
    content = picture.read_bytes()
    assert content.startswith(magic)
    assert main(["score", str(path), *LOGIT, *TARGET, "--plot", str(picture)]) == 0
    assert picture.read_bytes() == content
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("weight", [None, "w"])
def test_histograms_are_those_of_numpy(
    path: Path, tmp_path: Path, threads: int, weight: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bcelogits.cli.readers.parquet._PART_ROWS", 700)
    report = score(
        options(path, tmp_path / "a.png", by="carrier", weight=weight, threads=threads,
                pos_weight=(2.0,))
    )  # fmt: skip
    columns = flights(3000)
    histograms = report.totals.histograms
    assert histograms is not None
    for name, number in report.totals.groups.items():
        own = columns["carrier"] == name
        x, y = columns["logit"][own], columns["late"][own]
        w = columns["w"][own] if weight else np.ones(own.sum())
        loss = bce.binary_cross_entropy_with_logits(x, y, reduction="none", pos_weight=2.0)
        inner, _ = np.histogram(loss, LOSS_EDGES)
        np.testing.assert_array_equal(histograms.losses[number, 1:-1], inner)
        assert histograms.losses[number].sum() == own.sum()
        edges = np.linspace(-24, 24, LOGIT_BINS - 1)
        for i, values in enumerate((np.ones(own.sum()), w, w * bce.sigmoid(x), w * y, w * w)):
            expected, _ = np.histogram(x, edges, weights=values)
            np.testing.assert_allclose(histograms.predictions[number, i, 1:-1], expected)


def test_beyond_the_bins() -> None:
    histograms = Histograms(True)
    x = np.array([-np.inf, -1e300, -24.1, -24, 23.99, 24, np.inf])
    y = np.zeros(7)
    loss = bce.binary_cross_entropy_with_logits(x, y, reduction="none")
    histograms.add(np.zeros(7, np.intp), x, y, None, bce.sigmoid(x), loss)
    counts = histograms.predictions[0, 0]
    assert counts[[0, 1, -2, -1]].tolist() == [3, 1, 1, 2]
    assert (histograms.losses[0, 0], histograms.losses[0, -1]) == (4, 1)
    assert histograms.losses.shape == (1, LOSS_BINS)


def test_points_are_means_of_about_as_many_elements_each(path: Path, tmp_path: Path) -> None:
    report = score(options(path, tmp_path / "a.png"))
    assert report.totals.histograms is not None
    numbers, predicted, observed, low, high = plot.reliability(
        report.totals.histograms.predictions[0]
    )
    columns = flights(3000)
    assert numbers.sum() == 3000
    assert 10 <= len(numbers) <= 15
    assert numbers.max() < 3 * numbers.min()
    assert (np.diff(predicted) > 0).all()
    np.testing.assert_allclose((numbers * predicted).sum(), bce.sigmoid(columns["logit"]).sum())
    np.testing.assert_allclose((numbers * observed).sum(), columns["late"].sum())
    assert ((low <= observed) & (observed <= high) & (low >= -1e-9) & (high <= 1 + 1e-9)).all()


def test_few_elements_are_few_points() -> None:
    predictions = np.ones((LOGIT_SUMS, LOGIT_BINS))
    predictions[2:4] = 0.5
    assert len(plot.reliability(predictions[:, :10])[0]) == 1
    assert len(plot.reliability(predictions[:, :50])[0]) == 2
    assert len(plot.reliability(predictions)[0]) == 15
    assert len(plot.reliability(np.zeros((LOGIT_SUMS, LOGIT_BINS)))[0]) == 0


def wilson(rate: float, count: float) -> tuple[float, float]:
    """Return the ends between which the true rate is not told from this one, found by search.

    They are where the squared distance of the rates is z^2 times the variance of a rate of count.
    """
    z = 1.959963984540054

    def beyond(true: float) -> bool:
        return (rate - true) ** 2 > z**2 * true * (1 - true) / count

    ends = []
    for outer in (0.0, 1.0):
        inner = rate
        for _ in range(200):
            middle = (inner + outer) / 2
            inner, outer = (inner, middle) if beyond(middle) else (middle, outer)
        ends.append(inner)
    return ends[0], ends[1]


@pytest.mark.parametrize("rows", [[300, 100], [1000]])
def test_the_interval_of_unweighted_rows_is_that_of_their_number(rows: list[int]) -> None:
    x = np.concatenate([np.full(n, float(i)) for i, n in enumerate(rows)])
    y = (np.arange(len(x)) % 5 == 0).astype(np.float64)
    for weight in (None, np.full(len(x), 0.3)):  # equal weights are no news
        found = reliability_of(x, y, weight)
        numbers, _, rates, low, high = found
        assert numbers.sum() == len(x)
        for count, rate, *ends in zip(numbers, rates, low, high, strict=True):
            np.testing.assert_allclose(ends, wilson(rate, count), rtol=1e-9)


def reliability_of(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, chunks: int = 1
) -> tuple[np.ndarray, ...]:
    histograms = Histograms(False)
    weights = [None] * chunks if weight is None else np.array_split(weight, chunks)
    for one, target, w in zip(
        np.array_split(x, chunks), np.array_split(y, chunks), weights, strict=True
    ):
        loss = bce.binary_cross_entropy_with_logits(one, target, reduction="none")
        histograms.add(np.zeros(len(one), np.intp), one, target, w, bce.sigmoid(one), loss)
    return plot.reliability(histograms.predictions[0])


@pytest.mark.parametrize("chunks", [1, 3, 100])
def test_the_interval_of_weighted_rows_is_that_of_their_effective_number(chunks: int) -> None:
    """Kish's: (sum w)^2 / sum w^2. 20 rows of weight 9 and 180 of weight 1 tell as much as 72."""
    weight = np.where(np.arange(200) % 10 == 0, 9.0, 1.0)
    effective = sum(weight) ** 2 / sum(w * w for w in weight)
    assert round(effective, 9) == 72
    y = (np.arange(200) % 4 == 0).astype(np.float64)
    found = reliability_of(np.full(200, 0.5), y, weight, chunks)
    (number,), _, (rate,), (low,), (high,) = found
    assert (number, rate) == (200, (weight * y).sum() / weight.sum())
    np.testing.assert_allclose([low, high], wilson(rate, effective), rtol=1e-9)
    assert high - low > 1.6 * np.diff(wilson(rate, 200))[0]


def test_the_interval_of_one_row_among_rows_of_no_weight() -> None:
    weight = np.array([5.0] + [0.0] * 99)
    _, _, (rate,), (low,), (high,) = reliability_of(np.zeros(100), np.ones(100), weight)
    assert rate == 1
    np.testing.assert_allclose([low, high], wilson(1.0, 1), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-150, 1e150, 1e170, 1e300])
@pytest.mark.filterwarnings("error")
def test_intervals_of_extreme_weights_are_never_too_narrow(scale: float) -> None:
    weight = scale * np.where(np.arange(200) % 10 == 0, 9.0, 1.0)
    y = (np.arange(200) % 4 == 0).astype(np.float64)
    _, _, (rate,), (low,), (high,) = reliability_of(np.full(200, 0.5), y, weight)
    expected = wilson(rate, 72 if 1e-160 < scale < 1e160 else 1)
    np.testing.assert_allclose([low, high], expected, rtol=1e-9)


def test_groups_are_small_multiples_of_which_the_largest_are_drawn(tmp_path: Path) -> None:
    columns = flights(3000)
    columns["carrier"] = np.minimum(np.arange(3000) ** 2 // 90_000, 99).astype(str)
    write_parquet(tmp_path / "a.parquet", columns)
    report = score(options(tmp_path / "a.parquet", tmp_path / "a.png", by="carrier"))
    assert report.totals.histograms is not None
    everything, *groups = plot._series(report, report.totals.histograms)
    assert everything[0] == "all (77 smaller ones not drawn)"
    assert everything[2].sum() == 3000
    assert [name for name, *_ in groups] == sorted((name for name, *_ in groups), key=int)
    sizes = [losses.sum() for *_, losses in groups]
    assert len(sizes) == 23
    assert min(sizes) >= sorted((columns["carrier"] == str(i)).sum() for i in range(100))[-23]


def test_labels_are_small_multiples_where_there_are_no_groups(path: Path, tmp_path: Path) -> None:
    report = score(
        Options((str(path),), ("logit", "other"), ("late", "very"), plot=str(tmp_path / "a.png"))
    )
    assert report.totals.histograms is not None
    series = plot._series(report, report.totals.histograms)
    assert [name for name, *_ in series] == ["all", "late", "very"]
    assert [losses.sum() for *_, losses in series] == [6000, 3000, 3000]
    assert plot.draw(report).startswith(b"\x89PNG")


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_names_of_any_script_and_few_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: int
) -> None:
    names = ["$\\frac{", "航空\x1b[31m\n", None]
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"logit": [0.0, 40.0, -40.0], "late": [1, 1, 1], "by": names}).slice(0, rows)
    parquet.write_table(table, tmp_path / "a.parquet")
    picture = tmp_path / "a.png"
    arguments = [str(tmp_path / "a.parquet"), *LOGIT, *TARGET, "--by", "by", "--plot", str(picture)]
    assert main(["score", *arguments]) == 0
    assert capsys.readouterr().err == ""
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_error_leaves_the_older_picture(
    tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"an older one")
    write_parquet(path, flights(10) | {"late": np.full(10, 2)})
    assert main(["score", str(path), *LOGIT, *TARGET, "--plot", str(picture)]) == 2
    assert picture.read_bytes() == b"an older one"
    assert not list(tmp_path.glob(".*"))
    assert capsys.readouterr().err.count("\n") == 1


def test_too_many_groups(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bcelogits.cli.histograms._MOST_SERIES", 3)
    arguments = [str(path), *LOGIT, *TARGET, "--by", "carrier", "--plot", str(tmp_path / "a.png")]
    assert main(["score", *arguments]) == 2
    assert capsys.readouterr().err == "bcelogits: --plot: more than 3 groups are no picture\n"


def test_without_matplotlib(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = [str(path), *LOGIT, *TARGET, "--plot", str(tmp_path / "a.png")]
    assert main(["score", *arguments]) == 2
    message = "bcelogits: --plot needs matplotlib: pip install 'bcelogits[plot]'\n"
    assert capsys.readouterr().err == message
